//! Which rate to try next, and when to stop: the pure core of `find_limit`.

use super::judge::Crossing;
use serde::{Deserialize, Serialize};

/// One rate that was held, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Requests per second.
    pub rate: f64,
    pub good: bool,
    /// Lowest share of good requests of any kind, less its target; a little below zero may be chance. `None`: a rate of a ramp,
    /// which was not held.
    pub margin: Option<f64>,
}

impl Step {
    /// The rates between which a ramp broke.
    pub(super) fn of(c: &Crossing) -> impl Iterator<Item = Step> {
        let step = |rate, good| Step {
            rate,
            good,
            margin: None,
        };
        let good = (c.good > 0.0).then(|| step(c.good, true));
        good.into_iter().chain([step(c.broke, false)])
    }
}

/// Why the search ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// The line lies within the tolerance.
    Found,
    /// The highest rate that was allowed is still good: the line is at least there.
    MaxReached,
    /// Not even the lowest rate is good.
    NeverGood,
    /// Not one answer, and this kind of failure instead: there is nothing to measure.
    Unanswered(String),
    /// The time or number of steps was used up: the line lies between `low` and `high`.
    OutOfTime,
    /// Of the lowest rate that broke the generator was the bottleneck, so that failure is not the server's: the line is at least `low`.
    Generator(String),
    /// Whoever watched it said stop.
    Asked,
}

/// Doubles the rate until it breaks, then halves the gap (in ratio) until it is within the tolerance.
#[derive(Clone, Debug)]
pub struct Search {
    start: f64,
    max: f64,
    tolerance: f64,
    low: Option<f64>,
    high: Option<f64>,
    /// Why what broke at `high` need not be the server's doing.
    doubt: Option<String>,
}

/// What came of a rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    Good,
    Broke,
    /// It broke, and the generator was the bottleneck: why. At a lower rate it may keep up.
    Behind(String),
}

/// Lowest rate that is tried, as a share of the first one.
const LOWEST: f64 = 1.0 / 64.0;

impl Search {
    pub fn new(start: f64, max: f64, tolerance: f64) -> Search {
        Search {
            start: start.min(max),
            max,
            tolerance: tolerance.max(1e-3),
            low: None,
            high: None,
            doubt: None,
        }
    }

    /// Highest good and lowest bad rate so far; no bad one where it is doubted.
    pub fn bounds(&self) -> (Option<f64>, Option<f64>) {
        (self.low, self.high.filter(|_| self.doubt.is_none()))
    }

    /// The next rate to hold.
    ///
    /// # Errors
    /// Why there is none.
    pub fn next(&self) -> Result<f64, Stopped> {
        match (self.low, self.high) {
            (None, None) => Ok(self.start),
            (Some(low), None) if low >= self.max => Err(Stopped::MaxReached),
            (Some(low), None) => Ok((low * 2.0).min(self.max)),
            (None, Some(high)) if high <= self.start * LOWEST => {
                Err(self.ended(Stopped::NeverGood))
            }
            (None, Some(high)) => Ok(high / 2.0),
            (Some(low), Some(high)) if high <= low * (1.0 + self.tolerance) => {
                Err(self.ended(Stopped::Found))
            }
            (Some(low), Some(high)) => Ok((low * high).sqrt()),
        }
    }

    fn ended(&self, known: Stopped) -> Stopped {
        self.doubt.clone().map_or(known, Stopped::Generator)
    }

    pub fn record(&mut self, rate: f64, held: Held) {
        let doubt = match held {
            // A good rate above a bad one (chance, or a server that warmed up) does not move the bad one.
            Held::Good => {
                self.low = Some(self.low.map_or(rate, |l| l.max(rate)));
                return;
            }
            Held::Broke => None,
            Held::Behind(why) => Some(why),
        };
        if self.high.is_none_or(|h| rate < h) {
            (self.high, self.doubt) = (Some(rate), doubt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(start: f64, max: f64, line: f64) -> (Stopped, Search, usize) {
        behind_above(f64::INFINITY, start, max, line)
    }

    /// The generator keeps up to some rate.
    fn behind_above(keeps: f64, start: f64, max: f64, line: f64) -> (Stopped, Search, usize) {
        let mut s = Search::new(start, max, 0.03);
        for steps in 0..100 {
            match s.next() {
                Ok(rate) if rate <= line => s.record(rate, Held::Good),
                Ok(rate) if rate <= keeps => s.record(rate, Held::Broke),
                Ok(rate) => s.record(rate, Held::Behind("late".into())),
                Err(stopped) => return (stopped, s, steps),
            }
        }
        panic!("it does not end");
    }

    #[test]
    fn the_line_is_enclosed_from_any_start() {
        for (start, line) in [
            (10.0, 137.0),
            (100.0, 101.0),
            (1000.0, 137.0),
            (137.0, 137.0),
        ] {
            let (stopped, s, steps) = search(start, 1e5, line);
            let (low, high) = (s.bounds().0.unwrap(), s.bounds().1.unwrap());
            assert_eq!(stopped, Stopped::Found);
            assert!(
                low <= line && line < high && high <= low * 1.03,
                "{low} {high}"
            );
            assert!(steps <= 16, "{steps} steps from {start} to {line}");
        }
    }

    #[test]
    fn it_ends_at_the_maximum_and_when_nothing_is_good() {
        let (stopped, s, _) = search(10.0, 75.0, 1e9);
        assert_eq!(
            (stopped, s.bounds()),
            (Stopped::MaxReached, (Some(75.0), None))
        );
        let (stopped, _, steps) = search(64.0, 1e4, 0.0);
        assert_eq!((stopped, steps), (Stopped::NeverGood, 7));
    }

    #[test]
    fn a_rate_at_which_the_generator_is_behind_is_doubted_only_while_it_is_the_lowest_that_broke() {
        let line = 100.0;
        let (stopped, s, _) = behind_above(140.0, 80.0, 1e5, line);
        let (low, high) = s.bounds();
        assert_eq!(stopped, Stopped::Found);
        assert!(low.is_some_and(|low| (95.0..=line).contains(&low)) && high.is_some());
        let (stopped, s, _) = behind_above(line, 80.0, 1e5, line);
        let (low, high) = s.bounds();
        assert_eq!((stopped, high), (Stopped::Generator("late".into()), None));
        assert!(low.is_some_and(|low| (95.0..=line).contains(&low)));
    }
}
