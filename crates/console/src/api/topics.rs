//! Topics over the API.

use super::*;
use crate::{EventList, TopicDeed};
use serde::Deserialize;

pub async fn status(Extract(s): Extract<State>) -> Answer {
    off_thread(move || s.topics.status()).await
}

pub async fn list(Extract(s): Extract<State>, Query(ask): Query<EventList>) -> Answer {
    off_thread(move || s.topics.list(&ask)).await
}

#[derive(Deserialize)]
pub struct Of {
    topic: String,
    subscription: String,
}

type By = Extension<Who>;

pub async fn pause(Extract(s): Extract<State>, by: By, Json(ask): Json<Of>) -> Answer {
    let (topic, subscription) = (ask.topic, ask.subscription);
    let deed = TopicDeed::Pause {
        topic,
        subscription,
    };
    act(s, by, deed).await
}

pub async fn resume(Extract(s): Extract<State>, by: By, Json(ask): Json<Of>) -> Answer {
    let (topic, subscription) = (ask.topic, ask.subscription);
    let deed = TopicDeed::Resume {
        topic,
        subscription,
    };
    act(s, by, deed).await
}

pub async fn redrive(Extract(s): Extract<State>, by: By, Json(ask): Json<Of>) -> Answer {
    let (topic, subscription) = (ask.topic, ask.subscription);
    let deed = TopicDeed::Redrive {
        topic,
        subscription,
    };
    act(s, by, deed).await
}

async fn act(s: State, Extension(who): By, deed: TopicDeed) -> Answer {
    noted(s, who, deed.said(), move |s| s.topics.act(&deed)).await
}
