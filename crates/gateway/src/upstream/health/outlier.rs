//! Whether an instance is far slower than its peers, or fails far more often, on the same routes. Pure.
//!
//! Each answer counts as its difference from what is usual on its route, over all instances: who got the expensive routes
//! is not slow. Differences are of logarithms, so one answer that took for ever weighs little. Two things are asked for:
//! that the difference is large, and that it is no chance; the more instances there are to be wrong about, the surer.

use base::Nanos;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Time constant of the accounts, seconds.
const TAU_S: f64 = 10.0;
/// Answers of late on both sides, or nothing is said.
const ENOUGH: f64 = 50.0;
/// First answers of a new instance that are not counted: caches are cold, code is not compiled.
const WARM_UP: u32 = 200;
/// How many times as long answers must take.
const SLOWER: f64 = 2.5;
/// Share of answers that must fail beyond what fails elsewhere.
const FAILS_MORE: f64 = 0.1;
/// Time between two looks at one instance.
pub const LOOK: Duration = Duration::from_secs(1);
/// Weight of one answer in what is usual.
const WEIGHT: f64 = 1.0 / 64.0;

/// What is usual on one route, whichever instance answers. A lost update costs one answer.
#[derive(Debug, Default)]
pub struct Usual {
    /// Mean logarithm of seconds, as bits; 0 before the first answer.
    time: AtomicU64,
    /// Share, as bits.
    failures: AtomicU64,
}

/// One answer, as the account of its instance takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Logarithm of how many times as long as usual; `None`: it failed, and a fast failure is not fast.
    pub time: Option<f64>,
    /// 1 for a failure, less what is usual.
    pub failure: f64,
}

impl Usual {
    pub fn difference(&self, took: Duration, failed: bool) -> Difference {
        let usual = f64::from_bits(self.failures.load(Relaxed));
        let failure = failed as u8 as f64 - usual;
        let next = usual + WEIGHT * failure;
        self.failures.store(next.to_bits(), Relaxed);
        let time = (!failed).then(|| {
            let ln = took.as_secs_f64().max(1e-6).ln();
            let usual = match self.time.load(Relaxed) {
                0 => ln,
                bits => f64::from_bits(bits),
            };
            let next = usual + WEIGHT * (ln - usual);
            self.time.store(next.to_bits(), Relaxed);
            ln - usual
        });
        Difference { time, failure }
    }
}

/// The answers of one instance, or of several; older ones count less.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Account {
    at: Nanos,
    /// Of times: how many, their sum and the sum of their squares.
    times: [f64; 3],
    /// Of failures: how many answers, and the sum.
    failures: [f64; 2],
    skipped: u32,
}

impl Account {
    pub fn add(&mut self, difference: Difference, now: Nanos) {
        if self.skipped < WARM_UP {
            self.skipped += 1;
            return;
        }
        *self = self.aged(now);
        if let Some(d) = difference.time {
            for (sum, part) in self.times.iter_mut().zip([1.0, d, d * d]) {
                *sum += part;
            }
        }
        self.failures[0] += 1.0;
        self.failures[1] += difference.failure;
    }

    /// As it is at a later time.
    pub fn aged(&self, now: Nanos) -> Account {
        let left = (-now.since(self.at).as_secs_f64() / TAU_S).exp();
        Account {
            at: now.max(self.at),
            times: self.times.map(|v| v * left),
            failures: self.failures.map(|v| v * left),
            skipped: self.skipped,
        }
    }

    /// Both together, at one time.
    pub fn with(&self, other: &Account) -> Account {
        let mut sum = *self;
        sum.times
            .iter_mut()
            .zip(other.times)
            .for_each(|(a, b)| *a += b);
        sum.failures
            .iter_mut()
            .zip(other.failures)
            .for_each(|(a, b)| *a += b);
        sum
    }

    /// Begins anew, without another warm-up.
    pub fn forget(&mut self) {
        (self.times, self.failures) = Default::default();
    }

    fn mean(&self) -> f64 {
        self.times[1] / self.times[0].max(1.0)
    }

    /// Of the mean.
    fn variance(&self) -> f64 {
        let n = self.times[0].max(1.0);
        // A hundredth: answers that all take the same time prove no more than that.
        (self.times[2] / n - self.mean().powi(2)).max(0.01) / n
    }

    fn share(&self) -> f64 {
        self.failures[1] / self.failures[0].max(1.0)
    }

    pub fn is_enough(&self) -> bool {
        self.failures[0] >= ENOUGH
    }
}

/// What makes an outlier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Evidence {
    /// Its answers take so many times as long.
    Slow(f64),
    /// So much more of its answers fail.
    Failing(f64),
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::Slow(times) => write!(
                f,
                "its answers take {times:.1} times as long as those of the others on the same routes"
            ),
            Evidence::Failing(share) => write!(
                f,
                "{:.0}% more of its answers fail than of the others on the same routes",
                share * 100.0
            ),
        }
    }
}

