//! An incident: Markdown with its times in the head and a timeline. `incidents/ID.md`.

mod actions;
mod alarm;
mod around;
mod draft;
mod edit;
mod file;
mod times;

#[cfg(test)]
mod tests;

pub use actions::Action;
pub use alarm::{ALERT, Alarm, alerted, calmed, closed, is_over, joined, open_of, opened};
pub use around::{LEDGER, changed};
pub use draft::{draft, length};
pub use edit::{add, new, set};
pub use file::{change, create, path, read, read_all, slug};
pub use times::{Times, typical};

use crate::fields::{Fields, Named};
use crate::markdown;
use base::{Finding, Spot};
use jiff::Timestamp;

const KEYS: &[&str] = &[
    "title",
    "service",
    "severity",
    "alert",
    "began",
    "detected",
    "acknowledged",
    "mitigated",
    "resolved",
];
/// The heading of the timeline.
const TIMELINE: &str = "## Timeline";
/// Most entries of a timeline.
pub const MAX_ENTRIES: usize = 5000;

#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    pub id: String,
    pub title: String,
    pub service: Option<Named>,
    pub severity: Option<String>,
    /// Id of the alert that opened it; `None`: a person did.
    pub alert: Option<String>,
    /// When users began to feel it; `None`: not known, and then detection counts.
    pub began: Option<Timestamp>,
    pub detected: Option<Timestamp>,
    pub acknowledged: Option<Timestamp>,
    pub mitigated: Option<Timestamp>,
    pub resolved: Option<Timestamp>,
    pub timeline: Vec<Happened>,
    /// What is to be done after it; `None`: nobody has looked back.
    pub actions: Option<Vec<Action>>,
    pub spot: Spot,
}

/// Something that happened: what alerts, the ledger and people say all has this shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    pub at: Timestamp,
    pub text: String,
}

/// A step of an incident's life, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Open,
    Acknowledged,
    Mitigated,
    Resolved,
}

impl Stage {
    /// The key in the head.
    pub fn key(self) -> &'static str {
        match self {
            Stage::Open => "detected",
            Stage::Acknowledged => "acknowledged",
            Stage::Mitigated => "mitigated",
            Stage::Resolved => "resolved",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Stage::Open => "open",
            other => other.key(),
        }
    }
}

impl Incident {
    pub fn stage(&self) -> Stage {
        [Stage::Resolved, Stage::Mitigated, Stage::Acknowledged]
            .into_iter()
            .find(|stage| self.reached(*stage).is_some())
            .unwrap_or(Stage::Open)
    }

    /// When it came to a stage.
    pub fn reached(&self, stage: Stage) -> Option<Timestamp> {
        match stage {
            Stage::Open => self.detected,
            Stage::Acknowledged => self.acknowledged,
            Stage::Mitigated => self.mitigated,
            Stage::Resolved => self.resolved,
        }
    }

    /// When it began, as far as is known.
    pub fn start(&self) -> Option<Timestamp> {
        self.began.or(self.detected)
    }
}

pub fn parse(id: &str, file: &str, text: &str) -> (Incident, Vec<Finding>) {
    let split = markdown::split(file, text);
    let mut findings = split.findings;
    let mut f = Fields::new("an incident", &split.head.root, KEYS, &mut findings);
    let time = |t: &str| {
        t.parse()
            .map_err(|_| format!("`{t}` is no time: write `2026-11-28T04:00:00Z`"))
    };
    let incident = Incident {
        id: id.to_owned(),
        title: f.text("title").unwrap_or_else(|| id.to_owned()),
        service: f.word("service"),
        severity: f.text("severity"),
        alert: f.text("alert"),
        began: f.value("began", time),
        detected: f.value("detected", time),
        acknowledged: f.value("acknowledged", time),
        mitigated: f.value("mitigated", time),
        resolved: f.value("resolved", time),
        timeline: timeline(split.body),
        actions: actions::actions(split.body),
        spot: Spot {
            file: file.to_owned(),
            line: 1,
            column: 1,
        },
    };
    order(&incident, &mut findings);
    (incident, findings)
}

/// Adds those that are not there yet, and puts all in the order of their times; those of one second stay as they came.
fn merge(all: &mut Vec<Happened>, more: impl IntoIterator<Item = Happened>) {
    for h in more {
        if !all.contains(&h) {
            all.push(h);
        }
    }
    all.sort_by_key(|h| h.at);
}

/// The second in which an instant lies: timelines have no finer times.
pub fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// `- TIME text` below the heading, up to the next heading.
fn timeline(body: &str) -> Vec<Happened> {
    let below = body
        .lines()
        .skip_while(|l| l.trim_end() != TIMELINE)
        .skip(1);
    below
        .take_while(|l| !l.starts_with("## "))
        .filter_map(entry)
        .take(MAX_ENTRIES)
        .collect()
}

fn entry(line: &str) -> Option<Happened> {
    let (at, text) = line.strip_prefix("- ")?.split_once(' ')?;
    Some(Happened {
        at: at.parse().ok()?,
        text: text.trim().to_owned(),
    })
}

/// Times that contradict each other would make every duration a lie.
fn order(i: &Incident, findings: &mut Vec<Finding>) {
    let times = [
        ("began", i.began),
        ("detected", i.detected),
        ("acknowledged", i.acknowledged),
        ("mitigated", i.mitigated),
        ("resolved", i.resolved),
    ];
    let known: Vec<_> = times
        .iter()
        .filter_map(|(k, t)| t.map(|t| (k, t)))
        .collect();
    for pair in known.windows(2) {
        let ((before, a), (after, b)) = (pair[0], pair[1]);
        if b < a {
            let what = format!("`{after}` ({b}) is before `{before}` ({a})");
            findings.push(
                Finding::warning("incident-times", what)
                    .at(i.spot.file.clone(), 1, 1)
                    .help("correct the times in its head"),
            );
        }
    }
}
