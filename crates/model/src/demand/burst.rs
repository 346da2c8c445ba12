//! How bursty the entry traffic is beyond chance: a log-Ornstein-Uhlenbeck rate fitted to counts per second,
//! `log(1 + Cov_l / mu^2) = sigma^2 exp(-l / tau)` for lags 1 to 8.

/// `(sigma, tau in seconds)`; `(0, 1)` when the counts are no burstier than Poisson's.
pub fn burst(counts: &[f64], present: &[bool]) -> (f64, f64) {
    const LAGS: usize = 8;
    let used: Vec<f64> = counts
        .iter()
        .zip(present)
        .filter(|(_, p)| **p)
        .map(|(c, _)| *c)
        .collect();
    let n = used.len() as f64;
    let mu = used.iter().sum::<f64>() / n.max(1.0);
    if used.len() < 4 * LAGS || mu <= 0.0 {
        return (0.0, 1.0);
    }
    let cov = |lag: usize| {
        let (mut sum, mut pairs) = (0.0, 0.0f64);
        for t in lag..counts.len() {
            if present[t] && present[t - lag] {
                sum += (counts[t] - mu) * (counts[t - lag] - mu);
                pairs += 1.0;
            }
        }
        sum / pairs.max(1.0)
    };
    let excess: Vec<f64> = (1..=LAGS)
        .map(|l| (cov(l) / (mu * mu)).max(-0.9).ln_1p())
        .collect();
    // Chance alone gives each lag a standard deviation of Var / (mu^2 sqrt(n)).
    let noise = mu / (mu * mu * n.sqrt());
    let mean = excess.iter().sum::<f64>() / LAGS as f64;
    if mean < 2.0 * noise / (LAGS as f64).sqrt() && excess[0] < 3.0 * noise {
        return (0.0, 1.0);
    }
    let mut best = (f64::INFINITY, 0.0, 1.0);
    for step in 0..40 {
        let tau = 0.5 * 1.15f64.powi(step);
        let shape: Vec<f64> = (1..=LAGS).map(|l| (-(l as f64) / tau).exp()).collect();
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
