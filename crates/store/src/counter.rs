//! `Counter`: how often something may happen, counted for all nodes together.
//!
//! GCRA over thousandths of a unit: one number per key, the theoretical arrival time (TAT) of what comes next. A node takes
//! what it needs for a moment (a lease of tokens) in one call, and gives back what it has not used. What is taken is gone
//! from the store at once, so in any span `t` no more than `burst + t / spacing` is handed out, whoever dies meanwhile.

use crate::{Ack, Error, MAX_NAME};
use std::time::Duration;

/// Thousandths in a unit.
pub const UNIT: u64 = 1000;
/// How fast a group's sum forgets, seconds.
pub const GROUP_TAU_S: f64 = 10.0;

/// So many units per second, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Between units, rounded up: never more than was asked for.
    pub spacing_ns: u64,
    pub burst: u32,
}

impl Quota {
    pub fn new(per_second: f64, burst: u32) -> Quota {
        // A rate of zero, or nonsense, is one unit per 292 years rather than a division by zero.
        let spacing_ns = (1e9 / per_second.max(0.0)).ceil().clamp(1.0, 9e18) as u64;
        let burst = burst.max(1);
        Quota { spacing_ns, burst }
    }

    /// Microseconds in which a full burst comes back.
    pub fn tolerance_us(&self) -> u64 {
        self.step_us(self.burst as u64 * UNIT)
    }

    /// Microseconds that so many thousandths take, rounded up.
    pub fn step_us(&self, milli: u64) -> u64 {
        let ns = milli as u128 * self.spacing_ns as u128;
        ns.div_ceil(1000 * UNIT as u128).min(1 << 62) as u64
    }
}

/// A wish for part of a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    pub key: String,
    /// Whose grants are summed up together: each node sees its share in the sum.
    pub group: String,
    pub quota: Quota,
    /// Thousandths of a unit. What is above a burst is taken to be a whole one, or it would never be given.
    pub want: u64,
    /// With less than this, nothing is given.
    pub least: u64,
}

/// What was given.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Taken {
    /// Thousandths of a unit: 0, or at least `least`.
    pub granted: u64,
    /// When nothing was given: the time after which `least` may be.
    pub retry: Duration,
    /// What would be given beyond it, thousandths.
    pub left: u64,
    /// What was given lately in the group, to all nodes, thousandths; forgets within [`GROUP_TAU_S`].
    pub group: f64,
}

/// Counted on the engine's own clock where it has one, else by `now_us`, microseconds since the Unix epoch.
pub trait Counter: Send + Sync {
    fn take(&self, take: Take, now_us: u64) -> Ack<Taken>;
    /// Gives back thousandths of a unit that were taken and not used.
    fn give(&self, key: &str, quota: Quota, milli: u64, now_us: u64) -> Ack<()>;
}

/// What keys and groups may be called.
pub(crate) fn acceptable(take: &Take) -> Result<(), Error> {
    for name in [&take.key, &take.group] {
        if name.is_empty() || name.len() > MAX_NAME {
            let what = format!("a counter's name is 1 to {MAX_NAME} bytes");
            return Err(Error::Invalid(what));
        }
    }
    Ok(())
}

/// The decision: the TAT to store, and what is given. `Taken::group` is left to the caller.
pub fn take(tat_us: u64, now_us: u64, take: &Take) -> (u64, Taken) {
    let (quota, tolerance) = (&take.quota, take.quota.tolerance_us());
    // No TAT lies further ahead than a burst, unless a clock went back: then the wait is bounded by the burst.
    let tat = tat_us.clamp(now_us, now_us.saturating_add(tolerance));
    let most = quota.burst as u64 * UNIT;
    let (want, least) = (take.want.min(most), take.least.clamp(1, most));
    let free_us = tolerance - (tat - now_us);
    let free = free_us as u128 * 1000 * UNIT as u128 / quota.spacing_ns as u128;
    let free = free.min(most as u128) as u64;
    let granted = free.min(want.max(least));
    if granted < least {
        let retry = quota.step_us(least).saturating_sub(free_us).max(1);
        let taken = Taken {
            retry: Duration::from_micros(retry),
            left: free,
            ..Taken::default()
        };
        return (tat, taken);
    }
    let taken = Taken {
        granted,
        left: free - granted,
        ..Taken::default()
    };
    (tat.saturating_add(quota.step_us(granted)), taken)
}

