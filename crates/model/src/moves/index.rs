//! An index: a query reads far more rows than it returns.

use super::{Action, Candidate, Context, Edit, Kind};
use base::Discipline;

/// Rows read per row returned above which a scan is suspected.
const READ_PER_RETURNED: f64 = 100.0;
/// Never promise more than this: the rest of a query stays.
const LEAST: f64 = 0.02;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let suspect = |r: &usize| {
        let x = &cx.fit.routes[*r];
        x.db_rows > READ_PER_RETURNED * x.db_returned.max(1.0)
    };
    (0..cx.fit.routes.len())
        .filter(suspect)
        .filter_map(|r| of(cx, r).ok())
        .collect()
}

/// An index for the queries of route `r`; `Err` says why not.
pub fn of(cx: &Context, r: usize) -> Result<Candidate, String> {
    let route = &cx.fit.routes[r];
    let name = &route.info.name;
    if route.db_rows <= 0.0 {
        return Err(format!(
            "{name} tells no rows read: send `Server-Timing: db;dur=..;rows=..;returned=..`"
        ));
    }
    let factor = (route.db_returned.max(1.0) / route.db_rows).clamp(LEAST, 1.0);
    let info = |k: usize| &cx.fit.resources[k].info;
    let demand = |k: usize| cx.fit.demand[r][k].mean;
    let all = 0..cx.fit.resources.len();
    let dbs: Vec<usize> = all
        .clone()
        .filter(|&k| info(k).name.starts_with("db") && demand(k) > 0.0)
        .collect();
    let shrunk = |resource: usize, factor: f64| Edit::Demand {
        route: r,
        resource,
        factor,
    };
    let mut edits: Vec<Edit> = dbs.iter().map(|&k| shrunk(k, factor)).collect();
    let less = dbs.iter().map(|&k| demand(k)).sum::<f64>() * (1.0 - factor);
    // What the edits so far take from the slots around them.
    let mut taken = vec![0.0; cx.fit.resources.len()];
    for &d in &dbs {
        if let Some(slot) = cx.system.inside[r][d] {
            taken[slot] += demand(d) * (1.0 - factor) * cx.system.own[r][d];
        }
    }
    let of_service = |k: &usize| {
        info(*k).service == route_service(cx, r) && !dbs.contains(k) && demand(*k) > 0.0
    };
    // A database inside the process burns the process's own processor time.
    let inside = dbs.iter().any(|&d| cx.system.own[r][d] < 0.5);
    for k in all.clone().filter(of_service) {
        if inside && info(k).name.starts_with("cpu") {
            let factor = (1.0 - less / demand(k)).max(LEAST);
            edits.push(shrunk(k, factor));
            if let Some(slot) = cx.system.inside[r][k] {
                taken[slot] += demand(k) * (1.0 - factor);
            }
        }
    }
    for k in all.filter(of_service) {
        let around = dbs.iter().any(|&d| cx.system.inside[r][d] == Some(k));
        let fills = demand(k) >= 0.9 * less / (1.0 - factor).max(1e-9);
        let rest = demand(k) - taken[k];
        if info(k).discipline == Discipline::Slots && (around || fills) && less > taken[k] {
            edits.push(shrunk(k, (1.0 - (less - taken[k]) / rest).max(LEAST)));
        }
    }
    if edits.is_empty() {
        return Err(format!("no database time of {name} is seen"));
    }
    Ok(Candidate {
        kind: Kind::Index,
        subject: name.clone(),
        title: format!("index what {name} looks for"),
        evidence: format!(
            "{:.0} rows are read for {:.1} returned per request",
            route.db_rows, route.db_returned
        ),
        edits,
        action: Action::Instruction {
            text: format!(
                "Add an index on the columns that the queries of {name} filter and sort by; EXPLAIN should no longer show a scan."
            ),
        },
        size: 2,
        cost_per_hour: 0.0,
        reverse: "drop the index".into(),
        guards: vec!["each write to the table then also writes the index".into()],
        uncertainty: 0.15,
        protects: false,
    })
}

fn route_service(cx: &Context, r: usize) -> Option<String> {
    Some(cx.fit.routes[r].info.service.clone()).filter(|s| !s.is_empty())
}
