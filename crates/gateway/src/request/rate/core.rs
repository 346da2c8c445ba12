//! GCRA, the generic cell rate algorithm: one number per key, the theoretical arrival time (TAT) of its next request.
//! `TAT' = max(now, TAT) + cost * T`, allowed while `TAT' - now <= burst * T`, with `T` the time between units.

use base::Nanos;
use std::time::Duration;

/// A limit as the algorithm uses it. `burst` units may come at once; in any span `t` at most `burst + t / T` pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Nanoseconds between units, rounded up: never more than was asked for.
    spacing: u64,
    burst: u32,
    /// `burst * spacing`.
    tolerance: u64,
}

/// What one request takes, in thousandths of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(pub u64);

pub const UNIT: Cost = Cost(1000);

/// What one request is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// With the TAT to store.
    Allowed(Nanos),
    /// With the time after which one request passes.
    Refused(Duration),
}

impl Limit {
    pub fn new(per_second: f64, burst: u32) -> Limit {
        // A rate of zero, or nonsense, is one request per 292 years rather than a division by zero.
        let spacing = (1e9 / per_second.max(0.0)).ceil().clamp(1.0, 9e18) as u64;
        let burst = burst.max(1);
        Limit {
            spacing,
            burst,
            tolerance: spacing.saturating_mul(burst as u64),
        }
    }

    /// One request of `cost`. What costs more than a burst is taken to cost a whole one, or it would never pass.
    #[inline]
    pub fn decide(&self, tat: Nanos, now: Nanos, cost: Cost) -> Decision {
        let step = self.step(cost);
        let next = tat.0.max(now.0).saturating_add(step);
        match (next - now.0).checked_sub(self.tolerance) {
            None | Some(0) => Decision::Allowed(Nanos(next)),
            Some(early) => Decision::Refused(Duration::from_nanos(early)),
        }
    }

    /// How far it moves the TAT, nanoseconds.
    #[inline]
    pub fn step(&self, cost: Cost) -> u64 {
        match cost {
            UNIT => self.spacing,
            Cost(milli) => {
                let step = self.spacing as u128 * milli as u128 / UNIT.0 as u128;
                step.min(self.tolerance as u128) as u64
            }
        }
    }

    pub fn burst(&self) -> u32 {
        self.burst
    }
    /// Units that would pass now.
    pub fn remaining(&self, tat: Nanos, now: Nanos) -> u64 {
        self.tolerance.saturating_sub(tat.0.saturating_sub(now.0)) / self.spacing
    }
    /// Time in which a full burst comes back.
    pub fn window(&self) -> Duration {
        Duration::from_nanos(self.tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admitted(limit: Limit, arrivals: &[u64]) -> Vec<u64> {
        let mut tat = Nanos::ZERO;
        let mut passed = Vec::new();
        for &at in arrivals {
            if let Decision::Allowed(next) = limit.decide(tat, Nanos(at), UNIT) {
                tat = next;
                passed.push(at);
            }
        }
        passed
    }

    proptest! {
        #[test]
        fn no_span_lets_more_pass_than_burst_and_rate(
            rate in 0.1f64..1e5,
            burst in 1u32..50,
            gaps in prop::collection::vec(0u64..50_000_000, 1..300),
        ) {
            let arrivals: Vec<u64> = gaps.iter().scan(0, |at, g| { *at += g; Some(*at) }).collect();
            let passed = admitted(Limit::new(rate, burst), &arrivals);
            for (i, from) in passed.iter().enumerate() {
                for (j, to) in passed.iter().enumerate().skip(i) {
                    let allowed = burst as f64 + rate * (to - from) as f64 / 1e9;
                    prop_assert!((j - i + 1) as f64 <= allowed + 1e-6);
                }
            }
        }

        #[test]
        fn who_waits_as_told_passes(rate in 0.1f64..1e5, burst in 1u32..50, n in 0u32..200) {
            let limit = Limit::new(rate, burst);
            let (mut tat, mut now) = (Nanos::ZERO, Nanos(5));
            for _ in 0..n {
                match limit.decide(tat, now, UNIT) {
                    Decision::Allowed(next) => tat = next,
                    Decision::Refused(wait) => {
                        now = now + wait;
                        prop_assert!(matches!(limit.decide(tat, now, UNIT), Decision::Allowed(_)));
                    }
                }
            }
        }
    }

    #[test]
    fn a_whole_burst_passes_at_once_and_comes_back() {
        let limit = Limit::new(10.0, 5);
        assert_eq!(admitted(limit, &[7; 9]).len(), 5);
        assert_eq!(limit.window(), Duration::from_millis(500));
        assert_eq!(limit.remaining(Nanos::ZERO, Nanos(9)), 5);
        assert_eq!(
            admitted(limit, &[0, 0, 0, 0, 0, 0, 500_000_000, 500_000_000]).len(),
            7
        );
    }

    #[test]
    fn what_is_dear_takes_more_and_never_more_than_a_burst() {
        let limit = Limit::new(10.0, 10);
        let passed = |cost| {
            let mut tat = Nanos::ZERO;
            let all = (0..100).take_while(|_| match limit.decide(tat, Nanos(5), Cost(cost)) {
                Decision::Allowed(next) => {
                    tat = next;
                    true
                }
                Decision::Refused(_) => false,
            });
            all.count()
        };
        assert_eq!([5000, 2500, 400, 1_000_000].map(passed), [2, 4, 25, 1]);
    }

    #[test]
    fn nonsense_rates_neither_panic_nor_open_the_gate() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
            let _ = Limit::new(rate, u32::MAX).decide(Nanos::MAX, Nanos::MAX, Cost(u64::MAX));
        }
        assert!(admitted(Limit::new(0.0, 1), &[0, 1, 1 << 60]).len() <= 1);
    }
}
