//! What requests cost.

use super::{Answer, off_thread};
use crate::State;
use axum::extract::{Query, State as Extract};
use base::Finding;
use cost::By;
use serde::Deserialize;

/// The window when nobody says which.
pub const WINDOW: &str = "1h";

#[derive(Deserialize)]
pub struct Ask {
    by: Option<String>,
    window: Option<String>,
}

pub async fn report(Extract(s): Extract<State>, Query(ask): Query<Ask>) -> Answer {
    off_thread(move || {
        let by = ask.by.as_deref().map_or(Ok(By::default()), by)?;
        let window = ask.window.as_deref().unwrap_or(WINDOW);
        let span = cost::span(window, s.costs.now_s()).map_err(|f| vec![f])?;
        s.costs.report(by, span)
    })
    .await
}

fn by(word: &str) -> Result<By, Vec<Finding>> {
    By::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = By::ALL.iter().map(|b| b.word()).collect();
        let short: String = word.chars().take(80).collect();
        let what = format!("costs are not told by `{short}`");
        vec![Finding::error("cost-by", what).help(format!("by {}", known.join(", ")))]
    })
}
