//! Slots of the past: minutes of the last hours, and hours of the last weeks.

use crate::slot::Slot;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    Minute,
    Hour,
}

/// Minutes that are kept: three hours.
pub const MINUTES: usize = 180;
/// Hours that are kept: 35 days.
pub const HOURS: usize = 35 * 24;

impl Grain {
    pub fn seconds(self) -> u64 {
        match self {
            Grain::Minute => 60,
            Grain::Hour => 3600,
        }
    }

    pub fn keep(self) -> usize {
        match self {
            Grain::Minute => MINUTES,
            Grain::Hour => HOURS,
        }
    }

    pub fn floor(self, at_s: u64) -> u64 {
        at_s - at_s % self.seconds()
    }
}

#[derive(Clone, Debug, Default)]
pub struct Book {
    minutes: BTreeMap<u64, Slot>,
    hours: BTreeMap<u64, Slot>,
}

impl Book {
    /// Adds a short stretch to the minute and the hour in which it begins.
    pub fn push(&mut self, slot: &Slot) {
        for grain in [Grain::Minute, Grain::Hour] {
            let start_s = grain.floor(slot.start_s);
            let new = || Slot {
                start_s,
                ..Slot::default()
            };
            self.slots_mut(grain)
                .entry(start_s)
                .or_insert_with(new)
                .add(slot);
            self.trim(grain);
        }
    }

    /// Puts back what was stored.
    pub fn restore(&mut self, grain: Grain, slot: Slot) {
        self.slots_mut(grain).insert(slot.start_s, slot);
        self.trim(grain);
    }

    fn trim(&mut self, grain: Grain) {
        let slots = self.slots_mut(grain);
        while slots.len() > grain.keep() {
            slots.pop_first();
        }
    }

    pub fn slots(&self, grain: Grain) -> &BTreeMap<u64, Slot> {
        match grain {
            Grain::Minute => &self.minutes,
            Grain::Hour => &self.hours,
        }
    }

    fn slots_mut(&mut self, grain: Grain) -> &mut BTreeMap<u64, Slot> {
        match grain {
            Grain::Minute => &mut self.minutes,
            Grain::Hour => &mut self.hours,
        }
    }

    /// What begins in `from_s..to_s`, summed: by minute as far back as they are kept, else by hour.
    pub fn span(&self, from_s: u64, to_s: u64, now_s: u64) -> Slot {
        let grain = reaching(from_s, now_s);
        self.sum(grain, grain.floor(from_s), to_s)
    }

    /// The same in steps: each slot is in the step in which it begins, and in no other.
    pub fn steps(&self, from_s: u64, to_s: u64, step_s: u64, now_s: u64) -> Vec<Slot> {
        let (grain, step_s) = (reaching(from_s, now_s), step_s.max(1));
        let edge = |i: u64| from_s.saturating_add(i.saturating_mul(step_s)).min(to_s);
        let one = |i: u64| {
            // Only the first takes the slot in the middle of which it begins.
            let start_s = if i == 0 { grain.floor(from_s) } else { edge(i) };
            self.sum(grain, start_s, edge(i + 1))
        };
        let count = to_s.saturating_sub(from_s).div_ceil(step_s);
        (0..count).map(one).collect()
    }

    fn sum(&self, grain: Grain, start_s: u64, to_s: u64) -> Slot {
        let mut sum = Slot {
            start_s,
            ..Slot::default()
        };
        if start_s < to_s {
            let inside = self.slots(grain).range(start_s..to_s);
            inside.for_each(|(_, slot)| sum.add(slot));
        }
        sum
    }
}

/// The finest slots that are kept as far back as this.
fn reaching(from_s: u64, now_s: u64) -> Grain {
    match from_s + MINUTES as u64 * 60 >= now_s {
        true => Grain::Minute,
        false => Grain::Hour,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(start_s: u64) -> Slot {
        Slot {
            start_s,
            seconds: 1.0,
            requests: BTreeMap::from([("a".to_owned(), 2.0)]),
            ..Slot::default()
        }
    }

    #[test]
    fn stretches_add_up_and_the_oldest_go() {
        let mut book = Book::default();
        for at in (0..1_000_000u64).step_by(20) {
            book.push(&second(at));
        }
        assert_eq!(book.slots(Grain::Minute).len(), MINUTES);
        assert_eq!(
            book.slots(Grain::Hour).len(),
            1_000_000_usize.div_ceil(3600)
        );
        let now = 1_000_000;
        assert_eq!(
            book.span(now - 600, now, now).seconds,
            32.0,
            "from a whole minute on"
        );
        let day = book.span(now - 86_400, now, now);
        assert_eq!(
            (day.start_s % 3600, day.requests["a"]),
            (0, 2.0 * day.seconds)
        );
        assert_eq!(
            book.span(now, now, now),
            Slot {
                start_s: 999_960,
                seconds: 2.0,
                requests: [("a".to_owned(), 4.0)].into(),
                ..Slot::default()
            }
        );
        assert_eq!(book.span(now + 60, now, now).seconds, 0.0);
    }

    #[test]
    fn steps_hold_each_slot_once() {
        let (mut book, now) = (Book::default(), 1_000_000);
        (0..now).step_by(20).for_each(|at| book.push(&second(at)));
        for (back, step) in [
            (86_400, 3600),
            (86_400, 600),
            (5000, 300),
            (604_800, 86_400),
        ] {
            let steps = book.steps(now - back, now, step, now);
            let sum: f64 = steps.iter().map(|s| s.seconds).sum();
            let whole = book.span(now - back, now, now).seconds;
            assert!(whole > 0.0);
            assert_eq!(sum, whole, "{back} {step}");
        }
    }
}
