//! Which of the five answers is honest.

use super::{Options, Unseen};
use crate::constraint::{Cause, Constraint};
use crate::fit::{Fit, Growth};
use crate::rank::Ranked;
use crate::watch;
use base::Grade;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Verdict {
    Constraint,
    TwoCandidates,
    UnseenResource,
    NotEnoughEvidence { more_s: f64 },
    NoConstraint,
}

/// Below this share of the draws there are two candidates.
const SURE: f64 = 0.7;
/// Nothing is a constraint below this utilisation.
pub const CALM: f64 = 0.7;
/// Without a declared target: this many times today's traffic.
const FACTOR: f64 = 10.0;
/// A visible resource this busy has been put to the test: a delay that stayed constant meanwhile is a delay.
const TESTED: f64 = 0.6;
/// What takes longer does not come by waiting, seconds.
const NEVER_S: f64 = 30.0 * 24.0 * 3600.0;

pub fn verdict(
    fit: &Fit,
    ranked: &[Ranked],
    unseen: Option<&Unseen>,
    cliff: bool,
    options: &Options,
) -> Verdict {
    if cliff {
        return Verdict::Constraint;
    }
    let current: f64 = fit.routes.iter().map(|r| r.entry_rate).sum();
    let factor = options
        .target_rps
        .map_or(FACTOR, |t| (t / current.max(1e-9)).max(1.0));
    // Even the worst case, one server that all unexplained time waits for, would be calm.
    let hidden_calm = unseen.is_none_or(|u| u.in_flight * factor < CALM);
    let calm = ranked.iter().all(|r| {
        let background = fit.resources[r.resource].background / fit.resources[r.resource].capacity;
        background + (r.rho - background) * factor < CALM
    });
    let Some(top) = ranked.first() else {
        return match unseen {
            Some(_) if !hidden_calm => Verdict::UnseenResource,
            _ if hidden_calm && !fit.resources.is_empty() => Verdict::NoConstraint,
            _ => Verdict::UnseenResource,
        };
    };
    if calm && hidden_calm {
        return Verdict::NoConstraint;
    }
    let needed = watch::total_needed_s(fit, top.resource, watch::PRECISION);
    if needed > fit.span_s {
        return Verdict::NotEnoughEvidence {
            more_s: (needed - fit.span_s).ceil().clamp(10.0, NEVER_S),
        };
    }
    if let Some(u) = unseen {
        let busiest = fit.resources[top.resource].utilisation_max;
        if !(u.growth == Growth::Constant && busiest >= TESTED) {
            return Verdict::UnseenResource;
        }
    }
    if top.confidence < SURE {
        return Verdict::TwoCandidates;
    }
    Verdict::Constraint
}

/// How sure the named constraint is; evidence of the weakest kind never counts as sure.
pub fn confidence(verdict: &Verdict, best: Option<&Constraint>, fit: &Fit) -> f64 {
    let of = |c: &Constraint| {
        let r = fit.resources.iter().find(|r| r.info.name == c.resource);
        let weak = r.is_some_and(|r| r.grade == Grade::Prior);
        c.confidence * if weak { 0.8 } else { 1.0 }
    };
    match verdict {
        Verdict::Constraint | Verdict::TwoCandidates => best.map_or(0.0, of),
        // What is unseen may be full first as well as not.
        Verdict::UnseenResource => best.map_or(0.0, of) * (1.0 - fit.unexplained).clamp(0.0, 0.5),
        Verdict::NotEnoughEvidence { .. } => 0.0,
        Verdict::NoConstraint => 1.0,
    }
}

pub fn wait(more_s: f64) -> String {
    if more_s >= NEVER_S {
        return "Not enough evidence, and watching for longer does not bring it: what is full first is kept busy by other work \
                than these requests."
            .into();
    }
    format!("Not enough evidence yet: watch for {}.", watch::say(more_s))
}

