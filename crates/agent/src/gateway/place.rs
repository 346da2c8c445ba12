//! From sums at moments to what was used in whole seconds of the gateway's clock. Pure.
//!
//! Readings come within milliseconds of whole seconds, so nearly all of an increase lies in one second; it is spread
//! evenly over the time between the two readings. A second that was seen in part only is not told at all.

use crate::message::Counter;
use base::Nanos;
use std::time::Duration;

/// Readings further apart tell nothing of the seconds between them.
pub const BRIDGE: Duration = Duration::from_secs(3);
/// Share of a second that must have been seen.
const WHOLE: f64 = 0.95;
const SECOND: u64 = 1_000_000_000;

/// One second of a resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    pub second: u64,
    pub busy: f64,
    pub waiting: Option<f64>,
    pub background: Option<f64>,
    pub capacity: Option<f64>,
    pub level: Option<f64>,
}

/// A sum went backwards within one epoch.
#[derive(Debug, PartialEq)]
pub struct Backwards;

/// What is known of one resource of one agent.
#[derive(Debug, Default)]
pub struct Track {
    first: Option<Nanos>,
    seen: Option<Nanos>,
    last: Option<(Nanos, Counter)>,
    /// The second that has begun, and how much of it was seen.
    begun: Option<(Part, f64)>,
}

impl Track {
    /// When it was told of last.
    pub fn last(&self) -> Option<Nanos> {
        self.seen
    }

    /// Its sums begin anew: those before have nothing to do with them.
    pub fn restart(&mut self) {
        (self.last, self.begun) = (None, None);
    }

    /// Whether it was in sight when the second began.
    pub fn began(&self, second: u64) -> bool {
        self.first.is_some_and(|f| f.0 <= second * SECOND)
    }

    /// Takes a reading later than the last one; gives the seconds that have become whole.
    pub fn take(&mut self, at: Nanos, c: &Counter) -> Result<Vec<Part>, Backwards> {
        self.first.get_or_insert(at);
        self.seen = Some(at);
        let last = self.last.replace((at, c.clone()));
        let Some((then, old)) = last
            .filter(|(then, old)| old.epoch == c.epoch && at.since(*then) <= BRIDGE && at > *then)
        else {
            self.begun = None;
            return Ok(Vec::new());
        };
        let grown = |new: Option<f64>, old: Option<f64>| Some(new? - old?);
        let grew = Part {
            busy: c.busy - old.busy,
            waiting: grown(c.waiting, old.waiting),
            background: grown(c.background, old.background),
            ..Part::default()
        };
        let fell = |v: Option<f64>| v.is_some_and(|v| v < 0.0);
        if fell(Some(grew.busy)) || fell(grew.waiting) || fell(grew.background) {
            self.begun = None;
            return Err(Backwards);
        }
        Ok(self.spread(then, at, &grew, c))
    }

    fn spread(&mut self, then: Nanos, at: Nanos, grew: &Part, c: &Counter) -> Vec<Part> {
        let whole = at.since(then).as_secs_f64();
        let mut done = Vec::new();
        for second in then.0 / SECOND..=at.0 / SECOND {
            let end = (second + 1) * SECOND;
            let from = Nanos(then.0.max(second * SECOND));
            let seen = Nanos(at.0.min(end)).since(from).as_secs_f64();
            let share = seen / whole;
            let begun = self.begun.take().filter(|b| b.0.second == second);
            let (mut part, mut covered) = begun.unwrap_or_default();
            let more = |sum: Option<f64>, v: Option<f64>| Some(sum.unwrap_or(0.0) + v? * share);
            part.second = second;
            part.busy += grew.busy * share;
            part.waiting = more(part.waiting, grew.waiting);
            part.background = more(part.background, grew.background);
            (part.capacity, part.level) = (c.capacity, c.level);
            covered += seen;
            if at.0 < end {
                self.begun = Some((part, covered));
            } else if covered >= WHOLE {
                done.push(scaled(part, 1.0 / covered));
            }
        }
        done
    }
}

fn scaled(p: Part, by: f64) -> Part {
    Part {
        busy: p.busy * by,
        waiting: p.waiting.map(|v| v * by),
        background: p.background.map(|v| v * by),
        ..p
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: f64) -> Nanos {
        Nanos((s * 1e9).round() as u64)
    }
    fn counter(busy: f64) -> Counter {
        Counter {
            busy,
            capacity: Some(2.0),
            epoch: 1,
            ..Counter::default()
        }
    }
    fn seconds(t: &mut Track, s: f64, busy: f64) -> Vec<(u64, f64)> {
        let parts = t.take(at(s), &counter(busy)).unwrap();
        let rounded = |v: f64| (v * 1e6).round() / 1e6;
        parts.iter().map(|p| (p.second, rounded(p.busy))).collect()
    }

    #[test]
    fn an_increase_lies_where_it_happened() {
        let mut t = Track::default();
        assert_eq!(seconds(&mut t, 10.004, 5.0), []);
        assert_eq!(seconds(&mut t, 11.004, 5.5), [(10, 0.5)]);
        // 4 ms of the new second's use belong to it.
        assert_eq!(seconds(&mut t, 12.004, 6.5), [(11, 0.998)]);
        // One reading was lost: its sum is in the next one, half for each second.
        assert_eq!(seconds(&mut t, 14.004, 8.5), [(12, 1.0), (13, 1.0)]);
    }

    #[test]
    fn what_was_not_seen_whole_is_not_told() {
        let mut t = Track::default();
        assert_eq!(seconds(&mut t, 10.5, 5.0), []);
        assert_eq!(seconds(&mut t, 11.0, 6.0), [], "half of second 10");
        assert_eq!(seconds(&mut t, 12.0, 7.0), [(11, 1.0)]);
        assert_eq!(seconds(&mut t, 16.0, 9.0), [], "too long ago");
        assert_eq!(seconds(&mut t, 17.0, 9.25), [(16, 0.25)]);
    }

    #[test]
    fn a_sum_that_falls_begins_anew_with_a_reason_or_an_epoch() {
        let mut t = Track::default();
        seconds(&mut t, 10.0, 5.0);
        assert_eq!(t.take(at(11.0), &counter(1.0)), Err(Backwards));
        assert_eq!(seconds(&mut t, 12.0, 1.5), [(11, 0.5)]);
        let other = Counter {
            epoch: 2,
            ..counter(0.0)
        };
        assert_eq!(t.take(at(13.0), &other), Ok(vec![]));
    }
}
