//! An alert: what people and notifiers are told of.

use crate::{Objective, Scope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody is woken.
    Page,
    /// Somebody looks at it in the morning.
    Ticket,
}

impl Severity {
    pub const ALL: [Severity; 2] = [Severity::Page, Severity::Ticket];
    pub fn word(self) -> &'static str {
        match self {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Firing,
    Resolved,
}

/// What others know when it fires: found out by the caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// The resource that holds the system down.
    pub cause: Option<String>,
    /// Which instances of its service are not up, and why.
    #[serde(default)]
    pub down: Option<String>,
    /// The last change before it, with its time.
    pub change: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Of this time that it fires: objective, severity and begin.
    pub id: String,
    pub objective: String,
    pub scope: Scope,
    pub name: String,
    pub service: String,
    pub severity: Severity,
    pub state: State,
    pub started_ms: u64,
    pub ended_ms: Option<u64>,
    /// One sentence, for a screen that shows no more.
    pub summary: String,
    /// The promise, in words.
    pub promise: String,
    /// Rules that were sure when it fired.
    pub rules: Vec<String>,
    /// Times too fast that the error budget burns.
    pub burn: f64,
    /// Of the error budget, 1 when untouched; negative when overdrawn.
    pub budget_left: f64,
    #[serde(flatten)]
    pub context: Context,
    pub owner: Option<String>,
    pub runbook: Option<String>,
    /// What each notifier was told, by its name.
    #[serde(default)]
    pub told: BTreeMap<String, Told>,
}

/// What a notifier has been told of an alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The last state that it took; `None`: nothing yet.
    pub state: Option<State>,
    pub at_ms: u64,
    /// Tries that failed since, and when the next may be.
    pub tries: u32,
    pub next_ms: u64,
    /// Why the last try failed.
    pub error: Option<String>,
}

/// What is seen at the moment when it fires.
pub struct Seen<'a> {
    pub rules: Vec<String>,
    pub summary: String,
    pub burn: f64,
    pub budget_left: f64,
    pub context: &'a Context,
}

impl Alert {
    pub fn new(o: &Objective, severity: Severity, now_ms: u64, seen: Seen<'_>) -> Alert {
        Alert {
            id: format!("{}-{}-{now_ms}", o.id, severity.word()),
            objective: o.id.clone(),
            scope: o.scope,
            name: o.name.clone(),
            service: o.service.clone(),
            severity,
            state: State::Firing,
            started_ms: now_ms,
            ended_ms: None,
            summary: seen.summary,
            promise: o.text(),
            rules: seen.rules,
            burn: seen.burn,
            budget_left: seen.budget_left,
            context: seen.context.clone(),
            owner: o.owner.clone(),
            runbook: o.runbook.clone(),
            told: BTreeMap::new(),
        }
    }

    /// More than the summary, a line for each thing that helps.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("promised: {}", self.promise),
            format!(
                "error budget: {}; it burns {:.1} times too fast ({})",
                budget(self.budget_left),
                self.burn,
                self.rules.join(", ")
            ),
        ];
        let cause = self.context.cause.as_deref().unwrap_or("not known yet");
        lines.push(format!("held down by: {cause}"));
        lines.extend((self.context.down.iter()).map(|d| format!("instances: {d}")));
        lines.extend(
            self.context
                .change
                .iter()
                .map(|c| format!("last change: {c}")),
        );
        lines.extend(self.owner.iter().map(|o| format!("owner: {o}")));
        lines.extend(self.runbook.iter().map(|r| format!("runbook: {r}")));
        lines
    }
}

/// `61 % left`, or how far it is overdrawn.
pub fn budget(left: f64) -> String {
    match left {
        l if l >= 0.0 => format!("{:.1} % left", l * 100.0),
        l if l > -10.0 => format!("overdrawn by {:.0} %", -l * 100.0),
        l => format!("overdrawn {:.0} times", -l),
    }
}
