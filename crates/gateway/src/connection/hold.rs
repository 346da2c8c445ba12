//! The whole body of a request, for a gate that wants it before it decides.

use super::Busy;
use super::client::{Client, READ};
use super::exchange::Ending;
use crate::exchange::Reply;
use crate::gate::Hold;
use crate::worker::Worker;
use base::Outcome;
use http1::{Kind, Piece};
use std::future::poll_fn;
use std::task::{Poll, ready};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Its payload, within the bound; the bytes of it stay where they are, for an attempt.
pub(super) async fn hold(
    worker: &Worker,
    client: &mut Client,
    room: &mut Busy,
    wish: Hold,
) -> Result<Vec<u8>, Ending> {
    let refused = |status, reason, detail: &str| {
        let reply = Reply::problem(status, reason, detail);
        Err(Ending::Reply(reply, Outcome::Refused))
    };
    let longest = room.live.snapshot.limits.body_timeout;
    client.set_alarm(worker, Some(worker.now() + longest));
    let (mut payload, mut at) = (Vec::new(), room.down.taken);
    let expects = (room.down.head()).is_some_and(|h| h.fields.has(Kind::Expect));
    let mut early: &[u8] = if expects && !room.down.body.is_done() {
        CONTINUE
    } else {
        b""
    };
    loop {
        let down = &mut room.down;
        match down.body.decode(&down.bytes[at..]) {
            Ok((consumed, Piece::Data(range))) => {
                payload.extend_from_slice(&down.bytes[at + range.start..at + range.end]);
                at += consumed;
            }
            Ok((_, Piece::End)) => break,
            Ok((consumed, Piece::More)) => {
                at += consumed;
                let read = poll_fn(|cx| {
                    while !early.is_empty() {
                        match ready!(client.socket.poll_write(cx, early)) {
                            Ok(n) if n > 0 => early = &early[n..],
                            _ => return Poll::Ready(Ok(0)),
                        }
                    }
                    if client.alarm.rang() {
                        return Poll::Ready(Err(()));
                    }
                    let read = ready!(client.socket.poll_read(cx, &mut down.bytes, READ));
                    Poll::Ready(Ok(read.unwrap_or(0)))
                });
                match read.await {
                    Ok(0) => return Err(Ending::Gone),
                    Ok(_) => {}
                    Err(()) => {
                        return refused(408, "body-timeout", "the body did not come in time");
                    }
                }
                client.set_alarm(worker, Some(worker.now() + longest));
            }
            Err(reject) => return refused(reject.status, reject.reason, reject.detail),
        }
        let Hold { most, reason, what } = wish;
        if payload.len() as u64 > most {
            let detail = format!("{what} has a body of at most {most} bytes");
            return refused(413, reason, &detail);
        }
    }
    client.alarm.clear();
    let limits = &room.live.snapshot.request_limits;
    room.down.rewind(limits);
    Ok(payload)
}
