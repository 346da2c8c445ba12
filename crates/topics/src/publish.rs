//! Takes events in: each is on disk with a row for every subscription that takes it before its publisher hears so.

use crate::Api;
use crate::fan_out::{bounds, message};
use crate::say::{self, Answer, failed, problem};
use cloudevents::{Bad, Draft, Event, Mode};
use config::sections::Topic;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts as Head;
use serde_json::json;
use store::topics::MAX_PUBLISHED;

/// Attributes of an event, and what stands around it, bytes.
const AROUND: usize = 64 << 10;
/// As many of the largest events as one batch may hold, all others being smaller.
const LARGEST: usize = 4;

/// Bytes of one request.
pub fn most(topic: &Topic) -> usize {
    // Base64 makes four bytes of three.
    topic.size as usize * LARGEST + AROUND
}

pub async fn publish(
    api: &Api,
    topic: &Topic,
    head: &Head,
    body: Vec<u8>,
) -> Result<Answer, Answer> {
    let events = events(head, body).map_err(|Bad(what)| problem(400, "event", &what))?;
    if events.is_empty() {
        return Err(problem(400, "event", "the batch is empty"));
    }
    for e in &events {
        if e.data.len() as u64 > topic.size {
            let what = format!(
                "the data of event `{}` has {} bytes; `{}` takes {}",
                e.id().chars().take(80).collect::<String>(),
                e.data.len(),
                topic.name,
                topic.size
            );
            return Err(problem(413, "topic-size", &what));
        }
    }
    let (store, now_ms) = (api.store()?, api.now_ms());
    let ids: Vec<String> = events.iter().map(|e| e.id().to_owned()).collect();
    let fanned = events.into_iter().map(|e| message(topic, e, now_ms));
    let fanned = fanned.collect::<Option<Vec<_>>>();
    let Some(fanned) = fanned else {
        return Err(problem(
            503,
            "topic-store",
            "the system gives no random numbers",
        ));
    };
    let published = store.publish(&topic.name, fanned, bounds(topic, now_ms));
    let published = published.await;
    let published = published.map_err(|e| failed(&e))?;
    api.parts.news.send_modify(|n| *n += 1);
    (api.parts.wake)();
    let shown = ids
        .iter()
        .zip(&published)
        .map(|(id, p)| json!({ "id": id, "position": p.position, "duplicate": p.duplicate }));
    let shown: Vec<_> = shown.collect();
    let status = match published.iter().all(|p| p.duplicate) {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    Ok(say::json(status, &json!({ "events": shown })))
}

fn events(head: &Head, body: Vec<u8>) -> Result<Vec<Event>, Bad> {
    let kind = head.headers.get(CONTENT_TYPE);
    let kind = kind.map(|v| v.to_str().unwrap_or("?"));
    let lines = head.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes()));
    cloudevents::read(Mode::of(kind)?, lines, body, MAX_PUBLISHED, Draft::check)
}
