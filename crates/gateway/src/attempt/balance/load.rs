//! The load of one instance: peak-sensitive average of its time to the first byte, times what it has in flight.
//!
//! A slower answer than the average replaces it at once; faster ones pull it down with `exp(-dt / 10 s)`, and each by a
//! sixteenth at least. So a slow instance is avoided immediately and trusted again gradually, while a stall that hit all
//! of them is forgotten after some answers. Errors are a share of their own, which falls with time only. An instance that
//! is new, or was not there, earns its part by its own answers. Shared by all threads; a lost update between two of them
//! costs one sample, never a wrong count in flight.

use base::Nanos;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Time constant of the average, seconds.
pub const TAU_S: f64 = 10.0;
/// What is left of the average, at most, after one faster answer.
const PER_SAMPLE: f64 = 15.0 / 16.0;
/// What an error counts as, seconds: a fast failure must not look like a fast answer.
pub const PENALTY_S: f64 = 5.0;
/// Longest penalty that an instance can ask for with `Retry-After`, seconds.
const PENALTY_MAX_S: f64 = 300.0;
/// Seconds assumed for an instance that has something in flight and has answered nothing yet.
const UNKNOWN_S: f64 = 1.0;

/// Answers that let an instance have one more in flight without looking dearer for it. So what it may have doubles
/// every six answer-times or so, however long those are, and after some hundred answers nothing is held back.
const EARNS: f64 = 8.0;
/// More answers than this make no difference.
const SETTLED: u32 = 1 << 16;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// Time to the first byte. An attempt whose client left first counts with the time until then.
    Answered(Duration),
    /// Status 500 or above, except those below: adds to the share of errors, each unit of which counts as 5 s.
    Failed(Duration),
    /// No connection, a reset, a deadline, or status 429, 502, 503, 504: at least the penalty, at once.
    Unavailable { retry_after: Option<Duration> },
    /// Cancelled after this time because another attempt had answered. Who did not answer for longer than usual is slow;
    /// a shorter time tells nothing.
    GivenUp(Duration),
}

#[derive(Debug, Default)]
pub struct Load {
    pending: AtomicU32,
    /// Seconds, as bits; 0 before the first answer.
    average: AtomicU64,
    /// Share of errors, as bits.
    errors: AtomicU64,
    /// Of the last sample, nanoseconds.
    stamp: AtomicU64,
    /// Since it was new, or not there.
    answers: AtomicU32,
}

impl Load {
    /// Call at the start of an attempt; `end` exactly once for each.
    pub fn begin(&self) {
        self.pending.fetch_add(1, Relaxed);
    }

    pub fn end(&self, how: Ending, now: Nanos) {
        self.give_up();
        let before = [&self.average, &self.errors].map(|a| f64::from_bits(a.load(Relaxed)));
        if matches!(how, Ending::GivenUp(d) if d.as_secs_f64() <= before[0]) {
            return;
        }
        self.count(how);
        let dt = now.since(Nanos(self.stamp.load(Relaxed)));
        let [average, errors] = update(before, dt, how);
        self.average.store(average.to_bits(), Relaxed);
        self.errors.store(errors.to_bits(), Relaxed);
        self.stamp.store(now.0, Relaxed);
    }

    fn count(&self, how: Ending) {
        let answers = self.answers.load(Relaxed);
        match how {
            Ending::Unavailable { .. } => self.answers.store(0, Relaxed),
            Ending::GivenUp(_) => {}
            _ if answers < SETTLED => self.answers.store(answers + 1, Relaxed),
            _ => {}
        }
    }

    /// Ends an attempt that told nothing about the instance.
    pub fn give_up(&self) {
        // Saturating: a caller's mistake must not turn into four thousand million requests in flight.
        let _ = self
            .pending
            .fetch_update(Relaxed, Relaxed, |p| p.checked_sub(1));
    }

    pub fn pending(&self) -> u32 {
        self.pending.load(Relaxed)
    }

    /// Seconds of work that a new attempt finds there. Without samples the average fades, so that an instance that
    /// was slow once is asked again.
    pub fn cost(&self, now: Nanos) -> f64 {
        let pending = self.pending() as f64;
        let average = f64::from_bits(self.average.load(Relaxed));
        if average == 0.0 {
            return UNKNOWN_S * pending;
        }
        let errors = f64::from_bits(self.errors.load(Relaxed));
        let left = weight(now.since(Nanos(self.stamp.load(Relaxed))));
        let earned = 1.0 + f64::from(self.answers.load(Relaxed)) / EARNS;
        let above = ((pending + 1.0) / earned).max(1.0);
        (average + PENALTY_S * errors) * left * (pending + 1.0) * above
    }
}

/// What is left of an average after `dt`.
fn weight(dt: Duration) -> f64 {
    (-dt.as_secs_f64() / TAU_S).exp()
}

/// Average and share of errors after one more sample. They start with the first.
fn update([average, errors]: [f64; 2], dt: Duration, how: Ending) -> [f64; 2] {
    let (sample, failed) = match how {
        Ending::Answered(d) | Ending::GivenUp(d) => (d.as_secs_f64(), 0.0),
        Ending::Failed(d) => (d.as_secs_f64(), 1.0),
        Ending::Unavailable { retry_after } => {
            let asked = retry_after.map_or(0.0, |d| d.as_secs_f64());
            (asked.clamp(PENALTY_S, PENALTY_MAX_S), 0.0)
        }
    };
    // A tenth of a microsecond: zero means "no history".
    let sample = sample.max(1e-7);
    if average == 0.0 {
        return [sample, failed];
    }
    let w = weight(dt);
    let errors = errors * w + failed * (1.0 - w);
    if sample > average {
        return [sample, errors];
    }
    let w = w.min(PER_SAMPLE);
    [average * w + sample * (1.0 - w), errors]
}

