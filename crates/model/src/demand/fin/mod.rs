//! The FIN fit of one resource: `busy(t) = b + sum_r D_r sum_l g_l z_r(t-l)` with one delay kernel `g` for all routes,
//! whitened and robust residuals, a prior from response times whose width the evidence chooses, and `D >= 0`.

mod round;

use super::change::Left;
use super::nnls::nnls;
use nalgebra::{DMatrix, DVector};
use round::solve_round;

/// Kernels for our own probes (readings are up to a second off) and for foreign metrics.
pub const OWN_LAGS: [i32; 3] = [-1, 0, 1];
pub const FOREIGN_LAGS: [i32; 8] = [-2, -1, 0, 1, 2, 3, 4, 5];
/// Prior widths tried, relative to the prior mean.
const WIDTHS: [f64; 6] = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0];
const COARSE: [f64; 3] = [0.25, 1.0, 5.0];
const ROUNDS: usize = 4;
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
    /// A demand that is usual here: no guess is surer than it is near to this.
    pub usual: f64,
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
    /// What the fit expects of each usable second without background, and what it leaves over.
    pub left: Vec<Left>,
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
    let spread: Vec<f64> = prior.iter().map(|p| p.max(input.usual / scale)).collect();
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
    let rounds = if r > EXACT { ROUNDS - 1 } else { ROUNDS };
    for round in 0..rounds {
        if let Some(g) = fit_kernel(input, &rows, &good, &y, &d) {
            kernel = g;
        }
        let z = delayed(input, &rows, &kernel);
        if round == 0 && r <= EXACT {
            d = first_guess(&z, &y, &good);
        }
        // With many unknowns each width costs; then it is searched once and touched up at the end.
        let widths: &[f64] = match round {
            _ if r <= EXACT => &WIDTHS,
            1 => &COARSE,
            _ if round + 1 == rounds => near(width),
            _ => std::slice::from_ref(&width),
        };
        let step = solve_round(
            &z,
            &y,
            &good,
            &d,
            &m0,
            &prior,
            &spread,
            background_sd,
            widths,
            input.flat,
        )?;
        width = step.width;
        d = step.d.clone();
        last = Some(step);
    }
    let step = last?;
    let z = delayed(input, &rows, &kernel);
    let expected = combine(&z[..r], d.as_slice(), rows.len());
    let left = (0..rows.len())
        .filter(|&i| good[i])
        .map(|i| {
            let expected = expected[i];
            Left {
                second: rows[i],
                expected,
                residual: y[i] - d[r] - expected,
            }
        })
        .collect();
    let sd = step.spread(&m0);
    Some(Fin {
        demand: (0..r).map(|i| d[i] * scale).collect(),
        sd: (0..r).map(|i| sd[i] * scale).collect(),
        background: d[r] * scale,
        background_sd: sd[r] * scale,
        bursts: bursts(&step.residuals),
        left,
    })
}

/// `sum_i d[i] z[i]`, second by second, over the columns there are.
fn combine<C: AsRef<[f64]>>(z: &[C], d: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n];
    for (z, d) in z.iter().zip(d).filter(|(_, d)| **d != 0.0) {
        for (o, x) in out.iter_mut().zip(z.as_ref()) {
            *o += d * x;
        }
    }
    out
}

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len().max(1) as f64
}

/// A width and its neighbours among those tried.
fn near(width: f64) -> &'static [f64] {
    let at = WIDTHS.iter().position(|w| *w == width).unwrap_or(3);
    &WIDTHS[at.saturating_sub(1)..(at + 2).min(WIDTHS.len())]
}

/// The delay kernel that best carries the total `sum_r D_r z_r` into `y`: non-negative, sums to 1.
fn fit_kernel(
    input: &Input,
    rows: &[usize],
    good: &[bool],
    y: &[f64],
    d: &DVector<f64>,
) -> Option<Vec<f64>> {
    let total = combine(&input.z, d.as_slice(), input.y.len());
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

/// A few large residuals hold most of the variance, and they are positive.
fn bursts(residuals: &[(usize, f64)]) -> bool {
    let total: f64 = residuals.iter().map(|r| r.1 * r.1).sum();
    let large: Vec<f64> = residuals.iter().map(|r| r.1).filter(|e| *e > 4.0).collect();
    let share = large.iter().map(|e| e * e).sum::<f64>() / total.max(1e-300);
    large.len() * 50 >= residuals.len() && share > 0.6
}
