//! Give a slow dependency its own part of what is held at once: it lifts nothing, the other routes live on.

use super::{Action, Candidate, Context, Edit, Kind, set};
use base::Discipline;
use serde_json::json;

/// A dependency is kept this far from full.
const FULL: f64 = 0.9;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let slots = |k: &usize| cx.fit.resources[*k].info.discipline == Discipline::Slots;
    cx.hot()
        .into_iter()
        .filter(slots)
        .filter_map(|k| of(cx, k).ok())
        .collect()
}

/// Keeps the routes that wait for `k` from holding what others need; `Err` says why not.
pub fn of(cx: &Context, k: usize) -> Result<Candidate, String> {
    let r = &cx.fit.resources[k];
    let name = &r.info.name;
    let entry: Vec<usize> = (0..cx.fit.routes.len())
        .filter(|&i| cx.fit.routes[i].entry_rate > 0.0)
        .collect();
    let uses = |i: &usize| cx.fit.total_demand(*i)[k] > 0.0;
    let (with, without): (Vec<usize>, Vec<usize>) = entry.into_iter().partition(uses);
    // In front of it: the service whose routes wait there and serve others as well.
    let service = |i: &usize| cx.fit.routes[*i].info.service.as_str();
    let Some(front) = with
        .iter()
        .map(service)
        .find(|s| without.iter().any(|i| service(i) == *s))
    else {
        return Err(format!(
            "no route passes {name} by: there is nobody to keep it from"
        ));
    };
    if cx.line.current < FULL * cx.saturation[k] {
        return Err(format!("{name} is not full: nobody is kept waiting by it"));
    }
    let factor = (FULL * cx.saturation[k] / cx.line.current).min(1.0);
    let others: Vec<&str> = without
        .iter()
        .filter(|i| service(i) == front)
        .map(|&i| cx.fit.routes[i].info.name.as_str())
        .collect();
    let has = cx.config.and_then(|c| c.service(front)).is_some();
    let action = match has {
        true => Action::Patch {
            ops: vec![set(&["services", front, "bulkhead"], json!({}))],
        },
        false => Action::Instruction {
            text: format!("Bound how many requests of {front} may wait for {name} at once."),
        },
    };
    Ok(Candidate {
        kind: Kind::Bulkhead,
        subject: front.into(),
        title: format!("a bulkhead in {front} against {name}"),
        evidence: format!(
            "{name} is {:.0} % busy; {} do not need it and wait all the same",
            100.0 * cx.utilisation(k),
            others.join(", ")
        ),
        edits: with
            .iter()
            .map(|&route| Edit::Rate { route, factor })
            .collect(),
        action,
        size: 1,
        cost_per_hour: 0.0,
        reverse: "remove the bulkhead".into(),
        guards: vec!["what does not fit is refused at once instead of waiting".into()],
        uncertainty: 0.1,
        protects: true,
    })
}
