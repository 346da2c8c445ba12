//! The life of one client connection: wait, read a head, answer, again.

use super::busy::Incoming;
use super::client::{Client, READ};
use super::{Busy, close, exchange, respond};
use crate::exchange::Reply;
use crate::listen::Counted;
use crate::wheel::Alarm;
use crate::worker::Worker;
use base::{Arm, Outcome};
use http1::{Body, Reject, Status};
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long an idle connection is left open for one more request while the gateway drains.
const LAST_CHANCE: Duration = Duration::from_millis(500);

pub(crate) async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: IpAddr, counted: Counted) {
    let mut client = Client {
        stream: Some(stream),
        peer,
        alarm: Rc::new(Alarm::default()),
    };
    poll_fn(|cx| {
        client.alarm.bind(cx.waker());
        Poll::Ready(())
    })
    .await;
    while idle(&worker, &mut client).await {
        let mut room = worker.room();
        let stay = turn(&worker, &mut client, &mut room).await;
        worker.give_back(room);
        if !stay {
            break;
        }
    }
    client.alarm.clear();
    drop(counted);
}

/// Waits for the next request; false: the time is over.
async fn idle(worker: &Worker, client: &mut Client) -> bool {
    let limit = worker.with_snapshot(|s| s.limits.idle);
    client.set_alarm(worker, Some(worker.wheel.now() + limit));
    let mut last = false;
    poll_fn(|cx| {
        if client.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        if client.alarm.rang() {
            return Poll::Ready(false);
        }
        if worker.hurried() && !std::mem::replace(&mut last, true) {
            client.set_alarm(worker, Some(worker.now() + LAST_CHANCE));
        }
        Poll::Pending
    })
    .await
}

/// Answers what has come, until nothing is left to read; whether the connection stays open.
async fn turn(worker: &Rc<Worker>, client: &mut Client, room: &mut Busy) -> bool {
    loop {
        match head(worker, client, room).await {
            Head::Whole => {}
            Head::Nothing => return true,
            Head::Closed => return false,
            Head::Bad(reject) => {
                refuse(worker, client, room, reject).await;
                return false;
            }
        }
        if !exchange::exchange(worker, client, room).await {
            return false;
        }
        room.down.next();
        if room.down.bytes.is_empty() {
            return true;
        }
    }
}

enum Head {
    Whole,
    /// A wake-up without a byte, as every new connection has one: it waits on without room of its own.
    Nothing,
    Closed,
    Bad(Reject),
}

/// Reads until a head is whole.
async fn head(worker: &Rc<Worker>, client: &mut Client, room: &mut Busy) -> Head {
    worker.renew(&mut room.live.snapshot);
    let mut began = false;
    poll_fn(|cx| {
        loop {
            let Busy { down, live, .. } = &mut *room;
            let snapshot = &live.snapshot;
            if !down.bytes.is_empty() && http1::may_end(&down.bytes, down.seen) {
                match parse(down, &snapshot.request_limits) {
                    Ok(true) => return Poll::Ready(Head::Whole),
                    Ok(false) => {}
                    Err(reject) => return Poll::Ready(Head::Bad(reject)),
                }
            }
            down.seen = down.bytes.len();
            if client.alarm.rang() {
                return Poll::Ready(Head::Bad(TIMEOUT));
            }
            let read = match client.poll_read(cx, &mut down.bytes, READ) {
                Poll::Ready(read) => read,
                Poll::Pending if down.bytes.is_empty() => return Poll::Ready(Head::Nothing),
                Poll::Pending => {
                    // The first bytes are there, the rest is not: from now on the clock runs.
                    if !std::mem::replace(&mut began, true) {
                        let until = worker.now() + snapshot.limits.head_timeout;
                        client.set_alarm(worker, Some(until));
                    }
                    return Poll::Pending;
                }
            };
            if !matches!(read, Ok(n) if n > 0) {
                return Poll::Ready(Head::Closed);
            }
        }
    })
    .await
}

const TIMEOUT: Reject = Reject {
    status: 408,
    reason: "head-timeout",
    detail: "the request head did not come in time",
};

fn parse(down: &mut Incoming, limits: &http1::Limits) -> Result<bool, Reject> {
    match http1::parse_request(&down.bytes, limits, &mut down.lines)? {
        Status::Partial => Ok(false),
        Status::Complete(head) => {
            let meta = head.meta;
            down.body = Body::new(meta.framing, limits);
            down.taken = meta.len;
            down.replayable = true;
            down.meta = Some(meta);
            Ok(true)
        }
    }
}

/// Answers what is no request, and counts it as one that was refused.
async fn refuse(worker: &Rc<Worker>, client: &mut Client, room: &mut Busy, reject: Reject) {
    let now = worker.now();
    room.live.begin(None, Arm::BASE, client.peer, now);
    room.live.sample.bytes_in = room.down.bytes.len() as u64;
    room.down.meta = None;
    let reply = Reply::problem(reject.status, reject.reason, reject.detail);
    respond::queue(room, &reply, true);
    let _ = respond::flush(worker, client, room).await;
    room.live.end(Outcome::Refused, worker.now());
    close::gently(worker, client).await;
}
