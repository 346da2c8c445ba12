//! The answer to "what holds us down?": a verdict, its constraint and evidence, and everything it rests on.

mod peers;
mod table;
mod unseen;
mod verdict;

pub use peers::{HeldUp, Why};
pub use table::{DemandRow, ResourceRow};
pub use unseen::Unseen;
pub use verdict::Verdict;

use crate::constraint::{self, Constraint, signs};
use crate::demand::{self, NotYet};
use crate::fit::Fit;
use crate::loadline::LoadLine;
use crate::pattern::{Pattern, Pauses};
use crate::rank::{self, Ranked};
use base::{Class, Discipline, History, Traced};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    pub seed: u64,
    /// Entry requests per second that must be carried. Without one, "no constraint" means: none below ten times
    /// today's traffic.
    pub target_rps: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            seed: 1,
            target_rps: None,
        }
    }
}

/// What comes after the constraint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Next {
    pub resource: String,
    pub class: Class,
    pub saturation: f64,
    /// How much further it is than the constraint: 1.3 means 30 %.
    pub ratio: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    pub verdict: Verdict,
    /// The verdict in one sentence.
    pub summary: String,
    /// The best candidate, also when the verdict is a doubtful one.
    pub constraint: Option<Constraint>,
    /// The other candidate, when there are two.
    pub rival: Option<Constraint>,
    /// What would tell the two apart.
    pub test: Option<String>,
    pub unseen: Option<Unseen>,
    pub class: Class,
    pub confidence: f64,
    pub next: Option<Next>,
    /// `X*`: the entry rate at which the constraint is full; the load line is below it.
    pub saturation: Option<f64>,
    /// Entry requests per second now.
    pub current: f64,
    pub resources: Vec<ResourceRow>,
    pub demand: Vec<DemandRow>,
    /// How routes work, as their spans show it.
    #[serde(default)]
    pub traced: Vec<Traced>,
    /// Filled by the simulation, later.
    pub load_line: Option<LoadLine>,
    /// Connections that the other side, our buffers or losses hold up.
    #[serde(default)]
    pub held_up: Vec<HeldUp>,
    pub notes: Vec<String>,
    pub span_s: f64,
}

/// Fits the history and diagnoses it; too short a history is a verdict, not an error.
pub fn diagnose_history(
    history: &History,
    learn: &demand::Options,
    options: &Options,
) -> (Diagnosis, Option<Fit>) {
    match demand::fit(history, learn) {
        Ok(fit) => (diagnose(&fit, options), Some(fit)),
        Err(e) => (not_yet(&e), None),
    }
}

/// The diagnosis when nothing could be fitted.
pub fn not_yet(e: &NotYet) -> Diagnosis {
    Diagnosis {
        verdict: Verdict::NotEnoughEvidence { more_s: e.more_s },
        summary: verdict::wait(e.more_s),
        constraint: None,
        rival: None,
        test: None,
        unseen: None,
        class: Class::Unknown,
        confidence: 0.0,
        next: None,
        saturation: None,
        current: 0.0,
        resources: Vec::new(),
        demand: Vec::new(),
        traced: Vec::new(),
        load_line: None,
        held_up: Vec::new(),
        notes: vec![e.why.clone()],
        span_s: 0.0,
    }
}

/// A level this full is a cliff ahead.
const CLIFF: f64 = 0.9;

pub fn diagnose(fit: &Fit, options: &Options) -> Diagnosis {
    let mut ranked = rank::rank(fit, options.seed);
    let current: f64 = fit.routes.iter().map(|r| r.entry_rate).sum();
    let cliff = (0..fit.resources.len()).find(|&k| {
        let r = &fit.resources[k];
        let full = r.utilisation >= CLIFF || signs::thrashing(r);
        r.info.discipline == Discipline::Level && r.capacity_known && full
    });
    if let Some(k) = cliff {
        ranked.iter_mut().for_each(|r| r.confidence *= 0.1);
        ranked.retain(|r| r.resource != k);
        // What is read again as soon as it is thrown out is full, whatever the level says.
        let rho = fit.resources[k].utilisation.max(CLIFF);
        ranked.insert(
            0,
            Ranked {
                resource: k,
                rho,
                saturation: current / rho,
                confidence: 0.9,
            },
        );
    }
    let busiest = ranked.first().map_or(0.0, |r| {
        // What grows with the traffic, of what is left for it.
        let first = &fit.resources[r.resource];
        let background = (first.background / first.capacity).clamp(0.0, 0.99);
        (r.rho - background) / (1.0 - background)
    });
    let unseen = unseen::unseen(fit, busiest);
    let mut verdict = verdict::verdict(fit, &ranked, unseen.as_ref(), cliff.is_some(), options);
    let mut best = ranked.first().map(|r| constraint::name(fit, r));
    let is_calm = |_: &&Pauses| ranked.first().is_none_or(|r| r.rho < verdict::CALM);
    if let Some(p) = fit.pauses().filter(is_calm) {
        verdict = Verdict::Constraint;
        best = Some(constraint::paused(fit, p, ranked.first()));
    }
    let rival = match verdict {
        Verdict::TwoCandidates => ranked
            .iter()
            .skip(1)
            .max_by(|a, b| a.confidence.total_cmp(&b.confidence))
            .map(|r| constraint::name(fit, r)),
        _ => None,
    };
    let next = ranked.get(1).zip(ranked.first()).map(|(n, first)| Next {
        resource: fit.resources[n.resource].info.name.clone(),
        class: fit.resources[n.resource].info.class,
        saturation: n.saturation,
        ratio: n.saturation / first.saturation.max(1e-12),
    });
    let named = matches!(verdict, Verdict::Constraint | Verdict::TwoCandidates);
    Diagnosis {
        summary: verdict::summary(
            &verdict,
            best.as_ref(),
            rival.as_ref(),
            unseen.as_ref(),
            options,
            current,
        ),
        test: rival
            .as_ref()
            .zip(best.as_ref())
            .map(|(b, a)| verdict::test(fit, a, b)),
        class: match &best {
            Some(c) if named => c.class,
            _ => Class::Unknown,
        },
        confidence: verdict::confidence(&verdict, best.as_ref(), fit),
        saturation: ranked.first().map(|r| r.saturation),
        verdict,
        rival,
        constraint: best,
        unseen,
        next,
        current,
        resources: table::resources(fit, &ranked),
        demand: table::demand(fit),
        traced: fit.traced.clone(),
        load_line: None,
        held_up: peers::held_up(fit),
        notes: notes(fit),
        span_s: fit.span_s,
    }
}

fn notes(fit: &Fit) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for r in &fit.resources {
        for n in &r.notes {
            all.push(format!("{}: {n}", r.info.name));
        }
    }
    for p in &fit.patterns {
        all.push(p.to_string());
        if let Pattern::Retries(x) = p
            && x.caller.is_none()
        {
            all.push(format!(
                "what a request of {} uses is that of its {:.1} tries together",
                x.route, x.factor
            ));
        }
    }
    if fit.routes.iter().any(|r| r.objective.assumed) {
        all.push("objectives are assumed where none is declared: 99 % within 2.5 times the p99 at low load".to_owned());
    }
    all
}
