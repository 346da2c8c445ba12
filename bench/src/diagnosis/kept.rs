//! What is kept of one scenario and seed: a file in `bench/diagnosis`, with the commit and the day of each of its parts.

use crate::machine;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is measured of a scenario, in this order. The truth is measured with the first seed only.
pub const PARTS: [&str; 4] = ["watch", "line", "lifted", "runner-up"];

/// One row. `row` is the answer as `plimsoll example planted` gives it, from the recording, by the code of `answered`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    pub scenario: String,
    pub seed: u64,
    pub row: Value,
    /// Commit and date of `watch`, `answered` and each line.
    pub stamps: serde_json::Map<String, Value>,
    /// By part: `rps`, `held_s`, `lowered`; or why there is none.
    pub truth: serde_json::Map<String, Value>,
}

impl Kept {
    pub fn new(scenario: &str, seed: u64) -> Kept {
        Kept {
            scenario: scenario.into(),
            seed,
            ..Kept::default()
        }
    }

    pub fn path(folder: &Path, scenario: &str, seed: u64) -> PathBuf {
        folder.join(format!("{scenario}-{seed}.json"))
    }

    /// An empty one where there is no file.
    pub fn read(folder: &Path, scenario: &str, seed: u64) -> Result<Kept, String> {
        let path = Kept::path(folder, scenario, seed);
        let Ok(text) = std::fs::read_to_string(&path) else {
            return Ok(Kept::new(scenario, seed));
        };
        let v: Value =
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        let object = |key: &str| v[key].as_object().cloned().unwrap_or_default();
        Ok(Kept {
            row: v["row"].clone(),
            stamps: object("stamps"),
            truth: object("truth"),
            ..Kept::new(scenario, seed)
        })
    }

    pub fn write(&self, folder: &Path) -> Result<(), String> {
        let path = Kept::path(folder, &self.scenario, self.seed);
        let all = json!({ "scenario": self.scenario, "seed": self.seed, "stamps": self.stamps,
            "truth": self.truth, "row": self.row });
        let text = serde_json::to_string_pretty(&all).map_err(|e| e.to_string())? + "\n";
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
    }

    pub fn stamp(&mut self, part: &str, now: &Value) {
        self.stamps.insert(part.into(), now.clone());
    }

    /// Requests per second of a line, if it was found.
    pub fn rps(&self, part: &str) -> Option<f64> {
        self.truth.get(part)?["rps"].as_f64()
    }

    /// Whether the line was held for a minute, as the protocol asks.
    pub fn held(&self, part: &str) -> bool {
        self.truth
            .get(part)
            .is_some_and(|t| t["held_s"].as_u64() >= Some(60))
    }

    pub fn asks(&self) -> &str {
        self.row["asks"].as_str().unwrap_or("")
    }

    /// What is asked for is a constraint, and not that nobody guesses.
    pub fn planted(&self) -> bool {
        self.asks() == "constraint"
    }

    /// What has still to be measured, in order. A line that cannot be measured is not tried again.
    pub fn missing(&self) -> Vec<&'static str> {
        let mut all = Vec::new();
        if self.row.is_null() {
            all.push(PARTS[0]);
        }
        let lines = self.seed == 1 && (self.row.is_null() || self.planted());
        let open = |p: &&&str| lines && !self.truth.contains_key(**p);
        all.extend(PARTS[1..].iter().filter(open));
        all
    }

    /// `Some(true)`: the planted limit is what holds it down, and the runner-up is not.
    pub fn valid(&self) -> Option<bool> {
        let line = self.rps("line")?;
        let lifted = self.rps("lifted")? >= 1.2 * line;
        match self.rps("runner-up") {
            Some(other) => Some(lifted && other < 1.05 * line),
            None if !lifted => Some(false),
            None => None,
        }
    }

    /// What it was watched on; `None`: nobody wrote it down.
    pub fn machine(&self) -> Option<&str> {
        self.stamps.get("watch")?["machine"].as_str()
    }

    /// Commits and days, for the reader to see what is old.
    pub fn when(&self) -> String {
        let of = |part: &str| {
            let s = self.stamps.get(part)?;
            let text = |key: &str| s[key].as_str().unwrap_or("?").to_owned();
            Some(format!("{part} {} {}", text("commit"), text("date")))
        };
        let parts = PARTS.iter().copied().chain(["answered"]);
        parts.filter_map(of).collect::<Vec<String>>().join(", ")
    }
}

/// The commit that is measured (with a `+` where the tree has changes), the day, and the machine.
pub fn now() -> Value {
    let said = |program: &str, args: &[&str]| {
        let out = Command::new(program).args(args).output();
        out.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
            .unwrap_or_default()
    };
    let changed = said(
        "git",
        &["status", "--porcelain", "--", "crates", "examples", "xtask"],
    );
    let plus = if changed.is_empty() { "" } else { "+" };
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    json!({ "commit": format!("{commit}{plus}"), "date": said("date", &["+%F"]), "machine": machine::processor() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_known_and_a_file_brings_back_what_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut k = Kept::read(folder.path(), "lock", 1).unwrap();
        assert_eq!(k.missing(), PARTS);
        k.row = json!({ "asks": "constraint" });
        k.stamp("watch", &json!({ "commit": "abc", "date": "2026-11-29" }));
        k.truth
            .insert("line".into(), json!({ "rps": 100.0, "held_s": 60 }));
        assert_eq!(k.missing(), ["lifted", "runner-up"]);
        k.write(folder.path()).unwrap();
        let again = Kept::read(folder.path(), "lock", 1).unwrap();
        assert_eq!(again, k);
        assert!(again.held("line") && !again.held("lifted"));
        assert_eq!(again.when(), "watch abc 2026-11-29");
        assert_eq!(
            Kept {
                seed: 2,
                ..k.clone()
            }
            .missing(),
            [""; 0]
        );
        k.row = json!({ "asks": "no constraint" });
        assert_eq!(k.missing(), [""; 0], "nothing to lift");
    }

    #[test]
    fn a_scenario_is_valid_when_the_planted_limit_and_nothing_else_lifts_the_line() {
        let of = |lifted: f64, other: Option<f64>| {
            let mut k = Kept::new("x", 1);
            k.truth.insert("line".into(), json!({ "rps": 100.0 }));
            k.truth.insert("lifted".into(), json!({ "rps": lifted }));
            if let Some(o) = other {
                k.truth.insert("runner-up".into(), json!({ "rps": o }));
            }
            k.valid()
        };
        assert_eq!(of(190.0, Some(102.0)), Some(true));
        assert_eq!(of(190.0, Some(110.0)), Some(false));
        assert_eq!(of(110.0, None), Some(false));
        assert_eq!(of(190.0, None), None);
        assert_eq!(Kept::new("x", 1).valid(), None);
    }
}
