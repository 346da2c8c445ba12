//! One call for many instead of one call each (N+1): by calls between routes, by the same call in spans, else by the number
//! of database calls.

use super::{Action, Candidate, Context, Edit, Kind};
use crate::constraint::{asks_over, connected_to};
use base::traced::Repeat;

/// Calls of one kind per request from which N+1 is suspected.
const CALLS: f64 = 5.0;
/// Share of a call's work that remains per item in a batch; what is not known widens the interval.
const PER_ITEM: f64 = 0.2;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    (0..cx.fit.routes.len())
        .filter_map(|r| of(cx, r).ok())
        .collect()
}

/// Share of the work of `n` calls that is left of it in one.
fn left(n: f64) -> f64 {
    PER_ITEM + (1.0 - PER_ITEM) / n
}

/// The call of a database that a route makes most often, one after another.
fn repeated<'a>(cx: &'a Context, route: &str) -> Option<&'a Repeat> {
    let traced = cx.fit.traced.iter().find(|t| t.route == route)?;
    let same = |c: &&Repeat| c.database && c.is_n_plus_one();
    traced.repeats.iter().find(same)
}

/// Spans show the calls of the database, and that none of them is made again and again.
fn calls_differ(cx: &Context, route: &str) -> bool {
    let traced = cx.fit.traced.iter().find(|t| t.route == route);
    traced.is_some_and(|t| t.critical.iter().any(|p| p.whose.starts_with("db.")))
}

/// Of `calls`, which are a `part` of what the route asks of its databases, one is left. Where connections are held for them, what
/// the database does not compute is waited for once: the way there and back, and its storage.
fn database_edits(cx: &Context, r: usize, part: f64, calls: f64) -> Vec<Edit> {
    let less = |left: f64| 1.0 - part * (1.0 - left);
    let (works, waits) = (less(left(calls)), less(1.0 / calls));
    let used = |k: usize| cx.fit.demand[r][k].mean;
    let db = |k: &usize| {
        let asked = cx.fit.resources[*k].info.name.starts_with("db") || asks_over(cx.fit, *k);
        asked && used(*k) > 0.0
    };
    let factor = |k: usize| match connected_to(cx.fit, k) {
        Some(of) => {
            let computes = (used(of) / used(k)).min(1.0);
            computes * works + (1.0 - computes) * waits
        }
        None => works,
    };
    let edits = |resource| {
        let demand = Edit::Demand {
            route: r,
            resource,
            factor: factor(resource),
        };
        let visits = Edit::Visits {
            route: r,
            resource,
            fewer: calls - 1.0,
        };
        let comes_again = cx.fit.resources[resource].visits.get(r);
        let comes_again = comes_again.is_some_and(|v| *v > 1.0);
        std::iter::once(demand).chain(comes_again.then_some(visits))
    };
    (0..cx.fit.resources.len())
        .filter(db)
        .flat_map(edits)
        .collect()
}

/// Batches the calls of route `r`; `Err` says why not.
pub fn of(cx: &Context, r: usize) -> Result<Candidate, String> {
    let route = &cx.fit.routes[r];
    let name = &route.info.name;
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
        _ if let Some(same) = repeated(cx, name) => {
            // Of the database's time, only the repeated call's part shrinks.
            let part = (same.calls / route.db_calls.max(same.calls)).min(1.0);
            (
                database_edits(cx, r, part, same.calls),
                format!(
                    "{:.1} calls per request, {:.0} % of them one after another, in spans: {}",
                    same.calls,
                    100.0 * same.serial,
                    same.what
                ),
                "the database".into(),
            )
        }
        _ if route.db_calls >= CALLS && !calls_differ(cx, name) => (
            database_edits(cx, r, 1.0, route.db_calls),
            format!("{:.1} database calls per request", route.db_calls),
            "the database".into(),
        ),
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
