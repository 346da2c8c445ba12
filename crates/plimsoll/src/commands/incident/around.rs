//! What happened around an incident, from everything in a running Plimsoll that knows.

use crate::ask;
use crate::cli::AskArgs;
use crate::exit::Failure;
use catalog::incident::{Happened, Incident, alerted, changed};
use jiff::Timestamp;
use serde_json::Value;
use slo::Alert;

/// What fills a timeline: one function for each kind of event that a running Plimsoll knows.
type Source = fn(&ask::Console, &Incident) -> Result<Vec<Happened>, Failure>;
const SOURCES: &[(&str, Source)] = &[("the ledger", ledger), ("alerts", alerts)];

pub struct More {
    pub found: Vec<Happened>,
    /// Which source was not there, and why.
    pub without: Vec<String>,
}

pub fn happened(ask: &AskArgs, i: &Incident, until: Timestamp) -> More {
    let mut more = More {
        found: Vec::new(),
        without: Vec::new(),
    };
    for (name, source) in SOURCES {
        match ask::console(ask).and_then(|at| source(&at, i)) {
            Ok(all) => more.found.extend(i.around(all, until)),
            Err(e) => more.without.push(format!("{name}: {}", e.what)),
        }
    }
    more
}

/// Generations, trials, verdicts and rollbacks.
fn ledger(at: &ask::Console, _: &Incident) -> Result<Vec<Happened>, Failure> {
    let lines: Vec<Value> = ask::get(at, "/api/v1/history?n=1000")?;
    let entry = |l: &Value| {
        let who = l["who"].as_str().unwrap_or("");
        changed(l["at_ms"].as_i64()?, l["text"].as_str()?, who)
    };
    Ok(lines.iter().filter_map(entry).collect())
}

/// Alerts of its service that began or ended; of all services where it names none.
fn alerts(at: &ask::Console, i: &Incident) -> Result<Vec<Happened>, Failure> {
    let all: Vec<Alert> = ask::get(at, "/api/v1/alerts")?;
    let service = i.service.as_ref().map(|s| s.name.as_str());
    let told = slo::alert::moments(&all, service).into_iter();
    Ok(told.filter_map(|(at, text)| alerted(at, &text)).collect())
}
