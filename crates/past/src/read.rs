//! Series as samples: a counter that goes on over restarts, at the end of every slot in which Plimsoll counted.

use crate::metric::{BOUNDS, DURATIONS, SUB};
use crate::past::FINE_KEEP_MS;
use crate::tier::{Tier, chunk};
use crate::{Past, Series};
use base::grain::{COARSE_MS, FINE_MS, Grain};
use std::collections::BTreeMap;

/// How far back the newest sample of a series may lie for it to count as there.
pub const LOOKBACK_MS: i64 = 300_000;

/// When there are samples, milliseconds: ends of coarse slots, then of fine ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times {
    pub at_ms: Vec<i64>,
    /// How many of them are of coarse slots.
    pub coarse: usize,
    /// Slots that are read: first and last of each tier.
    ranges: [Option<(u64, u64)>; 2],
}

/// One series with its labels and samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub name: &'static str,
    /// Without the name; sorted as the metric has them, `le` last.
    pub labels: Vec<(&'static str, String)>,
    /// The first of the times at which it has a value.
    pub first: usize,
    /// From then on.
    pub values: Vec<f64>,
}

/// Series that belong together: one, or the parts of a histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub name: &'static str,
    pub labels: Vec<(&'static str, String)>,
    /// Numbers of its series, and which part each of them is.
    series: Vec<(usize, Option<u16>)>,
}

impl Past {
    /// Series by what they are named, one group for all parts of a histogram.
    pub fn groups(&self) -> Vec<Group> {
        let mut all: BTreeMap<(&str, &[String]), Group> = BTreeMap::new();
        for (id, s) in self.series.iter().enumerate() {
            let Some(metric) = s.known().filter(|_| self.holds(id)) else {
                continue;
            };
            let group = all
                .entry((&s.metric, &s.labels))
                .or_insert_with(|| Group::new(metric.name, metric.labels, s));
            group.series.push((id, s.part));
        }
        all.into_values().collect()
    }

    fn holds(&self, id: usize) -> bool {
        let held = |t: &Tier| t.columns.get(id).is_some_and(|c| !c.is_empty());
        held(&self.fine) || held(&self.coarse)
    }

    /// The times of samples after `from_ms` until `to_ms`.
    pub fn times(&self, from_ms: i64, to_ms: i64) -> Times {
        let mut times = Times::default();
        let Some(newest) = self.fine.newest else {
            return times;
        };
        // From here on there are fine slots; a boundary of both.
        let oldest = ((newest + 1) * FINE_MS).saturating_sub(FINE_KEEP_MS);
        let turn_ms = oldest.div_ceil(COARSE_MS) * COARSE_MS;
        let (from, to) = (from_ms.max(0) as u64, to_ms.max(0) as u64);
        // A slot's sample is at its end: after `from`, until `to`.
        let slots = |ms: u64, from: u64, to: u64| {
            let last = (to / ms).checked_sub(1)?;
            (from / ms <= last).then_some((from / ms, last))
        };
        let coarse = slots(COARSE_MS, from, to.min(turn_ms));
        let fine = slots(FINE_MS, from.max(turn_ms), to);
        for (tier, range) in [(&self.coarse, coarse), (&self.fine, fine)] {
            if let Some((first, last)) = range {
                let (ms, chunk) = (tier.grain.slot_ms(), chunk(tier.grain));
                tier.recorded.read(first, last, chunk, |slot, _| {
                    times.at_ms.push(((slot + 1) * ms) as i64)
                });
            }
            if tier.grain == Grain::Coarse {
                times.coarse = times.at_ms.len();
            }
        }
        times.ranges = [coarse, fine];
        times
    }

