//! PagerDuty's Events API, version 2.

use super::text::{labels, short, time};
use crate::{Alert, Severity, State};
use serde_json::{Value, json};

/// Bounds of the API, bytes.
const MAX_KEY: usize = 255;
const MAX_SUMMARY: usize = 1024;

/// The same key from begin to end: a second trigger of it opens nothing new.
pub fn body(a: &Alert, state: State, routing_key: &str, link: Option<&str>) -> Value {
    let key = short(&a.id, MAX_KEY);
    if state == State::Resolved {
        return json!({ "routing_key": routing_key, "event_action": "resolve", "dedup_key": key });
    }
    let severity = match a.severity {
        Severity::Page => "critical",
        Severity::Ticket => "warning",
    };
    let runbook = a.context.runbook_url(link);
    let page = runbook.as_deref().filter(|r| r.starts_with("http"));
    let page = page.map(|r| json!({ "href": r, "text": "runbook" }));
    let link = link.map(|l| json!({ "href": format!("{l}/slos"), "text": "alerts of Plimsoll" }));
    let details = json!({
        "lines": a.lines(),
        "labels": labels(a),
        "owner": a.context.owner,
        "on_call": a.context.on_call,
        "runbook": runbook,
        "runbook_step": a.context.step,
    });
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {
            "summary": short(&a.summary, MAX_SUMMARY),
            "source": a.service,
            "severity": severity,
            "timestamp": time(a.started_ms),
            "component": a.name,
            "group": a.service,
            "class": a.rules.join(", "),
            "custom_details": details,
        },
        "links": link.into_iter().chain(page).collect::<Vec<_>>(),
    })
}
