//! One request: route, request ring, attempts, and how it ends.

use super::attempt::{self, Tried};
use super::client::{Client, Cut};
use super::hold::hold;
use super::{Busy, Socket, close, respond};
use crate::exchange::{Failed, Head, Reply};
use crate::gate::Step;
use crate::tunnel;
use crate::upstream::pool::{Conn, Place};
use crate::worker::Worker;
use base::{Arm, Nanos, Outcome};
use bytes::Bytes;
use http1::Method;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What `OPTIONS *` is told: methods that a route may take.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE";

/// How an exchange ends.
pub(super) enum Ending {
    /// The response has passed; whether the client's connection can carry another.
    Passed {
        keep: bool,
        at: Nanos,
    },
    Reply(Reply, Outcome),
    Tunnel(Box<(Conn, Place)>),
    Gone,
    /// The response broke off: the client must see that, so its connection is closed.
    Broken,
}

/// Takes the request in `room` to its end; whether the client's connection stays open.
pub(super) async fn exchange(worker: &Rc<Worker>, client: &mut Client, room: &mut Busy) -> bool {
    let now = worker.now();
    client.alarm.clear();
    let ending = match begin(worker, client, room, now) {
        Ok(()) => pass(worker, client, room, now).await,
        Err(reply) => Ending::Reply(reply, Outcome::Refused),
    };
    match ending {
        Ending::Passed { keep, at } => {
            room.live.facts.complete = true;
            room.live.end(Outcome::Done, at);
            if !keep {
                close::gently(worker, client).await;
            }
            keep
        }
        Ending::Reply(reply, outcome) => {
            let (reply, outcome) = better(room, reply, outcome, worker.now());
            answer(worker, client, room, reply, outcome).await
        }
        Ending::Tunnel(upstream) => {
            let idle = room.live.snapshot.limits.idle;
            let tunnel = tunnel::run(&mut client.socket, room, *upstream, idle);
            let outcome = Box::pin(tunnel).await;
            let now = worker.now();
            room.live.end_attempt(101, outcome, now);
            room.live.end(outcome, now);
            false
        }
        Ending::Gone => {
            room.live.end(Outcome::ClientGone, worker.now());
            false
        }
        Ending::Broken => {
            room.live.end(Outcome::UpstreamFailed, worker.now());
            false
        }
    }
}

/// Finds arm and route.
fn begin(worker: &Worker, client: &Client, room: &mut Busy, now: Nanos) -> Result<(), Reply> {
    let Busy { down, live, .. } = room;
    let Some(head) = down.head() else {
        return Err(Reply::problem(400, "head-syntax", "no request"));
    };
    let lane = match &client.socket {
        Socket::Errand(errand) => errand.lane.as_deref(),
        _ => None,
    };
    let (arm, found) = match lane {
        None => live.snapshot.find(&Head::Wire(head), client.address()),
        Some(lane) => (Arm::BASE, Ok(live.snapshot.way(lane))),
    };
    let found = found.map(|route| route.cloned());
    let none = matches!(found, Ok(None));
    let (route, bad) = match found {
        Ok(route) => (route, None),
        Err(bad) => (None, Some(bad)),
    };
    live.begin(route, arm, client.address(), now);
    live.facts.is_refresh = client.socket.is_nobody();
    live.facts.secure = client.secure;
    live.facts.certificate.clone_from(&client.certificate);
    if let Socket::Errand(errand) = &client.socket {
        live.set_job(errand.told.clone());
    }
    live.note_key(&head);
    live.note_head(head);
    live.sample.bytes_in = head.meta.len as u64;
    if let Some(answer) = worker.shared.tls.challenges().answer(head.path()) {
        let reply = Reply::new(200, answer.into());
        return Err(reply.with("Content-Type", "application/octet-stream"));
    }
    let path = || {
        String::from_utf8_lossy(head.path())
            .chars()
            .take(200)
            .collect::<String>()
    };
    if head.meta.method == Method::Connect {
        let detail = "CONNECT asks for a forward proxy, which this is not";
        return Err(Reply::problem(501, "connect-unsupported", detail));
    }
    if client.is_misdirected(head.host()) {
        let host = String::from_utf8_lossy(head.host().unwrap_or(b"-"));
        let detail =
            format!("this connection's certificate is not for {host}: use another connection");
        return Err(Reply::problem(421, "misdirected", &detail));
    }
    if head.path_and_query() == b"*" {
        // It asks the server that it reaches, and no resource behind it (RFC 9110 9.3.7).
        return Err(Reply::new(204, Bytes::new()).with("Allow", METHODS));
    }
    if let Some(bad) = bad {
        return Err(Reply::problem(400, "bad-path", &bad.to_string()));
    }
    if none {
        let method = String::from_utf8_lossy(head.method_name());
        let host = String::from_utf8_lossy(head.host().unwrap_or(b"-"));
        let detail = format!("no route takes {method} {} for host {host}", path());
        return Err(Reply::problem(404, "no-route", &detail));
    }
    Ok(())
}

