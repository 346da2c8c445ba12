//! `cargo xtask bench scenarios [NAME…]`: does Plimsoll protect, and do its peers? Each scenario hurts the services or
//! floods the proxy, and says what was held against a target. Writes `bench/scenarios.md`.

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
    let dir = std::env::temp_dir().join(format!("plimsoll-scenarios-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let envoy = envoy::install().inspect_err(|why| eprintln!("Envoy is SKIPPED: {why}"));
    let stage = Stage {
        plimsoll,
        envoy: envoy.ok(),
        dir: &dir,
        full,
    };
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let done = SCENARIOS
        .iter()
        .filter(|(name, _)| wanted(name))
        .try_for_each(|(name, run)| {
            eprintln!("== {name}");
            let section = run(&stage)?;
            page::put(name, &known, &section.text(plimsoll))
        });
    let _ = std::fs::remove_dir_all(&dir);
    done.map(|()| format!("{} is written", page::FILE))
}
