//! The part of one route (or of one tenant on it) in its service's limit, and those who wait for one of its own attempts to
//! end: a burst is served late instead of refused, and nobody else stands behind it.

use super::core::fits;
use super::seats::{Seat, Seats};
use crate::attempt::limit::{Limiter, Price, Queue, core as limit, tier};
use crate::gate::Making;
use base::Nanos;
use config::sections::Criticality;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

pub struct Part {
    pub price: Price,
    limiter: Arc<Limiter>,
    seat: Arc<Seat>,
    seats: Arc<Seats>,
    line: Arc<Line>,
}

/// Those who wait; it lives on across generations.
#[derive(Default)]
struct Line {
    /// Length of `queue`, to see from outside the lock that nobody waits.
    waiting: AtomicUsize,
    queue: Mutex<Queue<oneshot::Sender<Turn>>>,
}

/// A seat in the part that was waited for. Dropping it gives it to the next.
pub struct Turn {
    of: Arc<Part>,
    cost: u64,
    at: Nanos,
}

/// The answer to one more attempt.
pub enum Enter {
    /// It has begun; this is its cost.
    Now(u64),
    /// An error: the place went to somebody newer, or who matters more.
    Later(oneshot::Receiver<Turn>),
    /// As many wait as may.
    Full,
}

impl Part {
    /// `tenant` is empty for everybody who has no part of a route for himself.
    pub fn of(m: &Making<'_>, tenant: &str, weight: u32) -> Part {
        let (service, route) = (&*m.service.name, &*m.route.name);
        let name = format!("bulkhead {service} {route} {tenant}");
        let seat = m.kept.get(&name, Seat::default);
        let seats = m.kept.get(service, Seats::default);
        seats.join(&seat, weight);
        Part {
            price: Price::of(m),
            limiter: m.kept.get(service, Limiter::default),
            seat,
            seats,
            line: m.kept.get(&name, Line::default),
        }
    }

    /// The limit is a number of the configuration, and not learned.
    pub fn is_configured(&self) -> bool {
        self.price.configured.is_some()
    }

    pub fn enter(self: &Arc<Self>, criticality: Criticality, now: Nanos) -> Enter {
        let cost = self.price.milli();
        let none_waits = self.line.waiting.load(SeqCst) == 0;
        if cost == 0 || (none_waits && (self.idle() || self.fits(cost, now))) {
            self.seat.begin(cost, now);
            return Enter::Now(cost);
        }
        let configured = self.price.configured;
        let most = match self.limiter.limit(configured) {
            limit::Limit::Enforce(limit) => self.limiter.places(configured, limit),
            _ => return Enter::Full,
        };
        let (hand, receiver) = oneshot::channel();
        let mut queue = self.line.queue.lock().unwrap_or_else(|e| e.into_inner());
        queue.retain(|hand| !hand.is_closed());
        let taken = queue.push(tier(criticality), hand, most, now);
        self.line.waiting.store(queue.total(), SeqCst);
        drop(queue);
        if !taken {
            return Enter::Full;
        }
        // One may have ended since it was looked for, before anyone was seen waiting.
        self.pass_on(now);
        Enter::Later(receiver)
    }

    /// An attempt has ended.
    pub fn end(self: &Arc<Self>, cost: u64, now: Nanos) {
        self.seat.end(cost);
        self.pass_on(now);
    }

    /// While half of the permits are free, nobody is in anybody's way.
    fn idle(&self) -> bool {
        match self.limiter.limit(self.price.configured) {
            limit::Limit::Enforce(limit) => self.limiter.in_flight() * 2 < limit,
            _ => true,
        }
    }

    /// By what has begun here: who was just given a turn is not in flight yet.
    fn fits(&self, cost: u64, now: Nanos) -> bool {
        let limit::Limit::Enforce(limit) = self.limiter.limit(self.price.configured) else {
            return true;
        };
        let [limit, cost] = [limit, cost].map(|milli| milli as f64 / limit::PERMIT as f64);
        fits(&self.seats.view(&self.seat, limit, cost, now))
    }

    /// Gives what is free to those who wait.
    fn pass_on(self: &Arc<Self>, now: Nanos) {
        while self.line.waiting.load(SeqCst) > 0 {
            let mut queue = self.line.queue.lock().unwrap_or_else(|e| e.into_inner());
            queue.retain(|hand| !hand.is_closed());
            let cost = self.price.milli();
            let next = match self.fits(cost, now) {
                true => queue.pop(),
                false => None,
            };
            self.line.waiting.store(queue.total(), SeqCst);
            let Some(hand) = next else { return };
            self.seat.begin(cost, now);
            drop(queue);
            let turn = Turn {
                of: self.clone(),
                cost,
                at: now,
            };
            if let Err(mut unwanted) = hand.send(turn) {
                // The client left meanwhile: the next one is looked at by this loop, not by a deeper call.
                unwanted.of.seat.end(std::mem::take(&mut unwanted.cost));
            }
        }
    }
}

impl Turn {
    /// The attempt begins; its cost, for `Part::end`.
    pub fn take(mut self) -> u64 {
        std::mem::take(&mut self.cost)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.cost > 0 {
            self.of.end(self.cost, self.at);
        }
    }
}
