//! Labels, annotations and times, as all notifiers write them.

use crate::{Alert, State};
use serde_json::{Map, Value, json};

/// Of all alerts about objectives.
pub const NAME: &str = "PlimsollSlo";
/// While it fires, Prometheus' receivers expect this for its end.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// What tells alerts apart: the same from begin to end.
pub fn labels(a: &Alert) -> Map<String, Value> {
    let mut labels = Map::new();
    let mut put = |k: &str, v: &str| labels.insert(k.into(), json!(v));
    put("alertname", NAME);
    put("objective", &a.objective);
    put("severity", a.severity.word());
    put("service", &a.service);
    put("sloth_service", &a.service);
    put("sloth_slo", &a.objective);
    if a.scope == crate::Scope::Route {
        put("route", &a.name);
    }
    if let Some(owner) = &a.context.owner {
        put("owner", owner);
    }
    labels
}

pub fn annotations(a: &Alert, link: Option<&str>) -> Map<String, Value> {
    let mut notes = Map::new();
    let mut put = |k: &str, v: String| notes.insert(k.into(), json!(v));
    put("summary", a.summary.clone());
    put("description", a.lines().join("\n"));
    put("error_budget", crate::alert::budget(a.budget_left));
    if let Some(cause) = &a.context.cause {
        put("cause", cause.clone());
    }
    if let Some(down) = &a.context.down {
        put("instances", down.clone());
    }
    if let Some(change) = &a.context.change {
        put("last_change", change.clone());
    }
    if let Some(who) = &a.context.on_call {
        put("on_call", who.clone());
    }
    if let Some(runbook) = a.context.runbook_url(link) {
        put("runbook_url", runbook);
    }
    if let Some(step) = &a.context.step {
        put("runbook_step", step.clone());
    }
    notes
}

/// RFC 3339, in UTC.
pub fn time(ms: u64) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(i64::MAX));
    at.map_or_else(|_| NEVER.into(), |t| t.to_string())
}

/// The end as it is written for a state.
pub fn ended(a: &Alert, state: State) -> String {
    match state {
        State::Firing => NEVER.into(),
        State::Resolved => time(a.ended_ms.unwrap_or(a.started_ms)),
    }
}

/// At most so many bytes, cut between characters.
pub fn short(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
