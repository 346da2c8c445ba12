//! A bound on what one request returns: pages instead of every row there is.

use super::statement::{of_route, shown};
use super::{Action, Candidate, Context, Edit, Kind};
use crate::constraint::unbounded;

/// Rows of a page.
const PAGE: f64 = 100.0;
/// Never promise more than this: what a request costs without its rows stays, and is not known.
const LEAST: f64 = 0.1;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    (0..cx.fit.routes.len()).filter_map(|r| of(cx, r)).collect()
}

/// `None`: it returns few rows, or its work is not for them.
fn of(cx: &Context, r: usize) -> Option<Candidate> {
    let route = &cx.fit.routes[r];
    let (name, returned) = (&route.info.name, route.db_returned);
    let factor = (PAGE / returned.max(PAGE)).max(LEAST);
    let edits: Vec<Edit> = (0..cx.fit.resources.len())
        .filter(|&k| unbounded(cx.fit, r, k))
        .map(|resource| Edit::Demand {
            route: r,
            resource,
            factor,
        })
        .collect();
    if edits.is_empty() {
        return None;
    }
    // Without the statement's text the route is all there is to say.
    let rows = |s: &&base::Statement| s.returned >= PAGE;
    let found = of_route(cx, r).into_iter().map(|x| x.0).find(rows);
    let what = found.map_or(format!("the queries of {name}"), |s| {
        format!("`{}`", shown(&s.text))
    });
    Some(Candidate {
        kind: Kind::Page,
        subject: name.clone(),
        title: format!("{name}: at most {PAGE:.0} rows at a time"),
        evidence: format!("{returned:.0} rows are returned per request"),
        edits,
        action: Action::Instruction {
            text: format!(
                "Have {name} return a page: add LIMIT {PAGE:.0} to {what}, ordered by an indexed column, and continue after the last \
                 value of that column (no OFFSET: it reads what it skips)."
            ),
        },
        size: 3,
        cost_per_hour: 0.0,
        reverse: "return everything again".into(),
        guards: vec![
            "whoever needs all rows asks more often: pages of a few hundred rows, or an export beside the traffic, for them".into(),
        ],
        uncertainty: 0.3,
        protects: false,
    })
}
