//! Server-sent events from a position: a client that comes back with `Last-Event-ID` goes on where it was.

use crate::Api;
use crate::say::{Answer, failed, problem};
use cloudevents::filter::matches;
use cloudevents::{Event, json as structured};
use config::sections::{Subscription, Topic};
use http::request::Parts as Head;
use sse::{PIECE, Page, Source};
use std::sync::Arc;
use store::{Broker, Error};
use tokio::sync::watch;

/// Events that are read at once.
const PAGE: usize = 64;

pub async fn stream(
    api: Arc<Api>,
    topic: &Topic,
    s: Subscription,
    head: &Head,
) -> Result<Answer, Answer> {
    let permit = api.waiting.clone().try_acquire_owned();
    let permit =
        permit.map_err(|_| problem(503, "topic-waiting", "too many wait for events already"))?;
    let known = standing(api.store()?, topic.name.clone()).await;
    let (last, gone) = known.map_err(|e| failed(&e))?;
    let after = sse::after(head).map_err(|what| problem(400, "topic-position", what))?;
    let after = after.unwrap_or(last);
    // What was forgotten is said, and not passed over in silence.
    let hello = match after < gone {
        true => sse::gap(after, gone),
        false => ": events follow\n\n".into(),
    };
    let reader = Reader {
        news: api.parts.news.subscribe(),
        api,
        topic: topic.name.clone(),
        subscription: s,
        after,
    };
    Ok(sse::answer(reader, hello, permit))
}

/// The newest position of a topic, and the newest that was forgotten.
async fn standing(store: Arc<dyn Broker>, topic: String) -> Result<(u64, u64), Error> {
    let read = move || {
        let all = store.topics()?;
        let found = all.into_iter().find(|t| t.name == topic);
        Ok(found.map_or((0, 0), |t| (t.last, t.gone)))
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or_else(|e| Err(Error::Stopped(e.to_string())))
}

struct Reader {
    news: watch::Receiver<u64>,
    api: Arc<Api>,
    topic: String,
    subscription: Subscription,
    after: u64,
}

impl Source for Reader {
    async fn page(&mut self) -> Option<Page> {
        self.news.mark_unchanged();
        let store = (self.api.parts.lent)()?;
        let (topic, after, filter) = (
            self.topic.clone(),
            self.after,
            self.subscription.filter.clone(),
        );
        let read = move || -> Result<(u64, Page), Error> {
            let (mut text, mut last) = (Vec::new(), after);
            let page = store.events(&topic, after, PAGE)?;
            let more = !page.is_empty();
            for e in page {
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
            Ok((last, Page { text, more }))
        };
        match tokio::task::spawn_blocking(read).await.ok()? {
            Ok((last, page)) => {
                self.after = last;
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
