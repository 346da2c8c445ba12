//! Two attempts of one request, racing until the head of a response is there. The second runs in a room of its own, with
//! its own passage through the attempt ring; when it wins, passage, sample and connection go over to the request's room.

use super::Busy;
use super::attempt::{self, Tried};
use super::client::{Client, Cut};
use super::exchange::Ending;
use super::hold::hold;
use super::opened::Opened;
use super::request_head::Came;
use super::second::{Asked, ask, enter};
use crate::exchange::Reply;
use crate::gate::Hold;
use crate::retry::Failure;
use crate::retry::hedge::{FAILED, Hedging, REFUSED, SENT, WON};
use crate::snapshot::Route;
use crate::upstream::Instance;
use crate::worker::Worker;
use base::{Nanos, Outcome};
use http1::Framing;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

/// Largest body of a request that is hedged, with its framing, bytes: each such request is copied, needed or not.
const BODY: usize = 16 << 10;

/// Has a small body come before the attempt begins, so that a second one has all of it. A body of no length that is told beforehand is
/// not waited for, and hedged if it is there.
pub(super) async fn gather(
    worker: &Worker,
    client: &mut Client,
    room: &mut Busy,
    route: &Route,
) -> Result<(), Ending> {
    let Some((hedging, meta)) = route.hinge.hedging.as_ref().zip(room.down.meta) else {
        return Ok(());
    };
    let small = matches!(meta.framing, Framing::Length(n) if (1..=BODY as u64).contains(&n));
    let limits = &room.live.snapshot.request_limits;
    if !small || !hedging.takes(meta.method) || room.down.whole(limits).is_some() {
        return Ok(());
    }
    let wish = Hold {
        most: BODY as u64,
        reason: "body-too-large",
        what: "a request that is hedged",
    };
    Box::pin(hold(worker, client, room, wish)).await.map(drop)
}

/// The second attempt of a request, from before it is known whether it is needed.
pub(super) struct Second<'a> {
    worker: &'a Rc<Worker>,
    route: &'a Route,
    hedging: &'a Hedging,
    room: Option<Box<Busy>>,
    came: Came,
    /// `None`: it is not known yet what late means, and the first only teaches it.
    after: Option<Duration>,
    /// The request may be one to log.
    noted: bool,
}

impl<'a> Second<'a> {
    /// `None` where nothing is hedged, or the request is not one to do twice. `edits` are those of the request ring.
    pub fn of(
        worker: &'a Rc<Worker>,
        client: &Client,
        room: &Busy,
        route: &'a Route,
        edits: usize,
        now: Nanos,
    ) -> Option<Second<'a>> {
        let hedging = route.hinge.hedging.as_ref()?;
        let (head, facts) = (room.down.head()?, &room.live.facts);
        if !hedging.takes(head.meta.method)
            || head.upgrade().is_some()
            || facts.attempt != 1
            || facts.is_refresh
            || facts.job.is_some()
        {
            return None;
        }
        let whole = room.down.whole(&room.live.snapshot.request_limits)?;
        if whole.0 - head.meta.len > BODY {
            return None;
        }
        let after = hedging.begin(&worker.hedges, now);
        let mut own = worker.room();
        own.down.copy_whole(&room.down, whole);
        own.live.stand_beside(&room.live, edits);
        Some(Second {
            worker,
            route,
            hedging,
            room: Some(own),
            came: Came::of(client),
            after,
            noted: facts.notes.is_some(),
        })
    }

    /// Waits until the first is late, then asks another instance. Gives the connection on which the head of a response
    /// has come, if one has; `sent` tells whether anybody was asked.
    async fn run(&mut self, sent: &Cell<bool>) -> Option<Opened> {
        tokio::time::sleep(self.after?).await;
        let (worker, now) = (self.worker, self.worker.now());
        let room = self.room.as_mut()?;
        let deadline = room.live.facts.deadline;
        if !self.hedging.start(&worker.hedges, deadline, now) {
            return None;
        }
        if self.noted {
            let mut notes = worker.access.spare();
            notes.clear();
            room.live.facts.notes = Some(notes);
        }
        let own = UnderWay { worker, room };
        let tally = &self.hedging.tally;
        let Some((instance, place)) = enter(own.room, now) else {
            tally.add(REFUSED);
            own.room.live.end_attempt(0, Outcome::Refused, now);
            return None;
        };
        tally.add(SENT);
        sent.set(true);
        match ask(worker, own.room, self.route, &self.came, &instance, place).await {
            Asked::Answered(opened) => {
                own.goes_on();
                Some(opened)
            }
            Asked::Failed { status, outcome } => {
                tally.add(FAILED);
                own.room.live.end_attempt(status, outcome, worker.now());
                None
            }
        }
    }

    /// What is known of the request now that a second attempt was sent.
    fn tell(&mut self, room: &mut Busy) {
        let Some(own) = &mut self.room else { return };
        let (facts, beside) = (&mut room.live.facts, &mut own.live.facts);
        facts.note("hedge", "sent");
        facts.attempt = beside.attempt;
        facts.tried.extend(beside.tried.last());
        if let (Some(notes), Some(own)) = (&mut facts.notes, beside.notes.take()) {
            notes.join(&own);
        }
    }

    /// It has won: what belongs to it goes over to the request's room.
    fn hand_over(&mut self, room: &mut Busy) {
        if let Some(own) = &mut self.room {
            room.live.take_over(&mut own.live);
            room.partial.append(&mut own.partial);
            // It has sent all of the body; the first may not have come to it.
            let rest = own.down.taken.saturating_sub(room.down.taken);
            room.live.sample.bytes_in += rest as u64;
            (room.down.taken, room.down.body) = (own.down.taken, own.down.body.clone());
        }
    }
}

