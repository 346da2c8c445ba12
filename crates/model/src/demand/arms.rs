//! The arms of a canary side by side: demand per *request* of each route, requests answered from a cache included.

use super::crowd::Crowd;
use super::direct::{ENOUGH, told};
use super::fin::{Input, OWN_LAGS, fin};
use super::regress;
use super::series::finite;
use super::{Options, Series};
use crate::fit::Demand;
use base::{Cell, Grade, History};
use std::sync::Arc;

/// One arm's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmDemand {
    pub arm: u8,
    /// Requests of each route on this arm that were not refused.
    pub requests: Vec<f64>,
    /// Of those, answered without an attempt, or as retries more often: attempts per request.
    pub amplification: Vec<f64>,
    /// Per request: mean, standard error, grade. `Demand::NONE` where nothing is known.
    pub demand: Vec<Vec<Demand>>,
    /// Seconds per request: mean and standard error.
    pub response: Vec<(f64, f64)>,
    pub errors: Vec<f64>,
}

/// Demands of both arms over the last `span_s` seconds. Reports are used where there are enough; the rest is one
/// regression per resource in which each arm of a route is a column of its own.
pub fn fit_arms(history: &History, options: &Options) -> Vec<ArmDemand> {
    let end = history.windows.last().map_or(0, |w| w.index + 1);
    let from = end.saturating_sub(options.span_s);
    let split = split(history, from);
    let series = Series::new(&split, from);
    let n = history.routes.len();
    let mut arms: Vec<ArmDemand> = (0..2u8).map(|arm| outside(history, from, arm)).collect();
    let all = [0, 1].map(|arm| told(history, from, Some(arm)));
    let tries = |arm: &ArmDemand| -> Vec<f64> {
        let each = arm.requests.iter().zip(&arm.amplification);
        each.map(|(n, tries)| n * tries).collect()
    };
    let tried = [tries(&arms[0]), tries(&arms[1])];
    for (a, arm) in arms.iter_mut().enumerate() {
        let (told, other) = (&all[a], &all[1 - a]);
        for (r, row) in told.iter().enumerate() {
            let (requests, per_request) = (arm.requests[r].max(1.0), arm.amplification[r]);
            for (k, t) in row.iter().enumerate().filter(|(_, t)| t.enough()) {
                // A database does not tell the arms apart: what it tells under one of them is of both. Spans (`of`) do.
                let of_both = t.by_resource > 0.0 && t.of == 0.0;
                if of_both && other[r][k].count == 0.0 && tried[1 - a][r] > 0.0 {
                    continue;
                }
                // Requests without an attempt used nothing.
                let mean = t.mean() * per_request;
                let second = (t.variance() + t.mean().powi(2)) * per_request;
                let var = (second - mean * mean).max(0.0);
                arm.demand[r][k] = Demand {
                    mean,
                    sd: (var / requests).sqrt(),
                    scv: (mean > 0.0).then(|| var / (mean * mean)),
                    grade: Grade::Direct,
                };
            }
        }
    }
    unused(&mut arms);
    for k in 0..history.resources.len() {
        regress(&split, &series, k, n, &mut arms);
    }
    arms
}

/// An arm whose requests were all answered without an attempt used nothing of what the other arm reports.
fn unused(arms: &mut [ArmDemand]) {
    let reported: Vec<Vec<Vec<bool>>> = arms
        .iter()
        .map(|a| {
            let direct = |d: &Demand| d.grade == Grade::Direct;
            a.demand
                .iter()
                .map(|row| row.iter().map(direct).collect())
                .collect()
        })
        .collect();
    for (arm, other) in arms.iter_mut().zip(reported.into_iter().rev()) {
        for (r, row) in arm.demand.iter_mut().enumerate() {
            if arm.amplification[r] > 0.0 || arm.requests[r] < ENOUGH {
                continue;
            }
            for (d, _) in row.iter_mut().zip(&other[r]).filter(|(_, told)| **told) {
                d.grade = Grade::Direct;
            }
        }
    }
}

/// The same history with the canary's cells as routes `n..2n`.
fn split(history: &History, from: u64) -> History {
    let n = history.routes.len() as u16;
    let mut h = history.clone_shell();
    h.windows = history
        .windows
        .iter()
        .filter(|w| w.index >= from)
        .cloned()
        .collect();
    h.routes.extend(history.routes.clone());
    let moves = |c: &Cell| c.key.arm.0 == 1 && c.key.route.0 < n;
    for w in &mut h.windows {
        // Most have no canary, and are not copied.
        if !w.attempts.iter().chain(&w.requests).any(moves) {
            continue;
        }
        let w = Arc::make_mut(w);
        for c in w.attempts.iter_mut().chain(&mut w.requests) {
            if moves(c) {
                c.key.route.0 += n;
            }
        }
    }
    h
}

