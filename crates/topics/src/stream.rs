//! Server-sent events from a position: a client that comes back with `Last-Event-ID` goes on where it was.

use crate::Api;
use crate::say::{Answer, failed, problem};
use cloudevents::filter::matches;
use cloudevents::{Event, json as structured};
use config::sections::{Subscription, Topic};
use http::request::Parts as Head;
use sse::{PIECE, Page, Source};
use std::sync::Arc;
use store::{Broker, Error, Message};
use tokio::sync::watch;

/// Events that are read at once.
const PAGE: usize = 64;
/// Readings of one page, while events are forgotten in between.
const READS: usize = 4;

pub async fn stream(
    api: Arc<Api>,
    topic: &Topic,
    s: Subscription,
    head: &Head,
) -> Result<Answer, Answer> {
    let permit = api.waiting.clone().try_acquire_owned();
    let permit =
        permit.map_err(|_| problem(503, "topic-waiting", "too many wait for events already"))?;
    let store = api.store()?;
    let name = topic.name.clone();
    let known = tokio::task::spawn_blocking(move || ends(&*store, &name)).await;
    let known = known.unwrap_or_else(|e| Err(Error::Stopped(e.to_string())));
    let (last, _) = known.map_err(|e| failed(&e))?;
    let after = sse::after(head).map_err(|what| problem(400, "topic-position", what))?;
    let reader = Reader {
        news: api.parts.news.subscribe(),
        api,
        topic: topic.name.clone(),
        subscription: s,
        after: after.unwrap_or(last),
        told: 0,
    };
    Ok(sse::answer(reader, ": events follow\n\n".into(), permit))
}

/// The newest position of a topic, and the newest that was forgotten.
fn ends(store: &dyn Broker, topic: &str) -> Result<(u64, u64), Error> {
    let all = store.topics()?;
    let found = all.into_iter().find(|t| t.name == topic);
    Ok(found.map_or((0, 0), |t| (t.last, t.gone)))
}

/// What is kept after a position.
struct Kept {
    page: Vec<Message>,
    /// The newest that was forgotten before they were read. Where events are forgotten each time in between, too new a one:
    /// rather is a gap said that is none than one not said.
    gone: u64,
    /// Nothing is kept from the position up to here.
    empty_to: u64,
}

fn read(store: &dyn Broker, topic: &str, after: u64) -> Result<Kept, Error> {
    let mut gone = ends(store, topic)?.1;
    let mut page = Vec::new();
    let mut sure = false;
    for _ in 0..READS {
        let before = gone;
        page = store.events(topic, after, PAGE)?;
        gone = ends(store, topic)?.1;
        sure = gone == before;
        if sure {
            break;
        }
    }
    // The oldest do not always go first: those that somebody waits for are kept.
    let empty_to = match page.first() {
        Some(first) => gone.min(first.position.saturating_sub(1)),
        None if sure => gone,
        None => after,
    };
    Ok(Kept {
        page,
        gone,
        empty_to,
    })
}

struct Reader {
    news: watch::Receiver<u64>,
    api: Arc<Api>,
    topic: String,
    subscription: Subscription,
    after: u64,
    /// Up to where the client knows what was forgotten.
    told: u64,
}

impl Source for Reader {
    async fn page(&mut self) -> Option<Page> {
        self.news.mark_unchanged();
        let store = (self.api.parts.lent)()?;
        let (topic, filter) = (self.topic.clone(), self.subscription.filter.clone());
        let (after, told) = (self.after, self.told);
        let read = move || -> Result<(u64, u64, Page), Error> {
            let (mut text, mut last) = (Vec::new(), after);
            let kept = read(&*store, &topic, after)?;
            let (gone, more) = (kept.gone, !kept.page.is_empty());
            // What was forgotten before it was read is said, and not passed over in silence.
            if gone > after.max(told) {
                text = sse::gap(kept.empty_to.max(after), after, gone).into_bytes();
            }
            for e in kept.page {
                if text.len() > PIECE {
                    break;
                }
                last = e.position;
                // One whose payload is gone was forgotten a moment ago.
                let Ok(data) = e.payload.read() else { continue };
                let Some(event) = Event::kept(&e.head, data) else {
                    continue;
                };
                if filter.as_ref().is_none_or(|f| matches(f, &event)) {
                    sse::event(last, &structured::write(&event), &mut text);
                }
            }
            Ok((last, gone, Page { text, more }))
        };
        match tokio::task::spawn_blocking(read).await.ok()? {
            Ok((last, gone, page)) => {
                (self.after, self.told) = (last, self.told.max(gone));
                Some(page)
            }
            Err(e) => {
                tracing::error!(topic = self.topic, "events cannot be read: {e}");
                None
            }
        }
    }

