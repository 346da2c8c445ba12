//! What textbooks and common practice would answer, from the same history: for comparison only.

use crate::demand::{Series, nnls_columns};
use base::History;
use nalgebra::{DMatrix, DVector};

/// Busy time per second on completions per `window_s` seconds, non-negative least squares, no background, no
/// clock alignment: `demand[route][resource]`. Ends are counted where the attempts ended.
pub fn textbook(history: &History, window_s: usize) -> Vec<Vec<f64>> {
    let series = Series::new(history, 0);
    let (n, m) = (history.routes.len(), history.resources.len());
    let first = history.windows.first().map_or(0, |w| w.index);
    let mut ends = vec![vec![0.0; series.seconds]; n];
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
    let columns: Vec<Vec<f64>> = ends.iter().map(|e| sum(e)).collect();
    let mut d = vec![vec![0.0; m]; n];
    for k in 0..m {
        let x = nnls_columns(&columns, &sum(&series.resources[k].busy));
        for (row, x) in d.iter_mut().zip(x) {
            row[k] = x;
        }
    }
    d
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

/// Gunther's universal scalability law, throughput over the number in flight:
/// `X(N) = g N / (1 + s (N - 1) + k N (N - 1))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usl {
    pub gamma: f64,
    pub sigma: f64,
    pub kappa: f64,
    /// Highest throughput, requests per second; infinite without contention.
    pub peak: f64,
}

/// Fits the law to ten-second means by least squares on `N / X` (linear in its coefficients, all non-negative).
pub fn usl(history: &History) -> Option<Usl> {
    let series = Series::new(history, 0);
    let all: Vec<f64> = (0..series.seconds)
        .map(|t| series.in_flight.iter().map(|v| v[t]).sum())
        .collect();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let points: Vec<(f64, f64)> = all
        .chunks_exact(10)
        .zip(series.entry.chunks_exact(10))
        .map(|(n, x)| (mean(n), mean(x)))
        .filter(|p| p.0 > 0.0 && p.1 > 0.0)
        .collect();
    if points.len() < 6 {
        return None;
    }
    let y: Vec<f64> = points.iter().map(|(n, x)| n / x).collect();
    let column = |f: &dyn Fn(f64) -> f64| -> Vec<f64> { points.iter().map(|p| f(p.0)).collect() };
    let columns = [column(&|_| 1.0), column(&|n| n), column(&|n| n * n)];
    let a = DMatrix::from_fn(3, 3, |i, j| {
        columns[i]
            .iter()
            .zip(&columns[j])
            .map(|(x, y)| x * y)
            .sum::<f64>()
    });
    let b = DVector::from_fn(3, |i, _| {
        columns[i].iter().zip(&y).map(|(x, y)| x * y).sum::<f64>()
    });
    let free = a.clone().lu().solve(&b);
    let ok = free.filter(|c| c.iter().all(|v| *v >= 0.0 && v.is_finite()));
    let c = ok.unwrap_or_else(|| DVector::from_vec(nnls_columns(&columns, &y)));
    // N/X = (1 - s)/g + N (s - k)/g + N^2 k/g
    let total = c[0] + c[1] + c[2];
    let gamma = 1.0 / total.max(1e-12);
    let kappa = c[2] * gamma;
    let sigma = c[1] * gamma + kappa;
    let peak = if c[2] > 0.0 {
        let n = (c[0] / c[2]).sqrt();
        n / (c[0] + c[1] * n + c[2] * n * n)
    } else if c[1] > 0.0 {
        1.0 / c[1]
    } else {
        f64::INFINITY
    };
    Some(Usl {
        gamma,
        sigma,
        kappa,
        peak,
    })
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
        assert!(textbook(&h, 10).is_empty());
    }
}
