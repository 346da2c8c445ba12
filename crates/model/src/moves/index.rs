//! An index: a query reads far more rows than it returns.

use super::statement::{of_route, shown};
use super::{Action, Candidate, Context, Edit, Kind};
use base::units::Secs;
use base::{Discipline, Scan, Statement};

/// Rows read per row returned above which a scan is suspected.
const READ_PER_RETURNED: f64 = 100.0;
/// Never promise more than this: the rest of a query stays.
const LEAST: f64 = 0.02;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let suspect = |r: &usize| {
        let x = &cx.fit.routes[*r];
        x.db_rows > READ_PER_RETURNED * x.db_returned.max(1.0) || scanned(cx, *r).is_some()
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
    let found = scanned(cx, r);
    if route.db_rows <= 0.0 && found.is_none() {
        return Err(format!(
            "{name} tells no rows read: send `Server-Timing: db;dur=..;rows=..;returned=..`, or have its PostgreSQL \
             looked into (`resources.NAME.postgres`)"
        ));
    }
    let of_rows = |returned: f64, rows: f64| (returned.max(1.0) / rows.max(1.0)).clamp(LEAST, 1.0);
    // A known statement shrinks by itself, the others of the route stay.
    let factor_of = |demand: f64| match &found {
        Some(f) => {
            let less = f.seconds.min(demand) * (1.0 - of_rows(f.statement.returned, f.scan.rows));
            (1.0 - less / demand.max(1e-12)).max(LEAST)
        }
        None => of_rows(route.db_returned, route.db_rows),
    };
    let info = |k: usize| &cx.fit.resources[k].info;
    let demand = |k: usize| cx.fit.demand[r][k].mean;
    let all = 0..cx.fit.resources.len();
    let dbs: Vec<usize> = all
        .clone()
        .filter(|&k| info(k).name.starts_with("db") && demand(k) > 0.0)
        .filter(|&k| {
            let mine = |f: &Found| f.statement.database == info(k).name;
            found.as_ref().is_none_or(mine)
        })
        .collect();
    let factor = factor_of(dbs.iter().map(|&k| demand(k)).sum());
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
    let (title, evidence, text) = match &found {
        Some(f) => f.words(name),
        None => (
            format!("index what {name} looks for"),
            format!(
                "{:.0} rows are read for {:.1} returned per request",
                route.db_rows, route.db_returned
            ),
            format!(
                "Add an index on the columns that the queries of {name} filter and sort by; EXPLAIN should no longer show a scan."
            ),
        ),
    };
    Ok(Candidate {
        kind: Kind::Index,
        subject: name.clone(),
        title,
        evidence,
        edits,
        action: Action::Instruction { text },
        size: 2,
        cost_per_hour: 0.0,
        reverse: "drop the index".into(),
        guards: vec!["each write to the table then also writes the index".into()],
        uncertainty: 0.15,
        protects: false,
    })
}

/// A statement of a route that reads a whole table.
struct Found<'a> {
    statement: &'a Statement,
    scan: &'a Scan,
    /// Its time per request of the route.
    seconds: f64,
}

fn scanned<'a>(cx: &'a Context, r: usize) -> Option<Found<'a>> {
    let mut all = of_route(cx, r).into_iter();
    all.find_map(|(statement, seconds)| {
        let scan = statement.scan.as_ref()?;
        let wasteful = scan.rows > READ_PER_RETURNED * statement.returned.max(1.0);
        wasteful.then_some(Found {
            statement,
            scan,
            seconds,
        })
    })
}

impl Found<'_> {
    /// Title, evidence, and what to do.
    fn words(&self, route: &str) -> (String, String, String) {
        let (s, scan) = (self.statement, self.scan);
        let columns = scan.columns.join(", ");
        let of = match s.routes.is_empty() {
            true => format!("it has no tag, {route} uses most of {}", s.database),
            false => format!("{route} sends it"),
        };
        (
            format!("index {columns} of {} for {route}", scan.table),
            format!(
                "{:.0} rows of {} are read for {:.1} returned, {} each, {:.1} times a second ({of}): {}",
                scan.rows,
                scan.table,
                s.returned,
                Secs(s.seconds),
                s.calls,
                shown(&s.text)
            ),
            format!(
                "CREATE INDEX CONCURRENTLY ON {} ({columns}); EXPLAIN of `{}` should no longer show a sequential scan.",
                scan.table,
                shown(&s.text)
            ),
        )
    }
}

fn route_service(cx: &Context, r: usize) -> Option<String> {
    Some(cx.fit.routes[r].info.service.clone()).filter(|s| !s.is_empty())
}
