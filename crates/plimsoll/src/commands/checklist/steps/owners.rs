//! Whom to call for each service, who that is now, and what to do.

use super::{Known, Look};
use catalog::lint::{Facts, Limits, RULES, count, rough};
use catalog::runbook::run::last;
use std::collections::BTreeSet;

/// The rules of the catalog that this is about.
const OWNERS: &[&str] = &[
    "owner",
    "team-members",
    "on-call",
    "runbook-missing",
    "runbook-names",
    "runbook-stale",
];
/// Teams and runbooks that are told by name.
const NAMED: usize = 5;

pub fn look(k: &Known) -> Look {
    let facts = Facts {
        catalog: &k.loaded.catalog,
        config: k.loaded.config.as_ref(),
        observed: k.seen.as_ref(),
        now: k.now,
        limits: Limits::default(),
    };
    let mut found = Vec::new();
    for rule in RULES.iter().filter(|r| OWNERS.contains(&r.name)) {
        (rule.check)(&facts, &mut found);
    }
    let c = &k.loaded.catalog;
    let (services, runbooks) = (c.services.len(), c.runbooks.len());
    let mut evidence = vec![format!(
        "{}, {}, {}",
        count(services, "service"),
        count(runbooks, "runbook"),
        count(found.len(), "finding")
    )];
    let owners: BTreeSet<String> = c.services.values().filter_map(|s| c.owner(s)).collect();
    let on_call = |team: &String| {
        let who = c.rotation(team).and_then(|r| r.holder(k.now));
        format!("{} for {team}", who.unwrap_or("nobody"))
    };
    let now: Vec<String> = owners.iter().take(NAMED).map(on_call).collect();
    evidence.extend((!now.is_empty()).then(|| format!("on call now: {}", now.join(", "))));
    let runs = c.runbooks.keys().filter_map(|name| last(&c.runs, name));
    if let Some(run) = runs.max_by_key(|r| r.at) {
        let ago = rough(k.now.duration_since(run.at));
        evidence.push(format!("{} was run {ago} ago", run.runbook));
    }
    Look {
        done: services > 0 && found.is_empty(),
        evidence,
        next: match found.first() {
            Some(f) => format!("{}; all: `plimsoll catalog check`", f.what),
            None if services == 0 => "`plimsoll catalog init`".into(),
            None => String::new(),
        },
    }
}
