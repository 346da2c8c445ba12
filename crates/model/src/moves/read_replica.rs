//! A copy of the database that answers reads.

use super::{Action, Candidate, Context, Edit, Kind};

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let database = |k: &usize| cx.fit.resources[*k].info.name.starts_with("db.");
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
