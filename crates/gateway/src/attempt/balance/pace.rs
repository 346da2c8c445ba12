//! How long answers usually take, on one route and on all of a service. An instance that happens to have had the long
//! requests of a mix is not slow: what its answers took is compared with what they take elsewhere.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// One answer moves the average by this part of the difference.
const PER_SAMPLE: f64 = 1.0 / 64.0;

/// Average time to the first byte, in seconds as bits; 0 before the first answer. Shared by all threads; a lost update
/// between two of them costs one sample.
#[derive(Debug, Default)]
pub struct Pace(AtomicU64);

impl Pace {
    /// The average, in seconds; 0 before the first answer.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    /// Counts one more answer; the average with it, in seconds.
    pub fn learn(&self, took: Duration) -> f64 {
        let (average, took) = (self.get(), took.as_secs_f64());
        let average = match average > 0.0 {
            true => average + (took - average) * PER_SAMPLE,
            false => took,
        };
        self.0.store(average.to_bits(), Relaxed);
        average
    }
}

/// What an answer would have taken, had it been one of the average route: `route` and `service` are the averages.
pub fn fair(took: Duration, route: f64, service: f64) -> Duration {
    let factor = service / route;
    match factor.is_finite() {
        true => took.mul_f64(factor.min(MOST)),
        false => took,
    }
}

/// A route that is so many times faster than the average is so fast that its noise says nothing.
const MOST: f64 = 1000.0;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn long_and_short_requests_say_the_same_of_an_instance() {
        let (long, short, all) = (Pace::default(), Pace::default(), Pace::default());
        let mut fairs = [Duration::ZERO; 2];
        for _ in 0..500 {
            for (i, (route, took)) in [(&long, 1000 * MS), (&short, 50 * MS)].iter().enumerate() {
                fairs[i] = fair(*took, route.learn(*took), all.learn(*took));
            }
        }
        let [a, b] = fairs.map(|f| f.as_secs_f64());
        assert!((a / b - 1.0).abs() < 0.05, "{a} {b}");
        let slow = fair(500 * MS, short.learn(500 * MS), all.learn(500 * MS));
        assert!(slow.as_secs_f64() > 4.0 * b, "ten times its usual time");
    }

    #[test]
    fn one_route_alone_is_taken_as_it_is() {
        let (route, all) = (Pace::default(), Pace::default());
        for ms in [5, 500, 20] {
            assert_eq!(
                fair(ms * MS, route.learn(ms * MS), all.learn(ms * MS)),
                ms * MS
            );
        }
        assert_eq!(fair(MS, 0.0, 0.0), MS);
        assert_eq!(fair(MS, 0.0, 1.0), MS);
        assert_eq!(fair(MS, 1e-9, 1.0), 1000 * MS);
    }
}
