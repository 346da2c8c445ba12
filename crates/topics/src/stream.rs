//! Server-sent events from a position: a client that comes back with `Last-Event-ID` goes on where it was.

use crate::Api;
use crate::say::{Answer, failed, problem};
use bytes::Bytes;
use cloudevents::filter::matches;
use cloudevents::{Event, json as structured};
use config::sections::{Subscription, Topic};
use http::request::Parts as Head;
use http::{HeaderValue, Response, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use store::{Broker, Error};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

/// Events that are read at once, and pieces that wait for a slow client: it is read no further until it has taken them.
const PAGE: usize = 64;
const PIECES: usize = 2;
/// About the most of one piece, bytes.
const PIECE: usize = 1 << 20;
/// Without an event a line is sent so often: it keeps the connection, and finds out that nobody is there.
const BEAT: Duration = Duration::from_secs(15);

/// What is still to be sent.
struct Pieces(mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.0.poll_recv(cx);
        piece.map(|p| p.map(|bytes| Ok(Frame::data(bytes))))
    }
}

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
    let after = position(head)?.unwrap_or(last);
    let (sender, pieces) = mpsc::channel(PIECES);
    let reader = Reader {
        api,
        topic: topic.name.clone(),
        subscription: s,
        after,
        sender,
        _permit: permit,
    };
    // What was forgotten is said, and not passed over in silence.
    tokio::spawn(reader.run((after < gone).then_some(gone)));
    let mut answer = Response::new(Pieces(pieces).boxed_unsync());
    let headers = answer.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
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

/// After which position to begin: `Last-Event-ID`, else `?after=`; `None`: with what comes from now on.
fn position(head: &Head) -> Result<Option<u64>, Answer> {
    let last = head.headers.get("last-event-id");
    let last = last.map(|v| v.to_str().unwrap_or("?").trim().to_owned());
    let query = head.uri.query().unwrap_or("");
    let after = query.split('&').find_map(|p| p.strip_prefix("after="));
    let Some(text) = last.filter(|l| !l.is_empty()).or(after.map(str::to_owned)) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        let what = "a position is a whole number; 0 is before the first event";
        problem(400, "topic-position", what)
    })
}

struct Reader {
    api: Arc<Api>,
    topic: String,
    subscription: Subscription,
    after: u64,
    sender: mpsc::Sender<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// Until the client or the queue is gone. `gap`: up to which events were forgotten.
    async fn run(mut self, gap: Option<u64>) {
        let mut news = self.api.news.subscribe();
        let hello = match gap {
            Some(gone) => format!(
                "event: gap\ndata: {{\"after\":{},\"forgotten\":{gone}}}\n\n",
                self.after
            ),
            None => ": events follow\n\n".into(),
        };
        if self.sender.send(hello.into()).await.is_err() {
            return;
        }
        loop {
            news.mark_unchanged();
            match self.page().await {
                Some(0) => {}
                Some(_) => continue,
                None => return,
            }
            let waited = tokio::select! {
                waited = timeout(BEAT, news.changed()) => waited,
                () = self.sender.closed() => return,
            };
            match waited {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) if self.sender.send(": \n\n".into()).await.is_err() => return,
                Err(_) => {}
            }
        }
    }

    /// Sends what comes next: how many events were read. `None`: it is over.
    async fn page(&mut self) -> Option<usize> {
        let store = (self.api.parts.lent)()?;
        let (topic, after, filter) = (
            self.topic.clone(),
            self.after,
            self.subscription.filter.clone(),
        );
        let read = move || -> Result<(usize, u64, Vec<u8>), Error> {
            let (mut out, mut last) = (Vec::new(), after);
            let page = store.events(&topic, after, PAGE)?;
            let n = page.len();
            for e in page {
                if out.len() > PIECE {
                    break;
                }
                last = e.position;
                // One whose payload is gone was forgotten a moment ago.
                let Ok(data) = e.payload.read() else { continue };
                let Some(event) = Event::kept(&e.head, data) else {
                    continue;
                };
                if filter.as_ref().is_none_or(|f| matches(f, &event)) {
                    out.extend(format!("id: {last}\ndata: ").into_bytes());
                    out.extend(structured::write(&event));
                    out.extend(b"\n\n");
                }
            }
            Ok((n, last, out))
        };
        match tokio::task::spawn_blocking(read).await.ok()? {
            Ok((n, last, out)) => {
                self.after = last;
                if !out.is_empty() {
                    self.sender.send(out.into()).await.ok()?;
                }
                Some(n)
            }
            Err(e) => {
                tracing::error!(topic = self.topic, "events cannot be read: {e}");
                None
            }
        }
    }
}
