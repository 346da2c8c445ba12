//! The streams of events over the API.

use super::*;
use crate::{NewEvent, StreamAsk};
use serde::Deserialize;

pub async fn standing(Extract(s): Extract<State>) -> Answer {
    off_thread(move || s.streams.standing()).await
}

#[derive(Deserialize)]
pub struct List {
    after: Option<String>,
    limit: Option<u32>,
}

pub async fn list(Extract(s): Extract<State>, Query(ask): Query<List>) -> Answer {
    let after = ask.after.unwrap_or_default();
    off_thread(move || s.streams.list(&after, ask.limit.map_or(100, u64::from))).await
}

pub async fn read(Extract(s): Extract<State>, Query(ask): Query<StreamAsk>) -> Answer {
    off_thread(move || s.streams.read(&ask)).await
}

type By = Extension<Who>;

pub async fn append(
    Extract(s): Extract<State>,
    Extension(who): By,
    Json(new): Json<NewEvent>,
) -> Answer {
    let what = format!("streams: an event appended to {}", new.stream);
    noted(s, who, what, move |s| s.streams.append(&new)).await
}

#[derive(Deserialize)]
pub struct Replay {
    projection: String,
    /// JSON has one kind of number: `7.0` is whole, too.
    #[serde(default, deserialize_with = "crate::streams::whole")]
    from: u64,
    rate: Option<f64>,
}

pub async fn replay(
    Extract(s): Extract<State>,
    Extension(who): By,
    Json(ask): Json<Replay>,
) -> Answer {
    let what = format!("streams: {} replayed from {}", ask.projection, ask.from);
    noted(s, who, what, move |s| {
        s.streams.replay(&ask.projection, ask.from, ask.rate)
    })
    .await
}
