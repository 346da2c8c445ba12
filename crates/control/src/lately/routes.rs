//! What came of each route in the last seconds.

use super::Objectives;
use super::sum::Sum;
use base::{Objective, RouteInfo, Window};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteLately {
    /// Its number, which stays the same.
    pub index: usize,
    pub route: String,
    /// The service it goes to; empty when unknown.
    pub service: String,
    /// Ended per second.
    pub rate: f64,
    /// Share that was answered well and in time; `None`: nothing ended.
    pub good: Option<f64>,
    /// Of those that ended: failed, and refused by a gate.
    pub errors: u64,
    pub refused: u64,
    pub p50_s: Option<f64>,
    pub p99_s: Option<f64>,
    pub cache_hits: u64,
    pub cache_misses: u64,
    pub objective: Option<Objective>,
}

impl RouteLately {
    /// Whether it does not do what its objective asks.
    pub fn misses(&self) -> bool {
        match (self.good, self.objective) {
            (Some(good), Some(o)) => good < o.target,
            _ => false,
        }
    }

    /// Share that a cache answered; `None`: no cache was asked.
    pub fn from_cache(&self) -> Option<f64> {
        let asked = self.cache_hits + self.cache_misses;
        (asked > 0).then(|| self.cache_hits as f64 / asked as f64)
    }
}

/// Every route, in the order of their numbers, over all these windows.
pub fn routes(
    windows: &[Arc<Window>],
    infos: &[RouteInfo],
    objectives: &Objectives,
) -> Vec<RouteLately> {
    let mut sums = vec![Sum::default(); infos.len()];
    for c in windows.iter().flat_map(|w| &w.requests) {
        if let Some((r, sum)) = c.key.route.get().and_then(|r| Some((r, sums.get_mut(r)?))) {
            sum.cell(c, objectives.get(r).copied().flatten());
        }
    }
    let seconds = windows.len().max(1) as f64;
    let row = |(r, (info, sum)): (usize, (&RouteInfo, &Sum))| RouteLately {
        index: r,
        route: info.name.clone(),
        service: info.service.clone(),
        rate: sum.ends as f64 / seconds,
        good: sum.good(),
        errors: sum.errors,
        refused: sum.refused,
        p50_s: sum.latency.quantile(0.5),
        p99_s: sum.latency.quantile(0.99),
        cache_hits: sum.cache_hits,
        cache_misses: sum.cache_misses,
        objective: objectives.get(r).copied().flatten(),
    };
    infos.iter().zip(&sums).enumerate().map(row).collect()
}
