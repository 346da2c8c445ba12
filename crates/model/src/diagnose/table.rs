//! The rows behind a diagnosis: every resource, and the demand matrix with its intervals.

use crate::fit::Fit;
use crate::rank::Ranked;
use base::{Class, Grade};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceRow {
    pub resource: String,
    pub class: Class,
    pub unit: String,
    /// Per second, all instances; `None`: not known.
    pub capacity: Option<f64>,
    /// Share of the capacity in use now, 0 to 1.
    pub utilisation: f64,
    pub utilisation_max: f64,
    /// Share of the capacity that no request causes.
    pub background: f64,
    pub waiting: Option<f64>,
    pub grade: Grade,
    /// Entry rate at which it is full; `None`: unknown or never.
    pub saturation: Option<f64>,
    /// Share of the draws in which it is full first.
    pub confidence: f64,
    pub notes: Vec<String>,
}

/// One entry of D: resource-seconds (or bytes) per request, with its 90 % interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DemandRow {
    pub route: String,
    pub resource: String,
    pub mean: f64,
    pub low: f64,
    pub high: f64,
    pub grade: Grade,
}

pub fn resources(fit: &Fit, ranked: &[Ranked]) -> Vec<ResourceRow> {
    let row = |(k, r): (usize, &crate::fit::ResourceFit)| {
        let found = ranked.iter().find(|x| x.resource == k);
        ResourceRow {
            resource: r.info.name.clone(),
            class: r.info.class,
            unit: r.info.unit.clone(),
            capacity: (r.capacity > 0.0 && r.capacity.is_finite()).then_some(r.capacity),
            utilisation: r.utilisation,
            utilisation_max: r.utilisation_max,
            background: if r.capacity > 0.0 {
                r.background / r.capacity
            } else {
                0.0
            },
            waiting: r.waiting,
            grade: r.grade,
            saturation: found.map(|x| x.saturation).filter(|x| x.is_finite()),
            confidence: found.map_or(0.0, |x| x.confidence),
            notes: r.notes.clone(),
        }
    };
    fit.resources.iter().enumerate().map(row).collect()
}

pub fn demand(fit: &Fit) -> Vec<DemandRow> {
    let mut rows = Vec::new();
    for (route, demands) in fit.routes.iter().zip(&fit.demand) {
        for (resource, d) in fit.resources.iter().zip(demands) {
            if d.mean > 0.0 || d.sd > 0.0 {
                rows.push(DemandRow {
                    route: route.info.name.clone(),
                    resource: resource.info.name.clone(),
                    mean: d.mean,
                    low: (d.mean - 1.645 * d.sd).max(0.0),
                    high: d.mean + 1.645 * d.sd,
                    grade: d.grade,
                });
            }
        }
    }
    rows
}
