//! One try of a request against an instance: attempt ring, a connection, the exchange of bytes, what it teaches.

use super::Busy;
use super::client::{Client, Cut};
use super::drive::{Drive, Driven};
use super::exchange::{Ending, gate_reply};
use super::fault;
use super::live::micros;
use super::socket::Socket;
use super::text::{Text, push_v4};
use super::via;
use crate::exchange::{Exchange, Head, MAX_EDITS, Reply};
use crate::gate::Step;
use crate::proxy_protocol::Ends;
use crate::retry::{Failure, Go};
use crate::snapshot::Route;
use crate::upstream::Instance;
use crate::upstream::connect::{Made, connect};
use crate::upstream::pool::{self, Ask, Conn, Place};
use crate::worker::Worker;
use base::{Nanos, Outcome};
use http1::{Connection, Edit, Kind, KindSet, Rewrite};
use std::fmt::Write;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub(super) enum Tried {
    End(Ending),
    Again(Duration),
}

pub(super) async fn attempt(
    worker: &Rc<Worker>,
    client: &mut Client,
    room: &mut Busy,
    route: &Route,
    mut now: Nanos,
) -> Tried {
    room.live.facts.attempt = room.live.facts.attempt.saturating_add(1);
    room.live.facts.failure = None;
    loop {
        let Busy { down, live, .. } = room;
        let Some(head) = down.head() else {
            return Tried::End(Ending::Gone);
        };
        match live.run_attempt(head, now) {
            Step::Go => break,
            Step::Answer(reply) => {
                live.facts.attempt -= 1;
                live.end_attempt(0, Outcome::Refused, worker.now());
                return Tried::End(gate_reply(reply));
            }
            Step::Wait(ticket) => {
                client.set_alarm(worker, live.facts.deadline);
                match client.race(&mut down.bytes, ticket).await {
                    Ok(()) | Err(Cut::Late) => {}
                    Err(Cut::ClientGone) => return Tried::End(Ending::Gone),
                }
                now = worker.now();
            }
        }
    }
    let Some(instance) = room.live.facts.instance.clone() else {
        let detail = format!("service {} has no instances", route.service.name);
        room.live.end_attempt(0, Outcome::Refused, worker.now());
        return Tried::End(gate_reply(Reply::problem(503, "no-instance", &detail)));
    };
    let began = now;
    room.live.facts.tried.push(instance.ix);
    room.live.begin_trial(instance.ix, began);
    client.set_alarm(worker, room.live.facts.deadline);

    if let Some(what) = room.live.facts.fault {
        let struck = fault::before(worker, client, room, route, &instance, what).await;
        if let Some(tried) = struck {
            return tried;
        }
    }
    let (mut conn, place, reused) = match open(worker, client, room, route, &instance, began).await
    {
        Ok(open) => open,
        Err(tried) => return tried,
    };
    if let (Socket::Call(call), true) = (&mut conn.socket, route.grpc_web) {
        call.translate();
    }
    write_head(room, client);
    let mut drive = Drive::new(worker, client, room, &mut conn.socket, route, reused);
    let driven = std::future::poll_fn(|cx| drive.poll(cx)).await;
    let keep = drive.keeps_client();
    let now = worker.now();
    match driven {
        Driven::Passed { reuse } => {
            drop(place);
            if reuse {
                worker.keep(conn, now);
            }
            let status = room.live.facts.status;
            room.live.end_attempt(status, Outcome::Done, now);
            Tried::End(Ending::Passed { keep, at: now })
        }
        Driven::Tunnel => Tried::End(Ending::Tunnel(Box::new((conn, place)))),
        Driven::Gone => Tried::End(Ending::Gone),
        Driven::Broken => {
            room.live.end_attempt(502, Outcome::UpstreamFailed, now);
            Tried::End(Ending::Broken)
        }
        Driven::BadRequest(reject) => {
            room.live.end_attempt(0, Outcome::Refused, now);
            let reply = Reply::problem(reject.status, reject.reason, reject.detail);
            Tried::End(Ending::Reply(reply, Outcome::Refused))
        }
        Driven::Again(wait) => {
            let status = room.live.facts.status;
            room.live.end_attempt(status, Outcome::Done, now);
            clear(room);
            Tried::Again(wait)
        }
        Driven::Instead { reply, reuse } => {
            drop(place);
            if reuse {
                worker.keep(conn, now);
            }
            let status = room.live.facts.status;
            room.live.end_attempt(status, Outcome::Done, now);
            clear(room);
            Tried::End(Ending::Reply(reply, Outcome::Done))
        }
        Driven::Failed(failure, reason, detail) => {
            failed(room, route, &instance, failure, reason, &detail, now)
        }
    }
}

