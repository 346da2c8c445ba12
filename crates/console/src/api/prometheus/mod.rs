//! Prometheus' HTTP API, as much of it as Grafana needs to draw the past. Requests and answers have Prometheus' form,
//! errors too; the questions are those of `past::promql`.

mod ask;
mod json;

use self::ask::Asked;
use crate::{Served, State};
use axum::extract::{Form, Path, State as Extract};
use axum::http::{StatusCode, header};
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

/// A path, and what answers there.
type Call = (&'static str, fn() -> MethodRouter<Served>);

/// Every call, one line per member. Those that take long questions take them by POST, too.
const CALLS: &[Call] = &[
    ("/api/v1/query", || get(query).post(query)),
    ("/api/v1/query_range", || get(query_range).post(query_range)),
    ("/api/v1/labels", || get(labels).post(labels)),
    ("/api/v1/series", || get(all_series).post(all_series)),
    ("/api/v1/label/{name}/values", || get(values)),
    ("/api/v1/metadata", || get(metadata)),
    ("/api/v1/status/buildinfo", || get(build)),
    ("/-/healthy", || get(healthy)),
    ("/-/ready", || get(healthy)),
];

/// What changes nothing although it is posted.
pub const READ_BY_POST: [&str; 4] = [
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/labels",
    "/api/v1/series",
];

pub fn router() -> Router<Served> {
    let add = |router: Router<Served>, call: &Call| router.route(call.0, (call.1)());
    CALLS.iter().fold(Router::new(), add)
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
