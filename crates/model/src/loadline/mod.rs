//! The load line: the highest entry rate at today's mix at which every route keeps its share of good requests.
//! At once from the bound `X*` (marked provisional), then refined by the twin within a budget of events.

pub mod saturation;
mod search;
mod trust;

pub use search::Search;

use crate::fit::Fit;
use base::Class;
use serde::{Deserialize, Serialize};

/// Draws for the spread of the line.
pub const DRAWS: usize = 200;

#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    pub seed: u64,
    /// Events that the twin may spend; about ten million per second of one core.
    pub budget: u64,
    /// Independent runs per rate.
    pub seeds: u32,
    /// Halvings of the bracket.
    pub steps: u32,
    /// Compare the twin with what was seen before trusting it.
    pub check: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            seed: 1,
            budget: 20_000_000,
            seeds: 3,
            steps: 8,
            check: true,
        }
    }
}

/// What sets the line, or would set it next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    pub resource: String,
    pub class: Class,
    /// Entry requests per second at which it saturates.
    pub saturation: f64,
    /// Share of the draws in which it saturates first.
    pub confidence: f64,
}

/// One route under the line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteLine {
    pub route: String,
    /// Requests per second now, and at the line and the safe line of the whole mix.
    pub current: f64,
    pub line: f64,
    pub safe: f64,
    /// From outside, or only caused by other routes.
    pub entry: bool,
    /// p99 that the twin expects at the current rate and at the line, seconds.
    pub p99_now: Option<f64>,
    pub p99_at_line: Option<f64>,
    pub latency_s: f64,
    pub target: f64,
    /// Nobody declared this objective.
    pub assumed: bool,
    /// This route's objective is the one that breaks first.
    pub breaks_first: bool,
}

/// The answer. Rates are entry requests per second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadLine {
    /// From the bound alone, or from a search that is not finished.
    pub provisional: bool,
    pub line: f64,
    /// 10 % and 90 % quantiles over what is not known exactly; the first is the safe line.
    pub safe: f64,
    pub high: f64,
    /// `X*`: where the first resource saturates.
    pub saturation: f64,
    pub current: f64,
    /// Line over current traffic.
    pub headroom: f64,
    pub limit: Option<Limit>,
    /// What would set the line next, were the first out of the way.
    pub next: Option<Limit>,
    pub routes: Vec<RouteLine>,
    /// p99 over all entry routes at the current rate, seconds.
    pub p99_now: Option<f64>,
    /// The twin reproduces what was seen and nothing important is unseen.
    pub trusted: bool,
    /// Why not, or what weakens it.
    pub reasons: Vec<String>,
    pub assumed_objectives: bool,
    /// Arrivals were simulated with bursts.
    pub bursty: bool,
    /// Events that the twin spent.
    pub events: u64,
}

/// The load line of a fit, searched until done or until the budget is spent (then still provisional).
pub fn loadline(fit: &Fit, options: &Options) -> LoadLine {
    let mut search = Search::new(fit, options);
    search.run(options.budget);
    search.line()
}

/// The answer of the bound alone: immediate, too high, marked provisional.
pub fn provisional(fit: &Fit, options: &Options) -> LoadLine {
    Search::new(fit, options).line()
}