    async fn news(&mut self) -> bool {
        self.news.changed().await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parts;
    use arc_swap::ArcSwap;
    use cloudevents::Draft;
    use config::Config;
    use store::{Embedded, NewJob, NewMessage, TopicBounds, Topics};

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    }

    fn publish(store: &Embedded, id: u64) {
        publish_for(store, id, Vec::new());
    }

    fn publish_for(store: &Embedded, id: u64, jobs: Vec<NewJob>) {
        let pairs = [("id", id.to_string())];
        let fixed = [("specversion", "1.0"), ("source", "/s"), ("type", "t")];
        let all = fixed
            .into_iter()
            .chain(pairs.iter().map(|(n, v)| (*n, v.as_str())));
        let event = Draft::of(all, Vec::new()).check().unwrap();
        let message = NewMessage {
            digest: event.digest(),
            at_ms: id,
            head: event.keep(),
            payload: event.data,
            jobs,
        };
        let bounds = TopicBounds {
            events: 2,
            bytes: 1 << 20,
            since_ms: 0,
        };
        store.publish("t", vec![message], bounds).wait().unwrap();
    }

    /// A topic of two events at most, and somebody who reads it from a position.
    fn reading(dir: &std::path::Path, after: u64) -> (Arc<Embedded>, Reader) {
        let store = Arc::new(Embedded::open(dir.join("queue.db")).unwrap());
        let lent = store.clone();
        let api = Api::new(Parts {
            lent: Box::new(move || Some(lent.clone())),
            config: Arc::new(ArcSwap::from_pointee(Config::empty())),
            now_ms: Box::new(|| 0),
            news: watch::channel(0).0,
            wake: Box::new(|| ()),
        });
        let reader = Reader {
            news: api.parts.news.subscribe(),
            api,
            topic: "t".into(),
            subscription: Subscription::named("live"),
            after,
            told: 0,
        };
        (store, reader)
    }

    fn next_of(reader: &mut Reader) -> String {
        let page = runtime().block_on(reader.page()).unwrap();
        String::from_utf8(page.text).unwrap()
    }

    fn ids(text: &str) -> Vec<String> {
        let lines = text.lines().filter_map(|l| l.strip_prefix("id: "));
        lines.map(str::to_owned).collect()
    }

    /// What a subscription has not taken yet.
    fn waiting() -> NewJob {
        NewJob {
            secret: 1,
            lane: "t/other".into(),
            tenant: String::new(),
            weight: 1,
            key: None,
            blocks: false,
            enqueued_ms: 0,
            due_ms: 0,
            expires_ms: u64::MAX >> 1,
            title: String::new(),
            head: Vec::new(),
            payload: Vec::new(),
        }
    }

    #[test]
    fn who_comes_back_after_a_gap_gets_what_is_still_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (store, mut reader) = reading(dir.path(), 0);
        publish(&store, 1);
        publish_for(&store, 2, vec![waiting()]);
        // The second is kept for somebody, so what gives way are the first and the third.
        publish(&store, 3);
        publish(&store, 4);
        let text = next_of(&mut reader);
        let gap = "event: gap\nid: 1\ndata: {\"after\":0,\"forgotten\":3}\n\n";
        assert!(text.starts_with(gap), "{text}");
        assert_eq!(ids(&text), ["1", "2", "4"]);
        assert_eq!(next_of(&mut reader), "", "and once");
        // The connection broke right after the gap, and after the event that is kept below what is forgotten.
        for (after, rest) in [(1, vec!["1", "2", "4"]), (2, vec!["3", "4"])] {
            (reader.after, reader.told) = (after, 0);
            let text = next_of(&mut reader);
            assert_eq!(ids(&text), rest, "{text}");
            let gap = format!("{{\"after\":{after},\"forgotten\":3}}");
            assert!(text.contains(&gap), "{text}");
        }
    }

    #[test]
    fn a_client_that_falls_behind_is_told_what_it_has_missed_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let (store, mut reader) = reading(dir.path(), 0);
        let mut next = || next_of(&mut reader);
        publish(&store, 1);
        assert_eq!(ids(&next()), ["1"]);
        // What it has had may go: nothing is missed.
        publish(&store, 2);
        publish(&store, 3);
        let text = next();
        assert_eq!(ids(&text), ["2", "3"]);
        assert!(!text.contains("gap"), "{text}");
        // Two that it has not had are gone before it reads on.
        for id in 4..=7 {
            publish(&store, id);
        }
        let text = next();
        let gap = "event: gap\nid: 5\ndata: {\"after\":3,\"forgotten\":5}\n\n";
        assert!(text.starts_with(gap), "{text}");
        assert_eq!(ids(&text), ["5", "6", "7"]);
        assert_eq!(next(), "");
    }
}
