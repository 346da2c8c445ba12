//! What gates have decided, counted by name: shown on the metrics page, shared by all threads.

use crate::exchange::Facts;
use crate::gate::Kept;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Decisions of one gate that are told apart, at most.
const MOST: usize = 6;

/// The counts of one gate on one route or service. They go up on decisions out of the ordinary, not on every request.
#[derive(Debug)]
pub struct Tally {
    gate: &'static str,
    /// The route or service.
    of: String,
    names: &'static [&'static str],
    counts: [AtomicU64; MOST],
}

/// One number of a tally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub gate: &'static str,
    pub of: String,
    pub what: &'static str,
    pub count: u64,
}

impl Tally {
    /// The tally that lives on across generations. `names` are at most six.
    pub fn of(
        kept: &Kept,
        gate: &'static str,
        of: &str,
        names: &'static [&'static str],
    ) -> Arc<Tally> {
        debug_assert!(names.len() <= MOST);
        kept.get(&format!("{gate} {of}"), || Tally {
            gate,
            of: of.to_owned(),
            names,
            counts: Default::default(),
        })
    }

    /// Counts one decision on an exchange, and notes it for the access log.
    pub fn note(&self, facts: &mut Facts, which: usize) {
        self.add(which);
        if let Some(name) = self.names.get(which) {
            facts.note(self.gate, name);
        }
    }

    /// Counts one decision, by its place among the names.
    pub fn add(&self, which: usize) {
        self.add_many(which, 1);
    }

    pub fn add_many(&self, which: usize, n: u64) {
        if let Some(count) = self.counts.get(which) {
            count.fetch_add(n, Relaxed);
        }
    }

    pub fn get(&self, which: usize) -> u64 {
        self.counts.get(which).map_or(0, |c| c.load(Relaxed))
    }

    /// All of them, in the order of gate, route and name.
    pub(crate) fn all(kept: &Kept) -> Vec<Decision> {
        let mut tallies = kept.all::<Tally>();
        tallies.sort_by(|a, b| (a.gate, &a.of).cmp(&(b.gate, &b.of)));
        let one = |t: &Arc<Tally>| {
            let t = t.clone();
            (0..t.names.len()).map(move |i| Decision {
                gate: t.gate,
                of: t.of.clone(),
                what: t.names[i],
                count: t.get(i),
            })
        };
        tallies.iter().flat_map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_outlive_generations_and_are_listed_in_order() {
        let kept = Kept::default();
        let b = Tally::of(&kept, "b", "r", &["x", "y"]);
        Tally::of(&kept, "b", "r", &["x", "y"]).add(1);
        let _a = Tally::of(&kept, "a", "r", &["x"]);
        let all: Vec<_> = (Tally::all(&kept).into_iter())
            .map(|d| (d.gate, d.what, d.count))
            .collect();
        assert_eq!(all, [("a", "x", 0), ("b", "x", 0), ("b", "y", 1)]);
        assert_eq!(b.get(1), 1);
    }
}
