//! The decision of the concurrency limit: pure arithmetic on what is in flight.
//!
//! Work is counted in thousandths of a permit. With a configured `limit` every attempt costs one permit; a learned
//! limit is in what the average attempt holds of the resource that fills first, and one that holds less of it costs less.

use base::learned::{CONFIDENT, LATE};
use std::time::Duration;

/// Why it refuses, as clients are told.
pub const REASON: &str = "limit";
/// One permit, in the unit of the accounts.
pub const PERMIT: u64 = 1000;
/// Work of less than a twentieth of a permit is free: it does not make the service slow, and those who wait for what it
/// does not use must not stand in its way.
const LIGHT: u64 = PERMIT / 20;
/// No attempt costs more than this many permits.
const DEAREST: f64 = 1000.0;

/// The cost of an attempt that uses `this` where the average one uses `mean`.
pub fn cost(this: f64, mean: f64) -> u64 {
    let ratio = this / mean;
    match ratio.is_finite() && ratio >= 0.0 {
        true => match (ratio.min(DEAREST) * PERMIT as f64).round() as u64 {
            ..LIGHT => 0,
            cost => cost,
        },
        false => PERMIT,
    }
}

/// A queue that empties within this time was a burst.
const BURST: Duration = Duration::from_millis(100);

/// What may be in flight, in thousandths of a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Nothing is known: everything passes.
    None,
    /// Learned, not yet with confidence: only counts.
    Observe(u64),
    Enforce(u64),
}

/// The configured limit counts when there is one; a learned value acts once its confidence is at least 0.9.
pub fn limit(configured: Option<u32>, learned: Option<(f64, f64)>) -> Limit {
    if let Some(n) = configured {
        return Limit::Enforce(n.max(1) as u64 * PERMIT);
    }
    match learned {
        Some((value, confidence)) if value.is_finite() && value > 0.0 => {
            let milli = (value * PERMIT as f64).max(PERMIT as f64) as u64;
            if confidence >= CONFIDENT {
                Limit::Enforce(milli)
            } else {
                Limit::Observe(milli)
            }
        }
        _ => Limit::None,
    }
}

/// Whether work of `cost` may start. One piece of work always fits into an empty service, however dear it is.
pub fn fits(in_flight: u64, cost: u64, limit: u64) -> bool {
    in_flight == 0 || in_flight.saturating_add(cost) <= limit
}

/// Whether a queue that has never been empty for so long is more than a burst. In a burst the first come is served
/// first. Under overload that serves only those who have waited for nearly as long as one may wait; the newest first
/// serves as many, and in time (Facebook's adaptive LIFO: Maurer, "Fail at Scale", ACM Queue 2015).
pub fn stands(not_empty: Duration) -> bool {
    not_empty >= BURST
}

/// Whether who matters waited too long.
pub fn is_late(waited: Duration) -> bool {
    waited > LATE
}

/// One in so many may be late.
const RARE: u64 = 100;
/// What can be shed may always fill so much.
const LEAST: f64 = 0.5;

/// The part of the permits that what can be shed may fill, after a second in which `late` of the `all` who matter more
/// and had to wait waited too long. All of it, while permits come back soon enough: nothing stays idle then. Long work
/// leaves room.
pub fn lend(part: f64, all: u64, late: u64) -> f64 {
    match late * RARE > all {
        true => (part * 0.9).max(LEAST),
        false => (part + 0.01).min(1.0),
    }
}

/// This part of the limit, in whole permits if it is not all.
pub fn lent(limit: u64, part: f64) -> u64 {
    if part >= 1.0 {
        return limit;
    }
    let permits = (limit as f64 * part / PERMIT as f64).floor();
    (permits as u64 * PERMIT).clamp(PERMIT, limit)
}

/// How many may wait for a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    pub burst: usize,
    /// In a queue that stands. More would only wait in vain, and come too late with their next try.
    pub standing: usize,
}

/// As many as are served at once, within bounds. In a burst as many as the objective leaves time for, where that is
/// `learned` (in permits).
pub fn places(limit: u64, learned: Option<f64>) -> Places {
    let standing = (limit / PERMIT).clamp(FEWEST, MOST) as usize;
    let burst = learned.map_or(0, |n| n.clamp(0.0, MOST as f64) as usize);
    Places {
        burst: burst.max(standing),
        standing,
    }
}

const FEWEST: u64 = 16;
const MOST: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_before_learned_and_learned_only_with_confidence() {
        assert_eq!(limit(None, None), Limit::None);
        assert_eq!(limit(Some(8), Some((2.0, 1.0))), Limit::Enforce(8000));
        assert_eq!(limit(None, Some((2.5, 0.89))), Limit::Observe(2500));
        assert_eq!(limit(None, Some((2.5, 0.9))), Limit::Enforce(2500));
        for bad in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            assert_eq!(limit(None, Some((bad, 1.0))), Limit::None);
        }
        assert_eq!(
            limit(Some(0), None),
            Limit::Enforce(1000),
            "zero would stop the service for good"
        );
    }

    #[test]
    fn a_cost_is_relative_to_the_average() {
        assert_eq!(cost(0.009, 0.006), 1500);
        assert_eq!(
            (cost(0.0, 0.006), cost(0.01, 0.2), cost(0.0098, 0.2)),
            (0, 50, 0)
        );
        assert_eq!(cost(1e9, 1e-9), 1_000_000);
        for (s, mean) in [(f64::NAN, 1.0), (1.0, 0.0), (0.0, 0.0), (-1.0, 1.0)] {
            assert_eq!(cost(s, mean), PERMIT, "{s} of {mean}");
        }
    }

    #[test]
    fn what_can_be_shed_fills_all_until_others_wait_for_it() {
        let after = |seconds, late| (0..seconds).fold(1.0, |part, _| lend(part, 200, late));
        assert_eq!(after(10, 2), 1.0, "one in a hundred may");
        assert!((after(1, 3) - 0.9).abs() < 1e-9);
        assert_eq!(after(60, 200), LEAST);
        assert!(
            (lend(0.5, 0, 0) - 0.51).abs() < 1e-9,
            "nobody waits: a little more each second"
        );
        assert_eq!(
            (lent(8000, 1.0), lent(8000, 0.9), lent(1000, 0.5)),
            (8000, 7000, 1000)
        );
        assert_eq!((lent(2500, 1.0), lent(2500, 0.99)), (2500, 2000));
    }

    #[test]
    fn a_burst_finds_more_places_than_what_stands() {
        let of = |limit, learned| {
            let p = places(limit * PERMIT, learned);
            (p.burst, p.standing)
        };
        assert_eq!((of(8, None), of(64, None)), ((16, 16), (64, 64)));
        assert_eq!(
            (of(10, Some(100.0)), of(64, Some(3.0))),
            ((100, 16), (64, 64))
        );
        assert_eq!(
            (of(9999, Some(1e9)), of(8, Some(f64::NAN))),
            ((1024, 1024), (16, 16))
        );
    }

    #[test]
    fn dear_work_fits_alone() {
        assert!(fits(0, 9000, 2000) && !fits(1, 9000, 2000));
        assert!(fits(1000, 1000, 2000) && !fits(1001, 1000, 2000));
        assert!(!fits(u64::MAX, 1, 5));
    }
}
