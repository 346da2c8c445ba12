//! When an upstream answers: service times of a known distribution, and stalls. Time is passed in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Nothing is read or answered for `lasts`, once per `every`, first at `every` after the first request.
#[derive(Clone, Copy)]
pub struct Stall {
    pub every: Duration,
    pub lasts: Duration,
}

/// Exponential service times, drawn evenly over the distribution (golden-ratio sequence) so that each run has the
/// same ones and a run of some thousand has hardly any sampling error.
pub struct Delays {
    mean: Duration,
    stall: Option<Stall>,
    began: Option<Instant>,
    count: u64,
    waiting: BinaryHeap<Reverse<(Instant, usize)>>,
}

/// The fraction of the golden ratio.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

impl Delays {
    pub fn new(mean: Duration, stall: Option<Stall>) -> Delays {
        Delays {
            mean,
            stall,
            began: None,
            count: 0,
            waiting: BinaryHeap::new(),
        }
    }

    /// Connection `i` has asked.
    pub fn request(&mut self, i: usize, now: Instant) {
        self.began.get_or_insert(now);
        self.count += 1;
        let u = (self.count as f64 * GOLDEN).fract();
        let time = self.mean.mul_f64(-(1.0 - u).ln());
        self.waiting.push(Reverse((now + time, i)));
    }

    /// A connection whose answer is due.
    pub fn due(&mut self, now: Instant) -> Option<usize> {
        let first = self.waiting.peek().is_some_and(|w| w.0.0 <= now);
        first.then(|| self.waiting.pop().map(|w| w.0.1)).flatten()
    }

    pub fn stalled(&self, now: Instant) -> bool {
        let (Some(stall), Some(began)) = (self.stall, self.began) else {
            return false;
        };
        let since = now.saturating_duration_since(began).as_secs_f64();
        since >= stall.every.as_secs_f64()
            && since % stall.every.as_secs_f64() < stall.lasts.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_is_the_one_that_was_asked_for() {
        let (mut delays, zero) = (Delays::new(Duration::from_millis(5), None), Instant::now());
        (0..10_000).for_each(|i| delays.request(i, zero));
        let mut due = |ms: f64| {
            let until = zero + Duration::from_secs_f64(ms / 1e3);
            std::iter::from_fn(|| delays.due(until)).count()
        };
        let (half, more) = (due(5.0 * 2f64.ln()), due(5.0 * 100f64.ln()));
        assert!((4990..=5010).contains(&half), "{half} up to the median");
        assert!(
            (9890..=9910).contains(&(half + more)),
            "{more} more up to the p99"
        );
    }

    #[test]
    fn it_stalls_once_per_period_and_not_at_first() {
        let stall = Stall {
            every: Duration::from_secs(3),
            lasts: Duration::from_millis(300),
        };
        let mut delays = Delays::new(Duration::from_millis(5), Some(stall));
        let zero = Instant::now();
        assert!(!delays.stalled(zero));
        delays.request(0, zero);
        let at = |s: f64| delays.stalled(zero + Duration::from_secs_f64(s));
        assert_eq!(
            [0.1, 2.9, 3.1, 3.4, 6.2].map(at),
            [false, false, true, false, true]
        );
    }
}
