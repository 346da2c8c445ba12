//! What all threads share of one route's mirror: its budget, and what came of it.

use super::core::Differs;
use crate::request::rate::core::{Decision, Limit, UNIT};
use base::Nanos;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Lives on across generations.
#[derive(Debug)]
pub struct Mirrored {
    route: String,
    /// The service that gets the copies.
    to: String,
    in_flight: AtomicU32,
    /// When the next copy is due, as the rate limit counts it.
    due: AtomicU64,
    /// Left out because of a bound.
    left_out: AtomicU64,
    /// Copies that the other service, or the own one when asked again, did not answer.
    unanswered: [AtomicU64; 2],
    compared: AtomicU64,
    /// Status, headers, body: between the two services, and between two answers of the own one.
    differ: [AtomicU64; 3],
    noise: [AtomicU64; 3],
}

/// The numbers of one mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    pub route: String,
    pub to: String,
    pub in_flight: u32,
    pub left_out: u64,
    /// By the other service, and by the own one when asked again.
    pub unanswered: [u64; 2],
    pub compared: u64,
    /// Status, headers, body.
    pub differ: [u64; 3],
    pub noise: [u64; 3],
}

/// One copy under way; dropping it ends it.
#[derive(Debug)]
pub struct Seat(Arc<Mirrored>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Mirrored {
    pub fn new(route: &str, to: &str) -> Mirrored {
        Mirrored {
            route: route.to_owned(),
            to: to.to_owned(),
            in_flight: AtomicU32::new(0),
            due: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            unanswered: Default::default(),
            compared: AtomicU64::new(0),
            differ: Default::default(),
            noise: Default::default(),
        }
    }

    /// A seat for one more copy, if the bounds have room.
    pub fn seat(self: &Arc<Self>, most: u32, rate: &Limit, now: Nanos) -> Option<Seat> {
        let taken = self
            .in_flight
            .fetch_update(Relaxed, Relaxed, |n| (n < most).then_some(n + 1));
        // Given back when the rate has no room.
        let seat = taken.ok().map(|_| Seat(self.clone()));
        let due = || {
            self.due.fetch_update(Relaxed, Relaxed, |due| {
                match rate.decide(Nanos(due), now, UNIT) {
                    Decision::Allowed(next) => Some(next.0),
                    Decision::Refused(_) => None,
                }
            })
        };
        let seat = seat.filter(|_| due().is_ok());
        if seat.is_none() {
            self.leave_out();
        }
        seat
    }

    pub fn leave_out(&self) {
        self.left_out.fetch_add(1, Relaxed);
    }

    /// `whose`: 0 for the other service, 1 for the own one.
    pub fn count_unanswered(&self, whose: usize) {
        self.unanswered[whose].fetch_add(1, Relaxed);
    }

    pub fn count(&self, differ: Differs, noise: Differs) {
        self.compared.fetch_add(1, Relaxed);
        for (counts, d) in [(&self.differ, differ), (&self.noise, noise)] {
            for (count, differs) in counts.iter().zip([d.status, d.headers, d.body]) {
                count.fetch_add(u64::from(differs), Relaxed);
            }
        }
    }

    pub fn counts(&self) -> Counts {
        let all = |a: &[AtomicU64; 3]| [0, 1, 2].map(|i| a[i].load(Relaxed));
        Counts {
            route: self.route.clone(),
            to: self.to.clone(),
            in_flight: self.in_flight.load(Relaxed),
            left_out: self.left_out.load(Relaxed),
            unanswered: [0, 1].map(|i| self.unanswered[i].load(Relaxed)),
            compared: self.compared.load(Relaxed),
            differ: all(&self.differ),
            noise: all(&self.noise),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_bounded_at_once_and_by_the_second() {
        let mirrored = Arc::new(Mirrored::new("r", "next"));
        let rate = Limit::new(10.0, 3);
        let seat = |ms: u64| mirrored.seat(2, &rate, Nanos(ms * 1_000_000));
        let two = [seat(0), seat(0)];
        assert!(two.iter().all(Option::is_some));
        assert!(seat(0).is_none(), "two are under way");
        drop(two);
        assert!(seat(0).is_some());
        assert!(seat(0).is_none(), "three at once");
        assert!(seat(110).is_some());
        let counts = mirrored.counts();
        assert_eq!((counts.in_flight, counts.left_out), (0, 2));
    }
}
