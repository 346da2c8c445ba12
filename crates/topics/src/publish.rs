//! Takes events in: each is on disk with a row for every subscription that takes it before its publisher hears so.

use crate::Api;
use crate::say::{self, Answer, failed, problem};
use cloudevents::filter::matches;
use cloudevents::{Bad, Event, Mode, binary, json as structured};
use config::sections::{Subscription, Topic};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts as Head;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use store::topics::MAX_PUBLISHED;
use store::{NewJob, NewMessage, TopicBounds};

/// Attributes of an event, and what stands around it, bytes.
const AROUND: usize = 64 << 10;
/// As many of the largest events as one batch may hold, all others being smaller.
const LARGEST: usize = 4;
/// Characters of a title and of an ordering key.
const TITLE: usize = 200;

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
    let fanned = events.into_iter().map(|e| fan_out(topic, e, now_ms));
    let fanned = fanned.collect::<Option<Vec<_>>>();
    let Some(fanned) = fanned else {
        return Err(problem(
            503,
            "topic-store",
            "the system gives no random numbers",
        ));
    };
    let bounds = TopicBounds {
        events: topic.events,
        bytes: topic.bytes,
        since_ms: now_ms.saturating_sub(topic.dedup.as_millis() as u64),
    };
    let published = store.publish(&topic.name, fanned, bounds).await;
    let published = published.map_err(|e| failed(&e))?;
    api.news.send_modify(|n| *n += 1);
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
    match Mode::of(kind)? {
        Mode::Batch => structured::read_batch(&body, MAX_PUBLISHED),
        Mode::Structured => structured::read(&body).map(|e| vec![e]),
        Mode::Binary => {
            let lines = head.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes()));
            binary::read(lines, body).map(|e| vec![e])
        }
    }
}

/// The event, and a job for each subscription that takes it. `None`: there are no random numbers.
fn fan_out(topic: &Topic, event: Event, now_ms: u64) -> Option<NewMessage> {
    let takes =
        |s: &&Subscription| s.has_lane() && s.filter.as_ref().is_none_or(|f| matches(f, &event));
    let mut jobs = Vec::new();
    for s in topic.subscriptions.iter().filter(takes) {
        let mut secret = [0; 16];
        SystemRandom::new().fill(&mut secret).ok()?;
        let key = s.order_by.as_ref().and_then(|name| event.get(name));
        jobs.push(NewJob {
            secret: u128::from_ne_bytes(secret),
            lane: s.lane(&topic.name),
            tenant: String::new(),
            key: key.map(|k| short(&k)).filter(|k| !k.is_empty()),
            enqueued_ms: now_ms,
            due_ms: now_ms,
            expires_ms: now_ms + s.ttl.as_millis() as u64,
            title: short(&format!("{} {}", event.kind(), event.id())),
            head: Vec::new(),
            payload: Vec::new(),
        });
    }
    Some(NewMessage {
        digest: event.digest(),
        at_ms: now_ms,
        head: event.keep(),
        payload: event.data,
        jobs,
    })
}

fn short(text: &str) -> String {
    text.chars().take(TITLE).collect()
}
