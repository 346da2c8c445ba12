//! Answer a write at once and do its work later: the total stays, nobody waits for it.

use super::{Action, Candidate, Context, Edit, Kind};

/// What can be done later when nobody has looked.
const LATER: f64 = 0.7;
/// A route that causes less than this of the constraint's load is not worth it.
const CARRIES: f64 = 0.2;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let hot = cx.hot();
    let carries = |r: &usize| hot.iter().any(|&k| total_share(cx, *r, k) >= CARRIES);
    (0..cx.fit.routes.len())
        .filter(carries)
        .filter_map(|r| of(cx, r).ok())
        .collect()
}

/// Share of a resource's use that a route causes with its calls.
fn total_share(cx: &Context, r: usize, k: usize) -> f64 {
    cx.visits[r] * cx.fit.total_demand(r)[k] / cx.loads[k].max(1e-12)
}

/// Takes most of the work of route `r` out of its answer; `Err` says why not.
pub fn of(cx: &Context, r: usize) -> Result<Candidate, String> {
    let route = &cx.fit.routes[r];
    let name = &route.info.name;
    if route.info.safe {
        return Err(format!("{name} only reads: its answer is its work"));
    }
    if route.entry_rate <= 0.0 {
        return Err(format!(
            "{name} is called by other services, which need its answer"
        ));
    }
    Ok(Candidate {
        kind: Kind::Offload,
        subject: name.clone(),
        title: format!("do most of {name} after its answer"),
        evidence: format!(
            "{:.1} requests per second wait {:.0} ms each for work that only writes",
            route.entry_rate,
            1e3 * route.low_mean
        ),
        edits: vec![Edit::Offload {
            route: r,
            share: LATER,
        }],
        action: Action::Instruction {
            text: format!(
                "Have {name} check and store what is asked, answer 202, and let workers do the rest at the mean rate."
            ),
        },
        size: 3,
        cost_per_hour: 0.0,
        reverse: "do the work before the answer again".into(),
        guards: vec![
            "the work in all is the same: only who waits changes".into(),
            format!(
                "how much can wait is for the code to say; {:.0} % are assumed",
                100.0 * LATER
            ),
            "what is stored but not done yet must survive a crash".into(),
        ],
        uncertainty: 0.3,
        protects: false,
    })
}
