//! Where each resource saturates at today's mix, and how that spreads with what is not known exactly.
//! `X*_k = (C_k - b_k) / (u_k sum_r m_r D_rk)`: an upper bound of the load line, known long before each demand is; `u_k` is how many times the
//! even part the busiest copy has, and of a level the fullest moment.

use crate::fit::Fit;
use crate::rank;
use crate::twin::System;
use crate::twin::draw::{mix, normal};

/// Relative standard deviation of a capacity that is taken as known.
const CAPACITY_SD: f64 = 0.03;

/// Use of each resource per entry request, children and what goes alongside included; `visits` of each route per entry request.
pub fn loads(fit: &Fit, visits: &[f64]) -> Vec<f64> {
    (0..fit.resources.len())
        .map(|k| fit.load(visits, k))
        .collect()
}

/// Whether work queues for it, or requests fill it.
fn runs_out(system: &System, fit: &Fit, k: usize) -> bool {
    system.queues[k] || rank::fills(fit, k)
}

/// Entry rate at which each resource saturates, requests per second; infinite where nothing can run out.
/// With caches the hit ratios are those at the lowest of these rates.
pub fn saturation(system: &System) -> Vec<f64> {
    let shares = system.shares();
    let of = |fit: &Fit| -> Vec<f64> {
        let visits = System::visits(fit, &shares);
        let loads = loads(fit, &visits);
        let left = |k: usize| (fit.resources[k].capacity - fit.resources[k].background).max(0.0);
        (0..loads.len())
            .map(|k| {
                if runs_out(system, fit, k) && loads[k] > 1e-12 {
                    left(k) / (loads[k] * rank::at_its_fullest(fit, &visits, k))
                } else {
                    f64::INFINITY
                }
            })
            .collect()
    };
    let mut x = lowest(&of(&system.fit)).map_or(system.current_rate(), |(_, x)| x);
    if system.cache.iter().any(Option::is_some) {
        for _ in 0..20 {
            let Some((_, new)) = lowest(&of(&system.at(x))) else {
                break;
            };
            x = (x * new).sqrt();
        }
    }
    of(&system.at(x))
}

/// The resource that saturates first.
pub fn lowest(saturation: &[f64]) -> Option<(usize, f64)> {
    let finite = saturation
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, x)| x.is_finite());
    finite.min_by(|a, b| a.1.total_cmp(&b.1))
}

/// The lowest saturation in draws of demand, background and capacity; the same luck for the same seed, so that
/// draws of two variants may be divided by each other. Hit ratios are those at `rate`.
pub fn draws(system: &System, rate: f64, seed: u64, n: usize) -> Vec<(f64, usize)> {
    let fit = system.at(rate);
    let visits = System::visits(&fit, &system.shares());
    let used: Vec<usize> = (0..fit.resources.len())
        .filter(|&k| runs_out(system, &fit, k))
        .collect();
    let fullest: Vec<f64> = (0..fit.resources.len())
        .map(|k| rank::at_its_fullest(&fit, &visits, k))
        .collect();
    let luck = |draw: usize, what: u64, r: usize, k: usize| {
        normal(mix(seed
            ^ mix((draw as u64) << 40
                ^ what << 32
                ^ (r as u64) << 16
                ^ k as u64)))
    };
    (0..n)
        .filter_map(|i| {
            let x = |k: usize| {
                let r = &fit.resources[k];
                let load: f64 = visits
                    .iter()
                    .zip(&fit.demand)
                    .enumerate()
                    .filter(|(_, (v, d))| **v > 0.0 && d[k].mean > 0.0)
                    .map(|(route, (v, d))| {
                        let drawn = d[k].mean + d[k].sd.max(0.0) * luck(i, 0, route, k);
                        v * drawn.max(0.1 * d[k].mean)
                    })
                    .sum::<f64>()
                    + r.alongside(&visits);
                let exact = !r.is_processor() && r.capacity_known;
                let sd = if exact {
                    r.capacity_sd
                } else {
                    r.capacity_sd.max(CAPACITY_SD * r.capacity)
                };
                let capacity = (r.capacity + sd * luck(i, 1, 0, k)).max(0.1 * r.capacity);
                let background = (r.background + r.background_sd * luck(i, 2, 0, k)).max(0.0);
                if load > 1e-12 {
                    (capacity - background).max(0.0) / (load * fullest[k])
                } else {
                    f64::INFINITY
                }
            };
            let all = used
                .iter()
                .map(|&k| (x(k), k))
                .filter(|(x, _)| x.is_finite());
            all.min_by(|a, b| a.0.total_cmp(&b.0))
        })
        .collect()
}

/// The `q` quantile of values in any order; `None` when empty.
pub fn quantile(values: impl IntoIterator<Item = f64>, q: f64) -> Option<f64> {
    let mut v: Vec<f64> = values.into_iter().filter(|x| x.is_finite()).collect();
    v.sort_by(f64::total_cmp);
    let at = q.clamp(0.0, 1.0) * v.len().saturating_sub(1) as f64;
    let (lo, hi) = (*v.get(at.floor() as usize)?, *v.get(at.ceil() as usize)?);
    Some(lo + (hi - lo) * at.fract())
}
