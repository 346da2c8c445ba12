//! Server-sent events of one stream, or of all: a client that comes back with `Last-Event-ID` goes on where it was.

use super::ask::{self, Bad};
use super::say;
use crate::event::write;
use crate::place::{Fault, Place};
use crate::subscription::{WINDOW, names, whole};
use http::Response;
use http::request::Parts;
use http_body_util::BodyExt;
use sse::{PIECE, Page, Payload, Source};
use std::sync::Arc;
use store::Record;
use tokio::sync::watch;

/// Events that are read at once.
const PAGE: usize = 64;
/// A client is told how far it is after so many events of others.
const AHEAD: u64 = 1000;

/// Whether this is asked as a stream of events.
pub fn is_followed(head: &Parts) -> bool {
    let path = head.uri.path();
    let ours = path == "/v1/streams" || path.starts_with("/v1/streams/");
    ours && head.method == http::Method::GET && sse::is_asked(head)
}

/// The answer to such a request. It lasts until the client or the store is gone.
pub async fn follow(place: &Arc<Place>, head: &Parts) -> Response<Payload> {
    let said = begun(place, head).await;
    said.unwrap_or_else(|refused| refused.map(BodyExt::boxed_unsync))
}

async fn begun(place: &Arc<Place>, head: &Parts) -> Result<Response<Payload>, say::Answer> {
    let which = ask::followed(head)?;
    let after = sse::after(head).map_err(|what| Bad(400, what.into()))?;
    let permit = place.followers().try_acquire_owned();
    let permit = permit.map_err(|_| say::crowded())?;
    let ends = place.ends_at(after.unwrap_or(0)).await;
    let ends = ends.map_err(|f| say::failed(&f))?;
    let at = after.unwrap_or(ends.last);
    if at > ends.last {
        let what = format!("position {at} is not there yet; the last is {}", ends.last);
        return Err(Bad(400, what).into());
    }
    let reader = Reader {
        news: place.news(),
        place: place.clone(),
        which,
        at,
        told: at,
    };
    Ok(sse::answer(reader, ": events follow\n\n".into(), permit))
}

/// Of which streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    pub stream: Option<String>,
    pub prefix: Option<String>,
}

struct Reader {
    news: watch::Receiver<u64>,
    place: Arc<Place>,
    which: Which,
    /// Up to where was read, and up to where the client knows that it was.
    at: u64,
    told: u64,
}

impl Source for Reader {
    async fn page(&mut self) -> Option<Page> {
        self.news.mark_unchanged();
        let (which, at) = (self.which.clone(), self.at);
        let read = move |s: &dyn crate::Store| -> Result<(Vec<Record>, u64), Fault> {
            let to = s.ends()?.last.min(at + WINDOW);
            let of = names(which.stream.as_deref(), which.prefix.as_deref());
            let records = s.read_some(of, at, to, PAGE)?;
            Ok((whole(s, at, records)?, to.max(at)))
        };
        match self.place.read(read).await {
            Ok((records, to)) => {
                let mut text = Vec::new();
                for record in &records {
                    if text.len() > PIECE {
                        break;
                    }
                    sse::event(record.position, &write(record), &mut text);
                    (self.at, self.told) = (record.position, record.position);
                }
                if records.is_empty() {
                    self.at = to;
                    if to >= self.told + AHEAD {
                        self.told = to;
                        text = sse::place(to);
                    }
                }
                let more = self.at > at;
                Some(Page { text, more })
            }
            // Let go before it was read: that is said, and not passed over in silence.
            Err(Fault::Gone { first }) => {
                let gone = first.saturating_sub(1);
                (self.at, self.told) = (gone, gone);
                Some(Page {
                    text: sse::gap(gone, at, gone).into_bytes(),
                    more: true,
                })
            }
            Err(Fault::NotOpen) => None,
            Err(e) => {
                tracing::error!("events cannot be read: {e}");
                None
            }
        }
    }

    async fn news(&mut self) -> bool {
        self.news.changed().await.is_ok()
    }
}