pub fn summary(
    verdict: &Verdict,
    best: Option<&Constraint>,
    rival: Option<&Constraint>,
    unseen: Option<&Unseen>,
    options: &Options,
    current: f64,
) -> String {
    let name = |c: Option<&Constraint>| c.map_or("nothing", |c| &c.resource).to_owned();
    match verdict {
        Verdict::Constraint => best.map_or_else(String::new, |c| {
            let cause = c.cause.as_ref().map_or(String::new(), |x| format!(" ({x})"));
            if let Some(Cause::Pauses(p)) = &c.cause {
                return format!(
                    "The constraint is {} [{}]{cause}: {:.1} % of the requests of {} miss their objective by it, at any \
                     load; confidence {:.0} %.",
                    c.resource,
                    c.class.label(),
                    100.0 * p.misses,
                    p.service,
                    100.0 * c.confidence
                );
            }
            format!(
                "The constraint is {} [{}]{cause}: {:.0} % busy at {current:.0} rps, full at {:.0} rps; confidence {:.0} %.",
                c.resource,
                c.class.label(),
                100.0 * c.utilisation,
                c.saturation,
                100.0 * c.confidence
            )
        }),
        Verdict::TwoCandidates => format!(
            "Two candidates: {} and {}; they would be full at nearly the same traffic.",
            name(best),
            name(rival)
        ),
        Verdict::UnseenResource => unseen.map_or_else(
            || "Unseen resource: nothing that could run out is measured.".to_owned(),
            |u| {
                format!(
                    "Unseen resource: {:.0} % of the time in flight, most of it in route {}, is spent where nothing is \
                     measured. {}",
                    100.0 * u.share,
                    u.route,
                    u.advice
                )
            },
        ),
        Verdict::NotEnoughEvidence { more_s } => wait(*more_s),
        Verdict::NoConstraint => match options.target_rps {
            Some(t) => format!("No constraint below the target of {t:.0} rps."),
            None => format!(
                "No constraint below {FACTOR:.0} times today's traffic of {current:.1} rps (no target is declared)."
            ),
        },
    }
}

/// What would tell two candidates apart.
pub fn test(fit: &Fit, a: &Constraint, b: &Constraint) -> String {
    let share = |c: &Constraint, route: &str| {
        c.carriers
            .iter()
            .find(|x| x.route == route)
            .map_or(0.0, |x| x.share)
    };
    let apart = a
        .carriers
        .iter()
        .chain(&b.carriers)
        .map(|x| (share(a, &x.route) - share(b, &x.route), x.route.clone()))
        .max_by(|x, y| x.0.abs().total_cmp(&y.0.abs()));
    let gap = (b.saturation / a.saturation.max(1e-12) - 1.0)
        .abs()
        .max(0.01);
    let k = fit
        .resources
        .iter()
        .position(|r| r.info.name == a.resource)
        .unwrap_or(0);
    let more = watch::total_needed_s(fit, k, gap / 3.0) - fit.span_s;
    match apart.filter(|(d, _)| d.abs() >= 0.2) {
        Some((d, route)) => {
            let (up, other) = if d > 0.0 { (a, b) } else { (b, a) };
            format!(
                "Raise the traffic of {route} by a quarter for a minute (shift its weight, or `plimsoll load`): if waiting \
                 grows at {} rather than at {}, {} is the constraint.",
                up.resource, other.resource, up.resource
            )
        }
        None if more > 0.0 && more < 3600.0 => {
            format!("The same routes load both: watch for {}.", watch::say(more))
        }
        None => format!(
            "The same routes load both and they fill up within {:.0} % of each other: lifting one alone gains no more \
             than that; plan for both.",
            100.0 * gap
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_learn_by_waiting_is_not_told_to_wait() {
        assert_eq!(
            wait(48.0),
            "Not enough evidence yet: watch for 48 more seconds."
        );
        let never = f64::INFINITY.clamp(10.0, NEVER_S);
        assert!(wait(never).contains("does not bring it"), "{}", wait(never));
    }
}
