//! One try of a request against an instance: attempt ring, a connection, the exchange of bytes, what it teaches.

use super::Busy;
use super::client::{Client, Cut};
use super::drive::{Drive, Driven};
use super::exchange::{Ending, gate_reply};
use super::fault;
use super::hedge;
use super::opened::{Opened, open};
use super::request_head::{Came, write_head};
use crate::exchange::{Exchange, Head, Reply};
use crate::gate::Step;
use crate::retry::{Failure, Go};
use crate::snapshot::Route;
use crate::upstream::Instance;
use crate::worker::Worker;
use base::{Nanos, Outcome};
use std::cell::Cell;
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
    if room.live.facts.attempt == 1 && route.hinge.hedging.is_some() {
        if let Err(ending) = hedge::gather(worker, client, room, route).await {
            return Tried::End(ending);
        }
        now = worker.now();
    }
    let edits = room.live.facts.edits.len();
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
            Step::Hold(_) => {
                live.end_attempt(0, Outcome::Refused, now);
                let detail = "a gate of the attempt ring wants the body, which it cannot have";
                return Tried::End(gate_reply(Reply::problem(500, "hold", detail)));
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
    match hedge::Second::of(worker, client, room, route, edits, began) {
        None => run(worker, client, room, route, &instance, began, None).await,
        // Its room is not part of every connection.
        Some(second) => {
            let race = hedge::race(worker, client, room, route, &instance, began, second);
            Box::pin(race).await
        }
    }
}

/// The attempt, once it has its instance.
pub(super) async fn run(
    worker: &Rc<Worker>,
    client: &mut Client,
    room: &mut Busy,
    route: &Route,
    instance: &Arc<Instance>,
    began: Nanos,
    answered: Option<&Cell<bool>>,
) -> Tried {
    if let Some(what) = room.live.facts.fault {
        let struck = fault::before(worker, client, room, route, instance, what).await;
        if let Some(tried) = struck {
            return tried;
        }
    }
    let mut opened = match open(worker, client, room, route, instance, began).await {
        Ok(opened) => opened,
        Err(tried) => return tried,
    };
    opened.ready(route);
    let came = Came::of(client);
    write_head(room, &came);
    drive(worker, client, room, route, instance, opened, answered).await
}

/// The exchange of bytes over a connection. Something of a response may have come already.
pub(super) async fn drive(
    worker: &Rc<Worker>,
    client: &mut Client,
    room: &mut Busy,
    route: &Route,
    instance: &Instance,
    opened: Opened,
    answered: Option<&Cell<bool>>,
) -> Tried {
    let Opened {
        mut conn,
        place,
        reused,
    } = opened;
    let has_come = !room.partial.is_empty();
    let mut drive = Drive::new(worker, client, room, &mut conn.socket, route, reused);
    (drive.answered, drive.has_come) = (answered, has_come);
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
        Driven::Broken | Driven::Waits => {
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
            failed(room, route, instance, failure, reason, &detail, now)
        }
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
    let status = match failure {
        Failure::Deadline => 504,
        Failure::Refused => 503,
        _ => 502,
    };
    let detail = format!("{}/{}: {detail}", instance.service, instance.address);
    let reply = Reply::problem(status, reason, &detail);
    let learned = (failure.learned(), Outcome::UpstreamFailed);
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
pub(super) fn clear(room: &mut Busy) {
    room.up.clear();
    room.partial.clear();
}
