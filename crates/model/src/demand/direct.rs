//! What upstreams told of single requests: the best evidence there is.

use super::series::finite;
use base::{History, InstanceIx};
use std::collections::{BTreeMap, BTreeSet};

/// Fewer reports than this are not evidence.
pub const ENOUGH: f64 = 30.0;

/// Reports of one route at one resource. `attempts` counts those that ended at instances which report at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    pub attempts: f64,
    pub count: f64,
    pub busy: f64,
    pub busy_sq: f64,
    pub wait: f64,
    pub waits: f64,
    pub calls: f64,
    pub rows: f64,
    pub returned: f64,
}

impl Told {
    pub fn enough(&self) -> bool {
        self.count >= ENOUGH && self.attempts >= ENOUGH
    }
    /// Seconds per attempt; those that did not use the resource count as zero.
    pub fn mean(&self) -> f64 {
        self.busy / self.attempts.max(1.0)
    }
    /// Variance of one attempt's use.
    pub fn variance(&self) -> f64 {
        (self.busy_sq / self.attempts.max(1.0) - self.mean().powi(2)).max(0.0)
    }
    pub fn se(&self) -> f64 {
        (self.variance() / self.attempts.max(1.0)).sqrt()
    }
    pub fn scv(&self) -> Option<f64> {
        (self.mean() > 0.0).then(|| self.variance() / self.mean().powi(2))
    }
    pub fn wait_mean(&self) -> Option<f64> {
        (self.waits > 0.0).then(|| self.wait / self.attempts.max(1.0))
    }
}

/// `told[route][resource]` from the windows with index `from` on, on one arm or (`None`) all.
pub fn told(history: &History, from: u64, arm: Option<u8>) -> Vec<Vec<Told>> {
    let (n, m) = (history.routes.len(), history.resources.len());
    let mut told = vec![vec![Told::default(); m]; n];
    let windows = || history.windows.iter().filter(move |w| w.index >= from);
    let mine = |a: base::Arm| arm.is_none_or(|x| x == a.0);
    let mut reporters: BTreeSet<(usize, InstanceIx)> = BTreeSet::new();
    for u in windows().flat_map(|w| &w.uses).filter(|u| mine(u.key.arm)) {
        let (Some(r), Some(k)) = (u.key.route.get(), u.resource.get()) else {
            continue;
        };
        if r >= n || k >= m {
            continue;
        }
        reporters.insert((r, u.key.instance));
        let t = &mut told[r][k];
        t.count += f64::from(u.count);
        t.busy += finite(u.busy_s);
        t.busy_sq += finite(u.busy_sq);
        t.wait += finite(u.wait_s);
        t.waits += f64::from(u.waits);
        t.calls += finite(u.calls);
        t.rows += finite(u.rows);
        t.returned += finite(u.returned);
    }
    let mut attempts: BTreeMap<usize, f64> = BTreeMap::new();
    for c in windows()
        .flat_map(|w| &w.attempts)
        .filter(|c| mine(c.key.arm))
    {
        let Some(r) = c.key.route.get() else { continue };
        // What a resource tells by itself is of all instances.
        let by_resource = reporters.contains(&(r, InstanceIx::NONE));
        if by_resource || reporters.contains(&(r, c.key.instance)) {
            *attempts.entry(r).or_default() += f64::from(c.ends);
        }
    }
    for (r, row) in told.iter_mut().enumerate() {
        let ended = attempts.get(&r).copied().unwrap_or(0.0);
        for t in row.iter_mut().filter(|t| t.count > 0.0) {
            t.attempts = ended.max(t.count);
        }
    }
    told
}