/// A place in the pool and a connection: an idle one, or a new one.
async fn open(
    worker: &Rc<Worker>,
    client: &mut Client,
    room: &mut Busy,
    route: &Route,
    instance: &Arc<Instance>,
    began: Nanos,
) -> Result<(Conn, Place, bool), Tried> {
    let rules = &route.service.config.pool;
    let late = |room: &mut Busy| late(worker, room, route, instance, "a connection");
    let place = match pool::ask(instance) {
        Ask::Now(place) => place,
        Ask::Full => {
            // Rare, so its room is not part of every connection.
            let wait = Box::pin(pool::wait(instance.clone(), rules.wait));
            let waited = client.race(&mut room.down.bytes, wait).await;
            let ns = worker.now().0.saturating_sub(began.0);
            room.live.facts.waited_ns += ns;
            if let Some(trial) = &mut room.live.trial {
                trial.wait_us = micros(ns);
            }
            match waited {
                Ok(Some(place)) => place,
                Ok(None) => {
                    room.live.end_attempt(0, Outcome::Refused, worker.now());
                    let detail = format!(
                        "all connections to {}/{} were busy for {} ms",
                        instance.service,
                        instance.address,
                        rules.wait.as_millis()
                    );
                    let reply = Reply::problem(503, "pool-wait", &detail);
                    return Err(Tried::End(gate_reply(reply.with("Retry-After", "1"))));
                }
                Err(Cut::ClientGone) => return Err(Tried::End(Ending::Gone)),
                Err(Cut::Late) => return Err(late(room)),
            }
        }
    };
    let link = route.service.link.as_ref();
    let told = (route.service.config.proxy_protocol).then(|| client.told());
    let kept = match told {
        None => worker.idle.take(instance.ix, link),
        Some(told) => worker.private.take(told, instance.ix, link),
    };
    if let Some(conn) = kept {
        return Ok((conn, place, true));
    }
    if link.is_some()
        && told.is_none()
        && let Some(conn) = worker.calls.take(instance.ix, link, worker.now())
    {
        return Ok((conn, place, false));
    }
    let longest = rules.connect_timeout;
    let made = Box::pin(connect(link.cloned(), instance.clone(), told, longest));
    match client.race(&mut room.down.bytes, made).await {
        Ok(Ok(Made::Conn(conn))) => Ok((conn, place, false)),
        Ok(Ok(Made::Calls(calls))) => {
            let conn = calls.call();
            worker.calls.add(calls, worker.now());
            Ok((conn, place, false))
        }
        Ok(Err(e)) => {
            drop(place);
            let detail = format!("cannot connect: {e}");
            let now = worker.now();
            Err(failed(
                room,
                route,
                instance,
                Failure::Connect,
                "upstream-connect",
                &detail,
                now,
            ))
        }
        Err(Cut::ClientGone) => Err(Tried::End(Ending::Gone)),
        Err(Cut::Late) => Err(late(room)),
    }
}

/// The deadline passed in a wait for `what`.
pub(super) fn late(
    worker: &Worker,
    room: &mut Busy,
    route: &Route,
    instance: &Instance,
    what: &str,
) -> Tried {
    let detail = format!("the deadline passed while waiting for {what}");
    let (failure, now) = (Failure::Deadline, worker.now());
    failed(room, route, instance, failure, "deadline", &detail, now)
}