async fn pass(worker: &Rc<Worker>, client: &mut Client, room: &mut Busy, mut now: Nanos) -> Ending {
    loop {
        let Busy { down, live, .. } = room;
        let Some(head) = down.head() else {
            return Ending::Gone;
        };
        match live.run_request(head, now) {
            Step::Go => break,
            Step::Answer(reply) => {
                if live.facts.refresh_wanted && head.meta.method == Method::Get {
                    refresh(worker, client, room);
                }
                return gate_reply(reply);
            }
            Step::Wait(ticket) => {
                if client.race(&mut down.bytes, ticket).await.is_err() {
                    return Ending::Gone;
                }
                now = worker.now();
            }
            Step::Hold(wish) => {
                match hold(worker, client, room, wish).await {
                    Ok(body) => room.live.facts.held = Some(body),
                    Err(ending) => return ending,
                }
                now = worker.now();
            }
        }
    }
    let Some(route) = room.live.route.clone() else {
        return Ending::Gone;
    };
    route.hinge.first(room.live.facts.start);
    let edits = room.live.facts.edits.len();
    loop {
        room.live.facts.edits.truncate(edits);
        match attempt::attempt(worker, client, room, &route, now).await {
            Tried::End(ending) => return ending,
            Tried::Again(wait) => {
                if !wait.is_zero() {
                    client.alarm.clear();
                    let sleep = Box::pin(tokio::time::sleep(wait));
                    if client.race(&mut room.down.bytes, sleep).await == Err(Cut::ClientGone) {
                        return Ending::Gone;
                    }
                }
                let limits = &room.live.snapshot.request_limits;
                room.down.rewind(limits);
                now = worker.now();
            }
        }
    }
}

/// Instead of a failure, what a gate has for that case.
fn better(room: &mut Busy, reply: Reply, outcome: Outcome, now: Nanos) -> (Reply, Outcome) {
    if reply.status < 500 {
        return (reply, outcome);
    }
    let Busy { down, live, .. } = room;
    let failed = Failed {
        status: reply.status,
        reason: reply.reason,
    };
    match down.head().and_then(|h| live.failed(h, failed, now)) {
        Some(better) if better.status < 500 => (better, Outcome::Done),
        Some(better) => (better, outcome),
        None => (reply, outcome),
    }
}

/// What a gate answers instead of an instance: a refusal when it has a reason.
pub(super) fn gate_reply(reply: Reply) -> Ending {
    let outcome = match reply.reason {
        "" => Outcome::Done,
        _ => Outcome::Refused,
    };
    Ending::Reply(reply, outcome)
}

async fn answer(
    worker: &Rc<Worker>,
    client: &mut Client,
    room: &mut Busy,
    reply: Reply,
    outcome: Outcome,
) -> bool {
    let keep = room.down.meta.is_some_and(|m| m.keep_alive)
        && !client.socket.is_nobody()
        && room.up.is_empty()
        && !room.live.is_last()
        && body_is_here(room);
    respond::queue(room, &reply, !keep);
    let sent = respond::flush(worker, client, room).await;
    room.live.facts.complete = sent.is_ok();
    room.live.end(
        match sent {
            Ok(()) => outcome,
            Err(_) => Outcome::ClientGone,
        },
        worker.now(),
    );
    if sent.is_ok() && !keep {
        close::gently(worker, client).await;
    }
    keep && sent.is_ok()
}

/// Whether all of the request's body has come, so that the next request begins behind it.
fn body_is_here(room: &mut Busy) -> bool {
    let down = &mut room.down;
    match down.body.pass(&down.bytes[down.taken..]) {
        Ok(pass) => {
            down.taken += pass.len;
            room.live.sample.bytes_in += pass.len as u64;
            pass.done
        }
        Err(_) => false,
    }
}

/// Fetches the answer once more behind the client's back.
fn refresh(worker: &Rc<Worker>, client: &Client, room: &Busy) {
    let mut own = worker.room();
    own.down.copy_head(&room.down);
    own.live.snapshot = Arc::clone(&room.live.snapshot);
    let mut nobody = Client {
        socket: Socket::Nobody,
        ends: client.ends,
        secure: client.secure,
        certificate: client.certificate.clone(),
        shown: None,
        alarm: worker.wheel.timer(),
    };
    let worker = worker.clone();
    tokio::task::spawn_local(async move {
        std::future::poll_fn(|cx| {
            nobody.alarm.bind(cx.waker());
            std::task::Poll::Ready(())
        })
        .await;
        let fetch = Box::pin(exchange(&worker, &mut nobody, &mut own));
        // Nobody waits for it, so something must end it.
        let _ = tokio::time::timeout(REFRESH, fetch).await;
        worker.give_back(own);
    });
}

const REFRESH: Duration = Duration::from_secs(60);
