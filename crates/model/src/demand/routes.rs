//! What each route looked like from outside: rates, times, errors, calls.

use super::direct::Told;
use super::series::{Series, finite, quarters};
use crate::fit::{Ghost, RouteFit};
use base::window::{GHOST_TTLS, GhostCell};
use base::{Histogram, History, Objective};

/// Per route, over the fitted span.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub requests: f64,
    pub refused: f64,
    pub attempts: f64,
    /// Mean time of an attempt, and of that what it waited for children (their sum), seconds.
    pub attempt_s: f64,
    pub child_s: f64,
    /// Of each child; empty: it calls none.
    pub calls: Vec<f64>,
    pub child_seconds: f64,
}

pub fn totals(history: &History, from: u64) -> Vec<Totals> {
    let n = history.routes.len();
    let mut all = vec![Totals::default(); n];
    for w in history.windows.iter().filter(|w| w.index >= from) {
        for c in &w.requests {
            if let Some(t) = c.key.route.get().and_then(|r| all.get_mut(r)) {
                t.requests += f64::from(c.ends);
                t.refused += f64::from(c.refused);
            }
        }
        for c in &w.attempts {
            if let Some(t) = c.key.route.get().and_then(|r| all.get_mut(r)) {
                t.attempts += f64::from(c.ends);
                t.attempt_s += finite(c.seconds);
            }
        }
        for c in &w.calls {
            let (Some(p), Some(child)) = (c.parent.get(), c.child.get()) else {
                continue;
            };
            if p < n && child < n {
                // Most have no row: thousands of routes would be gigabytes.
                all[p].calls.resize(n, 0.0);
                all[p].calls[child] += f64::from(c.count);
                all[p].child_seconds += finite(c.seconds);
            }
        }
    }
    let recorded_attempts = all.iter().any(|t| t.attempts > 0.0);
    for (r, t) in all.iter_mut().enumerate() {
        if !recorded_attempts {
            t.attempts = t.requests - t.refused;
            t.attempt_s = seconds(history, from, r);
        }
        let requests = (t.requests - t.refused).max(1.0);
        t.child_s = t.child_seconds / t.attempts.max(1.0);
        t.attempt_s /= t.attempts.max(1.0);
        t.calls.iter_mut().for_each(|c| *c /= requests);
        t.child_seconds /= requests;
    }
    all
}

fn seconds(history: &History, from: u64, r: usize) -> f64 {
    let windows = history.windows.iter().filter(|w| w.index >= from);
    let cells = windows.flat_map(|w| &w.requests);
    cells
        .filter(|c| c.key.route.get() == Some(r))
        .map(|c| finite(c.seconds))
        .sum()
}

impl Totals {
    pub fn served(&self) -> f64 {
        (self.requests - self.refused).max(0.0)
    }
    /// Attempts per request that was not refused.
    pub fn amplification(&self) -> f64 {
        if self.served() > 0.0 {
            self.attempts / self.served()
        } else {
            1.0
        }
    }
}

