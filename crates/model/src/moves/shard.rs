//! Split a database by key over several: the last resort, when one is as large as can be had.

use super::{Action, Candidate, Context, Edit, Kind};
use base::Class;

/// Parts that are proposed.
const PARTS: f64 = 4.0;
/// What one more part really brings: keys are never spread evenly.
const EVEN: f64 = 0.8;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let stored = |k: &usize| {
        let i = &cx.fit.resources[*k].info;
        i.name.starts_with("db.") || (i.class == Class::Storage && i.service.is_none())
    };
    cx.hot()
        .into_iter()
        .filter(stored)
        .map(|k| of(cx, k, PARTS))
        .collect()
}

/// `parts` databases instead of `k`.
pub fn of(cx: &Context, k: usize, parts: f64) -> Candidate {
    let r = &cx.fit.resources[k];
    let name = &r.info.name;
    let price = r.info.price_per_hour.unwrap_or(0.0);
    Candidate {
        kind: Kind::Shard,
        subject: name.clone(),
        title: format!("{name}: {parts:.0} shards"),
        evidence: format!("{:.0} % of it is busy", 100.0 * cx.utilisation(k)),
        edits: vec![Edit::Capacity {
            resource: k,
            factor: (parts * EVEN).max(1.0),
        }],
        action: Action::Instruction {
            text: format!(
                "Choose the key that nearly every statement names, and split {name} by its hash into {parts:.0}."
            ),
        },
        size: 4,
        cost_per_hour: price * (parts - 1.0),
        reverse: "merge the shards: as much work as splitting".into(),
        guards: vec![
            "the gain ends at one over the share of the busiest key".into(),
            "statements that name no key are then asked of every shard".into(),
        ],
        uncertainty: 0.35,
        protects: false,
    }
}
