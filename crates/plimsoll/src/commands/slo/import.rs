//! `plimsoll slo import`: objectives from OpenSLO into the config file.

use super::good;
use crate::cli::slo::ImportArgs;
use crate::commands::adopt::replace;
use crate::exit::{Exit, Failure};
use crate::show;
use crate::wire::system::failure;
use config::{Overlay, edit, overlay_for};
use slo::openslo;
use std::path::Path;

pub fn run(args: ImportArgs) -> Result<Exit, Failure> {
    let shown = args.file.display().to_string();
    let text =
        std::fs::read_to_string(&args.file).map_err(|e| Failure::new(format!("{shown}: {e}")))?;
    let (config, checked) = good(&args.config)?;
    let (ops, notes) = openslo::import(&shown, &text, &config).map_err(|all| failure(&all))?;
    for note in &notes {
        eprintln!("{note}");
    }
    if ops.is_empty() {
        return Err(Failure::new(format!("{shown} has no objectives"))
            .help("it needs documents with `apiVersion: openslo/v1` and `kind: SLO`"));
    }
    let overlay = Overlay {
        id: "openslo".into(),
        owner: String::new(),
        reason: format!("imported from {shown}"),
        evidence: String::new(),
        ops: overlay_for(&checked.document, ops),
        created_at: 0,
        expires_at: None,
        share: None,
    };
    let changed = edit::adopt_all(&checked.document, &overlay).map_err(|f| failure(&[f]))?;
    let old = |name: &str| (checked.document.sources.iter()).find(|s| &*s.0 == name);
    let mut written = 0;
    for (name, new) in &changed {
        let diff = show::lines::diff(old(name).map_or("", |s| &s.1), new);
        if diff.is_empty() {
            continue;
        }
        print!("{name}\n{diff}");
        if !args.dry_run {
            replace(Path::new(name), new)
                .map_err(|e| Failure::new(format!("{name} was not written: {e}")))?;
            written += 1;
        }
    }
    match (written, args.dry_run) {
        (0, false) => println!("nothing to write: the config has these objectives"),
        (_, false) => println!("written; a running Plimsoll takes it within a second"),
        (_, true) => {}
    }
    Ok(Exit::Ok)
}
