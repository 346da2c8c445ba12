//! When requests come: a swinging rate, routes that drift against each other, and bursts.

use crate::world::{Load, Route};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Gamma, LogNormal, Normal, Poisson};

/// `(time, route)` of every entry request, sorted.
pub fn arrivals(
    rng: &mut impl Rng,
    routes: &[Route],
    load: &Load,
    seconds: f64,
) -> Vec<(f64, usize)> {
    let normal = Normal::new(0.0, 1.0).expect("unit normal");
    let phase = rng.random::<f64>() * std::f64::consts::TAU;
    let mut drift: Vec<f64> = routes.iter().map(|_| normal.sample(rng)).collect();
    let mut burst = normal.sample(rng);
    let keep = |tau: f64| (-1.0 / tau.max(0.05)).exp();
    let (a, b) = (keep(30.0), keep(load.burst_tau_s));
    let total: f64 = routes.iter().map(|r| r.weight).sum();
    let mut all = Vec::new();
    for second in 0..seconds.ceil() as usize {
        let at = second as f64;
        let wave = (std::f64::consts::TAU * at / load.period_s + phase).sin();
        let level = 1.0 - load.swing / 2.0 * (1.0 - wave);
        let sigma = load.burst_sigma;
        let whole = load.rate * level * (sigma * burst - sigma * sigma / 2.0).exp();
        for (r, route) in routes.iter().enumerate().filter(|(_, r)| r.weight > 0.0) {
            let sd = load.mix_sd;
            let rate = whole * route.weight / total * (sd * drift[r] - sd * sd / 2.0).exp();
            let n = Poisson::new(rate.max(1e-9)).map_or(0.0, |p| p.sample(rng)) as usize;
            all.extend((0..n).map(|_| (at + rng.random::<f64>(), r)));
        }
        for d in &mut drift {
            *d = a * *d + (1.0 - a * a).sqrt() * normal.sample(rng);
        }
        burst = b * burst + (1.0 - b * b).sqrt() * normal.sample(rng);
    }
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    all
}

/// Times and lengths of background work: jobs of 5 ms on average whose rate drifts (60 s memory).
pub fn background(rng: &mut impl Rng, busy_per_s: f64, seconds: f64) -> Vec<(f64, f64)> {
    const MEAN: f64 = 0.005;
    let normal = Normal::new(0.0, 1.0).expect("unit normal");
    let (a, sd) = ((-1.0f64 / 60.0).exp(), 0.5f64);
    let (mut x, mut all) = (normal.sample(rng), Vec::new());
    for second in 0..seconds.ceil() as usize {
        let rate = busy_per_s / MEAN * (sd * x - sd * sd / 2.0).exp();
        let n = Poisson::new(rate.max(1e-9)).map_or(0.0, |p| p.sample(rng)) as usize;
        for _ in 0..n {
            let at = second as f64 + rng.random::<f64>();
            all.push((at, draw(rng, MEAN, 1.0)));
        }
        x = a * x + (1.0 - a * a).sqrt() * normal.sample(rng);
    }
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    all
}

/// A positive time with this mean and squared coefficient of variation: gamma up to 1, log-normal above.
pub fn draw(rng: &mut impl Rng, mean: f64, scv: f64) -> f64 {
    if mean <= 0.0 || scv <= 0.01 {
        return mean.max(0.0);
    }
    if scv <= 1.0 {
        return Gamma::new(1.0 / scv, mean * scv).map_or(mean, |g| g.sample(rng));
    }
    let s2 = (1.0 + scv).ln();
    LogNormal::new(mean.ln() - s2 / 2.0, s2.sqrt()).map_or(mean, |l| l.sample(rng))
}
