//! One layer of a rotation: people in turns, perhaps only in some hours of some days.

use super::civil::{Turn, instant};
use crate::fields::Named;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// The hours in which a layer has somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    pub from: Time,
    pub to: Time,
    /// Days on which they begin; empty: all.
    pub days: Vec<Weekday>,
}

#[derive(Clone, Debug)]
pub struct Layer {
    pub people: Vec<Named>,
    pub zone: TimeZone,
    /// The first handover, local time.
    pub starts: DateTime,
    pub turn: Turn,
    /// `None`: around the clock.
    pub hours: Option<Hours>,
}

impl Layer {
    pub fn holder(&self, at: Timestamp) -> Option<&str> {
        let index = self.turn_at(at)?;
        let on = self.hours.is_none() || self.windows(at).any(|(from, to)| from <= at && at < to);
        let n = i64::try_from(self.people.len()).ok().filter(|n| *n > 0)?;
        let who = &self.people[usize::try_from(index.rem_euclid(n)).ok()?];
        on.then_some(who.name.as_str())
    }

    /// The next handover, or the next begin or end of its hours.
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let handover = match self.turn_at(at) {
            Some(index) => self.handover(index + 1),
            None => self.handover(0),
        };
        let edges = self.windows(at).flat_map(|(from, to)| [from, to]);
        handover.into_iter().chain(edges).filter(|t| *t > at).min()
    }

    /// Number of the turn, from 0; `None` before the first.
    fn turn_at(&self, at: Timestamp) -> Option<i64> {
        let guess = match self.turn {
            Turn::Days(n) => {
                let local = self.zone.to_datetime(at);
                let days = local.date().duration_since(self.starts.date()).as_hours() / 24;
                days.div_euclid(n)
            }
            Turn::Span(span) => {
                let since = at.duration_since(self.handover(0)?).as_secs();
                since.div_euclid(span.as_secs())
            }
        };
        // Where the day of the handover is not over, or clocks change, the guess is off by one.
        let index = [guess + 1, guess, guess - 1]
            .into_iter()
            .find(|i| self.handover(*i).is_some_and(|t| t <= at))?;
        (index >= 0).then_some(index)
    }

    /// When turn `index` begins.
    fn handover(&self, index: i64) -> Option<Timestamp> {
        match self.turn {
            Turn::Days(n) => {
                let days = Span::new().try_days(index.checked_mul(n)?).ok()?;
                instant(self.starts.checked_add(days).ok()?, &self.zone)
            }
            Turn::Span(span) => {
                let first = instant(self.starts, &self.zone)?;
                let index = i32::try_from(index).ok()?;
                first.checked_add(span.checked_mul(index)?).ok()
            }
        }
    }

    /// The hours that begin from the day before `at` until a week after.
    fn windows(&self, at: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        let today = self.zone.to_datetime(at).date();
        (-1..=8i64).filter_map(move |d| {
            let day = today.checked_add(Span::new().days(d)).ok()?;
            self.window(self.hours.as_ref()?, day)
        })
    }

    fn window(&self, hours: &Hours, day: Date) -> Option<(Timestamp, Timestamp)> {
        if !hours.days.is_empty() && !hours.days.contains(&day.weekday()) {
            return None;
        }
        let last = match hours.to > hours.from {
            true => day,
            false => day.tomorrow().ok()?,
        };
        let from = instant(day.to_datetime(hours.from), &self.zone)?;
        Some((from, instant(last.to_datetime(hours.to), &self.zone)?))
    }
}
