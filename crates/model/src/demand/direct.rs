//! What upstreams told of single requests: the best evidence there is.

use super::series::finite;
use base::{History, InstanceIx};
use std::collections::BTreeMap;

/// Fewer reports than this are not evidence.
pub const ENOUGH: f64 = 30.0;

/// Reports of one route at one resource. `attempts` counts those that ended at instances which report at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    pub attempts: f64,
    pub count: f64,
    /// Of those, what a resource told of itself: it counts calls, of which an attempt may make many.
    pub by_resource: f64,
    /// Attempts among which a sample told; 0: all that ended.
    pub of: f64,
    /// Reports behind `count`: fewer where a sample was scaled up to all.
    pub reports: f64,
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
        self.reports >= ENOUGH && self.attempts >= ENOUGH
    }
    /// Seconds per attempt; those that did not use the resource count as zero.
    pub fn mean(&self) -> f64 {
        self.busy / self.attempts.max(1.0)
    }
    /// Variance of one attempt's use. Squares are of single calls where the resource counts those: they vary on their own.
    pub fn variance(&self) -> f64 {
        let calls = (self.by_resource / self.attempts.max(1.0)).max(1.0);
        (self.busy_sq / self.attempts.max(1.0) - self.mean().powi(2) / calls).max(0.0)
    }
    pub fn se(&self) -> f64 {
        let seen = self.attempts * (self.reports / self.count.max(1e-9)).min(1.0);
        (self.variance() / seen.max(1.0)).sqrt()
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
    // With the first and the last window in which they told.
    let mut reporters: BTreeMap<(usize, InstanceIx), (u64, u64)> = BTreeMap::new();
    let uses = windows().flat_map(|w| w.uses.iter().map(|u| (w.index, u)));
    for (window, u) in uses.filter(|(_, u)| mine(u.key.arm)) {
        let (Some(r), Some(k)) = (u.key.route.get(), u.resource.get()) else {
            continue;
        };
        if r >= n || k >= m {
            continue;
        }
        let span = reporters
            .entry((r, u.key.instance))
            .or_insert((window, window));
        span.1 = window;
        let t = &mut told[r][k];
        t.count += f64::from(u.count);
        if u.key.instance == InstanceIx::NONE {
            t.by_resource += f64::from(u.count);
        }
        t.of += finite(u.of);
        t.reports += f64::from(u.count) / finite(u.weight).max(1e-9);
        t.busy += finite(u.busy_s);
        t.busy_sq += finite(u.busy_sq);
        t.wait += finite(u.wait_s);
        t.waits += f64::from(u.waits);
        t.calls += finite(u.calls);
        t.rows += finite(u.rows);
        t.returned += finite(u.returned);
    }
    let mut attempts: BTreeMap<usize, f64> = BTreeMap::new();
    for w in windows() {
        for c in w.attempts.iter().filter(|c| mine(c.key.arm)) {
            let Some(r) = c.key.route.get() else { continue };
            // What resources or spans tell is of all instances, for as long as they tell.
            let of_all = reporters.get(&(r, InstanceIx::NONE));
            let of_all = of_all.is_some_and(|(first, last)| (*first..=*last).contains(&w.index));
            if of_all || reporters.contains_key(&(r, c.key.instance)) {
                *attempts.entry(r).or_default() += f64::from(c.ends);
            }
        }
    }
    for (r, row) in told.iter_mut().enumerate() {
        let ended = attempts.get(&r).copied().unwrap_or(0.0);
        for t in row.iter_mut().filter(|t| t.count > 0.0) {
            let among = if t.of > 0.0 { t.of } else { ended };
            t.attempts = match among.max(t.count - t.by_resource) {
                none if none <= 0.0 => t.count,
                attempts => attempts,
            };
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::window::UseCell;
    use base::{Arm, Cell, CellKey, ResourceInfo, ResourceIx, RouteInfo, RouteIx, Window};
    use std::sync::Arc;

    /// A hundred seconds of ten attempts; in some of them all ten are told, or one that stands for them.
    fn history(told: std::ops::Range<u64>, weight: f64) -> History {
        let key = CellKey {
            route: RouteIx(0),
            arm: Arm::BASE,
            instance: InstanceIx(0),
        };
        let window = |index| {
            let mut cell = Cell::new(key);
            cell.ends = 10;
            let used = UseCell {
                key: CellKey {
                    instance: InstanceIx::NONE,
                    ..key
                },
                resource: ResourceIx(0),
                count: 10,
                weight,
                of: if weight > 1.0 { 10.0 } else { 0.0 },
                busy_s: 0.05,
                busy_sq: 0.0005,
                wait_s: 0.0,
                waits: 0,
                calls: 10.0,
                rows: 0.0,
                returned: 0.0,
            };
            Window {
                index,
                attempts: vec![cell],
                uses: told.contains(&index).then_some(used).into_iter().collect(),
                ..Window::default()
            }
        };
        History {
            routes: vec![RouteInfo::default()],
            resources: vec![ResourceInfo::from_name("db.app")],
            windows: (0..100).map(window).map(Arc::new).collect(),
            ..History::default()
        }
    }

    #[test]
    fn a_sample_has_the_mean_of_all_and_the_spread_of_a_sample() {
        let all = told(&history(0..100, 1.0), 0, None)[0][0];
        let sample = told(&history(0..100, 10.0), 0, None)[0][0];
        assert!((sample.mean() - 0.005).abs() < 1e-12 && sample.mean() == all.mean());
        assert!((sample.se() / all.se() - 10f64.sqrt()).abs() < 1e-6);
        assert!(sample.enough() && !told(&history(0..20, 10.0), 0, None)[0][0].enough());
    }

    #[test]
    fn a_database_counts_calls_and_not_those_who_make_them() {
        let mut h = history(0..100, 1.0);
        for u in h.windows_mut().flat_map(|w| &mut w.uses) {
            (u.count, u.calls) = (200, 200.0);
        }
        let t = told(&h, 0, None)[0][0];
        assert_eq!((t.attempts, t.calls / t.attempts), (1000.0, 20.0));
        assert!((t.mean() - 0.005).abs() < 1e-12);
        assert!((t.variance() - (5e-5 - 0.005f64.powi(2) / 20.0)).abs() < 1e-12);
    }

    #[test]
    fn who_tells_for_a_while_is_not_taken_to_have_used_nothing_before_and_after() {
        let t = told(&history(40..90, 1.0), 0, None)[0][0];
        assert_eq!(t.attempts, 500.0);
        assert!((t.mean() - 0.005).abs() < 1e-12);
    }
}
