//! Whether a stretch of time was good, and where a ramp crossed the line: pure.

use crate::plan::Plan;
use crate::record::{Bucket, Timeline};
use std::ops::Range;
use std::time::Duration;

/// Share of good requests over a stretch, less its target, of the kind that fares worst; none without requests.
pub fn margin(plan: &Plan, line: &Timeline, range: Range<usize>) -> Option<f64> {
    (0..plan.mix.len())
        .filter_map(|k| {
            let b = line.sum(range.clone(), k);
            let goal = plan.goal(k)?;
            (b.offered > 0).then(|| b.good as f64 / b.offered as f64 - goal.target)
        })
        .min_by(f64::total_cmp)
}

/// Whether so many bad ones in a stretch cannot be chance (`1 - confidence`) when the target is met.
pub fn broken(plan: &Plan, line: &Timeline, range: Range<usize>, confidence: f64) -> bool {
    (0..plan.mix.len()).any(|k| {
        let b = line.sum(range.clone(), k);
        plan.goal(k).is_some_and(|goal| {
            let bad = b.offered.saturating_sub(b.good);
            bad >= 3 && upper_tail(b.offered, bad, 1.0 - goal.target) < 1.0 - confidence
        })
    })
}

/// P(X >= k) for X binomial with n tries and chance p; 1 up to the mean, where nothing is rare.
fn upper_tail(n: u32, k: u32, p: f64) -> f64 {
    // From k upward each term is the last one times a ratio; above the mean the ratio falls below 1.
    let (n, k) = (n as f64, k as f64);
    if k <= n * p {
        return 1.0;
    }
    let ln_choose: f64 = (0..k as u64)
        .map(|i| ((n - i as f64) / (k - i as f64)).ln())
        .sum();
    let mut term = (ln_choose + k * p.ln() + (n - k) * (1.0 - p).ln()).exp();
    let (mut sum, mut i) = (0.0, k);
    while i <= n && term > 1e-18 {
        sum += term;
        term *= (n - i) / (i + 1.0) * p / (1.0 - p);
        i += 1.0;
    }
    sum.min(1.0)
}

/// Buckets whose requests have all been judged: who is not good by now is late.
pub fn judged(plan: &Plan, line: &Timeline, measured: Duration) -> usize {
    let slowest = (0..plan.mix.len())
        .filter_map(|k| plan.goal(k))
        .map(|g| g.latency)
        .max()
        .unwrap_or_default();
    let settled = measured.saturating_sub(slowest);
    ((settled.as_nanos() / line.width.as_nanos()) as usize).min(line.len())
}

/// Length of the moving window of a ramp.
pub const WINDOW: Duration = Duration::from_millis(1500);

/// Where a ramp broke.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossing {
    /// The line, requests per second.
    pub line: f64,
    /// Highest rate offered in a window that was good; 0 when it broke from the start.
    pub good: f64,
    /// Rate offered when it broke.
    pub broke: f64,
}

