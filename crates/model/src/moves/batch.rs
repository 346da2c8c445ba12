//! One call for many instead of one call each (N+1).

use super::{Action, Candidate, Context, Edit, Kind};

/// Calls of one kind per request from which N+1 is suspected.
const CALLS: f64 = 5.0;
/// Share of a call's work that remains per item in a batch; what is not known widens the interval.
const PER_ITEM: f64 = 0.2;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    (0..cx.fit.routes.len())
        .filter_map(|r| of(cx, r).ok())
        .collect()
}

/// Batches the calls of route `r`; `Err` says why not.
pub fn of(cx: &Context, r: usize) -> Result<Candidate, String> {
    let route = &cx.fit.routes[r];
    let name = &route.info.name;
    let left = |n: f64| PER_ITEM + (1.0 - PER_ITEM) / n;
    let most = cx.fit.calls[r]
        .iter()
        .copied()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let (edits, evidence, what) = match most {
        Some((child, n)) if n >= CALLS => (
            vec![Edit::Calls {
                parent: r,
                child,
                factor: left(n),
            }],
            format!(
                "{n:.1} calls of {} per request",
                cx.fit.routes[child].info.name
            ),
            cx.fit.routes[child].info.name.clone(),
        ),
        _ if route.db_calls >= CALLS => {
            let db = |k: &usize| {
                cx.fit.resources[*k].info.name.starts_with("db") && cx.fit.demand[r][*k].mean > 0.0
            };
            let factor = left(route.db_calls);
            let of_db = |resource| Edit::Demand {
                route: r,
                resource,
                factor,
            };
            (
                (0..cx.fit.resources.len()).filter(db).map(of_db).collect(),
                format!("{:.1} database calls per request", route.db_calls),
                "the database".into(),
            )
        }
        _ => {
            return Err(format!(
                "{name} does not call anything {CALLS} times or more per request"
            ));
        }
    };
    Ok(Candidate {
        kind: Kind::Batch,
        subject: name.clone(),
        title: format!("{name}: ask {what} once instead of once per item"),
        evidence,
        edits,
        action: Action::Instruction {
            text: format!(
                "In {name}, collect the keys and ask {what} for all of them in one call."
            ),
        },
        size: 3,
        cost_per_hour: 0.0,
        reverse: "go back to single calls".into(),
        guards: vec!["bound the size of a batch".into()],
        uncertainty: 0.3,
        protects: false,
    })
}