/// The TAT after something was given back.
pub fn give(tat_us: u64, quota: &Quota, milli: u64) -> u64 {
    // Rounded against the giver.
    tat_us.saturating_sub(quota.step_us(milli).saturating_sub(1))
}

/// A sum that forgets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    value: f64,
    at_us: u64,
}

impl Sum {
    pub fn now(&self, now_us: u64) -> f64 {
        let age_s = now_us.saturating_sub(self.at_us) as f64 / 1e6;
        self.value * (-age_s / GROUP_TAU_S).exp()
    }

    pub fn add(&mut self, milli: u64, now_us: u64) -> f64 {
        *self = Sum {
            value: self.now(now_us) + milli as f64,
            at_us: now_us.max(self.at_us),
        };
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wish(quota: Quota, want: u64, least: u64) -> Take {
        let (key, group) = ("k".into(), "g".into());
        Take {
            key,
            group,
            quota,
            want,
            least,
        }
    }

    proptest! {
        #[test]
        fn no_span_hands_out_more_than_burst_and_rate(
            rate in 0.1f64..1e5,
            burst in 1u32..100,
            steps in prop::collection::vec((0u64..200_000, 1u64..60_000, 0u64..3000), 1..200),
        ) {
            let quota = Quota::new(rate, burst);
            let (mut now, mut tat, mut given) = (1_000_000, 0, Vec::new());
            for (gap, want, least) in steps {
                now += gap;
                let (next, taken) = take(tat, now, &wish(quota, want, least));
                prop_assert!(next <= now + quota.tolerance_us() + 1);
                prop_assert!(taken.granted <= want.max(least).max(1));
                tat = next;
                given.push((now, taken.granted));
            }
            for (i, (from, _)) in given.iter().enumerate() {
                let mut sum = 0;
                for (to, granted) in &given[i..] {
                    sum += granted;
                    let most = burst as f64 + rate * ((to - from) as f64 + 1.0) / 1e6;
                    prop_assert!(sum as f64 / 1e3 <= most + 1e-3, "{sum} in {} us, {most}", to - from);
                }
            }
        }

        #[test]
        fn who_waits_as_told_is_given_it(rate in 0.1f64..1e5, burst in 1u32..50, n in 1u32..100) {
            let quota = Quota::new(rate, burst);
            let (mut now, mut tat) = (5, 0);
            for _ in 0..n {
                let one = wish(quota, UNIT, UNIT);
                let (next, taken) = take(tat, now, &one);
                tat = next;
                if taken.granted == 0 {
                    now += taken.retry.as_micros() as u64;
                    let (next, taken) = take(tat, now, &one);
                    prop_assert_eq!(taken.granted, UNIT);
                    tat = next;
                }
            }
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_a_clock_that_went_back_blocks_for_a_burst_at_most()
    {
        let quota = Quota::new(10.0, 5);
        let (tat, taken) = take(0, 1_000_000, &wish(quota, 9000, 1));
        assert_eq!((taken.granted, taken.left), (5000, 0));
        let (_, none) = take(tat, 1_000_000, &wish(quota, 1000, 1000));
        assert_eq!((none.granted, none.retry), (0, Duration::from_millis(100)));
        let (_, some) = take(give(tat, &quota, 3000), 1_000_100, &wish(quota, 9000, 1));
        assert_eq!(some.granted, 3000);
        let (_, after) = take(3_600_000_000, 7, &wish(quota, 1000, 1000));
        assert_eq!(after.retry, Duration::from_millis(100));
    }

    #[test]
    fn nonsense_neither_panics_nor_opens_the_gate() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
            let quota = Quota::new(rate, u32::MAX);
            let (tat, _) = take(u64::MAX, u64::MAX - 5, &wish(quota, u64::MAX, u64::MAX));
            let _ = give(tat, &quota, u64::MAX);
        }
        let (tat, first) = take(0, 9, &wish(Quota::new(0.0, 1), 1000, 1000));
        assert_eq!(first.granted, 1000);
        assert_eq!(
            take(tat, 1 << 40, &wish(Quota::new(0.0, 1), 1000, 1000))
                .1
                .granted,
            0
        );
    }

    #[test]
    fn a_sum_forgets() {
        let mut sum = Sum::default();
        sum.add(1000, 1_000_000);
        assert!((sum.now(11_000_000) - 367.9).abs() < 0.1);
        assert_eq!(sum.now(0), 1000.0, "a clock that went back forgets nothing");
    }
}
