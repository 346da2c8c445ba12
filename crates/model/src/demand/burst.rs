//! How bursty the entry traffic is beyond chance: a log-Ornstein-Uhlenbeck rate fitted to counts per second,
//! `log(1 + Cov_l / mu^2) = sigma^2 exp(-l / tau)` for lags 1 to 8. What is slower than a minute is no burst but another
//! load: counts are taken relative to the mean of the minute around them, and what that takes off the bursts is given back.

const LAGS: usize = 8;
/// Half of the minute, seconds; near the ends at least so much.
const HALF: usize = 30;
const LEAST: usize = 15;

/// `(sigma, tau in seconds)`; `(0, 1)` when the counts are no burstier than Poisson's.
pub fn burst(counts: &[f64], present: &[bool]) -> (f64, f64) {
    let relative = relative(counts, present);
    let used: Vec<f64> = relative.iter().flatten().copied().collect();
    let n = used.len() as f64;
    if used.len() < 4 * LAGS {
        return (0.0, 1.0);
    }
    let cov = |lag: usize| {
        let pairs = relative.iter().zip(&relative[lag..]);
        let products = pairs.filter_map(|(a, b)| Some((*a)? * (*b)?));
        let (sum, pairs) = products.fold((0.0, 0.0f64), |(s, n), x| (s + x, n + 1.0));
        sum / pairs.max(1.0)
    };
    let excess: Vec<f64> = (1..=LAGS).map(|l| cov(l).max(-0.9).ln_1p()).collect();
    // Chance alone gives each lag a standard deviation of `Var / sqrt(n)`.
    let mean_count = counts.iter().sum::<f64>() / counts.len() as f64;
    let noise = 1.0 / (mean_count.max(1e-9) * n.sqrt());
    let mean = excess.iter().sum::<f64>() / LAGS as f64;
    if mean < 2.0 * noise / (LAGS as f64).sqrt() && excess[0] < 3.0 * noise {
        return (0.0, 1.0);
    }
    let mut best = (f64::INFINITY, 0.0, 1.0);
    // Counts per second tell nothing of what is quicker.
    for step in 0..25 {
        let tau = 1.15f64.powi(step);
        let lost = within(2.0 * HALF as f64 / tau);
        let shape: Vec<f64> = (1..=LAGS)
            .map(|l| (-(l as f64) / tau).exp() - lost)
            .collect();
        let top: f64 = shape.iter().zip(&excess).map(|(s, e)| s * e).sum();
        let bottom: f64 = shape.iter().map(|s| s * s).sum();
        let s2 = (top / bottom.max(1e-12)).clamp(0.0, 4.0);
        let error: f64 = shape
            .iter()
            .zip(&excess)
            .map(|(s, e)| (e - s2 * s).powi(2))
            .sum();
        if error < best.0 {
            best = (error, s2, tau);
        }
    }
    (best.1.sqrt(), best.2)
}

/// Each count over the mean of the minute around it, less 1; `None` where that is not known.
fn relative(counts: &[f64], present: &[bool]) -> Vec<Option<f64>> {
    let n = counts.len();
    let one = |t: usize| {
        let half = HALF.min(t).min(n - 1 - t);
        if half < LEAST || !present[t] {
            return None;
        }
        let around = t - half..=t + half;
        let there = around.filter(|&u| present[u]);
        let (sum, seconds) = there.fold((0.0, 0.0), |(s, n), u| (s + counts[u], n + 1.0));
        (sum > 0.0).then(|| counts[t] * seconds / sum - 1.0)
    };
    (0..n).map(one).collect()
}

/// The part of an Ornstein-Uhlenbeck process' variance that the mean over `x` times its memory has.
pub fn within(x: f64) -> f64 {
    2.0 / (x * x) * (x - 1.0 + (-x).exp())
}
