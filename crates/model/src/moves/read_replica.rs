//! A copy of the database that answers reads.

use super::{Action, Candidate, Context, Edit, Kind, set};
use config::Op;
use serde_json::json;

/// Part of the database's load from which a route's reads are worth a change.
const WORTH: f64 = 0.05;
/// Reads of sessions that have just written stay on the primary.
const STAYS: f64 = 0.1;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let database = |k: &usize| cx.fit.resources[*k].is_store();
    cx.hot()
        .into_iter()
        .filter(database)
        .filter_map(|k| of(cx, k).ok())
        .collect()
}

/// One replica for database `k`; `Err` says why not.
pub fn of(cx: &Context, k: usize) -> Result<Candidate, String> {
    let r = &cx.fit.resources[k];
    let name = &r.info.name;
    let share = |safe: bool| {
        let mine = |i: &usize| reads(cx, *i) == safe;
        let all = (0..cx.fit.routes.len()).filter(mine);
        all.map(|i| cx.share(i, k)).sum::<f64>()
    };
    let (read, written) = (share(true), share(false));
    let written = written / (read + written).max(1e-12);
    if written > 0.9 {
        return Err(format!(
            "{:.0} % of {name} goes to writes, which every copy repeats",
            100.0 * written
        ));
    }
    if let Some(ready) = ready(cx, k) {
        return Ok(ready);
    }
    // Reads are spread over both, writes stay; what the copy repeats of them is left out.
    let factor = (1.0 / written.max(1e-9)).min(2.0);
    Ok(Candidate {
        kind: Kind::ReadReplica,
        subject: name.clone(),
        title: format!("{name}: a read replica"),
        evidence: format!(
            "{:.0} % of its load comes from routes that only read",
            100.0 * (1.0 - written)
        ),
        edits: vec![Edit::Capacity {
            resource: k,
            factor,
        }],
        action: Action::Instruction {
            text: format!(
                "Set up a streaming replica of {name} and send to it the reads of routes that may be a moment behind."
            ),
        },
        size: 3,
        cost_per_hour: r.info.price_per_hour.unwrap_or(0.0),
        reverse: "send all reads to the primary again".into(),
        guards: vec![
            "a replica lags: who has just written must read from the primary".into(),
            format!(
                "the gain ends at x{:.1}: the share of writes",
                1.0 / written.max(0.01)
            ),
        ],
        uncertainty: 0.2,
        protects: false,
    })
}

/// There are replicas, and routes that read from the primary for no other reason than that nobody said otherwise.
fn ready(cx: &Context, k: usize) -> Option<Candidate> {
    let config = cx.config?;
    let name = &cx.fit.resources[k].info.name;
    let declared = config.resources.iter().find(|r| r.name == *name);
    let url = declared.and_then(|r| r.postgres.as_ref());
    let own = cx.fit.resources[k].info.service.as_deref();
    let mut found: Vec<(usize, f64)> = Vec::new();
    for r in (0..cx.fit.routes.len()).filter(|&r| cx.fit.routes[r].info.safe) {
        let share = cx.share(r, k);
        let named = |x: &&config::Route| x.name == cx.fit.routes[r].info.name;
        let Some(route) = config.routes.iter().find(named) else {
            continue;
        };
        let service = config.services.iter().find(|s| s.name == route.to);
        let replication = service
            .and_then(|s| s.replication.as_deref())
            .and_then(|n| config.replications.iter().find(|x| x.name == n));
        let Some(replication) = replication else {
            continue;
        };
        let primary = replication
            .databases
            .iter()
            .find(|d| d.name == config::sections::Database::PRIMARY);
        let same = match url {
            Some(url) => primary.and_then(|d| d.postgres.as_ref()) == Some(url),
            None => own == Some(route.to.as_str()),
        };
        let free = route.consistency.is_none()
            && route.cache.is_none()
            && route.asynchronous.is_none()
            && route.split.is_empty()
            && route.writes != Some(true);
        if same && free && share >= WORTH {
            found.push((r, share));
        }
    }
    let moved: f64 = found.iter().map(|f| f.1).sum();
    if found.is_empty() {
        return None;
    }
    let names: Vec<&str> = found
        .iter()
        .map(|(r, _)| cx.fit.routes[*r].info.name.as_str())
        .collect();
    let session = |r: &&str| -> Op { set(&["routes", r, "consistency"], json!("session")) };
    Some(Candidate {
        kind: Kind::ReadReplica,
        subject: name.clone(),
        title: format!("{}: read from the replicas of {name}", names.join(", ")),
        evidence: format!(
            "{:.0} % of its load are their reads, which go to the primary because nobody says otherwise",
            100.0 * moved
        ),
        edits: found
            .iter()
            .map(|&(route, _)| Edit::Demand {
                route,
                resource: k,
                factor: STAYS,
            })
            .collect(),
        action: Action::Patch {
            ops: names.iter().map(session).collect(),
        },
        size: 2,
        cost_per_hour: 0.0,
        reverse: "take `consistency` out again: they read from the primary".into(),
        guards: vec![
            "a session sees what it wrote and saw, by a cookie; clients without cookies may see what is a moment old".into(),
            "the replicas must bear the reads; their own limit is not seen here".into(),
        ],
        uncertainty: 0.2,
        protects: false,
    })
}

/// Whether a route only reads; a call within counts as its callers do.
fn reads(cx: &Context, i: usize) -> bool {
    let route = &cx.fit.routes[i];
    let calls = |p: usize| cx.fit.calls[p].get(i).is_some_and(|c| *c > 0.0);
    let parents = || (0..cx.fit.routes.len()).filter(|&p| calls(p));
    match route.entry_rate > 0.0 || parents().next().is_none() {
        true => route.info.safe,
        false => parents().all(|p| cx.fit.routes[p].info.safe),
    }
}
