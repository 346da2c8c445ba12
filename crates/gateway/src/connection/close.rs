//! Closes a connection so that the last answer arrives: what the client still sends is read and thrown away for a while,
//! because unread bytes would make the system reset the connection and the answer with it.

use super::client::Client;
use crate::worker::Worker;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::AsyncWrite;

const LONGEST: Duration = Duration::from_secs(1);
const MOST: usize = 1 << 20;

pub(super) async fn gently(worker: &Worker, client: &mut Client) {
    let Some(stream) = &mut client.stream else {
        return;
    };
    if poll_fn(|cx| Pin::new(&mut *stream).poll_shutdown(cx))
        .await
        .is_err()
    {
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
            match ready!(client.poll_read(cx, &mut thrown, 4096)) {
                Ok(n) if n > 0 => total += n,
                _ => return Poll::Ready(()),
            }
        }
    })
    .await
}
