//! A sum of request cells.

use base::{Cell, Histogram, Objective};

#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    pub ends: u64,
    pub errors: u64,
    pub refused: u64,
    /// Answered well, but later than the objective says.
    pub slow: u64,
    /// Of `ends`, those that other requests caused.
    pub caused: f64,
    pub cache_hits: u64,
    pub cache_misses: u64,
    pub latency: Histogram,
}

impl Sum {
    pub fn cell(&mut self, c: &Cell, objective: Option<Objective>) {
        let in_time = objective.map_or(u64::from(c.ends), |o| c.latency.at_or_below(o.latency_s));
        self.ends += u64::from(c.ends);
        self.errors += u64::from(c.errors);
        self.refused += u64::from(c.refused);
        self.slow += u64::from(c.ends).saturating_sub(in_time);
        self.cache_hits += u64::from(c.cache_hits);
        self.cache_misses += u64::from(c.cache_misses);
        self.latency.merge(&c.latency);
    }

    pub fn add(&mut self, other: &Sum) {
        self.ends += other.ends;
        self.errors += other.errors;
        self.refused += other.refused;
        self.slow += other.slow;
        self.caused += other.caused;
        self.cache_hits += other.cache_hits;
        self.cache_misses += other.cache_misses;
        self.latency.merge(&other.latency);
    }

    /// Requests from outside.
    pub fn count(&self) -> f64 {
        (self.ends as f64 - self.caused).max(0.0)
    }

    /// A failure that was slow, too, counts twice here: the share is never better than the truth.
    pub fn good(&self) -> Option<f64> {
        let bad = (self.errors + self.slow).min(self.ends);
        (self.ends > 0).then(|| (self.ends - bad) as f64 / self.ends as f64)
    }
}
