//! Traces that are kept, as JSON.

use super::{Answer, off_thread};
use crate::State;
use ::traces::Ask;
use axum::extract::{Path, Query, State as Extract};
use serde_json::json;

pub async fn list(Extract(s): Extract<State>, Query(ask): Query<Ask>) -> Answer {
    off_thread(move || {
        let found = s.traces.list(&ask)?;
        Ok(json!({ "traces": found.traces, "next": found.next, "standing": s.traces.standing() }))
    })
    .await
}

pub async fn one(Extract(s): Extract<State>, Path(id): Path<String>) -> Answer {
    off_thread(move || s.traces.one(&id)).await
}
