//! Answer a write at once and do its work later: the total stays, nobody waits for it.

use super::{Action, Candidate, Context, Edit, Kind, set};
use config::sections::{Consistency, Criticality, When};
use serde_json::json;

/// What can be done later when nobody has looked.
const LATER: f64 = 0.7;
/// A route that causes less than this of the constraint's load is not worth it.
const CARRIES: f64 = 0.2;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let hot = cx.hot();
    let carries = |r: &usize| hot.iter().any(|&k| total_share(cx, *r, k) >= CARRIES);
    (0..cx.fit.routes.len())
        .filter(carries)
        .filter_map(|r| of(cx, r).ok())
        .collect()
}

/// Share of a resource's use that a route causes with its calls.
fn total_share(cx: &Context, r: usize, k: usize) -> f64 {
    cx.visits[r] * cx.fit.total_demand(r)[k] / cx.loads[k].max(1e-12)
}

/// Takes most of the work of route `r` out of its answer; `Err` says why not.
pub fn of(cx: &Context, r: usize) -> Result<Candidate, String> {
    let route = &cx.fit.routes[r];
    let name = &route.info.name;
    if route.info.safe {
        return Err(format!("{name} only reads: its answer is its work"));
    }
    if route.entry_rate <= 0.0 {
        return Err(format!(
            "{name} is called by other services, which need its answer"
        ));
    }
    let gate = gate(cx, name);
    let mut guards = vec![
        "the work in all is the same: only who waits changes".into(),
        format!(
            "how much can wait is for the code to say; {:.0} % are assumed",
            100.0 * LATER
        ),
    ];
    guards.push(match gate {
        Some(When::Asked) => "clients that do not say `Prefer: respond-async` get their answer as before: have them say so".into(),
        Some(When::Always) => "every client gets 202 and a place to ask for the result: all of them must understand that".into(),
        None => "what is stored but not done yet must survive a crash".into(),
    });
    Ok(Candidate {
        kind: Kind::Offload,
        subject: name.clone(),
        title: format!("do most of {name} after its answer"),
        evidence: format!(
            "{:.1} requests per second wait {:.0} ms each for work that only writes",
            route.entry_rate,
            1e3 * route.low_mean
        ),
        edits: vec![Edit::Offload {
            route: r,
            share: LATER,
        }],
        size: if gate.is_some() { 2 } else { 3 },
        action: match gate {
            Some(When::Asked) => Action::Patch {
                ops: vec![set(&["routes", name, "async"], json!({ "when": "asked" }))],
            },
            Some(When::Always) => Action::Patch {
                ops: vec![set(&["routes", name, "async", "when"], json!("always"))],
            },
            None => Action::Instruction {
                text: format!(
                    "Have {name} check and store what is asked, answer 202, and let workers do the rest at the mean rate."
                ),
            },
        },
        cost_per_hour: 0.0,
        reverse: "do the work before the answer again".into(),
        guards,
        uncertainty: 0.3,
        protects: false,
    })
}

/// What the gateway's own jobs can do for it: from nothing to those who ask, from those to all. `None`: it cannot be done by the
/// config alone. Jobs are delivered as what can be shed, and the first route that takes any needs a restart.
fn gate(cx: &Context, name: &str) -> Option<When> {
    let config = cx.config?;
    let route = config.routes.iter().find(|r| r.name == name)?;
    if let Some(jobs) = &route.asynchronous {
        return (jobs.when == When::Asked).then_some(When::Always);
    }
    let queue = config.routes.iter().any(|r| r.asynchronous.is_some());
    let free = route.publish.is_none()
        && route.session.is_none()
        && route.projection.is_none()
        && route.cache.is_none()
        && !route.grpc_web
        && route.consistency != Some(Consistency::Session)
        && route.criticality != Criticality::Critical;
    (queue && free).then_some(When::Asked)
}