#[cfg(test)]
mod tests {
    use super::*;
    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    fn one(l: &Load, how: Ending, ms: u64) {
        l.begin();
        l.end(how, at(ms));
    }

    #[test]
    fn slow_is_believed_at_once_and_fast_gradually() {
        let l = Load::default();
        one(&l, Ending::Answered(5 * MS), 1000);
        one(&l, Ending::Answered(500 * MS), 1010);
        assert_eq!(l.cost(at(1010)), 0.5);
        one(&l, Ending::Answered(5 * MS), 2010);
        let c = l.cost(at(2010));
        assert!((0.4..0.5).contains(&c), "{c}");
        assert!(
            l.cost(at(60_000)) < 0.01,
            "an instance that nobody asks becomes interesting again"
        );
    }

    #[test]
    fn a_stall_of_all_is_forgotten_sooner_than_the_slowness_of_one() {
        let (good, slow) = (Load::default(), Load::default());
        for l in [&good, &slow] {
            one(l, Ending::Answered(800 * MS), 1000);
        }
        for i in 0..80 {
            one(&good, Ending::Answered(20 * MS), 1000 + i * 20);
        }
        for i in 0..8 {
            one(&slow, Ending::Answered(200 * MS), 1000 + i * 200);
        }
        let (good, slow) = (good.cost(at(2600)), slow.cost(at(2600)));
        assert!(good < 0.03 && slow > 0.2, "{good} {slow}");
    }

    #[test]
    fn a_new_instance_gets_one_request_and_then_no_more_until_it_answers() {
        let (new, busy) = (Load::default(), Load::default());
        one(&busy, Ending::Answered(5 * MS), 1000);
        assert!(new.cost(at(1000)) < busy.cost(at(1000)));
        new.begin();
        assert!(new.cost(at(1000)) > busy.cost(at(1000)));
    }

    #[test]
    fn a_new_instance_earns_its_part_by_its_own_answers() {
        let (new, old) = (Load::default(), Load::default());
        for i in 0..1000 {
            one(&old, Ending::Answered(5 * MS), 1000 + i);
        }
        one(&new, Ending::Answered(5 * MS), 2000);
        let dearer = |pending: usize| {
            (0..pending).for_each(|_| [&new, &old].into_iter().for_each(Load::begin));
            let ratio = new.cost(at(2000)) / old.cost(at(2000));
            (0..pending).for_each(|_| [&new, &old].into_iter().for_each(Load::give_up));
            ratio
        };
        assert!(dearer(0) < 1.01 && dearer(9) > 8.0, "{}", dearer(9));
        for i in 0..100 {
            one(&new, Ending::Answered(5 * MS), 2000 + i);
        }
        assert!((dearer(9) - 1.0).abs() < 0.05, "{}", dearer(9));
        one(&new, Ending::Unavailable { retry_after: None }, 2100);
        one(&new, Ending::Answered(5 * MS), 62_000);
        let calm = new.cost(at(62_000));
        new.begin();
        assert!(new.cost(at(62_000)) > 3.0 * calm, "as new");
    }

    #[test]
    fn fast_failures_do_not_attract_traffic() {
        let (good, bad) = (Load::default(), Load::default());
        for i in 0..200 {
            one(&good, Ending::Answered(20 * MS), 1000 + i * 10);
            let how = if i % 2 == 0 {
                Ending::Failed(MS)
            } else {
                Ending::Answered(MS)
            };
            one(&bad, how, 1000 + i * 10);
        }
        assert!(bad.cost(at(3000)) > 10.0 * good.cost(at(3000)));
        let gone = Load::default();
        one(&gone, Ending::Answered(MS), 1000);
        one(&gone, Ending::Unavailable { retry_after: None }, 1001);
        assert_eq!(gone.cost(at(1001)), PENALTY_S);
        let asked = Some(Duration::from_secs(9999));
        one(&gone, Ending::Unavailable { retry_after: asked }, 1002);
        assert_eq!(gone.cost(at(1002)), PENALTY_MAX_S);
    }

    #[test]
    fn a_cancelled_attempt_can_only_show_that_an_instance_is_slow() {
        let l = Load::default();
        one(&l, Ending::Answered(5 * MS), 1000);
        let before = l.cost(at(1000));
        one(&l, Ending::GivenUp(MS), 1000);
        assert_eq!((l.cost(at(1000)), l.pending()), (before, 0));
        one(&l, Ending::GivenUp(50 * MS), 1000);
        assert_eq!((l.cost(at(1000)), l.pending()), (0.05, 0));
    }

    #[test]
    fn one_error_in_a_thousand_is_no_reason_to_leave() {
        let l = Load::default();
        for i in 0..1000 {
            one(&l, Ending::Answered(5 * MS), 1000 + i * 10);
        }
        one(&l, Ending::Failed(MS), 11_000);
        assert!(l.cost(at(11_000)) < 0.02, "{}", l.cost(at(11_000)));
    }

    #[test]
    fn pending_is_exact_across_threads_and_never_below_zero() {
        let l = Load::default();
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for i in 0..1000 {
                        l.begin();
                        if i % 2 == 0 {
                            l.give_up()
                        } else {
                            l.end(Ending::Answered(MS), at(i))
                        }
                    }
                });
            }
        });
        assert_eq!(l.pending(), 0);
        l.give_up();
        assert_eq!(l.pending(), 0);
    }
}
