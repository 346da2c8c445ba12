//! What if: the line, the constraint, p99 and cost before and after changes that somebody asks about.

mod parse;

pub use parse::parse;

use crate::advice::predict::{Question, predict};
use crate::advice::{Options, Predicted};
use crate::fit::Fit;
use crate::loadline::{LoadLine, Search};
use crate::moves::{Candidate, Context, Edit, transform};
use base::Finding;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhatIf {
    pub question: String,
    /// What each clause was understood as.
    pub changes: Vec<String>,
    pub before: LoadLine,
    pub after: LoadLine,
    pub predicted: Predicted,
    pub guards: Vec<String>,
    /// Current traffic after the changes, entry requests per second.
    pub traffic_after: f64,
}

/// The answer; `Err` has every mistake in the question.
pub fn whatif(fit: &Fit, question: &str, options: &Options) -> Result<WhatIf, Vec<Finding>> {
    let mut base = Search::new(fit, &options.line);
    let quick = base.line();
    let target = options.target.unwrap_or(1.5 * quick.current);
    let system = base.system.clone();
    let changes: Vec<Candidate> = {
        let cx = Context::new(fit, &system, &quick, target, options.config.as_deref());
        parse(&cx, question)?
    };
    base.run(options.line.budget / 2);
    let before = base.line();
    let edits: Vec<Edit> = changes
        .iter()
        .flat_map(|c| c.edits.iter().copied())
        .collect();
    let mut line_options = options.line.clone();
    line_options.check = false;
    let mut search = Search::of(transform(&system, &edits), fit, &line_options);
    search.run(options.line.budget / 2);
    let after = search.line();
    let predicted = predict(&Question {
        fit,
        system: &system,
        before: &before,
        after: &after,
        edits: &edits,
        uncertainty: changes.iter().map(|c| c.uncertainty).fold(0.0, f64::max),
        prior: 1.0,
        cost_per_hour: changes.iter().map(|c| c.cost_per_hour).sum(),
        canary_share: options.canary_share,
        seed: options.line.seed,
    });
    Ok(WhatIf {
        question: question.to_owned(),
        changes: changes.iter().map(|c| c.title.clone()).collect(),
        guards: changes.iter().flat_map(|c| c.guards.clone()).collect(),
        traffic_after: after.current,
        before,
        after,
        predicted,
    })
}