fn outside(history: &History, from: u64, arm: u8) -> ArmDemand {
    let n = history.routes.len();
    let mut a = ArmDemand {
        arm,
        requests: vec![0.0; n],
        amplification: vec![1.0; n],
        demand: vec![vec![Demand::NONE; history.resources.len()]; n],
        response: vec![(0.0, 0.0); n],
        errors: vec![0.0; n],
    };
    let (mut attempts, mut sums) = (vec![0.0; n], vec![(0.0, 0.0); n]);
    for w in history.windows.iter().filter(|w| w.index >= from) {
        for c in w.requests.iter().filter(|c| c.key.arm.0 == arm) {
            let Some(r) = c.key.route.get().filter(|r| *r < n) else {
                continue;
            };
            a.requests[r] += f64::from(c.ends.saturating_sub(c.refused));
            a.errors[r] += f64::from(c.errors);
            sums[r].0 += finite(c.seconds);
            sums[r].1 += finite(c.seconds_sq);
        }
        for c in w.attempts.iter().filter(|c| c.key.arm.0 == arm) {
            if let Some(x) = c.key.route.get().and_then(|r| attempts.get_mut(r)) {
                *x += f64::from(c.ends);
            }
        }
    }
    for r in 0..n {
        let m = a.requests[r].max(1.0);
        if a.requests[r] > 0.0 {
            a.amplification[r] = attempts[r] / m;
        }
        let mean = sums[r].0 / m;
        a.response[r] = (mean, ((sums[r].1 / m - mean * mean).max(0.0) / m).sqrt());
    }
    a
}

/// Fills what reports left open. A resource that the reports cover is left alone.
fn regress(split: &History, series: &Series, k: usize, n: usize, arms: &mut [ArmDemand]) {
    let column = &series.resources[k];
    let info = &split.resources[k];
    let its = |r: usize| {
        info.service
            .as_ref()
            .is_none_or(|s| *s == split.routes[r].service)
    };
    let live = |r: &usize| series.life[*r].iter().sum::<f64>() > 0.0;
    let rows: Vec<usize> = (0..2 * n).filter(|&r| its(r)).filter(live).collect();
    let told = |r: usize| arms[r / n].demand[r % n][k];
    let open: Vec<usize> = rows
        .iter()
        .copied()
        .filter(|&r| told(r).grade != Grade::Direct)
        .collect();
    if open.is_empty() || column.busy.iter().sum::<f64>() <= 0.0 {
        return;
    }
    let y: Vec<f64> = (0..series.seconds)
        .map(|t| {
            let background = column.background.as_ref().map_or(0.0, |b| b[t]);
            let direct: f64 = rows
                .iter()
                .filter(|r| told(**r).grade == Grade::Direct)
                .map(|&r| {
                    let per_attempt = arms[r / n].amplification[r % n].max(1e-9);
                    told(r).mean / per_attempt * series.life[r][t]
                })
                .sum();
            column.busy[t] - background - direct
        })
        .collect();
    let total = y.iter().sum::<f64>() / series.covered().max(1.0);
    let held: Vec<f64> = open
        .iter()
        .map(|&r| series.in_flight[r].iter().sum::<f64>())
        .collect();
    let lives: Vec<f64> = open
        .iter()
        .map(|&r| series.life[r].iter().sum::<f64>())
        .collect();
    let whole: f64 = held.iter().sum::<f64>() / series.covered().max(1.0);
    let prior: Vec<f64> = held
        .iter()
        .zip(&lives)
        .map(|(h, l)| (total.max(0.0) * (h / l.max(1e-9)) / whole.max(1e-12)).max(0.0))
        .collect();
    let columns: Vec<&[f64]> = open.iter().map(|&r| &*series.life[r]).collect();
    let crowd = Crowd::of(&lives, &prior, &columns);
    let found = fin(&Input {
        z: crowd.columns(&columns),
        y: &y,
        ok: &column.seen,
        prior: &crowd.priors(&prior),
        usual: regress::usual(total, lives.iter().sum::<f64>() / series.covered().max(1.0)),
        background_sd: if column.background.is_some() {
            0.003
        } else {
            0.2
        } * total.abs().max(1e-12),
        lags: &OWN_LAGS,
        flat: false,
    });
    let Some(f) = found else { return };
    let (f, crowded) = (crowd.spread(f), crowd.places(open.len()));
    for (i, &r) in open.iter().enumerate() {
        let a = arms[r / n].amplification[r % n];
        arms[r / n].demand[r % n][k] = Demand {
            mean: f.demand[i] * a,
            sd: f.sd[i] * a,
            scv: None,
            grade: match crowded[i] {
                true => Grade::Prior,
                false => Grade::Regression,
            },
        };
    }
}
