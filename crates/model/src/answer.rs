//! The answer to `diagnose`: the diagnosis, the load line and the bill, the same in JSON everywhere.

use crate::cost::{Costs, costs};
use crate::diagnose::{Diagnosis, Options, diagnose};
use crate::fit::Fit;
use crate::loadline::LoadLine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub diagnosis: Diagnosis,
    /// Missing when too little was seen to fit anything.
    pub line: Option<LoadLine>,
    /// Missing when nothing has a price.
    #[serde(default)]
    pub costs: Option<Costs>,
}

impl Answer {
    /// The answer with a line that was searched elsewhere, such as in slices.
    pub fn with(fit: &Fit, line: LoadLine) -> Answer {
        Answer {
            diagnosis: diagnose(fit, &Options::default()),
            line: Some(line),
            costs: costs(fit).ok(),
        }
    }

    /// For each route the resource of which one request takes the largest share of what it offers per second, and that share.
    pub fn heaviest(&self) -> BTreeMap<&str, (&str, f64)> {
        let resources = &self.diagnosis.resources;
        let offers: BTreeMap<&str, f64> = (resources.iter())
            .filter_map(|r| Some((r.resource.as_str(), r.capacity?)))
            .collect();
        let mut all: BTreeMap<&str, (&str, f64)> = BTreeMap::new();
        for d in &self.diagnosis.demand {
            let Some(capacity) = offers.get(d.resource.as_str()) else {
                continue;
            };
            let share = d.mean / capacity.max(1e-12);
            let best = all.entry(&d.route).or_insert((&d.resource, share));
            if share > best.1 {
                *best = (&d.resource, share);
            }
        }
        all
    }
}
