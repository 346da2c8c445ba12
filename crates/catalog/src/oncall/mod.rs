//! Who is on call: rotations in `on-call/NAME.yaml`, or a feed of a calendar in `on-call/NAME.ics`.

mod civil;
mod ical;
mod layer;
mod parse;

#[cfg(test)]
mod tests;

pub use ical::parse as parse_ics;
pub use layer::Layer;
pub use parse::parse;

use base::Spot;
use jiff::{SignedDuration, Timestamp};

/// Changes looked at in one question; a stretch with more counts as undecided from there on.
const MAX_CHANGES: usize = 4000;

/// A stretch that one person has, whatever the turns say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duty {
    pub from: Timestamp,
    pub until: Timestamp,
    pub who: String,
}

#[derive(Clone, Debug)]
pub struct Rotation {
    pub name: String,
    /// Asked in order: the first that has somebody decides.
    pub layers: Vec<Layer>,
    /// Before all layers; of two that overlap the later one in the file holds. All that a calendar has.
    pub overrides: Vec<Duty>,
    pub spot: Spot,
}

/// Who holds a stretch of time, or that nobody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    pub who: Option<String>,
    pub from: Timestamp,
    /// `None`: it does not change within what was looked at.
    pub until: Option<Timestamp>,
}

impl Rotation {
    /// Who has it at this instant.
    pub fn holder(&self, at: Timestamp) -> Option<&str> {
        let covers = |d: &&Duty| d.from <= at && at < d.until;
        match self.overrides.iter().rev().find(covers) {
            Some(duty) => Some(&duty.who),
            None => self.layers.iter().find_map(|l| l.holder(at)),
        }
    }

    /// The next instant at which the holder may be another one.
    fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let ends = self.overrides.iter().flat_map(|d| [d.from, d.until]);
        let layers = self.layers.iter().filter_map(|l| l.next_change(at));
        ends.chain(layers).filter(|t| *t > at).min()
    }

    /// The shifts that lie in `[from, to)`, in order; the first begins at `from`.
    pub fn shifts(&self, from: Timestamp, to: Timestamp) -> Vec<Shift> {
        let mut shifts: Vec<Shift> = Vec::new();
        let mut now = from;
        for _ in 0..MAX_CHANGES {
            let who = self.holder(now).map(str::to_owned);
            let until = self.next_change(now);
            match shifts.last_mut() {
                Some(last) if last.who == who => last.until = until,
                _ => shifts.push(Shift {
                    who,
                    from: now,
                    until,
                }),
            }
            match until {
                Some(next) if next < to => now = next,
                _ => break,
            }
        }
        shifts
    }

    /// The present shift and the next one of another person, looked for in `ahead`.
    pub fn now_and_next(&self, at: Timestamp, ahead: SignedDuration) -> (Shift, Option<Shift>) {
        let to = at.checked_add(ahead).unwrap_or(Timestamp::MAX);
        let mut shifts = self.shifts(at, to).into_iter();
        let now = shifts.next().unwrap_or(Shift {
            who: None,
            from: at,
            until: None,
        });
        (now, shifts.find(|s| s.who.is_some()))
    }

    /// Stretches of `[from, to)` that nobody has.
    pub fn gaps(&self, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let shifts = self.shifts(from, to);
        let gaps = shifts.iter().filter(|s| s.who.is_none());
        gaps.map(|s| (s.from, s.until.unwrap_or(to).min(to)))
            .collect()
    }

    /// Everybody who is named in it.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        let turns = self.layers.iter().flat_map(|l| &l.people);
        let people = turns.map(|p| p.name.as_str());
        people.chain(self.overrides.iter().map(|d| d.who.as_str()))
    }
}
