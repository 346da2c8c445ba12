//! The FIN fit of one resource: `busy(t) = b + sum_r D_r sum_l g_l z_r(t-l)` with one delay kernel `g` for all routes,
//! whitened and robust residuals, a prior from response times whose width the evidence chooses, and `D >= 0`.

use super::nnls::nnls;
use super::whiten::{ar_filter, filter};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

/// Kernels for our own probes (readings are up to a second off) and for foreign metrics.
pub const OWN_LAGS: [i32; 3] = [-1, 0, 1];
pub const FOREIGN_LAGS: [i32; 8] = [-2, -1, 0, 1, 2, 3, 4, 5];
/// Prior widths tried, relative to the prior mean.
const WIDTHS: [f64; 6] = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0];
/// Standard deviation of the logarithm of the width, before seeing data.
const HYPER: f64 = 0.7;
const ORDER: usize = 6;
const HUBER: f64 = 2.5;
const ROUNDS: usize = 4;
const BLOCKS: usize = 10;
/// Above this many unknowns the jackknife takes one Newton step instead of solving anew.
const EXACT: usize = 24;

pub struct Input<'a> {
    /// One column of life per route, one value per second.
    pub z: Vec<&'a [f64]>,
    /// Busy per second, the measured background already taken off.
    pub y: &'a [f64],
    /// Seconds to be used.
    pub ok: &'a [bool],
    /// Guess of each route's demand, from response times.
    pub prior: &'a [f64],
    /// Standard deviation of what is left of the background.
    pub background_sd: f64,
    pub lags: &'a [i32],
    /// No preference for a width: this resource is most of the response time.
    pub flat: bool,
}

#[derive(Clone, Debug)]
pub struct Fin {
    pub demand: Vec<f64>,
    pub sd: Vec<f64>,
    pub background: f64,
    pub background_sd: f64,
    /// Whitened, weighted residuals in units of their robust spread, with their second.
    pub innovations: Vec<(usize, f64)>,
    /// Much of the residual comes in a few bursts that no request explains.
    pub bursts: bool,
}

/// `None` with fewer than 20 usable seconds.
pub fn fin(input: &Input) -> Option<Fin> {
    let (n, r) = (input.y.len(), input.z.len());
    let back = input.lags.iter().map(|l| l.max(&0)).max().copied()?.max(0) as usize;
    let ahead = input.lags.iter().map(|l| -l).max()?.max(0) as usize;
    if r == 0 || n < 20 + back + ahead {
        return None;
    }
    let rows: Vec<usize> = (back..n - ahead).collect();
    let good: Vec<bool> = rows
        .iter()
        .map(|&t| (t - back..=t + ahead).all(|u| input.ok[u]))
        .collect();
    let usable = good.iter().filter(|g| **g).count();
    if usable < 20 {
        return None;
    }
    let scale = (mean(&rows.iter().map(|&t| input.y[t]).collect::<Vec<_>>())).abs();
    let scale = scale.max(1e-12);
    let y: Vec<f64> = rows.iter().map(|&t| input.y[t] / scale).collect();
    let top = input.prior.iter().copied().fold(0.0, f64::max).max(1e-12);
    let prior: Vec<f64> = input
        .prior
        .iter()
        .map(|p| p.max(1e-6 * top) / scale)
        .collect();
    let background_sd = (input.background_sd / scale).max(1e-6);
    let mut center = prior.clone();
    center.push(0.0);
    let m0 = DVector::from_vec(center);

    let zero = input.lags.iter().position(|&l| l == 0)?;
    let mut kernel = vec![0.0; input.lags.len()];
    kernel[zero] = 1.0;
    let mut d = m0.clone();
    let mut width = 1.0;
    let mut last = None;
    for round in 0..ROUNDS {
        if let Some(g) = fit_kernel(input, &rows, &good, &y, &d) {
            kernel = g;
        }
        let z = delayed(input, &rows, &kernel);
        if round == 0 {
            d = first_guess(&z, &y, &good);
        }
        let fixed = (round + 1 < ROUNDS && round > 0).then_some(width);
        let step = solve_round(
            &z,
            &y,
            &good,
            &d,
            &m0,
            &prior,
            background_sd,
            fixed,
            input.flat,
        )?;
        width = step.width;
        d = step.d.clone();
        last = Some(step);
    }
    let step = last?;
    let sd = step.spread(&m0);
    Some(Fin {
        demand: (0..r).map(|i| d[i] * scale).collect(),
        sd: (0..r).map(|i| sd[i] * scale).collect(),
        background: d[r] * scale,
        background_sd: sd[r] * scale,
        bursts: bursts(&step.residuals),
        innovations: step.residuals.iter().map(|&(i, e)| (rows[i], e)).collect(),
    })
}

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len().max(1) as f64
}

