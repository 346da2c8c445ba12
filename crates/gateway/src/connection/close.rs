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
    if !client.socket.is_whole() {
        return;
    }
    client.set_alarm(worker, Some(worker.now() + LONGEST));
    // Over TLS the end is something to be written, which the client may not take.
    let shut = poll_fn(|cx| match client.alarm.rang() {
        true => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
        false => client.socket.poll_shutdown(cx),
    });
    if shut.await.is_err() {
        return;
    }
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
