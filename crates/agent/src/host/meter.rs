//! Rates of one second added up, so that a reading that is lost takes nothing with it. Pure.

use crate::message::{COUNTERS, Counter, Instance};
use base::Nanos;
use std::collections::BTreeMap;
use std::time::Duration;

type Key = (String, Option<Instance>);

/// What a probe said of one resource for the time since it was read last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    pub resource: String,
    pub instance: Option<Instance>,
    pub busy: f64,
    pub waiting: Option<f64>,
    pub background: Option<f64>,
    pub capacity: Option<f64>,
    pub level: Option<f64>,
}

#[derive(Debug, Default)]
pub struct Meters {
    last: Option<Nanos>,
    known: BTreeMap<Key, Counter>,
    /// Epochs are never used again, whatever came and went.
    epoch: u32,
}

impl Meters {
    /// Adds what happened until `now`. A resource that was not told of the last time, or that has begun or ceased to
    /// tell a part, begins a new epoch: its sums have a hole.
    pub fn add(&mut self, now: Nanos, rates: Vec<Rates>) -> Vec<Counter> {
        let elapsed = self.last.map_or(Duration::ZERO, |l| now.since(l));
        self.last = Some(now);
        let mut before = std::mem::take(&mut self.known);
        for r in rates.into_iter().take(COUNTERS) {
            let key = (r.resource.clone(), r.instance.clone());
            let known = before.remove(&key).filter(|k| {
                k.waiting.is_some() == r.waiting.is_some()
                    && k.background.is_some() == r.background.is_some()
            });
            let c = known.unwrap_or_else(|| {
                self.epoch = self.epoch.wrapping_add(1);
                Counter {
                    epoch: self.epoch,
                    ..Counter::default()
                }
            });
            let s = elapsed.as_secs_f64();
            let sum = |sum: Option<f64>, rate: Option<f64>| Some(sum.unwrap_or(0.0) + rate? * s);
            let counter = Counter {
                busy: c.busy + r.busy * s,
                waiting: sum(c.waiting, r.waiting),
                background: sum(c.background, r.background),
                capacity: r.capacity,
                level: r.level,
                epoch: c.epoch,
                resource: r.resource,
                instance: r.instance,
            };
            self.known.insert(key, counter);
        }
        self.known.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: f64) -> Nanos {
        Nanos::from_secs_f64(s)
    }
    fn rates(busy: f64, waiting: Option<f64>) -> Vec<Rates> {
        vec![Rates {
            resource: "cpu.shop".into(),
            busy,
            waiting,
            ..Rates::default()
        }]
    }

    #[test]
    fn sums_grow_and_a_hole_begins_another_epoch() {
        let mut m = Meters::default();
        let first = m.add(at(1.0), rates(0.5, Some(1.0)));
        let second = m.add(at(3.0), rates(0.5, Some(1.0)));
        assert_eq!(second[0].busy - first[0].busy, 1.0);
        assert_eq!(second[0].waiting, Some(2.0));
        assert_eq!(first[0].epoch, second[0].epoch);
        assert!(m.add(at(4.0), vec![]).is_empty());
        let again = m.add(at(5.0), rates(0.5, Some(1.0)));
        assert_ne!(again[0].epoch, second[0].epoch);
        let other = m.add(at(6.0), rates(0.5, None));
        assert_ne!(other[0].epoch, again[0].epoch);
        assert_eq!(other[0].waiting, None);
    }
}
