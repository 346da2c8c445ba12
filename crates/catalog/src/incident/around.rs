//! What was known besides what people wrote into an incident's file.

use super::{Action, Happened, Incident, Stage, merge, second};
use crate::Catalog;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// How long before it began changes are of interest.
const BEFORE: SignedDuration = SignedDuration::from_mins(30);
/// How an entry begins that the ledger tells.
pub const LEDGER: &str = "ledger: ";

/// An entry of the ledger; `None`: its time is none.
pub fn changed(at_ms: i64, text: &str, who: &str) -> Option<Happened> {
    let at = Timestamp::from_millisecond(at_ms).ok()?;
    Some(Happened {
        at: second(at),
        text: format!("{LEDGER}{text} ({who})"),
    })
}

impl Incident {
    /// Those of `known` that lie from shortly before it began until `until`.
    pub fn around(&self, known: Vec<Happened>, until: Timestamp) -> Vec<Happened> {
        let from = self.start().and_then(|s| s.checked_sub(BEFORE).ok());
        let within = |h: &Happened| from.is_none_or(|f| h.at >= f) && h.at <= until;
        known.into_iter().filter(within).collect()
    }

    /// Takes into the timeline what is known besides, in order.
    pub fn learn(&mut self, more: Vec<Happened>) {
        merge(&mut self.timeline, more);
    }

    pub fn to_json(&self) -> Value {
        let timeline: Vec<_> = (self.timeline.iter())
            .map(|h| json!({ "at": h.at.to_string(), "text": h.text }))
            .collect();
        let action =
            |a: &Action| json!({ "what": a.what, "owner": a.owner, "due": a.due, "done": a.done });
        let actions = self.actions.as_ref();
        let mut told = json!({
            "actions": actions.map(|all| all.iter().map(action).collect::<Vec<_>>()),
            "id": self.id,
            "title": self.title,
            "stage": self.stage().word(),
            "severity": self.severity,
            "alert": self.alert,
            "service": self.service.as_ref().map(|s| &s.name),
            "detected": self.detected.map(|d| d.to_string()),
            "timeline": timeline,
        });
        if let (Value::Object(told), Value::Object(times)) = (&mut told, self.times().to_json()) {
            told.extend(times);
        }
        told
    }
}

impl Catalog {
    /// Newest first.
    pub fn newest(&self) -> Vec<&Incident> {
        let mut all: Vec<&Incident> = self.incidents.values().collect();
        all.sort_by_key(|i| std::cmp::Reverse(i.detected));
        all
    }

    /// Those that are not resolved, newest first.
    pub fn open(&self) -> Vec<&Incident> {
        let mut all = self.newest();
        all.retain(|i| i.stage() != Stage::Resolved);
        all
    }

    /// What to call everybody who is known: whoever was on call, and others; `also` is somebody besides.
    pub fn roles(&self, i: &Incident, also: Option<String>) -> Vec<(String, String)> {
        let on_call = i.service.as_ref().and_then(|s| {
            let owner = self.owner(self.services.get(&s.name)?)?;
            let rotation = self.rotation(&owner)?;
            rotation.holder(i.start()?).map(str::to_owned)
        });
        let members = self.teams.values().flat_map(|t| &t.members);
        let rotations = self.rotations.values().flat_map(|r| r.people());
        let people = (self.people.keys().cloned())
            .chain(members.map(|m| m.name.clone()))
            .chain(rotations.map(str::to_owned))
            .chain(also);
        let first = on_call.map(|who| (who, "the on-call engineer".to_owned()));
        let others = people.map(|who| (who, "a responder".to_owned()));
        first.into_iter().chain(others).collect()
    }
}
