//! Caches and databases before anything that costs more: what caches save, what databases are asked, and whether a cheap change is left.

use super::{Known, Look};
use crate::commands::checklist::rows;
use config::Resource;

/// Kinds of changes that cost little; the others wait until none of these is left.
const CHEAP: &[&str] = &["cache", "index", "batch", "read-replica"];
/// Caches and databases that are told one by one.
const NAMED: usize = 5;
/// Characters of a statement that are shown.
const MAX_STATEMENT: usize = 80;

pub fn look(k: &Known) -> Look {
    let cached: Vec<_> = k.routes().iter().filter(|r| r.cache.is_some()).collect();
    let mut evidence = vec![format!(
        "{} of {} routes have a cache",
        cached.len(),
        k.routes().len()
    )];
    evidence.extend(cached.iter().take(NAMED).map(|r| saves(k, &r.name)));
    let resources = k.loaded.config.as_ref().map_or(&[][..], |c| &c.resources);
    let is_database = |r: &&Resource| r.postgres.is_some() || r.redis.is_some();
    let databases: Vec<&Resource> = resources.iter().filter(is_database).collect();
    evidence.extend(databases.iter().take(NAMED).map(|r| asked(k, r)));
    if databases.is_empty() {
        evidence.push("no database is declared, so none is looked into".into());
    }
    let next = next(k, &databases);
    Look {
        done: next.is_empty(),
        evidence,
        next,
    }
}

fn next(k: &Known, databases: &[&Resource]) -> String {
    let constraint = k
        .answer
        .as_ref()
        .and_then(|a| a.diagnosis.constraint.as_ref());
    let proposals = k.proposals.as_deref();
    let mut all = proposals.unwrap_or(&[]).iter().enumerate();
    if let Some((i, (_, title))) = all.find(|(_, p)| CHEAP.contains(&p.0.as_str())) {
        return format!("`plimsoll try {}`: {title}", i + 1);
    }
    if let Some(blind) = databases.iter().find(|r| row(k, r).is_none()) {
        return format!(
            "`resources.{}` is not seen: `plimsoll status` says what its probe lacks",
            blind.name
        );
    }
    match (constraint, proposals) {
        (Some(_), Some(_)) => String::new(),
        _ => "once there is a diagnosis, `plimsoll advise` says whether a cheap change is left"
            .into(),
    }
}

/// What came from a route's cache lately.
fn saves(k: &Known, route: &str) -> String {
    let lately = rows(&k.told.routes).find(|r| r["route"] == route);
    let count = |key: &str| lately.and_then(|r| r[key].as_u64()).unwrap_or(0);
    let (hits, asked) = (
        count("cache_hits"),
        count("cache_hits") + count("cache_misses"),
    );
    match asked {
        0 => format!("cache of {route}: not asked in the last minute"),
        _ => format!(
            "cache of {route}: {:.0} % of {asked} requests of the last minute came from it",
            100.0 * hits as f64 / asked as f64
        ),
    }
}

/// How the model calls a database.
fn called(r: &Resource) -> String {
    format!("db.{}", r.name.strip_prefix("db.").unwrap_or(&r.name))
}

fn row<'a>(k: &'a Known, r: &Resource) -> Option<&'a model::diagnose::ResourceRow> {
    let rows = &k.answer.as_ref()?.diagnosis.resources;
    let name = called(r);
    rows.iter().find(|x| x.resource == name)
}

/// How busy a database is, and the statement that takes most of it; else what its probe complains about.
fn asked(k: &Known, r: &Resource) -> String {
    let name = &r.name;
    let Some(row) = row(k, r) else {
        let about = |n: &&serde_json::Value| {
            let about = n["about"].as_str().unwrap_or("");
            n["blind"] == true && about.contains(name.as_str())
        };
        let note = rows(&k.told.probes)
            .find(about)
            .and_then(|n| n["text"].as_str());
        return format!(
            "database {name}: not seen ({})",
            note.unwrap_or("no word of its probe")
        );
    };
    let busy = format!("database {name}: {:.0} % used", row.utilisation * 100.0);
    let first = called(r);
    let Some(s) = rows(&k.told.statements).find(|s| s["database"] == first.as_str()) else {
        return format!("{busy}, no statement seen");
    };
    let number = |key: &str| s[key].as_f64().unwrap_or(0.0);
    let text: String = s["text"]
        .as_str()
        .unwrap_or("")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let text: String = text.chars().take(MAX_STATEMENT).collect();
    let route = s["routes"][0][0].as_str();
    format!(
        "{busy}, most by `{text}`: {:.0} calls/s of {:.1} ms{}",
        number("calls"),
        number("seconds") * 1000.0,
        route.map_or(String::new(), |r| format!(", mostly for {r}"))
    )
}
