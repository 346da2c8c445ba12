//! That a runbook was run: one line of JSON each in `runs.jsonl`, so that git merges what two people add.

use base::Finding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The file in the catalog's folder.
pub const FILE: &str = "runs.jsonl";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub runbook: String,
    #[serde(with = "instant")]
    pub at: Timestamp,
    pub who: String,
    /// All steps that were run ended with 0.
    pub ok: bool,
    /// Names of the steps that were run, and how each ended; `None`: its time was over.
    pub steps: Vec<(String, Option<i32>)>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub incident: Option<String>,
}

/// A line that cannot be read is a finding; the others count.
pub fn parse(file: &str, text: &str) -> (Vec<Run>, Vec<Finding>) {
    let (mut runs, mut findings) = (Vec::new(), Vec::new());
    for (i, line) in text.lines().enumerate().filter(|l| !l.1.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(run) => runs.push(run),
            Err(e) => findings.push(
                Finding::warning("catalog-runs", format!("this run cannot be read: {e}"))
                    .at(file.to_owned(), i as u32 + 1, 1)
                    .help("take the line away; `plimsoll runbook run` writes the others"),
            ),
        }
    }
    (runs, findings)
}

/// When a runbook was run last, from `runs` in any order.
pub fn last<'a>(runs: &'a [Run], runbook: &str) -> Option<&'a Run> {
    let of = runs.iter().filter(|r| r.runbook == runbook);
    of.max_by_key(|r| r.at)
}

/// An instant as text.
mod instant {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
