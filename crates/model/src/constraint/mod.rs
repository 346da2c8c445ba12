//! Puts a name to the constraint: the resource, the routes that load it, and the cause that may change its class.

mod cause;
mod evidence;
pub mod signs;

pub use cause::Cause;
pub(crate) use cause::{asks_over, connected_to, held_idle, unbounded};

use crate::fit::Fit;
use crate::pattern::Pauses;
use crate::rank::Ranked;
use crate::watch;
use base::Class;
use serde::{Deserialize, Serialize};

/// A route's part of the load on a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Carrier {
    pub route: String,
    /// Of the busy time that requests cause there, 0 to 1.
    pub share: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Constraint {
    pub resource: String,
    /// What the resource itself is.
    pub technical: Class,
    /// What has to change: the technical class unless a cause says otherwise.
    pub class: Class,
    pub cause: Option<Cause>,
    /// Share of the draws in which it is full first.
    pub confidence: f64,
    /// Now, 0 to 1.
    pub utilisation: f64,
    /// Entry requests per second at which it is full, at today's mix.
    pub saturation: f64,
    /// At most three, the largest first.
    pub carriers: Vec<Carrier>,
    /// Plain words with numbers.
    pub evidence: Vec<String>,
}

/// Names what a ranking found.
pub fn name(fit: &Fit, found: &Ranked) -> Constraint {
    let k = found.resource;
    let r = &fit.resources[k];
    let carriers = carriers(fit, k);
    let cause = cause::cause(fit, k);
    let technical = r.info.class;
    let class = cause.as_ref().map_or(technical, Cause::class);
    Constraint {
        evidence: evidence::lines(fit, found, &carriers, cause.as_ref()),
        resource: r.info.name.clone(),
        technical,
        class,
        cause,
        confidence: found.confidence,
        utilisation: found.rho,
        saturation: found.saturation,
        carriers: carriers
            .into_iter()
            .take(3)
            .map(|(i, share)| Carrier {
                route: fit.routes[i].info.name.clone(),
                share,
            })
            .collect(),
    }
}

/// A service whose pauses break its objective at any load; `first` is what would be full first without them.
pub fn paused(fit: &Fit, p: &Pauses, first: Option<&Ranked>) -> Constraint {
    let whose = |r: &&crate::fit::RouteFit| r.info.service == p.service;
    let all: f64 = fit.routes.iter().filter(whose).map(|r| r.rate).sum();
    let mut carriers: Vec<Carrier> = fit
        .routes
        .iter()
        .filter(whose)
        .map(|r| Carrier {
            route: r.info.name.clone(),
            share: r.rate / all.max(1e-9),
        })
        .collect();
    carriers.sort_by(|a, b| b.share.total_cmp(&a.share));
    carriers.truncate(3);
    let cause = Cause::Pauses(p.clone());
    Constraint {
        resource: format!("mem.{}", p.service),
        technical: Class::Memory,
        class: cause.class(),
        confidence: p.confidence(),
        utilisation: (p.length_s / p.every_s).min(1.0),
        saturation: first.map_or(0.0, |r| r.saturation),
        carriers,
        evidence: vec![
            format!(
                "{} pauses; {:.0} % of the late answers of {} fall into them ({})",
                p.pauses,
                100.0 * p.explained,
                p.service,
                p.grade.label()
            ),
            format!(
                "{:.1} % of its requests miss their objective by it, at any load",
                100.0 * p.misses
            ),
            cause.to_string(),
        ],
        cause: Some(cause),
    }
}

/// `(route, share)` of the load on resource `k`, largest first, without those below half a percent.
pub(crate) fn carriers(fit: &Fit, k: usize) -> Vec<(usize, f64)> {
    let whole = watch::load(fit, k).max(1e-300);
    let part = |r: usize| fit.routes[r].rate * fit.demand[r][k].mean / whole;
    let mut all: Vec<(usize, f64)> = (0..fit.routes.len())
        .map(|r| (r, part(r)))
        .filter(|(_, s)| *s >= 0.005)
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}