impl Drop for Second<'_> {
    fn drop(&mut self) {
        if let Some(mut room) = self.room.take() {
            room.live.route = None;
            self.worker.give_back(room);
        }
    }
}

/// An attempt that has lost when it is dropped: its permits are free and its sample is sent at once.
struct UnderWay<'a> {
    worker: &'a Worker,
    room: &'a mut Busy,
}

impl UnderWay<'_> {
    /// It has not lost.
    fn goes_on(self) {
        std::mem::forget(self);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.room.live.lose_attempt(self.worker.now());
    }
}

enum Raced {
    First(Tried),
    Second(Opened),
}

/// Passes the request with both. The first head that is worth passing on wins, and the other attempt is cancelled; the
/// second is the retry of a first that fails meanwhile.
pub(super) async fn race(
    worker: &Rc<Worker>,
    client: &mut Client,
    room: &mut Busy,
    route: &Route,
    instance: &Arc<Instance>,
    began: Nanos,
    mut second: Second<'_>,
) -> Tried {
    let hedging = second.hedging;
    let (answered, sent) = (Cell::new(false), Cell::new(false));
    let learn = || {
        let now = worker.now();
        hedging.learn(&worker.hedges, now.since(began), now);
    };
    let raced = {
        let mut beside = pin!(Some(second.run(&sent)));
        let raced = {
            let first = attempt::run(
                worker,
                client,
                room,
                route,
                instance,
                began,
                Some(&answered),
            );
            let mut first = pin!(first);
            poll_fn(|cx| {
                let tried = first.as_mut().poll(cx);
                if answered.take() {
                    learn();
                    beside.set(None);
                }
                if let Poll::Ready(tried) = tried {
                    return Poll::Ready(Raced::First(tried));
                }
                let Some(other) = beside.as_mut().as_pin_mut() else {
                    return Poll::Pending;
                };
                match ready!(other.poll(cx)) {
                    Some(opened) => {
                        learn();
                        Poll::Ready(Raced::Second(opened))
                    }
                    None => {
                        beside.set(None);
                        Poll::Pending
                    }
                }
            })
            .await
        };
        match (raced, beside.as_mut().as_pin_mut()) {
            (Raced::First(tried), Some(other)) if sent.get() && has_failed(&tried, room) => {
                client.set_alarm(worker, room.live.facts.deadline);
                match client.race(&mut room.down.bytes, other).await {
                    Ok(Some(opened)) => Raced::Second(opened),
                    Ok(None) => Raced::First(tried),
                    Err(Cut::ClientGone) => Raced::First(Tried::End(Ending::Gone)),
                    Err(Cut::Late) => Raced::First(in_time(tried, instance)),
                }
            }
            (raced, _) => raced,
        }
    };
    match raced {
        Raced::First(tried) => {
            if sent.get() {
                second.tell(room);
            }
            tried
        }
        Raced::Second(opened) => {
            room.live.lose_attempt(worker.now());
            attempt::clear(room);
            second.hand_over(room);
            second.tell(room);
            drop(second);
            hedging.tally.note(&mut room.live.facts, WON);
            let Some(instance) = room.live.facts.instance.clone() else {
                return Tried::End(Ending::Gone);
            };
            attempt::drive(worker, client, room, route, &instance, opened, None).await
        }
    }
}

/// Whether an answer of the second is better than what the first has come to.
fn has_failed(tried: &Tried, room: &Busy) -> bool {
    match tried {
        Tried::Again(_) => true,
        Tried::End(Ending::Reply(_, Outcome::UpstreamFailed)) => {
            (room.live.facts.failure).is_some_and(|f| f != Failure::Deadline)
        }
        Tried::End(_) => false,
    }
}

/// There is no time left for what the first has come to.
fn in_time(tried: Tried, instance: &Instance) -> Tried {
    match tried {
        Tried::Again(_) => {
            let (service, address) = (&instance.service, &instance.address);
            let detail = format!(
                "{service}/{address} failed, and the deadline passed while waiting for another instance"
            );
            let reply = Reply::problem(504, "deadline", &detail);
            Tried::End(Ending::Reply(reply, Outcome::UpstreamFailed))
        }
        end => end,
    }
}
