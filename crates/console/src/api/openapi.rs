//! The API as OpenAPI 3.1 tells it, made from the list of its calls.

use super::list::{CALLS, Call};
use crate::State;
use crate::guard::word;
use axum::Json;
use axum::extract::State as Extract;
use serde_json::{Map, Value, json};

pub async fn document(Extract(s): Extract<State>) -> Json<Value> {
    Json(whole(!s.access.load().users.is_empty()))
}

/// `users`: who asks has to say who they are.
fn whole(users: bool) -> Value {
    let mut paths = Map::new();
    for call in CALLS {
        let at = paths.entry(call.path).or_insert_with(|| json!({}));
        at[call.method] = operation(call);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Plimsoll",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the console and the commands ask. Changes need the header `plimsoll-api: 1`. \
                            Where the config names users, each call needs the token of one with the role that it says.",
        },
        "paths": paths,
        "security": if users { json!([{ "token": [] }]) } else { json!([]) },
        "components": {
            "responses": { "Problem": problem() },
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(call: &Call) -> Value {
    let mut parameters: Vec<Value> = call.parameters.iter().map(|p| parameter(call, p)).collect();
    if call.method == "post" {
        parameters.push(json!({
            "name": crate::guard::HEADER, "in": "header", "required": true,
            "schema": { "const": "1" },
        }));
    }
    let mut operation = json!({
        "summary": call.what,
        "description": format!("Takes the role `{}`.", word(call.role)),
        "operationId": id(call),
        "parameters": parameters,
        "responses": {
            "200": { "description": call.what, "content": { "application/json": { "schema": {} } } },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    if let Some(example) = call
        .body
        .and_then(|b| serde_json::from_str::<Value>(b).ok())
    {
        let content = json!({ "application/json": { "schema": schema(&example), "example": bare(&example) } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

/// Numbers beyond are refused.
const MOST: u32 = u32::MAX;

/// What is like an example.
fn schema(example: &Value) -> Value {
    match example {
        Value::Object(all) => {
            let properties: Map<String, Value> = all
                .iter()
                .map(|(k, v)| (name(k).into(), schema(v)))
                .collect();
            let required: Vec<&String> = all.keys().filter(|k| !k.ends_with('?')).collect();
            json!({ "type": "object", "properties": properties, "required": required })
        }
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(n) if n.is_u64() => {
            json!({ "type": "integer", "minimum": 0, "maximum": MOST })
        }
        Value::Number(_) => json!({ "type": "number" }),
        _ => json!({ "type": "string" }),
    }
}

/// The example itself.
fn bare(example: &Value) -> Value {
    match example {
        Value::Object(all) => (all.iter().map(|(k, v)| (name(k).to_owned(), bare(v)))).collect(),
        other => other.clone(),
    }
}

fn name(of: &str) -> &str {
    of.trim_end_matches('?')
}

fn parameter(call: &Call, name: &str) -> Value {
    let bare = self::name(name);
    let inside = call.path.contains(&format!("{{{bare}}}"));
    let kind = match bare {
        "n" | "last_s" | "since_s" | "min_ms" | "number" | "after" | "from" | "limit" => {
            json!({ "type": "integer", "minimum": 0, "maximum": MOST })
        }
        "back" => json!({ "type": "boolean" }),
        _ => json!({ "type": "string" }),
    };
    json!({
        "name": bare,
        "in": if inside { "path" } else { "query" },
        "required": inside || bare == name,
        "schema": kind,
    })
}

/// `get_trials_id`.
fn id(call: &Call) -> String {
    let path = call.path.trim_start_matches("/api/v1/");
    let name: String = path
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    format!(
        "{}_{}",
        call.method,
        name.replace("__", "_").trim_matches('_')
    )
}

fn problem() -> Value {
    let finding = json!({
        "type": "object",
        "properties": { "code": { "type": "string" }, "what": { "type": "string" }, "help": { "type": "string" } },
    });
    let schema = json!({
        "type": "object",
        "required": ["status", "title"],
        "properties": {
            "status": { "type": "integer" },
            "title": { "type": "string" },
            "findings": { "type": "array", "items": finding },
        },
    });
    json!({
        "description": "What is wrong, and what to do (RFC 9457)",
        "content": { "application/problem+json": { "schema": schema } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_call_is_in_the_document_once_with_its_parameters() {
        let document = whole(true);
        let mut ids = BTreeSet::new();
        for call in CALLS {
            let told = &document["paths"][call.path][call.method];
            assert_eq!(told["summary"], call.what, "{} {}", call.method, call.path);
            assert!(ids.insert(told["operationId"].to_string()), "twice: {told}");
            let inside = call.path.matches('{').count();
            let named = told["parameters"].as_array().unwrap();
            assert_eq!(
                named.iter().filter(|p| p["in"] == "path").count(),
                inside,
                "{}",
                call.path
            );
            assert_eq!(
                call.body.is_some(),
                told["requestBody"].is_object(),
                "{}",
                call.path
            );
        }
    }
}
