//! One round of the FIN fit: whitening, weights, the width of the prior by evidence, the bounded solution and its spread.

use super::{EXACT, combine, mean};
use crate::demand::nnls::nnls;
use crate::demand::whiten::{ar_filter, filter};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

/// Standard deviation of the logarithm of the width, before seeing data.
const HYPER: f64 = 0.7;
const ORDER: usize = 6;
const HUBER: f64 = 2.5;
const BLOCKS: usize = 10;

/// One round's system: whitened and weighted rows with the prior.
pub(super) struct Step {
    pub d: DVector<f64>,
    pub width: f64,
    rows: DMatrix<f64>,
    target: DVector<f64>,
    noise: f64,
    a: DMatrix<f64>,
    rhs: DVector<f64>,
    factor: Cholesky<f64, Dyn>,
    /// Whitened and weighted residuals, in units of their robust spread.
    pub residuals: Vec<(usize, f64)>,
}

/// Width of the prior, normal equations and their factor.
type Posterior = (f64, DMatrix<f64>, DVector<f64>, Cholesky<f64, Dyn>);

#[allow(clippy::too_many_arguments)]
pub(super) fn solve_round(
    z: &[Vec<f64>],
    y: &[f64],
    good: &[bool],
    d: &DVector<f64>,
    m0: &DVector<f64>,
    prior: &[f64],
    spread: &[f64],
    background_sd: f64,
    widths: &[f64],
    flat: bool,
) -> Option<Step> {
    let (n, m) = (y.len(), z.len());
    let expected = combine(z, d.as_slice(), n);
    let residual: Vec<f64> = (0..n)
        .map(|t| if good[t] { y[t] - expected[t] } else { 0.0 })
        .collect();
    let ar = ar_filter(&residual, ORDER);
    let p = ar.len() - 1;
    let whole: Vec<bool> = (p..n).map(|t| (t - p..=t).all(|u| good[u])).collect();
    let used = whole.iter().filter(|w| **w).count();
    if used < 15 {
        return None;
    }
    let yf = filter(&ar, y);
    let zf: Vec<Vec<f64>> = z.iter().map(|c| filter(&ar, c)).collect();
    let fitted = combine(&zf, d.as_slice(), n - p);
    let e: Vec<f64> = yf.iter().zip(&fitted).map(|(y, f)| y - f).collect();
    let level = mean(&expected[p..]).max(1e-9);
    let mut w: Vec<f64> = (0..n - p)
        .map(|t| 1.0 / (expected[t + p] / level).max(0.1).sqrt())
        .collect();
    let mut sizes: Vec<f64> = (0..n - p)
        .filter(|&t| whole[t])
        .map(|t| (e[t] * w[t]).abs())
        .collect();
    let middle = sizes.len() / 2;
    let robust = 1.4826 * *sizes.select_nth_unstable_by(middle, f64::total_cmp).1 + 1e-9;
    let residuals: Vec<(usize, f64)> = (0..n - p)
        .filter(|&t| whole[t])
        .map(|t| (t + p, e[t] * w[t] / robust))
        .collect();
    for t in 0..n - p {
        let size = (e[t] * w[t]).abs().max(1e-12);
        w[t] *= (HUBER * robust / size).min(1.0).sqrt();
        if !whole[t] {
            w[t] = 0.0;
        }
    }
    let rows = DMatrix::from_fn(n - p, m, |t, i| zf[i][t] * w[t]);
    let target = DVector::from_fn(n - p, |t, _| yf[t] * w[t]);
    let left = &target - &rows * d;
    let noise = left.norm_squared() / (used as f64 - m as f64).max(1.0) + 1e-15;
    let turned = rows.transpose();
    let s = &turned * &rows / noise;
    let b = &turned * &target / noise;
    let mut best: Option<(f64, Posterior)> = None;
    for &width in widths {
        let precision = precision(prior, spread, width, background_sd);
        let a = &s + &precision.matrix;
        let pulled = &precision.matrix * m0;
        let rhs = &b + &pulled;
        let Some(factor) = a.clone().cholesky() else {
            continue;
        };
        let mu = factor.solve(&rhs);
        let log_det: f64 = factor
            .l_dirty()
            .diagonal()
            .iter()
            .map(|x| x.ln())
            .sum::<f64>()
            * 2.0;
        let fit = pulled.dot(m0) - rhs.dot(&mu);
        let hyper = if flat {
            0.0
        } else {
            width.ln().powi(2) / (2.0 * HYPER * HYPER)
        };
        let evidence = 0.5 * (precision.log_det - fit - log_det) - hyper;
        if best.as_ref().is_none_or(|x| evidence > x.0) {
            best = Some((evidence, (width, a, rhs, factor)));
        }
    }
    let (_, (width, a, rhs, factor)) = best?;
    let mu = factor.solve(&rhs);
    let d = if mu.iter().all(|x| *x >= 0.0) {
        mu
    } else {
        nnls(&a, &rhs, Some(&mu))
    };
    Some(Step {
        d,
        width,
        rows,
        target,
        noise,
        a,
        rhs,
        factor,
        residuals,
    })
}

