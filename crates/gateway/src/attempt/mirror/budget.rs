//! How many copies of one route may be made: at once, and by the second. Shared by all threads.

use crate::request::rate::core::{Decision, Limit, UNIT};
use base::Nanos;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

#[derive(Debug, Default)]
pub struct Budget {
    in_flight: AtomicU32,
    /// When the next copy is due, as the rate limit counts it.
    due: AtomicU64,
    /// Left out because of a bound.
    left_out: AtomicU64,
}

/// One copy under way; dropping it ends it.
#[derive(Debug)]
pub struct Seat(Arc<Budget>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Budget {
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

    pub fn left_out(&self) -> u64 {
        self.left_out.load(Relaxed)
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_bounded_at_once_and_by_the_second() {
        let budget = Arc::new(Budget::default());
        let rate = Limit::new(10.0, 3);
        let seat = |ms: u64| budget.seat(2, &rate, Nanos(ms * 1_000_000));
        let two = [seat(0), seat(0)];
        assert!(two.iter().all(Option::is_some));
        assert!(seat(0).is_none(), "two are under way");
        drop(two);
        assert!(seat(0).is_some());
        assert!(seat(0).is_none(), "three at once");
        assert!(seat(110).is_some());
        assert_eq!((budget.in_flight(), budget.left_out()), (0, 2));
    }
}
