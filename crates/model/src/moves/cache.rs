//! Cache a route: the ghost has counted what a cache would have answered, without turning one on.

use super::{Action, Candidate, Context, Edit, Kind, duration_text, set};
use crate::loadline::saturation::{lowest, saturation};
use crate::pattern::{Pattern, Stampede};
use crate::twin::system::ghost_ratio;
use base::window::GHOST_TTLS;
use serde_json::json;

/// Longest lifetime that is proposed without anybody asking, seconds.
const LONGEST_S: f64 = 60.0;
/// Lifetime of a cache that is there to make equal requests at once one.
const FOR_ALL: &str = "1s";
/// Fewer lookups than this tell nothing about a hit ratio.
const LOOKUPS: f64 = 200.0;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let hot = cx.hot();
    let causes = |r: usize| {
        let tree = cx.fit.tree(r);
        hot.iter().any(|&k| {
            let own: f64 = tree
                .iter()
                .zip(&cx.fit.demand)
                .map(|(w, d)| w * d[k].mean)
                .sum();
            cx.visits[r] * own > 0.05 * cx.loads[k]
        })
    };
    let stampedes = cx.fit.patterns.iter().filter_map(|p| match p {
        Pattern::Stampede(x) => together(cx, x),
        _ => None,
    });
    (0..cx.fit.routes.len())
        .filter(|&r| cx.fit.routes[r].info.safe && causes(r))
        .filter_map(|r| shortest(cx, r))
        .chain(stampedes)
        .collect()
}

/// Lets one request fetch what many ask for at once: the gateway's own cache answers with the old one meanwhile, and in front of
/// somebody else's a cache of a second makes equal requests one.
fn together(cx: &Context, x: &Stampede) -> Option<Candidate> {
    let name = &x.route;
    let r = cx.fit.routes.iter().position(|r| r.info.name == *name)?;
    let route = cx
        .config
        .and_then(|c| c.routes.iter().find(|r| r.name == *name));
    let safe = cx.fit.routes[r].info.safe;
    let old = duration_text(x.every_s.round().max(1.0));
    let op = match route.map(|r| &r.cache) {
        Some(Some(c)) if c.stale_while_revalidate.is_none() => Some(set(
            &["routes", name, "cache", "stale_while_revalidate"],
            json!(old),
        )),
        Some(None) if safe && route.is_some_and(cacheable) => {
            Some(set(&["routes", name, "cache"], json!({ "ttl": FOR_ALL })))
        }
        _ => None,
    };
    Some(Candidate {
        kind: Kind::Cache,
        subject: name.clone(),
        title: format!("{name}: one fetch for all who ask at once"),
        evidence: x.to_string(),
        edits: Vec::new(),
        size: if op.is_some() { 1 } else { 2 },
        action: match op {
            Some(op) => Action::Patch { ops: vec![op] },
            None => Action::Instruction {
                text: format!(
                    "Where {} keeps what {name} answers: let one request fill it again while the others get the old one (single \
                     flight), a little before it runs out, and add a random part to each lifetime.",
                    x.caller
                ),
            },
        },
        cost_per_hour: 0.0,
        reverse: "take it out again; the next lifetime ends as before".into(),
        guards: vec![match safe {
            true => "answers may be a moment older than now".into(),
            false => "what is filled by one is shown to all: it must be the same for all".into(),
        }],
        uncertainty: 0.2,
        protects: true,
    })
}

/// Nothing that the route has besides excludes a cache.
fn cacheable(r: &config::Route) -> bool {
    r.session.is_none()
        && r.projection.is_none()
        && r.publish.is_none()
        && r.asynchronous.is_none()
        && r.consistency.is_none()
}

/// The shortest lifetime that is enough for the target, or brings nine tenths of what the longest brings.
fn shortest(cx: &Context, r: usize) -> Option<Candidate> {
    let route = &cx.fit.routes[r];
    let ghost = route.ghost.as_ref().filter(|g| g.lookups >= LOOKUPS)?;
    let has = route.info.cached_ttl_s.unwrap_or(0.0);
    let useful = |t: f64| t > has && ghost_ratio(&ghost.ratio, t) >= 0.05;
    let grid: Vec<f64> = GHOST_TTLS
        .into_iter()
        .filter(|&t| t <= LONGEST_S && useful(t))
        .collect();
    let bound = |t: f64| {
        of(cx, r, t)
            .ok()
            .and_then(|c| lowest(&saturation(&c.transform(cx.system))))
            .map_or(0.0, |x| x.1)
    };
    let bounds: Vec<f64> = grid.iter().map(|&t| bound(t)).collect();
    let best = bounds.iter().copied().fold(0.0, f64::max);
    let now = lowest(&cx.saturation).map_or(0.0, |x| x.1);
    let ratio = if now > 0.0 { cx.line.line / now } else { 1.0 };
    let enough = |x: f64| x * ratio >= 1.15 * cx.target || x >= now + 0.9 * (best - now);
    let i = bounds
        .iter()
        .position(|&x| enough(x))
        .filter(|_| best > 1.01 * now)?;
    of(cx, r, grid[i]).ok()
}

/// A cache on route `r` for `ttl_s`; `Err` says why not.
pub fn of(cx: &Context, r: usize, ttl_s: f64) -> Result<Candidate, String> {
    let route = &cx.fit.routes[r];
    let name = &route.info.name;
    if !route.info.safe {
        return Err(format!(
            "{name} is not only GET or HEAD: its answers must not be cached"
        ));
    }
    let Some(ghost) = &route.ghost else {
        return Err(format!(
            "no hit ratio is known for {name}: its keys have not been seen"
        ));
    };
    let ratio = ghost_ratio(&ghost.ratio, ttl_s);
    let text = duration_text(ttl_s);
    Ok(Candidate {
        kind: Kind::Cache,
        subject: name.clone(),
        title: format!("cache {name} for {text}"),
        evidence: format!(
            "{:.0} of {:.0} requests seen would have been answered from a cache of {text} ({:.0} %)",
            ratio * ghost.lookups,
            ghost.lookups,
            ratio * 100.0
        ),
        edits: vec![Edit::Cache { route: r, ttl_s }],
        action: Action::Patch {
            ops: vec![set(&["routes", name, "cache"], json!({ "ttl": text }))],
        },
        size: if ttl_s <= 30.0 { 1 } else { 2 },
        cost_per_hour: 0.0,
        reverse: "remove the cache of the route; the next request goes through again".into(),
        guards: vec![format!(
            "answers may be up to {text} old; private answers are never kept"
        )],
        uncertainty: 0.12,
        protects: false,
    })
}
