//! A share of requests that follows what was seen, shared by all threads: moved once a second by whoever comes first.

use base::Nanos;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// From the share, how many were counted in the last second, and how many of them were bad, to the next share.
pub type Rule = fn(f64, u64, u64) -> f64;

/// Seconds without a request that move the share too; more of them change nothing.
const QUIET: u64 = 20;

#[derive(Debug)]
pub struct Share {
    /// As bits.
    share: AtomicU64,
    /// The second that is being counted.
    second: AtomicU64,
    all: AtomicU64,
    bad: AtomicU64,
}

impl Default for Share {
    fn default() -> Self {
        Share {
            share: AtomicU64::new(1f64.to_bits()),
            second: AtomicU64::new(0),
            all: AtomicU64::new(0),
            bad: AtomicU64::new(0),
        }
    }
}

impl Share {
    pub fn count(&self, bad: bool) {
        self.all.fetch_add(1, Relaxed);
        self.bad.fetch_add(bad as u64, Relaxed);
    }

    /// The share as it was last moved.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.share.load(Relaxed))
    }

    /// The share as it is now.
    pub fn now(&self, now: Nanos, rule: Rule) -> f64 {
        let (second, last) = (now.0 / 1_000_000_000, self.second.load(Relaxed));
        let share = self.get();
        let mine =
            second > last && (self.second.compare_exchange(last, second, Relaxed, Relaxed)).is_ok();
        if !mine {
            return share;
        }
        let (all, bad) = (self.all.swap(0, Relaxed), self.bad.swap(0, Relaxed));
        let quiet = (second - last - 1).min(QUIET);
        let share = (0..quiet).fold(rule(share, all, bad), |share, _| rule(share, 0, 0));
        self.share.store(share.to_bits(), Relaxed);
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(share: f64, all: u64, bad: u64) -> f64 {
        match bad * 2 > all {
            true => share / 2.0,
            false => (share + 0.1).min(1.0),
        }
    }

    #[test]
    fn it_moves_once_a_second_and_quiet_ones_count() {
        let (s, at) = (Share::default(), |s: f64| Nanos::from_secs_f64(s));
        assert_eq!(s.now(at(1.0), rule), 1.0);
        (0..100).for_each(|i| s.count(i % 3 > 0));
        assert_eq!(s.now(at(1.9), rule), 1.0, "the second is not over");
        assert_eq!(s.now(at(2.0), rule), 0.5);
        assert_eq!(s.now(at(2.1), rule), 0.5);
        assert!(
            (s.now(at(5.0), rule) - 0.8).abs() < 1e-9,
            "three quiet seconds"
        );
        assert_eq!(s.now(at(60.0), rule), 1.0);
    }
}
