//! Closes a connection so that the last answer arrives: what the client still sends is read and thrown away for a while,
//! because unread bytes would make the system reset the connection and the answer with it.

use super::client::Client;
use crate::worker::Worker;
use std::future::poll_fn;
use std::task::{Poll, ready};
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(1);
const MOST: usize = 1 << 20;

pub(super) async fn gently(worker: &Worker, client: &mut Client) {
    if !client.socket.is_whole() || poll_fn(|cx| client.socket.poll_shutdown(cx)).await.is_err() {
        return;
    }
    client.set_alarm(worker, Some(worker.now() + LONGEST));
    let mut thrown = Vec::new();
    let mut total = 0;
    poll_fn(|cx| {
        loop {
            if client.alarm.rang() || total > MOST {
                return Poll::Ready(());
            }
            thrown.clear();
            match ready!(client.socket.poll_read(cx, &mut thrown, 4096)) {
                Ok(n) if n > 0 => total += n,
                _ => return Poll::Ready(()),
            }
        }
    })
    .await
}
