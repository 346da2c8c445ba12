//! Demand by regression beside what the services themselves report: ours, and what textbooks do.
//!
//! The truth is the CPU time that each request of the shop measures on its own thread and reports; the estimators see
//! the same history without the reports.

use base::History;
use model::demand::{self, Told, told};
use serde::{Deserialize, Serialize};

/// Reports that a route must have for its mean to count as the truth.
const LEAST: f64 = 30.0;
/// Windows of the Kalman filter, seconds.
const KALMAN_S: usize = 5;
/// 90 % of a normal distribution, both sides.
const NINETY: f64 = 1.645;

/// Demand-weighted relative errors over the processors of the services, and how many true values lie in the 90 %
/// intervals of ours.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Estimates {
    pub ours: f64,
    pub nnls_1s: f64,
    pub nnls_10s: f64,
    pub apportioned: f64,
    /// At the end of the recording.
    #[serde(default)]
    pub kalman: f64,
    pub inside: usize,
    pub of: usize,
}

/// `None`: no service reports its CPU, or there is too little to fit.
pub fn compare(history: &History, learn: &demand::Options) -> Option<Estimates> {
    let truths = truths(history);
    let blind = unreported(history);
    let fit = demand::fit(&blind, learn).ok()?;
    if truths.is_empty() {
        return None;
    }
    let error = |of: &dyn Fn(usize, usize) -> f64| {
        let wrong = |t: &Truth| t.rate * (of(t.route, t.resource) - t.demand).abs();
        let all: f64 = truths.iter().map(|t| t.rate * t.demand).sum();
        truths.iter().map(wrong).sum::<f64>() / all.max(1e-12)
    };
    let (one, ten) = (
        model::baseline::textbook(&blind, 1),
        model::baseline::textbook(&blind, 10),
    );
    let apportioned = model::baseline::apportioned(&blind);
    let kalman = model::baseline::kalman(&blind, KALMAN_S);
    let inside = |t: &&Truth| {
        let d = fit.demand[t.route][t.resource];
        (d.mean - t.demand).abs() <= NINETY * d.sd
    };
    Some(Estimates {
        ours: error(&|r, k| fit.demand[r][k].mean),
        nnls_1s: error(&|r, k| one[r][k]),
        nnls_10s: error(&|r, k| ten[r][k]),
        apportioned: error(&|r, k| apportioned[r][k]),
        kalman: error(&|r, k| kalman[r][k]),
        inside: truths.iter().filter(inside).count(),
        of: truths.len(),
    })
}

struct Truth {
    route: usize,
    resource: usize,
    /// Seconds per attempt.
    demand: f64,
    /// Attempts.
    rate: f64,
}

/// What was reported of processors, where there are enough reports.
fn truths(history: &History) -> Vec<Truth> {
    let all: Vec<Vec<Told>> = told(history, 0, None);
    let cpu = |k: usize| history.resources[k].name.starts_with("cpu.");
    let mut truths = Vec::new();
    for (route, row) in all.iter().enumerate() {
        for (resource, t) in row.iter().enumerate() {
            if cpu(resource) && t.count >= LEAST && t.busy > 0.0 {
                truths.push(Truth {
                    route,
                    resource,
                    demand: t.mean(),
                    rate: t.attempts,
                });
            }
        }
    }
    truths
}

/// The history as it would be had nobody reported anything.
fn unreported(history: &History) -> History {
    let mut blind = history.clone();
    for w in blind.windows_mut() {
        w.uses.clear();
    }
    blind
}
