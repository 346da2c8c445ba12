//! Compress answers where the link is fuller than the processor.

use super::{Action, Candidate, Context, Edit, Kind, set};
use base::Class;
use config::sections::CompressWhen;
use serde_json::json;

/// What is left of text, and what compressing costs, seconds per byte (about 100 MB/s).
const LEFT: f64 = 0.3;
const COST: f64 = 1e-8;
/// Smaller answers are not worth it, bytes.
const SMALL: f64 = 1000.0;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let link = |k: &usize| {
        let i = &cx.fit.resources[*k].info;
        i.class == Class::Network && i.unit.starts_with("bytes")
    };
    let hot: Vec<usize> = cx.hot().into_iter().filter(link).collect();
    let heavy = |k: usize| {
        let routes = 0..cx.fit.routes.len();
        routes.max_by(|&a, &b| cx.share(a, k).total_cmp(&cx.share(b, k)))
    };
    hot.iter()
        .filter_map(|&k| of(cx, heavy(k)?, k).ok())
        .collect()
}

/// Compresses the answers of route `r` before link `k`; `Err` says why not.
pub fn of(cx: &Context, r: usize, k: usize) -> Result<Candidate, String> {
    let route = &cx.fit.routes[r];
    let name = &route.info.name;
    let configured = cx
        .config
        .and_then(|c| c.routes.iter().find(|r| r.name == *name));
    match configured.map(|r| r.compress.as_ref().map(|c| c.when)) {
        // Somebody has decided that: an answer may show a secret.
        Some(None) => return Err(format!("`compress` of {name} is off")),
        Some(Some(CompressWhen::Always)) => {
            return Err(format!("the answers of {name} are compressed already"));
        }
        _ => {}
    }
    let bytes = route.bytes_out;
    if bytes < SMALL || cx.fit.demand[r][k].mean <= 0.0 {
        return Err(format!("the answers of {name} are small"));
    }
    let cpus = (0..cx.fit.resources.len()).filter(|&c| {
        let i = &cx.fit.resources[c].info;
        i.class == Class::Compute && cx.fit.demand[r][c].mean > 0.0
    });
    // Of a service on this machine the machine's processors are the limit.
    let cpu = cpus.max_by(|&a, &b| cx.utilisation(a).total_cmp(&cx.utilisation(b)));
    if cpu.is_some_and(|c| cx.utilisation(c) >= cx.utilisation(k)) {
        return Err(format!("the processor of {name} is fuller than the link"));
    }
    let mut edits = vec![Edit::Demand {
        route: r,
        resource: k,
        factor: LEFT,
    }];
    edits.extend(cpu.map(|c| Edit::Demand {
        route: r,
        resource: c,
        factor: 1.0 + bytes * COST / cx.fit.demand[r][c].mean,
    }));
    Ok(Candidate {
        kind: Kind::Compress,
        subject: name.clone(),
        title: format!("compress the answers of {name}"),
        evidence: format!(
            "{:.0} kB each, {:.0} % of what goes over {}",
            bytes / 1e3,
            100.0 * cx.share(r, k),
            cx.fit.resources[k].info.name
        ),
        edits,
        action: Action::Patch {
            ops: vec![set(&["routes", name, "compress"], json!({}))],
        },
        size: 1,
        cost_per_hour: 0.0,
        reverse: "turn compression off".into(),
        guards: vec![format!(
            "text shrinks to about {:.0} %; images and archives do not shrink at all",
            100.0 * LEFT
        )],
        uncertainty: 0.3,
        protects: false,
    })
}