/// `peers` are all others together; `instances` is how many there are.
pub fn judge(mine: &Account, peers: &Account, instances: usize) -> Option<Evidence> {
    if !mine.is_enough() || !peers.is_enough() {
        return None;
    }
    // One look in a million that is wrong, for all instances together (Bonferroni).
    let sure = (2.0 * (1e6 * instances as f64).ln()).sqrt();
    let (more, n) = (mine.share() - peers.share(), mine.failures[0]);
    let deviation = (0.25f64.min(more.abs() + 1.0 / n) / n).sqrt();
    if more > FAILS_MORE && more > sure * deviation {
        return Some(Evidence::Failing(more));
    }
    let slower = mine.mean() - peers.mean();
    let deviation = (mine.variance() + peers.variance()).sqrt();
    let enough = mine.times[0] >= ENOUGH && peers.times[0] >= ENOUGH;
    (enough && slower > SLOWER.ln() && slower > sure * deviation)
        .then(|| Evidence::Slow(slower.exp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four instances for ten seconds; `answer(instance, step)` gives route, milliseconds, and whether it failed.
    fn run(answer: impl Fn(usize, u64) -> (usize, f64, bool)) -> Vec<Option<Evidence>> {
        let (usual, mut all) = (
            [Usual::default(), Usual::default()],
            [Account::default(); 4],
        );
        let now = |step: u64| Nanos(step * 10_000_000);
        for step in 0..1000 {
            for (i, account) in all.iter_mut().enumerate() {
                let (route, ms, failed) = answer(i, step);
                // Answers vary by half and more.
                let ms = ms * (0.6 + crate::hash::position(crate::hash::mix(step * 4 + i as u64)));
                let took = Duration::from_secs_f64(ms / 1000.0);
                account.add(usual[route].difference(took, failed), now(step));
            }
        }
        let peers = |i: usize| {
            let others = (0..4).filter(|o| *o != i).map(|o| all[o].aged(now(1000)));
            others.fold(Account::default(), |sum, a| sum.with(&a))
        };
        (0..4)
            .map(|i| judge(&all[i].aged(now(1000)), &peers(i), 4))
            .collect()
    }

    #[test]
    fn a_slow_one_is_told_from_one_that_got_the_expensive_route() {
        let mix = |i: usize, step: u64| {
            let expensive = step % 10 < if i == 2 { 9 } else { 1 };
            (
                expensive as usize,
                if expensive { 80.0 } else { 2.0 },
                false,
            )
        };
        assert_eq!(
            run(mix),
            [None; 4],
            "its time is thirteen times that of the others"
        );
        let slow = run(|i, step| {
            let (route, ms, _) = mix(i, step);
            (route, if i == 1 { ms * 5.0 } else { ms }, false)
        });
        assert!(
            matches!(slow[1], Some(Evidence::Slow(n)) if (4.0..6.0).contains(&n)),
            "{slow:?}"
        );
        assert_eq!([slow[0], slow[2], slow[3]], [None; 3]);
        let little = run(|i, _| (0, if i == 1 { 3.6 } else { 2.0 }, false));
        assert_eq!(little, [None; 4], "sure, but not far");
    }

    #[test]
    fn who_fails_more_than_its_routes_do_is_told() {
        let fails = |i: usize, step: u64| {
            // The second route fails every third time, wherever it is asked.
            let route = (step % 10 < if i == 2 { 9 } else { 1 }) as usize;
            (route, 5.0, route == 1 && step.is_multiple_of(3))
        };
        assert_eq!(run(fails), [None; 4]);
        let one = run(|i, step| {
            let (route, ms, failed) = fails(i, step);
            (route, ms, failed || (i == 3 && step.is_multiple_of(2)))
        });
        assert!(
            matches!(one[3], Some(Evidence::Failing(s)) if s > 0.3),
            "{one:?}"
        );
        assert_eq!(one[..3], [None; 3]);
        assert_eq!(
            run(|_, step| (0, 5.0, step.is_multiple_of(2))),
            [None; 4],
            "all alike"
        );
    }

    #[test]
    fn little_or_old_or_first_answers_say_nothing() {
        assert_eq!(
            run(|i, step| (0, if i == 1 && step < 180 { 50.0 } else { 2.0 }, false)),
            [None; 4]
        );
        let mut mine = Account::default();
        let d = Difference {
            time: Some(3.0),
            failure: 1.0,
        };
        (0..WARM_UP as u64 + 60).for_each(|_| mine.add(d, Nanos(1)));
        let mut peers = mine;
        peers.times = [1000.0, 0.0, 0.0];
        peers.failures = [1000.0, 0.0];
        assert!(judge(&mine, &peers, 2).is_some());
        let later = mine.aged(Nanos(20_000_000_000));
        assert_eq!(judge(&later, &peers, 2), None, "it may have got well");
    }
}
