//! Numbers of the business.

use super::cost::WINDOW;
use super::{Answer, off_thread};
use crate::{State, worth};
use axum::extract::{Query, State as Extract};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub struct Ask {
    window: Option<String>,
}

pub async fn numbers(Extract(s): Extract<State>, Query(ask): Query<Ask>) -> Answer {
    off_thread(move || {
        let window = ask.window.as_deref().unwrap_or(WINDOW);
        let span = cost::span(window, s.costs.now_s()).map_err(|f| vec![f])?;
        let numbers = worth::over(&s, span);
        Ok(json!({ "from_s": span.from_s, "to_s": span.to_s, "numbers": numbers }))
    })
    .await
}
