//! Cumulative counters as rates.

use base::Nanos;
use std::collections::BTreeMap;

/// Remembers the last value of each counter and answers with the rate since then.
#[derive(Clone, Debug)]
pub struct Counters<K: Ord> {
    last: BTreeMap<K, (Nanos, f64)>,
}

impl<K: Ord> Default for Counters<K> {
    fn default() -> Self {
        Counters {
            last: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone> Counters<K> {
    /// Increase per second since the last call. `None` the first time, when no time has passed,
    /// and when the counter went backwards (its owner was replaced).
    pub fn rate(&mut self, key: K, now: Nanos, value: f64) -> Option<f64> {
        let last = self.last.insert(key, (now, value))?;
        let elapsed = now.since(last.0).as_secs_f64();
        let delta = value - last.1;
        (elapsed > 0.0 && delta >= 0.0).then(|| delta / elapsed)
    }

    /// Forgets what was not read at `now`.
    pub fn forget_before(&mut self, now: Nanos) {
        self.last.retain(|_, v| v.0 >= now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_two_readings_and_no_step_back() {
        let mut c = Counters::default();
        let at = Nanos::from_secs_f64;
        assert_eq!(c.rate("a", at(1.0), 10.0), None);
        assert_eq!(c.rate("a", at(3.0), 14.0), Some(2.0));
        assert_eq!(c.rate("a", at(4.0), 1.0), None);
        assert_eq!(c.rate("a", at(5.0), 2.0), Some(1.0));
        c.forget_before(at(6.0));
        assert_eq!(c.rate("a", at(6.0), 3.0), None);
    }
}
