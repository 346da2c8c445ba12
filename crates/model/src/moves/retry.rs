//! A smaller retry budget: tries beyond the first multiply the work just when there is too much of it.

use super::{Action, Candidate, Context, Edit, Kind, set};
use serde_json::json;

/// Tries per request from which retries are a load of their own, and what a budget brings them to.
const TOO_MANY: f64 = 1.1;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    (0..cx.fit.routes.len())
        .filter(|&r| cx.fit.routes[r].amplification > TOO_MANY)
        .map(|r| {
            let route = &cx.fit.routes[r];
            let name = &route.info.name;
            Candidate {
                kind: Kind::Retry,
                subject: name.clone(),
                title: format!("{name}: retries for at most 10 % of its requests"),
                evidence: format!("{:.2} tries per request", route.amplification),
                edits: vec![Edit::Work {
                    route: r,
                    factor: TOO_MANY / route.amplification,
                }],
                action: Action::Patch {
                    ops: vec![set(&["routes", name, "retry", "budget"], json!("10%"))],
                },
                size: 1,
                cost_per_hour: 0.0,
                reverse: "set the budget back".into(),
                guards: vec![
                    "fewer failures are hidden from clients; find out why tries fail".into(),
                ],
                uncertainty: 0.2,
                protects: false,
            }
        })
        .collect()
}
