//! Throughput over the number in flight, as a curve (Gunther, "Guerrilla Capacity Planning", 2007, chapter 6).

use crate::demand::{Series, nnls_columns};
use base::History;
use nalgebra::{DMatrix, DVector};

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