/// Nothing of a response has passed: tries again if that is allowed, else says what happened and to whom.
pub(super) fn failed(
    room: &mut Busy,
    route: &Route,
    instance: &Instance,
    failure: Failure,
    reason: &'static str,
    detail: &str,
    now: Nanos,
) -> Tried {
    // A connection that died idle, or said goodbye, tells nothing about the instance.
    let (status, learned) = match failure {
        Failure::Deadline => (504, 504),
        Failure::Stale | Failure::Unread => (502, 0),
        Failure::Refused => (503, 503),
        _ => (502, 502),
    };
    let detail = format!("{}/{}: {detail}", instance.service, instance.address);
    let reply = Reply::problem(status, reason, &detail);
    let learned = (learned, Outcome::UpstreamFailed);
    fail(room, route, failure, learned, reply, now)
}

/// Tries again if that is allowed, else answers `reply`. `learned` is how the attempt ended, for gates and samples.
pub(super) fn fail(
    room: &mut Busy,
    route: &Route,
    failure: Failure,
    learned: (u16, Outcome),
    reply: Reply,
    now: Nanos,
) -> Tried {
    let go = {
        let Busy { down, live, .. } = room;
        let replayable = down.replayable;
        down.head().map(|head| {
            let mut exchange = Exchange {
                head: Head::Wire(head),
                facts: &mut live.facts,
            };
            (route.hinge).after(&mut exchange, failure, None, replayable, now)
        })
    };
    room.live.facts.failure = Some(failure);
    room.live.end_attempt(learned.0, learned.1, now);
    clear(room);
    if let Some(Go::Retry(wait)) = go {
        return Tried::Again(wait);
    }
    Tried::End(Ending::Reply(reply, learned.1))
}

/// What was meant for the instance, and what came of its response, is void.
fn clear(room: &mut Busy) {
    room.up.clear();
    room.partial.clear();
}

/// What only a front that has verified a client's certificate may say of it.
const VOUCHED: KindSet = KindSet::EMPTY
    .with(Kind::ClientCert)
    .with(Kind::XForwardedClientCert);

/// What earlier proxies said, and the client's address.
fn came_from(head: &http1::RequestHead<'_>, client: &Client) -> Text<512> {
    let mut all = Text::default();
    for earlier in head.fields.all(Kind::XForwardedFor) {
        all.push(earlier);
        all.push(b", ");
    }
    match client.address() {
        IpAddr::V4(v4) => push_v4(&mut all, v4),
        v6 => {
            let _ = write!(all, "{v6}");
        }
    }
    all
}

/// Writes the request head for the instance into the room's buffer.
fn write_head(room: &mut Busy, client: &Client) {
    let Busy { down, live, up, .. } = room;
    let Some(head) = down.head() else {
        return;
    };
    let (mut edits, mut n) = live.facts.edits.listed::<{ MAX_EDITS + 5 }>();
    let came_from = came_from(&head, client);
    // Who connects to a Unix socket has no address of his own to add.
    if client.ends != Ends::UNKNOWN {
        edits[n] = Edit::Set(b"X-Forwarded-For", came_from.bytes());
        n += 1;
    }
    if client.secure {
        edits[n] = Edit::Set(b"X-Forwarded-Proto", b"https");
        n += 1;
    } else if !head.fields.has(Kind::XForwardedProto) {
        edits[n] = Edit::Append(b"X-Forwarded-Proto", b"http");
        n += 1;
    }
    if let Some(certificate) = &client.certificate {
        let text = certificate.forwarded.as_bytes();
        edits[n] = Edit::Set(b"X-Forwarded-Client-Cert", text);
        n += 1;
    }
    if let Some(host) = head.host()
        && !head.fields.has(Kind::XForwardedHost)
    {
        edits[n] = Edit::Append(b"X-Forwarded-Host", host);
        n += 1;
    }
    let via =
        (live.snapshot.via.as_deref()).map(|v| via::line(v, head.meta.version, &client.socket));
    if let Some(via) = &via {
        edits[n] = Edit::Append(b"Via", via.bytes());
        n += 1;
    }
    let drop = match live.facts.is_refresh {
        true => VOUCHED.with(Kind::IfNoneMatch).with(Kind::IfModifiedSince),
        false => VOUCHED,
    };
    let rewrite = Rewrite {
        edits: &edits[..n],
        drop,
        connection: match head.upgrade() {
            Some(_) => Connection::Upgrade,
            None => Connection::Omit,
        },
        ..Rewrite::default()
    };
    http1::write_request(&mut up.bytes, &head, &rewrite);
}
