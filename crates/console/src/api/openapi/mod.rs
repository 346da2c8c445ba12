//! The API as OpenAPI 3.1 tells it, made from the list of its calls and the table of what they answer.

mod shape;
mod text;

use super::list::{CALLS, Call};
use super::prometheus;
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
    for call in prometheus::CALLS {
        let at = paths.entry(call.path).or_insert_with(|| json!({}));
        at["get"] = asked(call);
        if prometheus::READ_BY_POST.contains(&call.path) {
            at["post"] = posted(call);
        }
    }
    paths.extend(text::paths());
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
            "schemas": shape::named(),
            "responses": { "Problem": problem(), "Busy": busy(), "PrometheusProblem": refused() },
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(call: &Call) -> Value {
    let mut parameters = parameters(call.path, call.parameters);
    if call.method == "post" {
        parameters.push(json!({
            "name": crate::guard::HEADER, "in": "header", "required": true,
            "schema": { "const": "1" },
        }));
    }
    let mut operation = json!({
        "summary": call.what,
        "description": format!("Takes the role `{}`.", word(call.role)),
        "operationId": id(call.method, call.path),
        "parameters": parameters,
        "responses": {
            "200": good(call.what, call.method, call.path),
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    if call.path == TURNS {
        let busy = json!({ "$ref": "#/components/responses/Busy" });
        operation["responses"]["503"] = busy;
    }
    if let Some(example) = call
        .body
        .and_then(|b| serde_json::from_str::<Value>(b).ok())
    {
        let content = json!({ "application/json": { "schema": schema(&example), "example": bare(&example) } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

/// What asks a simulation; such questions take turns.
const TURNS: &str = "/api/v1/whatif";

fn good(what: &str, method: &str, path: &str) -> Value {
    let schema = shape::answer(method, path).unwrap_or_else(|| json!({}));
    json!({ "description": what, "content": { "application/json": { "schema": schema } } })
}

/// What Prometheus' clients ask.
fn asked(call: &prometheus::Call) -> Value {
    json!({
        "summary": call.what,
        "description": "As Prometheus has it.",
        "operationId": id("get", call.path),
        "parameters": parameters(call.path, call.parameters),
        "responses": {
            "200": good(call.what, "get", call.path),
            "default": { "$ref": "#/components/responses/PrometheusProblem" },
        },
    })
}

/// The same by a form, for long questions.
fn posted(call: &prometheus::Call) -> Value {
    let needed = call.parameters.iter().filter(|p| !p.ends_with('?'));
    let properties = call
        .parameters
        .iter()
        .map(|p| (name(p).to_owned(), field(p)));
    let form = json!({
        "type": "object",
        "properties": properties.collect::<Map<String, Value>>(),
        "required": needed.collect::<Vec<_>>(),
    });
    let mut operation = asked(call);
    operation["operationId"] = id("post", call.path).into();
    operation["parameters"] = json!([]);
    operation["responses"]["200"] = good(call.what, "post", call.path);
    let content = json!({ "application/x-www-form-urlencoded": { "schema": form } });
    operation["requestBody"] = json!({ "required": true, "content": content });
    operation
}

/// Of a form, where one value looks like a list of one.
fn field(of: &str) -> Value {
    match name(of) {
        "match[]" => json!({ "type": "string", "description": "may be repeated" }),
        other => kind(other),
    }
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
        Value::Array(all) => {
            let one = all.first().map(schema).unwrap_or_default();
            json!({ "anyOf": [one, { "type": "null" }] })
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
        Value::Object(all) => {
            let shown = all.iter().filter(|(k, _)| !k.ends_with("??"));
            shown.map(|(k, v)| (name(k).to_owned(), bare(v))).collect()
        }
        Value::Array(all) => all.first().map(bare).unwrap_or_default(),
        other => other.clone(),
    }
}

fn name(of: &str) -> &str {
    of.trim_end_matches('?')
}

fn parameters(path: &str, names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| parameter(path, name)).collect()
}

fn kind(of: &str) -> Value {
    match name(of) {
        "match[]" => json!({ "type": "array", "items": { "type": "string" } }),
        "after" | "from" => json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
        "n" | "last_s" | "since_s" | "min_ms" | "number" | "limit" => {
            json!({ "type": "integer", "minimum": 0, "maximum": MOST })
        }
        "back" => json!({ "type": "boolean" }),
        _ => json!({ "type": "string" }),
    }
}

fn parameter(path: &str, name: &str) -> Value {
    let bare = self::name(name);
    let inside = path.contains(&format!("{{{bare}}}"));
    // Streams are listed after a name; everything else after a number.
    let kind = match (path, bare) {
        ("/api/v1/streams/list", "after") => json!({ "type": "string" }),
        _ => kind(name),
    };
    json!({
        "name": bare,
        "in": if inside { "path" } else { "query" },
        "required": inside || bare == name,
        "schema": kind,
    })
}

/// `get_trials_id`.
fn id(method: &str, path: &str) -> String {
    let path = path.trim_start_matches("/api/v1/");
    let name: String = path
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    format!("{method}_{}", name.replace("__", "_").trim_matches('_'))
}

fn problem() -> Value {
    json!({
        "description": "What is wrong, and what to do (RFC 9457)",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}

/// A problem that passes.
fn busy() -> Value {
    let mut busy = problem();
    busy["description"] =
        json!("Questions of this kind are answered one at a time, and as many wait as may");
    busy["headers"] = json!({ "Retry-After": {
        "description": "Seconds after which to ask again",
        "schema": { "type": "integer", "minimum": 1 },
    } });
    busy
}

/// What is wrong with a question as Prometheus tells it; who may not ask is told as everywhere.
fn refused() -> Value {
    let mut problem = problem();
    problem["content"]["application/json"] =
        json!({ "schema": { "$ref": "#/components/schemas/PrometheusError" } });
    problem
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_answer_has_a_schema_and_no_line_of_the_table_is_for_nothing() {
        let document = whole(true);
        let paths = document["paths"].as_object().unwrap();
        let mut known = BTreeSet::new();
        for (path, methods) in paths {
            for (method, told) in methods.as_object().unwrap() {
                let content = told["responses"]["200"]["content"].as_object().unwrap();
                for (kind, content) in content {
                    let told = content["schema"].as_object();
                    assert!(
                        told.is_some_and(|s| !s.is_empty()),
                        "{method} {path}: {kind} has no schema: src/api/shapes has no line for it"
                    );
                }
                known.insert(format!("{method} {path}"));
            }
        }
        let table = shape::calls();
        assert_eq!(
            table.difference(&known).collect::<Vec<_>>(),
            Vec::<&String>::new()
        );
    }

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
