//! Split a database by key over several: the last resort, when one is as large as can be had. And what takes too much of one part
//! to the others.

use super::{Action, Candidate, Context, Edit, Kind, set};
use crate::pattern::{EXCESS, Hot, Pattern};
use base::{Class, Scope};
use serde_json::json;

/// Parts that are proposed.
const PARTS: f64 = 4.0;
/// What one more part really brings: keys are never spread evenly.
const EVEN: f64 = 0.8;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let stored = |k: &usize| {
        let (r, i) = (&cx.fit.resources[*k], &cx.fit.resources[*k].info);
        r.is_store() || (i.class == Class::Storage && i.service.is_none())
    };
    let spread = cx.fit.patterns.iter().filter_map(|p| match p {
        Pattern::Hot(x) => even(cx, x),
        _ => None,
    });
    let whole = cx.hot().into_iter().filter(stored);
    whole.map(|k| of(cx, k, PARTS)).chain(spread).collect()
}

/// Takes a hot key's requests to the others: by the bound of our own ring where it is wide, else by whoever knows the key.
fn even(cx: &Context, hot: &Hot) -> Option<Candidate> {
    let mine = |k: &usize| {
        let r = &cx.fit.resources[*k];
        match &hot.shard {
            Some(shard) => r.info.name == *shard,
            None => {
                r.info.service.as_ref() == Some(&hot.service) && r.info.scope == Scope::PerInstance
            }
        }
    };
    let resources: Vec<usize> = (0..cx.fit.resources.len()).filter(mine).collect();
    let hits = cx.hot();
    if !resources.iter().any(|k| hits.contains(k)) {
        return None;
    }
    let service = cx.config.and_then(|c| c.service(&hot.service));
    let ring = service.and_then(|s| s.balance.as_ref());
    let wide = ring.is_some_and(|b| b.bound > EXCESS) && hot.shard.is_none();
    let subject = hot.shard.clone().unwrap_or_else(|| hot.service.clone());
    let factor = if wide {
        hot.skew() / EXCESS
    } else {
        hot.skew()
    };
    let asked = hot.route.as_deref().unwrap_or("its routes");
    Some(Candidate {
        kind: Kind::Shard,
        title: match wide {
            true => format!("{subject}: no instance above {EXCESS} times its part"),
            false => format!("{subject}: spread its hottest key"),
        },
        evidence: hot.to_string(),
        edits: resources
            .into_iter()
            .map(|resource| Edit::Even { resource, factor })
            .collect(),
        action: match wide {
            true => Action::Patch {
                ops: vec![set(&["services", &hot.service, "balance", "bound"], json!(EXCESS))],
            },
            false => Action::Instruction {
                text: format!(
                    "Find the key that {asked} ask {subject} for most. Keep its answers in a cache, or give it a suffix (`key:0` to \
                     `key:{}`) so that its parts lie apart and readers take any.",
                    hot.instances.saturating_sub(1)
                ),
            },
        },
        size: if wide { 1 } else { 3 },
        cost_per_hour: 0.0,
        reverse: match wide {
            true => "set the bound back".into(),
            false => "put the key together again".into(),
        },
        guards: vec![match wide {
            true => "what is above the bound goes to the key's next instance, which knows nothing of it yet".into(),
            false => "writes of the key have to reach all its parts".into(),
        }],
        uncertainty: 0.25,
        protects: false,
        subject,
    })
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
