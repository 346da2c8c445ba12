//! The life of one client connection: wait, read a head, answer, again.

use super::busy::Incoming;
use super::client::{Client, READ};
use super::turns::{self, Done, Lent, Next};
use super::{Busy, Socket, close, exchange, respond};
use crate::exchange::Reply;
use crate::http2;
use crate::listen::Counted;
use crate::proxy_protocol::Ends;
use crate::tls::{ClientCert, Shown};
use crate::worker::Worker;
use base::{Arm, Outcome};
use http1::{Body, Reject, Status};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// How long an idle connection is left open for one more request while the gateway drains.
const LAST_CHANCE: Duration = Duration::from_millis(500);

/// Who is at the other end.
#[derive(Clone)]
pub(crate) struct Peer {
    pub ends: Ends,
    /// It speaks TLS.
    pub secure: bool,
    pub certificate: Option<Arc<ClientCert>>,
    /// The certificate that was shown to it, where it asked for one by name.
    pub shown: Option<Arc<Shown>>,
}

pub(crate) async fn serve(worker: Rc<Worker>, socket: Socket, peer: Peer, counted: Counted) {
    let mut client = client(&worker, socket, &peer).await;
    while idle(&worker, &mut client).await {
        let (mut lent, next) = one_turn(&worker, client).await;
        let early = match next {
            Next::Http2 => std::mem::take(&mut lent.room.down.bytes),
            _ => Vec::new(),
        };
        worker.give_back(lent.room);
        client = lent.client;
        match next {
            Next::Wait => {}
            Next::Close => break,
            Next::Http2 => {
                let socket = std::mem::replace(&mut client.socket, Socket::Nobody);
                client.alarm.clear();
                return Box::pin(http2::serve(worker, socket, early, peer, counted)).await;
            }
        }
    }
    worker.private.close(&peer.ends);
    drop(counted);
}

/// The same for a stream, which carries one request.
pub(crate) async fn serve_one(worker: Rc<Worker>, socket: Socket, peer: Peer) {
    let client = client(&worker, socket, &peer).await;
    let (lent, _) = one_turn(&worker, client).await;
    worker.give_back(lent.room);
}

/// The client's turn in a room and with memory of the thread's.
async fn one_turn(worker: &Rc<Worker>, client: Client) -> Done {
    let mut slot = worker.slots.lend(|| turns::slot(turn));
    let room = worker.room();
    slot.begin(worker.clone(), Lent { client, room });
    let done = poll_fn(|cx| slot.poll(cx)).await;
    worker.slots.give_back(slot);
    done
}

async fn client(worker: &Worker, socket: Socket, peer: &Peer) -> Client {
    let alarm = worker.wheel.timer();
    poll_fn(|cx| {
        alarm.bind(cx.waker());
        Poll::Ready(())
    })
    .await;
    Client {
        socket,
        ends: peer.ends,
        secure: peer.secure,
        certificate: peer.certificate.clone(),
        shown: peer.shown.clone(),
        alarm,
    }
}

/// Waits for the next request; false: the time is over.
async fn idle(worker: &Worker, client: &mut Client) -> bool {
    let limit = worker.with_snapshot(|s| s.limits.idle);
    client.set_alarm(worker, Some(worker.wheel.now() + limit));
    let mut last = false;
    poll_fn(|cx| {
        if client.socket.poll_readable(cx).is_ready() {
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

async fn turn(worker: Rc<Worker>, mut lent: Lent) -> Done {
    let next = requests(&worker, &mut lent.client, &mut lent.room).await;
    (lent, next)
}

/// Answers what has come, until nothing is left to read.
async fn requests(worker: &Rc<Worker>, client: &mut Client, room: &mut Busy) -> Next {
    let mut first = true;
    loop {
        match head(worker, client, room).await {
            Head::Whole => {}
            Head::Nothing => return Next::Wait,
            Head::Closed => return Next::Close,
            Head::Bad(_) if first && begins_http2(room) && client.socket.is_whole() => {
                return Next::Http2;
            }
            Head::Bad(reject) => {
                refuse(worker, client, room, reject).await;
                return Next::Close;
            }
        }
        if !exchange::exchange(worker, client, room).await {
            return Next::Close;
        }
        first = false;
        room.down.next();
        if room.down.bytes.is_empty() {
            return Next::Wait;
        }
    }
}

/// Whether what is no request is the preface of HTTP/2, as far as it has come.
fn begins_http2(room: &Busy) -> bool {
    let bytes = &room.down.bytes[..room.down.bytes.len().min(http2::PREFACE.len())];
    room.live.snapshot.http2.plain && bytes.len() > 3 && http2::PREFACE.starts_with(bytes)
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
            let read = match client.socket.poll_read(cx, &mut down.bytes, READ) {
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
    room.live.begin(None, Arm::BASE, client.address(), now);
    room.live.sample.bytes_in = room.down.bytes.len() as u64;
    room.down.meta = None;
    let reply = Reply::problem(reject.status, reject.reason, reject.detail);
    respond::queue(room, &reply, true);
    let _ = respond::flush(worker, client, room).await;
    room.live.end(Outcome::Refused, worker.now());
    close::gently(worker, client).await;
}
