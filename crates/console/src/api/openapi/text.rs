//! What is answered as text: the metrics, and whether all is well.

use serde_json::{Map, Value, json};

/// Path, what it tells, and whether it may say no. Anybody may ask these.
const ALL: &[(&str, &str, bool)] = &[
    (
        "/livez",
        "Whether a restart is needed: 200, or 503 with what hangs",
        true,
    ),
    (
        "/readyz",
        "Whether traffic is served: 200, or 503 with why not",
        true,
    ),
    ("/-/healthy", "That it runs, as Prometheus says it", false),
    ("/-/ready", "The same", false),
];

pub fn paths() -> Map<String, Value> {
    let one = |(path, what, no): &(&str, &str, bool)| {
        (path.to_string(), json!({ "get": plain(path, what, *no) }))
    };
    let mut all: Map<String, Value> = ALL.iter().map(one).collect();
    all.insert("/metrics".into(), json!({ "get": metrics() }));
    all
}

fn plain(path: &str, what: &str, no: bool) -> Value {
    let content = json!({ "text/plain": { "schema": { "type": "string" } } });
    let mut told = json!({
        "summary": what,
        "operationId": format!("get_{}", path.trim_start_matches(['/', '-'])),
        "parameters": [],
        "security": [],
        "responses": {
            "200": { "description": "It is so", "content": content.clone() },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    if no {
        told["responses"]["503"] =
            json!({ "description": "It is not, and why", "content": content });
    }
    told
}

fn metrics() -> Value {
    let text = json!({ "schema": { "type": "string" } });
    json!({
        "summary": "The metrics: as OpenMetrics with traces as exemplars where `Accept` asks for it, else as Prometheus' text",
        "operationId": "get_metrics",
        "parameters": [],
        "responses": {
            "200": {
                "description": "Families of metrics",
                "content": { "text/plain": text.clone(), "application/openmetrics-text": text },
            },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    })
}
