//! Limit a route's rate: it lifts nothing, it keeps the rest within the line.

use super::{Action, Candidate, Context, Edit, Kind, set};
use serde_json::json;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let Some(&k) = cx.hot().first() else {
        return Vec::new();
    };
    // Only worth it when traffic is (nearly) at the safe line: then the heaviest user of the constraint is capped.
    if cx.line.current < 0.9 * cx.line.safe || cx.line.safe <= 0.0 {
        return Vec::new();
    }
    let entry = |r: &usize| cx.fit.routes[*r].entry_rate > 0.0;
    let use_of = |r: usize| cx.fit.routes[r].entry_rate * cx.fit.total_demand(r)[k];
    let heaviest = (0..cx.fit.routes.len())
        .filter(entry)
        .max_by(|&a, &b| use_of(a).total_cmp(&use_of(b)));
    heaviest
        .and_then(|r| {
            let safe = cx.fit.routes[r].entry_rate * cx.line.safe / cx.line.current;
            of(cx, r, safe).ok()
        })
        .into_iter()
        .collect()
}

/// At most `rate` requests of route `r` per second, of all clients together.
pub fn of(cx: &Context, r: usize, rate: f64) -> Result<Candidate, String> {
    let route = &cx.fit.routes[r];
    let name = &route.info.name;
    if route.entry_rate <= 0.0 {
        return Err(format!("no traffic from outside reaches {name}"));
    }
    if rate <= 0.0 {
        return Err("a limit of 0 refuses every request".into());
    }
    Ok(Candidate {
        kind: Kind::Limit,
        subject: name.clone(),
        title: format!("limit {name} to {rate:.0}/s"),
        evidence: format!(
            "{:.0}/s now; the safe line is {:.0}/s in all, {:.0}/s are asked for",
            route.entry_rate, cx.line.safe, cx.line.current
        ),
        edits: vec![Edit::Rate {
            route: r,
            factor: (rate / route.entry_rate).min(1.0),
        }],
        action: Action::Patch {
            ops: vec![set(
                &["routes", name, "rate"],
                json!({ "limit": format!("{rate:.0}/s"), "key": "all" }),
            )],
        },
        size: 1,
        cost_per_hour: 0.0,
        reverse: "remove the limit".into(),
        guards: vec![
            "what is above the limit is refused: it protects the rest, it carries no more".into(),
        ],
        uncertainty: 0.05,
        protects: true,
    })
}
