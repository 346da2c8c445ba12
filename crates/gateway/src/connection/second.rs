//! How a second attempt asks its instance: the ring, a connection, the request, the head of a response. It waits for no
//! permit and no place: what is not free is not for hedges.

use super::Busy;
use super::client::READ;
use super::opened::{Opened, kept, made};
use super::request_head::{Came, write_head};
use super::socket::Socket;
use crate::attempt::fault::End;
use crate::gate::Step;
use crate::retry::Failure;
use crate::snapshot::Route;
use crate::upstream::Instance;
use crate::upstream::pool::{self, Place};
use crate::worker::Worker;
use base::{Nanos, Outcome};
use http1::{Lines, Status};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pub(super) enum Asked {
    /// The head is in the room's `partial`.
    Answered(Opened),
    /// How the attempt ends.
    Failed { status: u16, outcome: Outcome },
}

/// Passes the ring: another instance than the one that was tried, and a place in its pool.
pub(super) fn enter(room: &mut Busy, now: Nanos) -> Option<(Arc<Instance>, Place)> {
    let Busy { down, live, .. } = room;
    let step = live.run_attempt(down.head()?, now);
    let instance = live.facts.instance.clone()?;
    let other = !live.facts.tried.contains(&instance.ix);
    if !matches!(step, Step::Go) || !other {
        return None;
    }
    let pool::Ask::Now(place) = pool::ask(&instance) else {
        return None;
    };
    live.facts.tried.push(instance.ix);
    live.begin_trial(instance.ix, now);
    Some((instance, place))
}

pub(super) async fn ask(
    worker: &Worker,
    room: &mut Busy,
    route: &Route,
    came: &Came,
    instance: &Arc<Instance>,
    place: Place,
) -> Asked {
    if let Some(what) = room.live.facts.fault {
        tokio::time::sleep(what.delay).await;
        match what.end {
            Some(End::Abort(status)) => return answered(worker, room, status),
            Some(End::Reset) => return failed(room, Failure::Reset),
            None => {}
        }
    }
    let (conn, reused) = match kept(worker, route, instance, None) {
        Some(kept) => kept,
        None => match made(worker, route, instance, None).await {
            Ok(conn) => (conn, false),
            Err(_) => return failed(room, Failure::Connect),
        },
    };
    let mut opened = Opened {
        conn,
        place,
        reused,
    };
    opened.ready(route);
    write_head(room, came);
    room.up.bytes.extend_from_slice(room.down.passed());
    let socket = &mut opened.conn.socket;
    let head = poll_fn(|cx| {
        if ready!(poll_send(cx, socket, room)).is_err() {
            return Poll::Ready(Err(lost(room, reused)));
        }
        poll_head(cx, socket, room, worker).map_err(|e| e.unwrap_or(lost(room, reused)))
    })
    .await;
    match head {
        Ok(status @ (429 | 502..=504)) => answered(worker, room, status),
        Ok(_) => Asked::Answered(opened),
        Err(failure) => failed(room, failure),
    }
}

/// An answer that is not worth passing on.
fn answered(worker: &Worker, room: &mut Busy, status: u16) -> Asked {
    room.live.facts.first_byte = Some(worker.now());
    if let Some(trial) = &mut room.live.trial {
        trial.status = status;
    }
    let outcome = Outcome::Done;
    Asked::Failed { status, outcome }
}

fn failed(room: &mut Busy, failure: Failure) -> Asked {
    room.live.facts.failure = Some(failure);
    Asked::Failed {
        status: failure.learned(),
        outcome: Outcome::UpstreamFailed,
    }
}

fn lost(room: &Busy, reused: bool) -> Failure {
    match reused && room.partial.is_empty() {
        true => Failure::Stale,
        false => Failure::Reset,
    }
}

fn poll_send(cx: &mut Context<'_>, socket: &mut Socket, room: &mut Busy) -> Poll<Result<(), ()>> {
    while !room.up.is_empty() {
        match ready!(socket.poll_write(cx, room.up.left())) {
            Ok(n) if n > 0 => room.up.advance(n),
            _ => return Poll::Ready(Err(())),
        }
    }
    socket.poll_sent(cx).map_err(drop)
}

/// Reads until the final head is whole, and gives its status. `Err(None)`: the connection has ended.
fn poll_head(
    cx: &mut Context<'_>,
    socket: &mut Socket,
    room: &mut Busy,
    worker: &Worker,
) -> Poll<Result<u16, Option<Failure>>> {
    loop {
        match ready!(socket.poll_read(cx, &mut room.partial, READ)) {
            Ok(n) if n > 0 => {}
            _ => return Poll::Ready(Err(None)),
        }
        let mut lines = worker.lines.borrow_mut();
        match final_status(room, &mut lines) {
            Ok(Some(status)) => return Poll::Ready(Ok(status)),
            Ok(None) => {}
            Err(failure) => return Poll::Ready(Err(Some(failure))),
        }
    }
}

/// Interim heads are left out.
fn final_status(room: &mut Busy, lines: &mut Lines) -> Result<Option<u16>, Failure> {
    let Some(request) = room.down.meta else {
        return Ok(None);
    };
    let limits = &room.live.snapshot.response_limits;
    loop {
        match http1::parse_response(&room.partial, limits, request.method, lines) {
            Ok(Status::Partial) => return Ok(None),
            Ok(Status::Complete(head)) if head.meta.is_interim() => {
                let interim = head.meta.len;
                room.partial.drain(..interim);
            }
            Ok(Status::Complete(head)) => return Ok(Some(head.meta.status)),
            Err(_) => return Err(Failure::Garbage),
        }
    }
}
