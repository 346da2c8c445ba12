//! `cargo xtask bench scenarios [NAME…]`: does Plimsoll protect, and do its peers? Each scenario hurts the services or
//! floods the proxy, and says what was held against a target. Writes `bench/scenarios.md`.

mod changes;
mod clients;
mod contenders;
mod deadline;
mod envoy;
mod hangup;
mod heavy;
mod hedge;
mod hostile;
mod http;
mod origin;
mod outage;
mod overload;
mod page;
mod slow;
mod spike;
mod stampede;

use page::Section;
use std::path::{Path, PathBuf};

/// What a scenario is given.
pub struct Stage<'a> {
    plimsoll: &'a Path,
    /// `None`: it cannot be installed, and the page says so.
    envoy: Option<PathBuf>,
    /// For the files of the proxies.
    dir: &'a Path,
    /// Longer overload.
    full: bool,
}

type Run = fn(&Stage<'_>) -> Result<Section, String>;

/// In the order of the page.
const SCENARIOS: &[(&str, Run)] = &[
    ("overload", overload::run),
    ("overload-learned", overload::learned),
    ("heavy", heavy::run),
    ("heavy-learned", heavy::learned),
    ("slow", slow::run),
    ("hedge", hedge::run),
    ("spike", spike::run),
    ("stampede", stampede::run),
    ("outage", outage::run),
    ("changes", changes::run),
    ("hangup", hangup::run),
    ("deadline", deadline::run),
    ("hostile", hostile::run),
];

/// Runs these scenarios (all when none is named) and puts their sections into the page; the others' stay.
pub fn run(plimsoll: &Path, names: &[String], full: bool) -> Result<String, String> {
    let known: Vec<&str> = SCENARIOS.iter().map(|s| s.0).collect();
    if let Some(unknown) = names.iter().find(|n| !known.contains(&n.as_str())) {
        let all = known.join(", ");
        return Err(format!("no scenario `{unknown}`; there are: {all}"));
    }
    super::machine::open_many_files();
    let _first = super::machine::First::now();
    let dir = super::machine::folder()?;
    let envoy = envoy::install().inspect_err(|why| eprintln!("Envoy is SKIPPED: {why}"));
    let stage = Stage {
        plimsoll,
        envoy: envoy.ok(),
        dir: dir.path(),
        full,
    };
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    SCENARIOS
        .iter()
        .filter(|(name, _)| wanted(name))
        .try_for_each(|(name, run)| {
            eprintln!("== {name}");
            let section = run(&stage)?;
            page::put(name, &known, &section.text(plimsoll))
        })?;
    Ok(format!("{} is written", page::FILE))
}