/// Looks for the first window that is broken among the first `until` buckets.
///
/// A queue needs time to grow, so the rate offered when it broke lies above the line; but once it grows, the
/// rate at which answers come is what the service can carry. The line is the lower of the two.
pub fn crossing(plan: &Plan, line: &Timeline, until: usize) -> Option<Crossing> {
    let window = (WINDOW.as_nanos() / line.width.as_nanos()).max(1) as usize;
    let seconds = line.width.as_secs_f64() * window as f64;
    let total = |range: Range<usize>| {
        (0..line.kinds).fold(Bucket::default(), |mut sum, k| {
            let b = line.sum(range.clone(), k);
            sum.offered += b.offered;
            sum.ended += b.ended;
            sum
        })
    };
    let first = (window..=until).find(|&end| broken(plan, line, end - window..end, 0.99))?;
    // The first bucket of the broken window that is bad itself: the queue began to hurt there.
    let onset = (first - window..first)
        .find(|&b| margin(plan, line, b..b + 1).is_some_and(|m| m < 0.0))
        .unwrap_or(first - window);
    let rate = |n: u32| n as f64 / seconds;
    let before = onset.saturating_sub(window)..onset;
    let after = onset..(onset + window).min(line.len());
    if after.end > until {
        // What is carried shows only in time that has passed.
        return None;
    }
    let scale = |range: &Range<usize>| window as f64 / range.len().max(1) as f64;
    let good = match onset {
        0 => 0.0,
        _ => rate(total(before.clone()).offered) * scale(&before),
    };
    let carried = rate(total(after.clone()).ended) * scale(&after);
    Some(Crossing {
        line: if carried > 0.0 {
            good.min(carried)
        } else {
            good
        },
        good,
        broke: rate(total(first - window..first).offered),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Goal;

    #[test]
    fn binomial_tails() {
        assert!((upper_tail(10, 2, 0.1) - 0.26390).abs() < 1e-5);
        assert!((upper_tail(100, 5, 0.01) - 0.00343).abs() < 1e-5);
        assert_eq!(upper_tail(100, 0, 0.01), 1.0);
        assert!(upper_tail(1000, 1000, 0.01) < 1e-12);
    }

    #[test]
    fn one_late_answer_of_sixty_is_chance_and_three_are_not() {
        let (plan, _) = ramp(1.0, 1.0, 1.0, 1.0);
        let is_broken = |offered: u32, bad: u32| {
            let mut line = Timeline::new(Duration::from_millis(250), 1);
            *line.at(Duration::ZERO, 0).unwrap() = Bucket {
                offered,
                good: offered - bad,
                ended: offered,
            };
            broken(&plan, &line, 0..1, 0.95)
        };
        assert_eq!(
            [0, 1, 2, 3].map(|bad| is_broken(60, bad)),
            [false, false, false, true]
        );
        assert_eq!([12, 17].map(|bad| is_broken(1000, bad)), [false, true]);
    }

    /// A fluid queue with a given capacity under a ramp: the answer is known.
    fn ramp(capacity: f64, from: f64, to: f64, seconds: f64) -> (Plan, Timeline) {
        let mut plan = Plan::to(
            ([127, 0, 0, 1], 1).into(),
            "/",
            1.0,
            Duration::from_secs_f64(seconds),
        );
        plan.goals = vec![Goal {
            latency: Duration::from_millis(250),
            target: 0.99,
        }];
        let mut line = Timeline::new(plan.duration, 1);
        let (mut t, mut free_at) = (0.0, 0.0f64);
        while t < seconds {
            let rate = from + (to - from) * t / seconds;
            free_at = free_at.max(t) + 1.0 / capacity;
            let b = line.at(Duration::from_secs_f64(t), 0).unwrap();
            b.offered += 1;
            b.good += u32::from(free_at - t <= 0.25);
            if let Some(b) = line.at(Duration::from_secs_f64(free_at), 0) {
                b.ended += 1;
            }
            t += 1.0 / rate;
        }
        (plan, line)
    }

    #[test]
    fn a_ramp_finds_the_capacity_within_ten_percent() {
        for (capacity, to, seconds) in [
            (150.0, 400.0, 15.0),
            (150.0, 200.0, 15.0),
            (900.0, 2000.0, 15.0),
            (60.0, 400.0, 20.0),
        ] {
            let (plan, line) = ramp(capacity, 10.0, to, seconds);
            let c = crossing(&plan, &line, line.len()).unwrap();
            assert!((c.line / capacity - 1.0).abs() < 0.10, "{capacity}: {c:?}");
        }
    }

    #[test]
    fn a_ramp_below_capacity_does_not_break() {
        let (plan, line) = ramp(500.0, 10.0, 400.0, 15.0);
        assert_eq!(crossing(&plan, &line, line.len()), None);
        assert!(margin(&plan, &line, 0..line.len()).unwrap() > 0.0);
    }

    #[test]
    fn only_requests_that_had_their_time_are_judged() {
        let (plan, line) = ramp(500.0, 10.0, 20.0, 10.0);
        assert_eq!(judged(&plan, &line, Duration::from_secs(1)), 3);
        assert_eq!(judged(&plan, &line, Duration::from_secs(100)), line.len());
    }
}
