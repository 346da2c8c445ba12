//! Control's `Mind` by the model crate: fit, diagnosis, advice, what-if, and the comparison of a trial.

use base::{Class, Finding, Grade, History, Learned};
use control::ports::{Cancel, Comparison, Counsel, Learning, Mind, Reading};
use control::proposal::{Change, Effect, Proposal};
use model::Answer;
use model::advice::{self, Advisor};
use model::demand::{self, ArmDemand, fit_arms};
use model::fit::Fit;
use model::loadline;
use model::moves::Action;
use model::verify::{self, Harm, Measure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// Events of the twin between two looks at the cancellation.
const SLICE: u64 = 200_000;
/// What the search of one line may spend: a few seconds of one core. The line and what lifts it may spend twice as much.
const BUDGET: u64 = 20_000_000;

/// The model, with the config in service beside it: moves look at what is configured.
pub struct ModelMind {
    pub config: Arc<RwLock<Option<Arc<config::Config>>>>,
    pub seed: u64,
    /// Share of the traffic that a canary will see.
    pub canary_share: f64,
}

impl ModelMind {
    fn learn(&self) -> demand::Options {
        demand::Options {
            seed: self.seed,
            ..Default::default()
        }
    }

    fn line(&self) -> loadline::Options {
        loadline::Options {
            seed: self.seed,
            budget: BUDGET,
            ..Default::default()
        }
    }

    fn advice_options(&self, priors: BTreeMap<String, f64>) -> advice::Options {
        advice::Options {
            line: self.line(),
            canary_share: self.canary_share,
            config: self
                .config
                .read()
                .unwrap_or_else(|e| e.into_inner())
                .clone(),
            priors,
            ..Default::default()
        }
    }

    fn answer(fit: &Fit, line: loadline::LoadLine) -> Value {
        serde_json::to_value(Answer::with(fit, line)).unwrap_or_default()
    }
}

impl Mind for ModelMind {
    fn fit(&self, history: &History) -> Result<Fit, Learning> {
        let have_s = history.windows.len() as f64;
        demand::fit(history, &self.learn()).map_err(|e| Learning {
            have_s,
            need_s: have_s + e.more_s,
            why: e.why,
        })
    }

    fn protect(&self, fit: &Fit) -> Learned {
        model::protect::learned(fit, self.seed)
    }

    fn diagnose(&self, fit: &Fit) -> Value {
        Self::answer(fit, loadline::provisional(fit, &self.line()))
    }

    fn alike(&self, old: &Fit, new: &Fit) -> bool {
        let moved = model::alike::moved(old, new);
        if let Some(what) = &moved {
            tracing::debug!("the line is simulated again: {what}");
        }
        moved.is_none()
    }

    fn advise(
        &self,
        fit: &Fit,
        priors: &BTreeMap<String, f64>,
        cancel: &Cancel,
    ) -> Option<(Value, Counsel)> {
        let mut advisor = Advisor::new(fit, &self.advice_options(priors.clone()));
        for _ in 0..2 * BUDGET / SLICE {
            if cancel.is_cancelled() {
                return None;
            }
            if advisor.run(SLICE) {
                break;
            }
        }
        let advice = advisor.advice();
        let first = advice.proposals.first();
        let counsel = Counsel {
            proposals: advice.proposals.iter().map(proposal).collect(),
            premature: first.map_or(Vec::new(), |p| p.premature.clone()),
            useless: advice.useless,
        };
        Some((Self::answer(fit, advice.line), counsel))
    }

    fn whatif(&self, fit: &Fit, text: &str) -> Result<Value, Vec<Finding>> {
        let answer = model::whatif::whatif(fit, text, &self.advice_options(BTreeMap::new()))?;
        serde_json::to_value(answer).map_err(|e| vec![Finding::error("whatif", e.to_string())])
    }

    fn compare(&self, c: Comparison<'_>) -> Reading {
        let mut reading = Reading {
            harm: harm(&c),
            ..Reading::default()
        };
        let Some((r, k)) = subject(&c) else {
            reading.evidence = format!("`{}` is not measured here", c.proposal.measures);
            return reading;
        };
        let (base, new) = sides(&c, &self.learn());
        let measure = |side: &Option<ArmDemand>| side.as_ref().and_then(|s| measured(s, r, k));
        let (b, n) = (measure(&base), measure(&new));
        let seen = |side: &Option<ArmDemand>| side.as_ref().map_or(0.0, |s| s.requests[r]);
        let told = |m: &Option<Measure>| match m {
            Some(m) => format!("{:.3} ms per request", m.mean * 1e3),
            None => "not measured yet".to_owned(),
        };
        reading.evidence = format!(
            "{}: {} with the change ({:.0} requests), {} without ({:.0})",
            c.proposal.measures,
            told(&n),
            seen(&new),
            told(&b),
            seen(&base)
        );
        let ratio = b
            .zip(n)
            .and_then(|(b, n)| verify::ratio(&b, &n, &verify::Options::default()));
        // Less demand is a positive effect.
        reading.effect = ratio.map(|r| Effect::new(1.0 - r.value, 1.0 - r.high, 1.0 - r.low));
        reading
    }
}

/// One demand of one side; `None` while there is no evidence of it.
fn measured(side: &ArmDemand, r: usize, k: usize) -> Option<Measure> {
    let d = side.demand[r][k];
    (d.grade != Grade::Prior).then_some(Measure {
        mean: d.mean,
        se: d.sd,
        n: side.requests[r],
    })
}

/// The model's proposal in control's words: what a trial measures is the change that stands out most.
fn proposal(p: &advice::Proposal) -> Proposal {
    let by_arm = matches!(p.action, Action::Patch { .. });
    let changes = if by_arm {
        &p.predicted.canary
    } else {
        &p.predicted.demand
    };
    let (measures, predicted) = match strongest(changes) {
        Some(c) => (
            subject_text(c.route.as_deref().unwrap_or(""), &c.of),
            Effect::new(1.0 - c.ratio.value, 1.0 - c.ratio.high, 1.0 - c.ratio.low),
        ),
        None => {
            let g = p.predicted.gain;
            (
                "the load line".to_owned(),
                Effect::new(g.value - 1.0, g.low - 1.0, g.high - 1.0),
            )
        }
    };
    Proposal {
        id: p.id.clone(),
        kind: p.kind.label().into(),
        title: p.title.clone(),
        evidence: p.evidence.clone(),
        change: match &p.action {
            Action::Patch { ops } => Change::Patch { ops: ops.clone() },
            Action::Replicas { service, add } => Change::Replicas {
                service: service.clone(),
                add: *add,
            },
            Action::Instruction { text } => Change::Instruction { text: text.clone() },
        },
        measures,
        predicted,
        line: Some(p.predicted.after.value),
        line_safe: Some(p.predicted.after_safe),
        size: p.size,
        cost_per_hour: p.cost_per_hour,
        reverse: p.reverse.clone(),
    }
}

/// Of a route on a resource. Bytes of a link are many and seconds few: seconds go first where some are saved.
fn strongest(changes: &[advice::Change]) -> Option<&advice::Change> {
    let fall = |c: &advice::Change| c.before - c.after;
    let of_a_route = |c: &&advice::Change| c.route.is_some() && !c.of.starts_with("calls of ");
    changes.iter().filter(of_a_route).max_by(|a, b| {
        let in_bytes =
            |c: &advice::Change| matches!(Class::from_name(&c.of), Class::Network | Class::Memory);
        let saves_time = |c: &advice::Change| !in_bytes(c) && fall(c) > 0.0;
        let first = saves_time(a).cmp(&saves_time(b));
        first.then(fall(a).total_cmp(&fall(b)))
    })
}

fn subject_text(route: &str, resource: &str) -> String {
    format!("demand of {route} on {resource}")
}

/// Route and resource that a proposal promises to change, by their names.
fn subject(c: &Comparison<'_>) -> Option<(usize, usize)> {
    let (route, resource) = c
        .proposal
        .measures
        .strip_prefix("demand of ")?
        .split_once(" on ")?;
    let r = c.during.routes.iter().position(|x| x.name == route)?;
    let k = c.during.resources.iter().position(|x| x.name == resource)?;
    Some((r, k))
}

/// Base and new side of a trial: two arms of one stretch, or two stretches.
fn sides(c: &Comparison<'_>, options: &demand::Options) -> (Option<ArmDemand>, Option<ArmDemand>) {
    let arms = |h: &History| {
        fit_arms(
            h,
            &demand::Options {
                span_s: h.windows.len() as u64,
                ..*options
            },
        )
    };
    let first = |all: Vec<ArmDemand>| all.into_iter().next();
    if c.during.windows.is_empty() {
        return (None, None);
    }
    if c.by_arm {
        let mut both = arms(c.during).into_iter();
        (both.next(), both.next())
    } else {
        (first(arms(c.before)), first(arms(c.during)))
    }
}

/// Errors and slow answers of both sides, route by route, by a bound that holds however often one looks.
fn harm(c: &Comparison<'_>) -> Option<String> {
    let (base, new) = if c.by_arm {
        (counts(c.during, Some(0)), counts(c.during, Some(1)))
    } else {
        (counts(c.before, None), counts(c.during, None))
    };
    let routes: Vec<(Harm, Harm)> = base.into_iter().zip(new).collect();
    verify::harm(&routes, &verify::Options::default())
}

/// By route, on one arm or (`None`) all.
fn counts(h: &History, arm: Option<u8>) -> Vec<Harm> {
    let objective = |r: &base::RouteInfo| r.objective.map(|o| o.latency_s);
    let mut all: Vec<Harm> = h
        .routes
        .iter()
        .map(|r| Harm {
            slow: objective(r).map(|_| 0),
            ..Harm::default()
        })
        .collect();
    for cell in h
        .windows
        .iter()
        .flat_map(|w| &w.requests)
        .filter(|c| arm.is_none_or(|a| c.key.arm.0 == a))
    {
        let Some((route, harm)) = cell
            .key
            .route
            .get()
            .and_then(|r| Some((h.routes.get(r)?, all.get_mut(r)?)))
        else {
            continue;
        };
        harm.requests += u64::from(cell.ends);
        harm.errors += u64::from(cell.errors);
        if let (Some(limit), Some(slow)) = (objective(route), &mut harm.slow) {
            *slow += u64::from(cell.ends).saturating_sub(cell.latency.at_or_below(limit));
        }
    }
    all
}

#[cfg(test)]
mod tests;
