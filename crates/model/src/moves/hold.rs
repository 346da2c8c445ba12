//! Bound what a service holds in its memory: as many requests in flight as fit. It lifts nothing, but memory is a cliff: what
//! is above the bound waits or is refused instead of everybody being killed.

use super::{Action, Candidate, Context, Edit, Kind, set};
use crate::rank;
use serde_json::json;

/// Of the memory, so much may be in use.
const FULL: f64 = 0.9;
/// A bound is proposed once so much is in use, or when the traffic asked for would need more than there is.
const NEAR: f64 = 0.5;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    (0..cx.fit.resources.len())
        .filter(|&k| rank::fills(cx.fit, k))
        .filter_map(|k| of(cx, k))
        .collect()
}

/// What one request in flight holds in the mean, bytes.
fn each(cx: &Context, k: usize) -> Option<f64> {
    let rows = cx.fit.routes.iter().zip(&cx.fit.demand);
    let used = rows.filter(|(_, d)| d[k].mean > 0.0);
    let (bytes, flying) = used.fold((0.0, 0.0), |(b, n), (r, d)| {
        (b + r.rate * d[k].mean, n + r.rate * r.low_mean)
    });
    (flying > 0.0 && bytes > 0.0).then(|| bytes / flying)
}

fn of(cx: &Context, k: usize) -> Option<Candidate> {
    let r = &cx.fit.resources[k];
    let service = r.info.service.as_deref()?;
    let short = cx.saturation[k] < 1.1 * cx.target || r.utilisation > NEAR;
    let each = each(cx, k)?;
    let room = FULL * r.capacity - r.background;
    let n = (room / each).floor();
    if !short || n < 1.0 {
        return None;
    }
    let has = cx.config.and_then(|c| c.service(service));
    if has.is_some_and(|s| s.limit.is_some_and(|l| f64::from(l) <= n)) {
        return None;
    }
    let mb = |v: f64| v / 1e6;
    let users = (0..cx.fit.routes.len()).filter(|&i| cx.fit.demand[i][k].mean > 0.0);
    let factor = (FULL * cx.saturation[k] / cx.line.current.max(1e-9)).min(1.0);
    Some(Candidate {
        kind: Kind::Limit,
        subject: service.into(),
        title: format!("at most {n:.0} requests of {service} in flight"),
        evidence: format!(
            "{:.0} MB are held without requests and {:.1} MB by each in flight; {:.0} MB is all there is",
            mb(r.background),
            mb(each),
            mb(r.capacity)
        ),
        edits: users.map(|route| Edit::Rate { route, factor }).collect(),
        action: match has {
            Some(_) => Action::Patch {
                ops: vec![set(&["services", service, "limit"], json!(n as u64))],
            },
            None => Action::Instruction {
                text: format!("Let {service} work on at most {n:.0} requests at once."),
            },
        },
        size: 1,
        cost_per_hour: 0.0,
        reverse: "remove the limit".into(),
        guards: vec![
            "what is above it waits and is refused: it keeps the service alive, it carries no more"
                .into(),
        ],
        uncertainty: 0.1,
        protects: true,
    })
}
