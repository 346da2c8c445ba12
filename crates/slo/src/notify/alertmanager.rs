//! Alertmanager's API, version 2: `POST /api/v2/alerts`.

use super::text::{annotations, labels, time};
use crate::{Alert, State};
use serde_json::{Value, json};

pub const PATH: &str = "/api/v2/alerts";
/// Alertmanager ends what was not repeated for so long: four times the pause between repeats, as Prometheus does.
const HOLDS_MS: u64 = 240_000;

pub fn body(a: &Alert, state: State, link: Option<&str>, now_ms: u64) -> Value {
    let ends = match state {
        State::Firing => now_ms + HOLDS_MS,
        State::Resolved => a.ended_ms.unwrap_or(now_ms),
    };
    let mut alert = json!({
        "labels": labels(a),
        "annotations": annotations(a, link),
        "startsAt": time(a.started_ms),
        "endsAt": time(ends),
    });
    if let Some(link) = link {
        alert["generatorURL"] = json!(format!("{link}/slos"));
    }
    json!([alert])
}
