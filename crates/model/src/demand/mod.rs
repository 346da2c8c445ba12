//! Learns a `Fit` from a history: the demand matrix by the best evidence there is for each entry, with its error.
//!
//! Measured on made-up services of six routes at 40 % load (`tests/learn.rs`; median error of D, of X*, and how often
//! the truth lies in the 90 % interval), textbook regression on 1 s and 10 s windows beside it:
//!
//! | 300 s of | D | X* | inside | textbook 1 s / 10 s |
//! |---|---|---|---|---|
//! | our own probes, background measured | 9.6 % | 1.0 % | 88 % | 22 / 51 % |
//! | a clock 0.3 s off | 14 % | 0.9 % | 87 % | 34 / 53 % |
//! | the same, background not measured | 16 % | 3.4 % | 83 % | 32 / 57 % |
//! | reports of single requests (120 s) | 1.4 % | 1.1 % | 95 % | |

mod arms;
pub(crate) mod burst;
mod change;
mod columns;
mod crowd;
mod direct;
mod fin;
pub(crate) mod machine;
mod memory;
mod nnls;
mod regress;
mod routes;
mod series;
mod signs;
mod visits;
mod warm;
mod whiten;

pub use arms::{ArmDemand, fit_arms};
pub use direct::{Told, told};
pub use fin::{FOREIGN_LAGS, OWN_LAGS};
pub use nnls::nnls_columns;
pub use series::Series;

use crate::fit::Fit;
use crate::{closure, pattern, watch};
use base::History;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    pub seed: u64,
    /// Seconds of history to use, counted from its end.
    pub span_s: u64,
    /// The usage comes from somebody else's metrics: its clock may be seconds off.
    pub foreign: bool,
}

impl Options {
    /// How many seconds early or late usage may be told.
    fn lags(&self) -> &'static [i32] {
        match self.foreign {
            true => &FOREIGN_LAGS,
            false => &OWN_LAGS,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            seed: 1,
            span_s: 300,
            foreign: false,
        }
    }
}

/// Too little was seen for any answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("not enough evidence yet: {why}; watch for {more_s:.0} more seconds")]
pub struct NotYet {
    pub more_s: f64,
    pub why: String,
}

/// The last `span_s` seconds, or those since the last incident when they are enough by themselves.
fn start(history: &History, options: &Options) -> (u64, Option<String>) {
    let end = history.windows.last().map_or(0, |w| w.index + 1);
    let from = end.saturating_sub(options.span_s);
    let last = history
        .incidents
        .iter()
        .filter(|i| i.window >= from && i.window < end)
        .max_by_key(|i| i.window);
    match last {
        Some(i) if end - i.window >= watch::SHORTEST_S as u64 + 5 => (
            i.window + 1,
            Some(format!(
                "learning since {} ({} s ago)",
                i.what,
                end - i.window
            )),
        ),
        Some(i) => (
            from,
            Some(format!(
                "{} {} s ago: older seconds are mixed in",
                i.what,
                end - i.window
            )),
        ),
        None => (from, None),
    }
}

/// What the history teaches. `Err`: it is too short or too quiet, and for how much longer to watch.
pub fn fit(history: &History, options: &Options) -> Result<Fit, NotYet> {
    let (from, note) = start(history, options);
    let (history, warming) = warm::without(history, from);
    let history = &*history;
    let series = Series::new(history, from);
    let totals = routes::totals(history, from);
    watch::enough(&series, totals.iter().map(routes::Totals::served).sum())?;
    let told = told(history, from, None);
    let mut route_fits = routes::routes(history, from, &series, &totals, &told);
    let mut resources = Vec::with_capacity(history.resources.len());
    let mut demand = vec![Vec::with_capacity(history.resources.len()); history.routes.len()];
    let world = columns::Known {
        history,
        from,
        series: &series,
        totals: &totals,
        told: &told,
        options,
    };
    for k in 0..history.resources.len() {
        let mut c = columns::column(&world, k);
        c.fit.notes.extend(note.iter().chain(&warming).cloned());
        resources.push(c.fit);
        for (row, d) in demand.iter_mut().zip(c.demand) {
            row.push(d);
        }
    }
    columns::drop_echoes(&mut resources, &mut demand);
    machine::share(&mut resources, &mut demand, &route_fits, &series);
    machine::one_after_the_other(&mut resources);
    machine::nobody_passes_by(&resources, &mut demand, &route_fits);
    let (burst_sigma, burst_tau_s) = burst::burst(&series.entry, &series.present);
    let mut fit = Fit {
        resources,
        demand,
        calls: totals.iter().map(|t| t.calls.clone()).collect(),
        child_seconds: totals.iter().map(|t| t.child_seconds).collect(),
        span_s: series.covered(),
        unexplained: 0.0,
        growth: Vec::new(),
        burst_sigma,
        burst_tau_s,
        entry_rates: series.entry_rates(),
        statements: history.statements.clone(),
        traced: history.traced.clone(),
        patterns: Vec::new(),
        routes: std::mem::take(&mut route_fits),
    };
    let closed = closure::closure(&fit, &series, &totals, &told);
    fit.unexplained = closed.total;
    for (r, u) in fit.routes.iter_mut().zip(&closed.routes) {
        r.unexplained = u.share;
    }
    fit.growth = closed.routes.iter().map(|u| u.growth).collect();
    fit.patterns = pattern::find(&pattern::Seen {
        history,
        from,
        series: &series,
        fit: &fit,
    });
    Ok(fit)
}

pub use routes::Totals;
