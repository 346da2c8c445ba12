//! A recording on disk as the model reads it; what the offline commands share.

use crate::exit::{Exit, Failure};
use base::{Finding, History, Severity};
use model::Fit;
use model::demand::{self, NotYet};
use serde_json::json;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// What is older has little to do with what holds the system down now.
const LONGEST_S: u64 = 3600;

/// As much of `meta.yaml` is looked at, bytes.
const MAX_META: u64 = 64 * 1024;

pub struct Recorded {
    pub history: History,
    /// Made by somebody else: its usage may come from a clock that is seconds off.
    foreign: bool,
    /// Warnings and notes; errors end the command.
    pub findings: Vec<Finding>,
}

impl Recorded {
    /// At most its last hour.
    pub fn learn(&self) -> demand::Options {
        let first = self.history.windows.first().map_or(0, |w| w.index);
        let last = self.history.windows.last().map_or(0, |w| w.index + 1);
        demand::Options {
            span_s: last.saturating_sub(first).min(LONGEST_S),
            foreign: self.foreign,
            ..demand::Options::default()
        }
    }

    pub fn fit(&self) -> Result<Fit, NotYet> {
        demand::fit(&self.history, &self.learn())
    }
}

/// Reads the folder; errors in it stop the command, all of them at once.
pub fn read(folder: &Path) -> Result<Recorded, Failure> {
    let recording = telemetry::recording::read(folder);
    if recording.has_errors() {
        return Err(refused(&recording.findings));
    }
    Ok(Recorded {
        history: recording.history,
        foreign: !written_here(folder),
        findings: recording.findings,
    })
}

/// Whether `plimsoll record` wrote it.
fn written_here(folder: &Path) -> bool {
    let mut text = String::new();
    std::fs::File::open(folder.join(telemetry::recording::META))
        .and_then(|f| f.take(MAX_META).read_to_string(&mut text))
        .is_ok_and(|_| {
            text.lines()
                .any(|l| l.starts_with("written_by: plimsoll ") && !l.contains(" import "))
        })
}

/// The config for moves that look at what is configured; a recording needs none.
pub fn config(file: &Path) -> Result<Option<Arc<config::Config>>, Failure> {
    if !file.exists() {
        return Ok(None);
    }
    let checked = config::check(file);
    match checked.config {
        Some(c) => Ok(Some(Arc::new(c))),
        None => Err(refused(&checked.findings)),
    }
}

/// Findings as the reason why a command stops.
pub fn refused(findings: &[Finding]) -> Failure {
    let wrong = |f: &&Finding| f.severity == Severity::Error;
    let all: Vec<String> = findings
        .iter()
        .filter(wrong)
        .map(ToString::to_string)
        .collect();
    Failure::new(all.join("\n"))
}

/// Too little was recorded: its own clear answer.
pub fn not_yet(e: &NotYet, json: bool) -> Result<Exit, Failure> {
    if json {
        println!(
            "{}",
            json!({ "not_enough_evidence": { "more_s": e.more_s, "why": e.why } })
        );
    } else {
        println!("{} ({})", model::diagnose::not_yet(e).summary, e.why);
    }
    Ok(Exit::Not)
}
