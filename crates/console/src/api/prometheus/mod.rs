//! Prometheus' HTTP API, as much of it as Grafana needs to draw the past. Requests and answers have Prometheus' form,
//! errors too; the questions are those of `past::promql`.

mod ask;
mod json;

use self::ask::Asked;
use super::problem::told;
use crate::{Served, State};
use axum::extract::{Form, Path, State as Extract};
use axum::http::{StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use past::Past;
use past::promql::{Refused, Steps, answer, series};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::sync::Semaphore;

/// Questions that are answered at once; the others wait. Each may take a processor and some memory.
static TURNS: Semaphore = Semaphore::const_new(2);
/// The Prometheus whose answers ours are compared with.
const LIKE: &str = "2.42.0";

/// One path. Long questions are taken by POST, too.
pub struct Call {
    pub path: &'static str,
    pub what: &'static str,
    /// As those of `list`.
    pub parameters: &'static [&'static str],
    handler: fn() -> MethodRouter<Served>,
}

const fn call(
    path: &'static str,
    what: &'static str,
    parameters: &'static [&'static str],
    handler: fn() -> MethodRouter<Served>,
) -> Call {
    Call {
        path,
        what,
        parameters,
        handler,
    }
}

/// Every call, one line per member: the router and `openapi.json` are made from it.
pub const CALLS: &[Call] = &[
    call(
        "/api/v1/query",
        "PromQL at one time",
        &["query", "time?"],
        || get(query).post(query),
    ),
    call(
        "/api/v1/query_range",
        "PromQL over a time",
        &["query", "start", "end", "step"],
        || get(query_range).post(query_range),
    ),
    call(
        "/api/v1/labels",
        "Names of labels",
        &["match[]?", "start?", "end?"],
        || get(labels).post(labels),
    ),
    call(
        "/api/v1/series",
        "Series that fit one of the selectors",
        &["match[]", "start?", "end?"],
        || get(all_series).post(all_series),
    ),
    call(
        "/api/v1/label/{name}/values",
        "Values of a label",
        &["name", "match[]?", "start?", "end?"],
        || get(values),
    ),
    call(
        "/api/v1/metadata",
        "Nothing: help and types are on the metrics page",
        &[],
        || get(metadata),
    ),
    call(
        "/api/v1/status/buildinfo",
        "The Prometheus whose answers these are like",
        &[],
        || get(build),
    ),
];

/// What Prometheus says of itself, as text.
const TEXTS: [&str; 2] = ["/-/healthy", "/-/ready"];

/// What changes nothing although it is posted.
pub const READ_BY_POST: [&str; 4] = [
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/labels",
    "/api/v1/series",
];

pub fn router() -> Router<Served> {
    let add = |router: Router<Served>, call: &Call| router.route(call.path, (call.handler)());
    let all = CALLS.iter().fold(Router::new(), add);
    let texts = |router: Router<Served>, path: &&'static str| router.route(path, get(healthy));
    TEXTS.iter().fold(all, texts).layer(map_response(told))
}

/// Works on what is remembered, off the async threads and in turn.
async fn in_turn(
    s: State,
    work: impl FnOnce(&Past) -> Result<String, Refused> + Send + 'static,
) -> Response {
    // Never closed.
    let _turn = TURNS.acquire().await;
    let done = tokio::task::spawn_blocking(move || work(&s.past.read())).await;
    match done {
        Ok(Ok(body)) => said(StatusCode::OK, body),
        Ok(Err(refused)) => refuse(&refused),
        Err(_) => said(
            StatusCode::INTERNAL_SERVER_ERROR,
            json::error("internal", "the work behind this answer ended early"),
        ),
    }
}

fn refuse(r: &Refused) -> Response {
    match r.bad_data {
        true => said(StatusCode::BAD_REQUEST, json::error("bad_data", &r.why)),
        false => said(
            StatusCode::UNPROCESSABLE_ENTITY,
            json::error("execution", &r.why),
        ),
    }
}

fn said(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn query(Extract(s): Extract<State>, Form(asked): Form<Asked>) -> Response {
    in_turn(s, move |past| {
        let at = asked.time("time")?.unwrap_or_else(ask::now_ms);
        let found = answer(past, asked.one("query")?, Steps::at(at))?;
        Ok(json::instant(&found, at))
    })
    .await
}

async fn query_range(Extract(s): Extract<State>, Form(asked): Form<Asked>) -> Response {
    in_turn(s, move |past| {
        let (start, end) = (asked.needed("start")?, asked.needed("end")?);
        let steps = Steps::new(start, end, asked.step()?)?;
        let found = answer(past, asked.one("query")?, steps)?;
        Ok(json::range(found, steps))
    })
    .await
}

/// Series that fit what is asked.
fn fitting(past: &Past, asked: &Asked) -> Result<Vec<past::Found>, Refused> {
    let (from, to) = asked.span()?;
    Ok(series(past, &asked.selectors()?, from, to))
}

async fn labels(Extract(s): Extract<State>, Form(asked): Form<Asked>) -> Response {
    in_turn(s, move |past| {
        let found = fitting(past, &asked)?;
        let mut names: BTreeSet<&str> = found
            .iter()
            .flat_map(|f| f.labels.iter().map(|l| l.0))
            .collect();
        if !found.is_empty() {
            names.insert("__name__");
        }
        Ok(json::data(&json!(names)))
    })
    .await
}

async fn values(
    Extract(s): Extract<State>,
    Path(name): Path<String>,
    Form(asked): Form<Asked>,
) -> Response {
    in_turn(s, move |past| {
        let found = fitting(past, &asked)?;
        let value = |f: &past::Found| match name.as_str() {
            "__name__" => Some(f.name.to_owned()),
            name => f.labels.iter().find(|l| l.0 == name).map(|l| l.1.clone()),
        };
        let values: BTreeSet<String> = found.iter().filter_map(value).collect();
        Ok(json::data(&json!(values)))
    })
    .await
}

async fn all_series(Extract(s): Extract<State>, Form(asked): Form<Asked>) -> Response {
    in_turn(s, move |past| {
        if asked.selectors()?.is_empty() {
            return Err(Refused::bad("no match[] parameter provided"));
        }
        let one = |f: &past::Found| {
            let mut labels = serde_json::Map::new();
            labels.insert("__name__".into(), f.name.into());
            labels.extend(
                f.labels
                    .iter()
                    .map(|l| (l.0.to_owned(), Value::from(l.1.clone()))),
            );
            Value::Object(labels)
        };
        let found: Vec<Value> = fitting(past, &asked)?.iter().map(one).collect();
        Ok(json::data(&json!(found)))
    })
    .await
}

/// Help and types are on the metrics page.
async fn metadata() -> Json<Value> {
    Json(json!({ "status": "success", "data": {} }))
}

async fn build() -> Json<Value> {
    let revision = concat!("plimsoll ", env!("CARGO_PKG_VERSION"));
    Json(json!({ "status": "success", "data": {
        "version": LIKE, "revision": revision, "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
    } }))
}

async fn healthy() -> &'static str {
    "Plimsoll is healthy.\n"
}
