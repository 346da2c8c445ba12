//! Objectives and alerts, with what people read beside the numbers.

use crate::State;
use axum::Json;
use axum::extract::State as Extract;
use serde_json::{Value, json};
use slo::notify::text::time;

pub async fn slos(Extract(s): Extract<State>) -> Json<Value> {
    let rows = s.slos.slos().into_iter().map(|one| {
        let mut row = json!(one);
        row["alert"] = json!(one.alert());
        row
    });
    Json(rows.collect())
}

pub async fn alerts(Extract(s): Extract<State>) -> Json<Value> {
    let rows = s.slos.alerts().into_iter().map(|one| {
        let mut row = json!(one);
        row["lines"] = json!(one.lines());
        row["started"] = json!(time(one.started_ms));
        row["ended"] = json!(one.ended_ms.map(time));
        row
    });
    Json(rows.collect())
}
