//! Advice: the smallest change that carries the target, with what it is expected to bring; and which bigger
//! changes are not needed yet. Cheap bounds screen the moves, the twin compares the best few.

mod advisor;
pub mod predict;
mod premature;

pub use advisor::Advisor;
pub use predict::{Change, Predicted, Range, RouteP99};

use crate::fit::Fit;
use crate::loadline::{Limit, LoadLine};
use crate::moves::{Action, Kind};
use config::Config;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Options {
    pub line: crate::loadline::Options,
    /// Entry rate that should be carried; `None`: 1.5 times the current one.
    pub target: Option<f64>,
    /// Share of the traffic that a canary will see.
    pub canary_share: f64,
    /// Candidates that the twin compares.
    pub compare: usize,
    pub config: Option<Arc<Config>>,
    /// Measured over predicted gain by kind of move.
    pub priors: BTreeMap<String, f64>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            line: crate::loadline::Options::default(),
            target: None,
            canary_share: 0.5,
            compare: 6,
            config: None,
            priors: BTreeMap::new(),
        }
    }
}

/// A move with its evidence and predicted effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// Kind, subject and a hash of what would be done: the same change has the same id.
    pub id: String,
    pub kind: Kind,
    pub subject: String,
    pub title: String,
    pub evidence: String,
    pub action: Action,
    pub predicted: Predicted,
    /// 1 (config, now) to 5 (redesign).
    pub size: u8,
    /// Dollars per hour more.
    pub cost_per_hour: f64,
    pub reverse: String,
    /// What to mind.
    pub guards: Vec<String>,
    /// Its safe line carries the target.
    pub reaches_target: bool,
    /// Protects what is there; does not lift the line.
    pub protects: bool,
    /// Bigger changes that this one makes needless for now.
    pub premature: Vec<Premature>,
    /// What sets the line after it.
    pub next_constraint: Option<Limit>,
}

/// A bigger change that is refused for now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Premature {
    pub title: String,
    pub size: u8,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    pub line: LoadLine,
    pub target: f64,
    /// The safe line is below the target: something should be done.
    pub needed: bool,
    /// Best first; the first is the smallest change that carries the target, if one does.
    pub proposals: Vec<Proposal>,
    /// Candidates that would not lift the line, and why they are not proposed.
    pub useless: Vec<String>,
    /// Not all was compared: the budget was spent.
    pub provisional: bool,
    pub events: u64,
}

/// All proposals for a fit, best first, within the budget of `options.line`.
pub fn advise(fit: &Fit, options: &Options) -> Advice {
    let mut advisor = Advisor::new(fit, options);
    advisor.run(options.line.budget);
    advisor.advice()
}