struct Precision {
    matrix: DMatrix<f64>,
    log_det: f64,
}

/// Precision of what is guessed: each demand is within `width` times its `spread` of its own guess, and all of them together are too high
/// by what the background takes, which is guessed to be 0. The measured total is 1.
fn precision(prior: &[f64], spread: &[f64], width: f64, background_sd: f64) -> Precision {
    let r = prior.len();
    let own = |i: usize| 1.0 / (width * spread[i]).powi(2);
    let common = background_sd.min(1.0);
    // The inverse of `diag(1/own) + common^2 prior prior'` (Sherman and Morrison).
    let pull = |i: usize| own(i) * prior[i] * common;
    let within = 1.0 + (0..r).map(|i| pull(i) * prior[i] * common).sum::<f64>();
    let matrix = DMatrix::from_fn(r + 1, r + 1, |i, j| match (i == r, j == r) {
        (true, true) => 1.0 / background_sd.powi(2),
        (false, false) => {
            let diagonal = if i == j { own(i) } else { 0.0 };
            diagonal - pull(i) * pull(j) / within
        }
        _ => 0.0,
    });
    let diagonal: f64 = (0..r).map(|i| own(i).ln()).sum();
    Precision {
        matrix,
        log_det: diagonal - within.ln() - 2.0 * background_sd.ln(),
    }
}

impl Step {
    /// Standard errors: the larger of the posterior's and that of a 10-block jackknife.
    pub fn spread(&self, m0: &DVector<f64>) -> Vec<f64> {
        let m = m0.len();
        let posterior = self.factor.inverse();
        let mu = self.factor.solve(&self.rhs);
        let n = self.rows.nrows();
        let mut without: Vec<DVector<f64>> = Vec::with_capacity(BLOCKS);
        for q in 0..BLOCKS {
            let (from, to) = (q * n / BLOCKS, (q + 1) * n / BLOCKS);
            let part = self.rows.rows(from, to - from);
            let y = self.target.rows(from, to - from);
            let turned = part.transpose();
            if m <= EXACT {
                let a = &self.a - &turned * part / self.noise;
                let b = &self.rhs - &turned * y / self.noise;
                without.extend(a.cholesky().map(|c| c.solve(&b)));
            } else {
                let pull = &turned * (y - part * &mu) / self.noise;
                let grow = BLOCKS as f64 / (BLOCKS as f64 - 1.0);
                without.push(&mu - self.factor.solve(&pull) * grow);
            }
        }
        let g = without.len().max(1) as f64;
        let center = without.iter().fold(DVector::zeros(m), |s, x| s + x) / g;
        (0..m)
            .map(|i| {
                let jack = (g - 1.0) / g
                    * without
                        .iter()
                        .map(|x| (x[i] - center[i]).powi(2))
                        .sum::<f64>();
                posterior[(i, i)].max(jack).max(0.0).sqrt()
            })
            .collect()
    }
}