    /// The series of a group at these times; none where it had not begun.
    pub fn read(&self, group: &Group, times: &Times) -> Vec<Found> {
        let is_histogram = group.name == DURATIONS.name;
        let mut found = Vec::new();
        let buckets = if is_histogram { BOUNDS.len() + 1 } else { 1 };
        let mut added = vec![vec![0u64; times.at_ms.len()]; buckets];
        let mut before = vec![0u64; buckets];
        for &(id, part) in &group.series {
            let bucket = part.map_or(0, |p| (p as usize / SUB).min(buckets - 1));
            before[bucket] += self.add(id, times, &mut added[bucket]);
        }
        let steps = crate::metric::METRICS
            .iter()
            .find(|m| m.name == group.name)
            .map_or(1.0, |m| m.steps);
        // Buckets count what is below them, too.
        for b in 1..buckets {
            let (low, high) = added.split_at_mut(b);
            high[0]
                .iter_mut()
                .zip(&low[b - 1])
                .for_each(|(high, low)| *high += low);
            before[b] += before[b - 1];
        }
        // All buckets of a histogram begin together, as its largest does.
        let begun = before[buckets - 1] > 0;
        let first = match added[buckets - 1].iter().position(|n| *n > 0) {
            _ if begun => Some(0),
            // The zero before it, so that what came first is an increase.
            Some(at) => Some(at.saturating_sub(1)),
            None => None,
        };
        let Some(first) = first.filter(|_| !times.at_ms.is_empty()) else {
            return found;
        };
        for (b, added) in added.into_iter().enumerate() {
            let mut labels = group.labels.clone();
            if is_histogram {
                let le = BOUNDS.get(b).map_or("+Inf".to_owned(), f64::to_string);
                labels.push(("le", le));
            }
            let mut sum = before[b];
            let value = |n: &u64| {
                sum += n;
                sum as f64 / steps
            };
            found.push(Found {
                name: group.name,
                labels,
                first,
                values: added[first..].iter().map(value).collect(),
            });
        }
        found
    }

    /// Adds what a series has at each time; what it had before.
    fn add(&self, id: usize, times: &Times, added: &mut [u64]) -> u64 {
        let (coarse, fine) = added.split_at_mut(times.coarse);
        let (coarse_at, fine_at) = times.at_ms.split_at(times.coarse);
        let mut before = 0;
        let tiers = [
            (&self.coarse, times.ranges[0], coarse_at, coarse),
            (&self.fine, times.ranges[1], fine_at, fine),
        ];
        for (tier, range, at, added) in tiers {
            let Some((first, last)) = range else {
                continue;
            };
            let ms = tier.grain.slot_ms();
            let mut place = 0;
            let each = |slot: u64, n: u64| {
                let end = ((slot + 1) * ms) as i64;
                while at.get(place).is_some_and(|t| *t < end) {
                    place += 1;
                }
                if at.get(place) == Some(&end) {
                    added[place] += n;
                }
            };
            // After a restart there are fine columns only of what came in the last hours.
            let column = tier.columns.get(id);
            let earlier = column.map_or(0, |c| c.read(first, last, chunk(tier.grain), each));
            if tier.grain == Grain::Coarse {
                before = earlier;
            } else if times.ranges[0].is_none() {
                // Whatever the coarse slots hold until then.
                let turn = first * FINE_MS / COARSE_MS;
                let column = self.coarse.columns.get(id);
                let whole =
                    column.map_or(0, |c| c.read(turn, turn, chunk(Grain::Coarse), |_, _| {}));
                let open = turn * COARSE_MS / FINE_MS;
                before = whole + self.between(id, open, first);
            }
        }
        before
    }

    /// What fine slots from the first to before the last hold.
    fn between(&self, id: usize, first: u64, last: u64) -> u64 {
        let mut sum = 0;
        if let Some(column) = self.fine.columns.get(id).filter(|_| first < last) {
            column.read(first, last - 1, chunk(Grain::Fine), |_, n| sum += n);
        }
        sum
    }
}

impl Group {
    fn new(name: &'static str, labels: &[&'static str], s: &Series) -> Group {
        Group {
            name,
            labels: labels.iter().copied().zip(s.labels.clone()).collect(),
            series: Vec::new(),
        }
    }

    pub fn has_parts(&self) -> bool {
        self.series.iter().any(|s| s.1.is_some())
    }
}
