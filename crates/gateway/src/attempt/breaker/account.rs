//! Answers of one route on one arm over the last ten seconds, and failures among them. While nothing fails, a look at it
//! is one word that nobody writes.

use crate::recent::{Recent, SPAN};
use base::Nanos;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Debug, Default)]
pub struct Account {
    recent: Recent,
    /// The second after that of the last failure; 0: there was none.
    failed: AtomicU64,
}

impl Account {
    pub fn add(&self, now: Nanos, failed: bool) {
        let next = now.0 / 1_000_000_000 + 1;
        if failed && self.failed.load(Relaxed) != next {
            self.failed.store(next, Relaxed);
        }
        self.recent.add(now, 1, failed as u64);
    }

    /// Answers and failures; `None`: no failure is in them.
    pub fn trouble(&self, now: Nanos) -> Option<(u64, u64)> {
        let failed = self.failed.load(Relaxed);
        let second = now.0 / 1_000_000_000;
        (failed > 0 && second + 1 < failed + SPAN).then(|| self.recent.counts(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_seen_for_as_long_as_it_counts() {
        let (a, at) = (Account::default(), |ms: u64| Nanos(ms * 1_000_000));
        (0..50).for_each(|i| a.add(at(i * 10), false));
        assert_eq!(a.trouble(at(600)), None);
        a.add(at(700), true);
        assert_eq!(a.trouble(at(700)), Some((51, 1)));
        a.add(at(5_000), false);
        assert_eq!(a.trouble(at(9_999)), Some((52, 1)));
        // The very last second in which a failure of the first one counts.
        for ms in (700..30_000).step_by(100) {
            let failures = a.recent.counts(at(ms)).1;
            assert!(failures == 0 || a.trouble(at(ms)).is_some(), "{ms}");
        }
        assert_eq!(a.trouble(at(30_000)), None);
    }
}
