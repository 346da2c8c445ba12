//! When a gateway that does not answer is asked again. Pure.

use base::Nanos;
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub struct Retry {
    failures: u32,
    not_before: Nanos,
}

impl Retry {
    pub fn may(&self, now: Nanos) -> bool {
        now >= self.not_before
    }
    pub fn succeeded(&mut self) {
        *self = Retry::default();
    }
    /// Twice as long each time, of which `luck` (0 to 1) takes up to a half, so that many agents do not come back at
    /// once. Tells how long.
    pub fn failed(&mut self, now: Nanos, luck: f64) -> Duration {
        let longest = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures += 1;
        let wait = longest.mul_f64(1.0 - luck.clamp(0.0, 1.0) / 2.0);
        self.not_before = now + wait;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_luck_spreads_them() {
        let mut r = Retry::default();
        let now = Nanos::from_secs_f64(10.0);
        assert!(r.may(now));
        let waits: Vec<f64> = (0..7).map(|_| r.failed(now, 0.0).as_secs_f64()).collect();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert_eq!(r.failed(now, 1.0), LONGEST / 2);
        assert!(!r.may(now) && r.may(now + LONGEST));
        r.succeeded();
        assert!(r.may(now));
    }
}
