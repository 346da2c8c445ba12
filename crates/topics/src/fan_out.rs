//! What an event becomes in the queue: itself, and a job for each subscription that takes it.

use cloudevents::Event;
use cloudevents::filter::matches;
use config::sections::{Subscription, Topic};
use ring::rand::{SecureRandom, SystemRandom};
use store::{NewJob, NewMessage, TopicBounds};

/// Characters of a title and of an ordering key.
const TITLE: usize = 200;

/// `None`: there are no random numbers.
pub fn message(topic: &Topic, event: Event, now_ms: u64) -> Option<NewMessage> {
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
            weight: 1,
            key: key.map(|k| short(&k)).filter(|k| !k.is_empty()),
            blocks: false,
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

/// How much the topic holds, and since when an event is known.
pub fn bounds(topic: &Topic, now_ms: u64) -> TopicBounds {
    TopicBounds {
        events: topic.events,
        bytes: topic.bytes,
        since_ms: now_ms.saturating_sub(topic.dedup.as_millis() as u64),
    }
}

fn short(text: &str) -> String {
    text.chars().take(TITLE).collect()
}
