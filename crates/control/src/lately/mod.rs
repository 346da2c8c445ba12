//! What happened lately, summed up for people: traffic over time, and what came of each route. Pure sums over windows.

mod heat;
mod routes;
mod sum;

pub use heat::{Column, Heat, heat, width};
pub use routes::{RouteLately, routes};

use base::{Objective, Window};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use sum::Sum;

/// Seconds that are remembered.
pub const KEEP_S: u64 = 3600;
/// Steps of a chart at most: more than a screen can show helps nobody.
pub const STEPS: usize = 300;
/// A route of whose requests this share was caused by others is not one that people ask for.
const INNER: f64 = 0.9;

/// One step of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Its end, seconds since the Unix epoch.
    pub at_s: u64,
    /// Requests per second.
    pub rate: f64,
    /// Share that was answered well and in time; `None`: nothing ended.
    pub good: Option<f64>,
    pub p50_s: Option<f64>,
    pub p99_s: Option<f64>,
}

/// What "good" means, by number of the route.
pub type Objectives = Vec<Option<Objective>>;

/// The traffic from outside, second by second.
#[derive(Debug, Default)]
pub struct Seconds {
    all: VecDeque<(u64, Sum)>,
}

impl Seconds {
    /// Takes the windows that are newer than what it has.
    pub fn take(&mut self, windows: &[Arc<Window>], objectives: &Objectives) {
        let newest = self.all.back().map(|s| s.0);
        for w in windows
            .iter()
            .filter(|w| newest.is_none_or(|n| w.index > n))
        {
            self.all.push_back((w.index, outside(w, objectives)));
        }
        while self.all.len() > KEEP_S as usize {
            self.all.pop_front();
        }
    }

    /// The newest second.
    pub fn newest(&self) -> Option<u64> {
        self.all.back().map(|s| s.0)
    }

    /// The last `last_s` seconds in at most [`STEPS`] steps, oldest first; `zero_s` is the time of window 0.
    pub fn steps(&self, last_s: u64, zero_s: u64) -> Vec<Step> {
        let Some(newest) = self.newest() else {
            return Vec::new();
        };
        let from = (newest + 1).saturating_sub(last_s);
        let seconds = self.all.iter().filter(|s| s.0 >= from);
        steps(seconds.map(|(i, s)| (*i, s.clone())), last_s, zero_s)
    }
}

/// Steps of equal length from sums by second.
fn steps(seconds: impl Iterator<Item = (u64, Sum)>, last_s: u64, zero_s: u64) -> Vec<Step> {
    let width = last_s.div_ceil(STEPS as u64).max(1);
    let mut by_step: BTreeMap<u64, (u64, Sum)> = BTreeMap::new();
    for (index, sum) in seconds {
        let (n, all) = by_step.entry(index / width).or_default();
        *n += 1;
        all.add(&sum);
    }
    let step = |(i, (n, sum)): (&u64, &(u64, Sum))| Step {
        at_s: zero_s + (i + 1) * width,
        rate: sum.count() / (*n).max(1) as f64,
        good: sum.good(),
        p50_s: sum.latency.quantile(0.5),
        p99_s: sum.latency.quantile(0.99),
    };
    by_step.iter().map(step).collect()
}

/// One route's traffic, whoever caused it.
pub fn of_route(
    windows: &[Arc<Window>],
    route: usize,
    objectives: &Objectives,
    last_s: u64,
    zero_s: u64,
) -> Vec<Step> {
    let seconds = windows.iter().map(|w| {
        let mut sum = Sum::default();
        for c in &w.requests {
            if c.key.route.get() == Some(route) {
                sum.cell(c, objectives.get(route).copied().flatten());
            }
        }
        (w.index, sum)
    });
    steps(seconds, last_s, zero_s)
}

/// What came from outside in one window: requests that other requests caused are taken off.
fn outside(w: &Window, objectives: &Objectives) -> Sum {
    let mut caused: BTreeMap<usize, f64> = BTreeMap::new();
    for c in &w.calls {
        if let Some(r) = c.child.get() {
            *caused.entry(r).or_default() += f64::from(c.count);
        }
    }
    let mut ended: BTreeMap<usize, f64> = BTreeMap::new();
    for c in &w.requests {
        if let Some(r) = c.key.route.get() {
            *ended.entry(r).or_default() += f64::from(c.ends);
        }
    }
    let inner = |r: usize| {
        caused
            .get(&r)
            .is_some_and(|n| *n >= INNER * ended.get(&r).copied().unwrap_or(0.0))
    };
    let mut sum = Sum::default();
    for c in &w.requests {
        match c.key.route.get() {
            Some(r) if !inner(r) => sum.cell(c, objectives.get(r).copied().flatten()),
            _ => {}
        }
    }
    let seen: f64 = (caused.iter().filter(|(r, _)| !inner(**r)))
        .map(|(_, n)| n)
        .sum();
    sum.caused += seen;
    sum
}

#[cfg(test)]
mod tests;