/// The delay kernel that best carries the total `sum_r D_r z_r` into `y`: non-negative, sums to 1.
fn fit_kernel(
    input: &Input,
    rows: &[usize],
    good: &[bool],
    y: &[f64],
    d: &DVector<f64>,
) -> Option<Vec<f64>> {
    let total: Vec<f64> = (0..input.y.len())
        .map(|t| input.z.iter().zip(d.iter()).map(|(z, d)| z[t] * d).sum())
        .collect();
    let keep = |v: Vec<f64>| -> Vec<f64> {
        let v: Vec<f64> = v
            .iter()
            .zip(good)
            .filter(|(_, g)| **g)
            .map(|(x, _)| *x)
            .collect();
        let m = mean(&v);
        v.iter().map(|x| x - m).collect()
    };
    let columns: Vec<Vec<f64>> = input
        .lags
        .iter()
        .map(|&l| {
            keep(
                rows.iter()
                    .map(|&t| total[(t as i64 - l as i64) as usize])
                    .collect(),
            )
        })
        .collect();
    let g = super::nnls::nnls_columns(&columns, &keep(y.to_vec()));
    let sum: f64 = g.iter().sum();
    (sum > 1e-9 && sum.is_finite()).then(|| g.iter().map(|x| x / sum).collect())
}

/// The life columns through the kernel, and a column of ones; row-major by column.
fn delayed(input: &Input, rows: &[usize], kernel: &[f64]) -> Vec<Vec<f64>> {
    let mut z: Vec<Vec<f64>> = input
        .z
        .iter()
        .map(|z| {
            let mut out = vec![0.0; rows.len()];
            for (&l, &g) in input.lags.iter().zip(kernel).filter(|(_, g)| **g > 0.0) {
                let from = (rows[0] as i64 - l as i64) as usize;
                for (o, x) in out.iter_mut().zip(&z[from..]) {
                    *o += g * x;
                }
            }
            out
        })
        .collect();
    z.push(vec![1.0; rows.len()]);
    z
}

fn first_guess(z: &[Vec<f64>], y: &[f64], good: &[bool]) -> DVector<f64> {
    let r = z.len() - 1;
    let m = DMatrix::from_fn(y.len(), r, |t, i| if good[t] { z[i][t] } else { 0.0 });
    let yy = DVector::from_fn(y.len(), |t, _| y[t].max(0.0));
    let mt = m.transpose();
    let mut a = &mt * &m;
    let ridge = 1e-9 * a.diagonal().amax().max(1e-300);
    (0..r).for_each(|i| a[(i, i)] += ridge);
    let b = &mt * yy;
    let start = a.clone().cholesky().map(|c| c.solve(&b));
    let x = nnls(&a, &b, start.as_ref());
    DVector::from_iterator(r + 1, x.iter().copied().chain([0.0]))
}

/// One round's system: whitened and weighted rows with the prior.
struct Step {
    d: DVector<f64>,
    width: f64,
    rows: DMatrix<f64>,
    target: DVector<f64>,
    noise: f64,
    a: DMatrix<f64>,
    rhs: DVector<f64>,
    factor: Cholesky<f64, Dyn>,
    residuals: Vec<(usize, f64)>,
}

#[allow(clippy::too_many_arguments)]
fn solve_round(
    z: &[Vec<f64>],
    y: &[f64],
    good: &[bool],
    d: &DVector<f64>,
    m0: &DVector<f64>,
    prior: &[f64],
    background_sd: f64,
    fixed: Option<f64>,
    flat: bool,
) -> Option<Step> {
    let (n, m) = (y.len(), z.len());
    let expected: Vec<f64> = (0..n)
        .map(|t| z.iter().zip(d.iter()).map(|(z, d)| z[t] * d).sum())
        .collect();
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
    let e: Vec<f64> = (0..n - p)
        .map(|t| yf[t] - zf.iter().zip(d.iter()).map(|(z, d)| z[t] * d).sum::<f64>())
        .collect();
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
    let widths: &[f64] = match &fixed {
        Some(w) => std::slice::from_ref(w),
        None => &WIDTHS,
    };
    let mut best: Option<(f64, f64, DMatrix<f64>, DVector<f64>, Cholesky<f64, Dyn>)> = None;
    for &width in widths {
        let precision = DVector::from_fn(m, |i, _| match prior.get(i) {
            Some(p) => 1.0 / (width * p).powi(2),
            None => 1.0 / background_sd.powi(2),
        });
        let mut a = s.clone();
        (0..m).for_each(|i| a[(i, i)] += precision[i]);
        let rhs = &b + precision.component_mul(m0);
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
        let fit = precision.dot(&m0.component_mul(m0)) - rhs.dot(&mu);
        let log_prior: f64 = precision.iter().map(|x| x.ln()).sum();
        let hyper = if flat {
            0.0
        } else {
            width.ln().powi(2) / (2.0 * HYPER * HYPER)
        };
        let evidence = 0.5 * (log_prior - fit - log_det) - hyper;
        if best.as_ref().is_none_or(|x| evidence > x.0) {
            best = Some((evidence, width, a, rhs, factor));
        }
    }
    let (_, width, a, rhs, factor) = best?;
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

impl Step {
    /// Standard errors: the larger of the posterior's and that of a 10-block jackknife.
    fn spread(&self, m0: &DVector<f64>) -> Vec<f64> {
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

/// A few large residuals hold most of the variance, and they are positive.
fn bursts(residuals: &[(usize, f64)]) -> bool {
    let total: f64 = residuals.iter().map(|r| r.1 * r.1).sum();
    let large: Vec<f64> = residuals.iter().map(|r| r.1).filter(|e| *e > 4.0).collect();
    let share = large.iter().map(|e| e * e).sum::<f64>() / total.max(1e-300);
    large.len() * 50 >= residuals.len() && share > 0.6
}
