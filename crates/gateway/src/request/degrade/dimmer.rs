//! How much of a route's traffic may have everything, shared by all threads: moved once a second by whoever comes first.

use super::core::dim;
use base::Nanos;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Debug)]
pub struct Dimmer {
    /// Share of requests, as bits.
    full: AtomicU64,
    /// The second that is being counted.
    second: AtomicU64,
    all: AtomicU64,
    slow: AtomicU64,
}

impl Default for Dimmer {
    fn default() -> Self {
        Dimmer {
            full: AtomicU64::new(1f64.to_bits()),
            second: AtomicU64::new(0),
            all: AtomicU64::new(0),
            slow: AtomicU64::new(0),
        }
    }
}

impl Dimmer {
    pub fn count(&self, slow: bool) {
        self.all.fetch_add(1, Relaxed);
        self.slow.fetch_add(slow as u64, Relaxed);
    }

    /// The share of requests that may have everything now.
    pub fn full(&self, now: Nanos) -> f64 {
        let (second, last) = (now.0 / 1_000_000_000, self.second.load(Relaxed));
        let full = f64::from_bits(self.full.load(Relaxed));
        let mine =
            second > last && (self.second.compare_exchange(last, second, Relaxed, Relaxed)).is_ok();
        if !mine {
            return full;
        }
        let (all, slow) = (self.all.swap(0, Relaxed), self.slow.swap(0, Relaxed));
        // Seconds without a request brighten too; twenty of them suffice.
        let quiet = (second - last - 1).min(20);
        let full = (0..quiet).fold(dim(full, all, slow), |full, _| dim(full, 0, 0));
        self.full.store(full.to_bits(), Relaxed);
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_once_a_second_and_quiet_ones_count() {
        let (d, at) = (Dimmer::default(), |s: f64| Nanos::from_secs_f64(s));
        assert_eq!(d.full(at(1.0)), 1.0);
        (0..100).for_each(|i| d.count(i % 2 == 0));
        assert_eq!(d.full(at(1.9)), 1.0, "the second is not over");
        let dimmed = d.full(at(2.0));
        assert!((dimmed - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(d.full(at(2.1)), dimmed);
        assert_eq!(d.full(at(60.0)), 1.0);
    }
}
