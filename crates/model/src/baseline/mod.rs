//! What textbooks and common practice would answer, from the same history: for comparison only.

mod correlation;
mod kalman;
mod usl;
mod zscore;

pub use correlation::most_correlated;
pub use kalman::kalman;
pub use usl::{Usl, usl};
pub use zscore::most_deviant;

use crate::demand::{Series, nnls_columns};
use base::History;

/// Busy time per second on completions per `window_s` seconds, non-negative least squares, no background, no
/// clock alignment: `demand[route][resource]`. Ends are counted where the attempts ended.
pub fn textbook(history: &History, window_s: usize) -> Vec<Vec<f64>> {
    let (columns, busy) = completions(history, window_s);
    let (n, m) = (history.routes.len(), history.resources.len());
    let mut d = vec![vec![0.0; m]; n];
    for k in 0..m {
        let x = nnls_columns(&columns, &busy[k]);
        for (row, x) in d.iter_mut().zip(x) {
            row[k] = x;
        }
    }
    d
}

/// Completions of each route, and busy time of each resource, in windows of so many seconds.
fn completions(history: &History, window_s: usize) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let series = Series::new(history, 0);
    let first = history.windows.first().map_or(0, |w| w.index);
    let mut ends = vec![vec![0.0; series.seconds]; history.routes.len()];
    for w in &history.windows {
        for c in &w.attempts {
            if let Some(v) = c.key.route.get().and_then(|r| ends.get_mut(r))
                && let Some(x) = v.get_mut((w.index - first) as usize)
            {
                *x += f64::from(c.ends);
            }
        }
    }
    let sum = |v: &[f64]| -> Vec<f64> {
        v.chunks_exact(window_s.max(1))
            .map(|c| c.iter().sum())
            .collect()
    };
    let columns = ends.iter().map(|e| sum(e)).collect();
    let busy = series.resources.iter().map(|c| sum(&c.busy)).collect();
    (columns, busy)
}

/// Mean time of an attempt in each second in which one was in flight, and what each resource did in that second: the
/// signals that fault locators look at.
fn signals(history: &History) -> (Vec<f64>, Vec<Vec<f64>>) {
    let series = Series::new(history, 0);
    let sum = |rows: &[Vec<f64>], t: usize| rows.iter().map(|v| v[t]).sum::<f64>();
    let some: Vec<usize> = (0..series.seconds)
        .filter(|&t| sum(&series.life, t) > 0.0)
        .collect();
    let latency = some
        .iter()
        .map(|&t| sum(&series.in_flight, t) / sum(&series.life, t))
        .collect();
    let each = series.resources.iter().map(|c| {
        // Of what is known by its waiters only, they are the signal.
        let idle = c.busy.iter().all(|b| *b <= 0.0);
        let signal = c.waiting.as_ref().filter(|_| idle).unwrap_or(&c.busy);
        some.iter().map(|&t| signal[t]).collect()
    });
    (latency, each.collect())
}

/// The service demand law with response times as the key: `D_rk = U_k R_r / sum_q n_q R_q`.
pub fn apportioned(history: &History) -> Vec<Vec<f64>> {
    let series = Series::new(history, 0);
    let sum = |v: &[f64]| v.iter().sum::<f64>();
    let in_flight: Vec<f64> = series.in_flight.iter().map(|v| sum(v)).collect();
    let whole = sum(&in_flight).max(1e-12);
    let row = |r: usize| {
        let per = in_flight[r] / sum(&series.life[r]).max(1e-12);
        series
            .resources
            .iter()
            .map(|c| sum(&c.busy) * per / whole)
            .collect()
    };
    (0..history.routes.len()).map(row).collect()
}

/// Mean utilisation of each resource that tells a capacity; for a line of which only waiters are seen, the share
/// of seconds with a waiter.
pub fn utilisations(history: &History) -> Vec<f64> {
    let series = Series::new(history, 0);
    (0..history.resources.len())
        .map(|k| {
            let c = &series.resources[k];
            let n = c.seen.iter().filter(|s| **s).count().max(1) as f64;
            let busy = c.busy.iter().sum::<f64>() / n;
            let capacity = crate::capacity::capacity(history, 0, k).total;
            if busy > 0.0 && capacity > 0.0 {
                return busy / capacity;
            }
            c.waiting
                .as_ref()
                .map_or(0.0, |w| w.iter().map(|x| x.min(1.0)).sum::<f64>() / n)
        })
        .collect()
}

/// USE: the resource with the highest utilisation.
pub fn most_utilised(history: &History) -> Option<usize> {
    let u = utilisations(history);
    (0..u.len())
        .max_by(|&a, &b| u[a].total_cmp(&u[b]))
        .filter(|&k| u[k] > 0.0)
}

/// "Keep it below 70 %": the entry rate at which the busiest resource gets there.
pub fn seventy_percent(history: &History) -> Option<f64> {
    let series = Series::new(history, 0);
    let rate = series.entry.iter().sum::<f64>() / series.covered().max(1.0);
    let busiest = utilisations(history).into_iter().fold(0.0, f64::max);
    (busiest > 0.0).then(|| 0.7 * rate / busiest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_history_has_no_answers() {
        let h = History::default();
        assert_eq!(most_utilised(&h), None);
        assert_eq!(seventy_percent(&h), None);
        assert_eq!(usl(&h), None);
        assert_eq!(most_correlated(&h), None);
        assert_eq!(most_deviant(&h), None);
        assert!(kalman(&h, 5).is_empty());
        assert!(textbook(&h, 10).is_empty());
    }
}

/// A history of one route, for the tests of this folder.
#[cfg(test)]
mod made {
    use base::window::ResourceCell;
    use base::{
        Arm, Cell, CellKey, History, InstanceIx, ResourceInfo, ResourceIx, RouteInfo, RouteIx,
        Window,
    };
    use std::sync::Arc;

    /// Each second: attempts of each route, their mean seconds, and busy time of each resource.
    pub type Second<'a> = (&'a [f64], f64, &'a [f64]);

    pub fn history<'a>(
        resources: &[&str],
        seconds: impl IntoIterator<Item = Second<'a>>,
    ) -> History {
        let mut h = History {
            resources: resources
                .iter()
                .map(|n| ResourceInfo::from_name(n))
                .collect(),
            ..History::default()
        };
        for (index, (attempts, each, busy)) in seconds.into_iter().enumerate() {
            let cell = |(r, n): (usize, &f64)| {
                let mut c = Cell::new(CellKey {
                    route: RouteIx(r as u16),
                    arm: Arm::BASE,
                    instance: InstanceIx::NONE,
                });
                (c.ends, c.life, c.in_flight_s) = (*n as u32, *n, n * each);
                c
            };
            let used = |(k, busy): (usize, &f64)| ResourceCell {
                resource: ResourceIx(k as u16),
                instance: InstanceIx::NONE,
                busy: *busy,
                capacity: Some(1.0),
                waiting: None,
                level: None,
                background: None,
            };
            h.routes.resize(attempts.len(), RouteInfo::default());
            h.windows.push(Arc::new(Window {
                index: index as u64,
                attempts: attempts.iter().enumerate().map(cell).collect(),
                resources: busy.iter().enumerate().map(used).collect(),
                ..Window::default()
            }));
        }
        h
    }
}