/// Fills every `RouteFit` but `unexplained`.
pub fn routes(
    history: &History,
    from: u64,
    series: &Series,
    totals: &[Totals],
    told: &[Vec<Told>],
) -> Vec<RouteFit> {
    let span = series.covered().max(1.0);
    let (low, top) = quarters(&series.entry);
    let mut is = vec![(false, false); series.seconds];
    low.iter().for_each(|&t| is[t].0 = true);
    top.iter().for_each(|&t| is[t].1 = true);
    let first = history
        .windows
        .iter()
        .find(|w| w.index >= from)
        .map_or(0, |w| w.index);
    let mut parents = vec![0.0; history.routes.len()];
    for p in totals {
        let called = parents.iter_mut().zip(&p.calls);
        called.for_each(|(sum, calls)| *sum += calls * p.served());
    }
    // One pass over the windows: a look at all of them for each route would cost the square of the routes.
    let mut seen = vec![Seen::default(); history.routes.len()];
    for w in history.windows.iter().filter(|w| w.index >= from) {
        let at = is.get((w.index - first) as usize);
        let quarter = at.copied().unwrap_or_default();
        for c in &w.requests {
            if let Some(s) = c.key.route.get().and_then(|r| seen.get_mut(r)) {
                s.add(c, quarter);
            }
        }
        for g in &w.ghosts {
            if let Some(s) = g.route.get().and_then(|r| seen.get_mut(r)) {
                s.ghost.add(g);
            }
        }
    }
    let one = |(r, seen): (usize, Seen)| {
        let Seen {
            all,
            in_low,
            in_top,
            m,
            low_m,
            errors,
            bytes,
            ghost,
        } = seen;
        // A quiet route has no quarters worth the name.
        let quiet = low_m.n < 30.0;
        let low_m = if quiet { m } else { low_m };
        let p99 = all.quantile(0.99).unwrap_or(0.0);
        let p99_low = if quiet {
            p99
        } else {
            in_low.quantile(0.99).unwrap_or(p99)
        };
        let info = history.routes[r].clone();
        let served = totals[r].served();
        let rate = served / span;
        let entry = ((served - parents[r]) / span).max(0.0);
        let db = db(&told[r], totals[r].amplification());
        RouteFit {
            objective: info.objective.unwrap_or(Objective {
                latency_s: (2.5 * p99_low).max(1e-3),
                target: 0.99,
                assumed: true,
            }),
            info,
            rate,
            // A few children whose parents are unknown do not make an entry.
            entry_rate: if entry < 0.03 * rate { 0.0 } else { entry },
            count: served,
            low_mean: low_m.mean(),
            low_var: low_m.variance(),
            p99,
            p99_top: if in_top.total() < 30 {
                p99
            } else {
                in_top.quantile(0.99).unwrap_or(p99)
            },
            errors,
            amplification: totals[r].amplification(),
            bytes_out: bytes / served.max(1.0),
            db_calls: db.0,
            db_rows: db.1,
            db_returned: db.2,
            unexplained: 0.0,
            ghost: ghost.found(),
        }
    };
    seen.into_iter().enumerate().map(one).collect()
}

/// What the windows tell of one route.
#[derive(Clone, Debug, Default)]
struct Seen {
    all: Histogram,
    /// Of the quarter of the seconds with the least traffic, and of that with the most.
    in_low: Histogram,
    in_top: Histogram,
    m: Moments,
    low_m: Moments,
    errors: f64,
    bytes: f64,
    ghost: Ghosts,
}

impl Seen {
    /// `(low, top)`: whether the second is of these quarters.
    fn add(&mut self, c: &base::Cell, (low, top): (bool, bool)) {
        self.errors += f64::from(c.errors);
        self.bytes += finite(c.bytes_out);
        self.m.add(c);
        self.all.merge(&c.latency);
        if low {
            self.low_m.add(c);
            self.in_low.merge(&c.latency);
        }
        if top {
            self.in_top.merge(&c.latency);
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    n: f64,
    sum: f64,
    sq: f64,
}

impl Moments {
    fn add(&mut self, c: &base::Cell) {
        self.n += f64::from(c.ends.saturating_sub(c.refused));
        self.sum += finite(c.seconds);
        self.sq += finite(c.seconds_sq);
    }
    fn mean(&self) -> f64 {
        self.sum / self.n.max(1.0)
    }
    fn variance(&self) -> f64 {
        (self.sq / self.n.max(1.0) - self.mean().powi(2)).max(0.0)
    }
}

/// Database calls, rows read and rows returned per request.
fn db(told: &[Told], amplification: f64) -> (f64, f64, f64) {
    told.iter().fold((0.0, 0.0, 0.0), |s, t| {
        let per = amplification / t.attempts.max(1.0);
        (
            s.0 + t.calls * per,
            s.1 + t.rows * per,
            s.2 + t.returned * per,
        )
    })
}

/// What a cache would have answered, over the span.
#[derive(Clone, Debug, Default)]
struct Ghosts {
    lookups: f64,
    hits: [f64; GHOST_TTLS.len()],
    bytes: f64,
}

impl Ghosts {
    fn add(&mut self, g: &GhostCell) {
        self.lookups += f64::from(g.lookups);
        self.hits
            .iter_mut()
            .zip(g.hits)
            .for_each(|(a, b)| *a += f64::from(b));
        self.bytes = g.bytes;
    }

    fn found(self) -> Option<Ghost> {
        let share = |h: &f64| (h / self.lookups).min(1.0);
        (self.lookups > 0.0).then(|| Ghost {
            lookups: self.lookups,
            ratio: self.hits.iter().map(share).collect(),
            bytes: self.bytes,
        })
    }
}
