//! A folder as a history.

use super::faults::Faults;
use super::{SPAN_S, STATEMENTS, TRACED, requests, signals, table, usage, uses, yaml};
use crate::probes::told::Told;
use crate::roll::{Bounds, Roller};
use base::{Class, Finding, History, Names, ResourceInfo, RouteInfo, Severity};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A recording that has been read.
#[derive(Debug)]
pub struct Recording {
    pub history: History,
    pub names: Names,
    /// Errors first. With errors the history holds what could be understood, and should not be trusted.
    pub findings: Vec<Finding>,
}

impl Recording {
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }
}

/// Reads a folder. Never fails: what is wrong is in the findings.
pub fn read(folder: &Path) -> Recording {
    let names = Names::default();
    let mut faults = Faults::default();
    let mut infos = yaml::resources(folder, &mut faults);
    // What is described is a column, also when no row uses it.
    for name in infos.keys() {
        names.resources.intern(name);
    }
    let objectives = yaml::slo(folder, &mut faults);
    let meta = yaml::meta(folder, &mut faults);
    let mut roller = Roller::new(Bounds {
        open: SPAN_S + 3600,
        ..Bounds::RECORDING
    });
    let mut services = BTreeMap::new();
    match requests::survey(folder, &names, &mut faults) {
        Err(f) => faults.push(f),
        Ok(survey) => {
            for (i, name) in names.resources.all().iter().enumerate() {
                if name.split('.').next() == Some("db") {
                    roller.mark_db(base::ResourceIx(i as u16));
                }
            }
            match requests::feed(folder, &survey, &names, &mut roller, &mut faults) {
                Err(f) => faults.push(f),
                Ok(facts) => tell(&facts, &survey, &mut faults),
            }
            services = survey.routes;
        }
    }
    match usage::read(folder, &names, &infos, &mut faults) {
        Err(f) if table::present(&folder.join(super::USAGE)).exists() => faults.push(f),
        Err(_) => faults.push(
            Finding::warning(
                "recording-no-usage",
                format!("there is no {}", folder.join(super::USAGE).display()),
            )
            .why("without it nothing is known of resources but what requests tell of themselves")
            .help("add usage.csv with the CPU of each service once a second"),
        ),
        Ok(cells) => {
            for (second, cells) in cells {
                roller.resources(second, cells);
            }
        }
    }
    for (second, cells) in uses::read(folder, &names, &mut faults) {
        roller.uses(second, cells);
    }
    for (second, cells) in signals::read(folder, &names, &infos, &mut faults) {
        roller.signals(second, cells);
    }
    let statements = uses::list(folder, STATEMENTS, &mut faults);
    let traced = uses::list(folder, TRACED, &mut faults);
    let mut windows = roller.finish();
    let mut told = Told::default();
    for w in &mut windows {
        told.fill(w, &names, &[]);
    }
    let resources = names
        .resources
        .all()
        .iter()
        .map(|name| {
            infos
                .remove(&**name)
                .unwrap_or_else(|| unknown(name, &mut faults))
        })
        .collect();
    let routes: Vec<RouteInfo> = names
        .routes
        .all()
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let said = meta.routes.get(&**name).cloned().unwrap_or_default();
            let seen = services
                .get(&base::RouteIx(i as u16))
                .cloned()
                .unwrap_or_default();
            RouteInfo {
                name: name.to_string(),
                service: said.service.or(seen.0).unwrap_or_default(),
                objective: objectives.get(&**name).copied(),
                safe: said.safe.unwrap_or(seen.1),
                cached_ttl_s: said.cached_ttl_s,
            }
        })
        .collect();
    let nowhere =
        |n: &&String| names.routes.find(n).is_none() && !meta.routes.contains_key(n.as_str());
    for name in objectives.keys().filter(nowhere) {
        faults.push(
            Finding::warning(
                "recording-unknown-route",
                format!("slo.yaml names `{name}`, which no request has"),
            )
            .at(folder.join(super::SLO).display().to_string(), 0, 0),
        );
    }
    let mut instances = meta.instances;
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for name in names.instances.all() {
        let (service, _) = super::names::outside(&name);
        if !service.is_empty() {
            *seen.entry(service.to_owned()).or_default() += 1;
        }
    }
    for service in routes.iter().map(|r| &r.service).filter(|s| !s.is_empty()) {
        seen.entry(service.clone()).or_insert(1);
    }
    for (service, n) in seen {
        instances.entry(service).or_insert(n);
    }
    Recording {
        history: History {
            routes,
            resources,
            instances: instances.into_iter().collect(),
            windows: windows.into_iter().map(Arc::new).collect(),
            incidents: meta.incidents,
            statements,
            traced,
        },
        names,
        findings: faults.finish(),
    }
}

/// A resource that `resources.yaml` does not describe.
fn unknown(name: &str, faults: &mut Faults) -> ResourceInfo {
    let info = ResourceInfo::from_name(name);
    if info.class == Class::Unknown {
        faults.push(
            Finding::warning("recording-unknown-class", format!("nothing tells what kind of resource `{name}` is"))
                .why("without its class and discipline its queue cannot be predicted")
                .help(format!(
                    "describe it in resources.yaml, such as `{name}: {{ class: compute, discipline: ps, unit: cores }}`, \
                     or begin its name with cpu. lock. pool. disk. net. or mem."
                )),
        );
    }
    info
}

fn tell(facts: &requests::Facts, survey: &requests::Survey, faults: &mut Faults) {
    let mut say = |n: u64, code: &str, what: &str, why: &str| {
        if n > 0 {
            faults.push(Finding::warning(code, format!("{n} {what}")).why(why));
        }
    };
    say(
        facts.skipped_early,
        "recording-too-long",
        "requests lie before the last 4 h of the recording and are left out",
        "a longer stretch does not fit into memory, and old demand misleads",
    );
    say(
        facts.uses_dropped,
        "recording-many-uses",
        "rows have more than 4 `use.` columns filled; the first 4 count",
        "",
    );
    say(
        facts.unsorted_keys,
        "recording-unsorted",
        "rows come more than 60 s out of order and are left out of the cache's hit ratio",
        "a cache needs time to go forward; sort the rows by arrival_s",
    );
    if facts.unfinished > 0 {
        faults.push(Finding::note(
            "recording-unfinished",
            format!(
                "{} requests have no duration: they count as in flight until the end",
                facts.unfinished
            ),
        ));
    }
    if survey.rows == 0 {
        faults.push(Finding::error(
            "recording-empty",
            "requests.csv has no rows",
        ));
    }
}
