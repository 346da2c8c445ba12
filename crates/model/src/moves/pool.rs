//! A wider pool or more slots: helps when slots run out while what is used inside them has room.

use super::{Action, Candidate, Context, Edit, Kind, set};
use crate::constraint::{Cause, held_idle};
use crate::pattern::jobs_of;
use base::Discipline;
use serde_json::json;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let slots = |k: &usize| cx.fit.resources[*k].info.discipline == Discipline::Slots;
    cx.hot()
        .into_iter()
        .filter(slots)
        .flat_map(|k| [smallest(cx, k), sooner(cx, k)])
        .flatten()
        .collect()
}

/// Least of the time that a connection is held for after its idle part is gone.
const LEAST: f64 = 0.05;

/// Gives connections back before the application waits for something else.
fn sooner(cx: &Context, k: usize) -> Option<Candidate> {
    let Some(Cause::HeldIdle { route, share }) = held_idle(cx.fit, k) else {
        return None;
    };
    let name = &cx.fit.resources[k].info.name;
    let r = cx.fit.routes.iter().position(|x| x.info.name == route)?;
    // What is idle is this route's; its own part of the holds shrinks by all of it.
    let factor = (1.0 - share / cx.share(r, k).max(share)).max(LEAST);
    Some(Candidate {
        kind: Kind::Pool,
        subject: name.clone(),
        title: format!("{route}: give the connection of {name} back before it waits for something else"),
        evidence: format!(
            "{:.0} % of the time that connections are held their transactions have nothing to do",
            100.0 * share
        ),
        edits: vec![Edit::Demand {
            route: r,
            resource: k,
            factor,
        }],
        action: Action::Instruction {
            text: format!(
                "In {route}, make the slow call before the transaction begins, or after it has ended: commit and give the connection \
                 back, call, and take one again for what is left."
            ),
        },
        size: 3,
        cost_per_hour: 0.0,
        reverse: "revert the code change".into(),
        guards: vec![
            "what the transaction had read may have changed after the call: look at it again before writing".into(),
        ],
        uncertainty: 0.2,
        protects: false,
    })
}

/// The smallest of a few sizes that is enough for the target, else the double.
fn smallest(cx: &Context, k: usize) -> Option<Candidate> {
    let now = cx.fit.resources[k].capacity;
    let enough = |f: &f64| cx.saturation[k] * f >= 1.4 * cx.target;
    let factor = [1.5, 2.0, 3.0, 4.0].into_iter().find(enough).unwrap_or(2.0);
    of(cx, k, (now * factor).ceil()).ok()
}

/// Slots resource `k` with `size` slots; `Err` says why not.
pub fn of(cx: &Context, k: usize, size: f64) -> Result<Candidate, String> {
    let r = &cx.fit.resources[k];
    let name = &r.info.name;
    if r.info.discipline != Discipline::Slots {
        return Err(format!("{name} has no slots to add"));
    }
    let service = r.info.service.clone().unwrap_or_default();
    // Our own connections to a service are in the config; a pool inside an application is not ours.
    let ours = cx
        .config
        .and_then(|c| c.service(&service))
        .and_then(|s| s.pool.size)
        .filter(|_| *name == format!("pool.{service}"));
    let per_instance = (size / r.instances.max(1) as f64).ceil();
    // Workers of jobs are deliveries at once, of a route that takes any.
    let jobs = jobs_of(name).filter(|route| {
        let mine = |r: &&config::Route| r.name == *route && r.asynchronous.is_some();
        cx.config.is_some_and(|c| c.routes.iter().any(|r| mine(&r)))
    });
    let action = match (ours, jobs) {
        (_, Some(route)) => Action::Patch {
            ops: vec![set(
                &["routes", route, "async", "concurrency"],
                json!(size as u32),
            )],
        },
        (Some(_), None) => Action::Patch {
            ops: vec![set(
                &["services", &service, "pool", "size"],
                json!(per_instance as u32),
            )],
        },
        (None, None) => Action::Instruction {
            text: format!(
                "Raise {name} from {:.0} to {size:.0} slots{}, then say that it is done.",
                r.capacity,
                if service.is_empty() {
                    String::new()
                } else {
                    format!(" (in {service})")
                }
            ),
        },
    };
    let mut guards = Vec::new();
    for (i, inner) in cx.fit.resources.iter().enumerate() {
        if inner.info.within.as_deref() == Some(name) && cx.system.queues[i] {
            let rho = cx.utilisation(i) * cx.target / cx.line.current.max(1e-9);
            let verdict = if rho < 0.8 {
                "has room"
            } else {
                "would take over as the constraint"
            };
            guards.push(format!(
                "{} inside it would be {:.0} % busy at the target: it {verdict}",
                inner.info.name,
                rho * 100.0
            ));
        }
    }
    if let Some(Cause::HeldIdle { share, .. }) = held_idle(cx.fit, k) {
        guards.push(format!(
            "{:.0} % of the time that they are held they have nothing to do: giving them back sooner needs no more of them",
            100.0 * share
        ));
    } else if guards.is_empty() {
        guards.push(
            "what the slots protect must bear as many at once; its own limit is not seen".into(),
        );
    }
    let waiting = r
        .waiting
        .map(|w| format!(", {w:.1} waiting on average"))
        .unwrap_or_default();
    Ok(Candidate {
        kind: Kind::Pool,
        subject: name.clone(),
        title: format!("{name}: {size:.0} slots instead of {:.0}", r.capacity),
        evidence: format!(
            "{:.0} % of its slots are in use{waiting}",
            cx.utilisation(k) * 100.0
        ),
        edits: vec![Edit::Capacity {
            resource: k,
            factor: size / r.capacity.max(1e-9),
        }],
        size: if ours.is_some() || jobs.is_some() {
            1
        } else {
            2
        },
        action,
        cost_per_hour: 0.0,
        reverse: format!("set it back to {:.0}", r.capacity),
        guards,
        uncertainty: 0.1,
        protects: false,
    })
}
