//! Sums since the start, shared by all threads; they go on over generations that keep the number and its unit.

use super::core::Told;
use crate::gate::Kept;
use base::Worth;
use config::sections::Measure;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Debug, Default)]
pub struct Counts {
    route: String,
    name: String,
    unit: String,
    /// Sums of what was above 0, and of what was below, in millionths.
    added: AtomicU64,
    taken: AtomicU64,
    /// Answers that told it, and that did not.
    counted: AtomicU64,
    absent: AtomicU64,
    malformed: AtomicU64,
    unread: AtomicU64,
}

impl Counts {
    pub fn of(kept: &Kept, route: &str, m: &Measure) -> Arc<Counts> {
        kept.get(&format!("{route} {} {}", m.name, m.unit), || Counts {
            route: route.to_owned(),
            name: m.name.clone(),
            unit: m.unit.clone(),
            ..Counts::default()
        })
    }

    pub fn add(&self, told: Told) {
        let count = match told {
            Told::Number(n) => {
                let sum = if n < 0 { &self.taken } else { &self.added };
                sum.fetch_add(n.unsigned_abs(), Relaxed);
                &self.counted
            }
            Told::Absent => &self.absent,
            Told::Malformed => &self.malformed,
            Told::Unread => &self.unread,
        };
        count.fetch_add(1, Relaxed);
    }

    fn gauge(&self) -> Worth {
        Worth {
            route: self.route.clone(),
            name: self.name.clone(),
            unit: self.unit.clone(),
            added_micro: self.added.load(Relaxed),
            taken_micro: self.taken.load(Relaxed),
            counted: self.counted.load(Relaxed),
            absent: self.absent.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            unread: self.unread.load(Relaxed),
        }
    }
}

/// All of them, by route and name.
pub fn gauges(kept: &Kept) -> Vec<Worth> {
    let mut all: Vec<Worth> = kept.all::<Counts>().iter().map(|c| c.gauge()).collect();
    all.sort_by(|a, b| (&a.route, &a.name, &a.unit).cmp(&(&b.route, &b.name, &b.unit)));
    all
}
