//! Server-sent events for one client: pieces as it takes them, a beat while nothing comes, and an end when its source ends.
//!
//! What a client is owed is a position, not a queue: one that is slow is read no further until it has taken what waits for it.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, header};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{sleep, timeout};

pub type Payload = UnsyncBoxBody<Bytes, Infallible>;

/// About the most of one piece, bytes: a source adds no more events to one that has them.
pub const PIECE: usize = 1 << 20;
/// Pieces that wait for a slow client.
const PIECES: usize = 2;

struct Patience {
    /// Without an event a line is sent so often: it keeps the connection, and finds out that nobody is there.
    beat: Duration,
    /// A client that takes nothing for so long is let go; it goes on where it was when it comes back.
    stuck: Duration,
}

const PATIENCE: Patience = Patience {
    beat: Duration::from_secs(15),
    stuck: Duration::from_secs(120),
};

/// What comes next, as it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub text: Vec<u8>,
    /// There may be more, without waiting for it.
    pub more: bool,
}

/// Where events come from.
pub trait Source: Send + Sized + 'static {
    /// What follows what it gave before; empty when nothing does yet. `None`: it is over.
    fn page(&mut self) -> impl Future<Output = Option<Page>> + Send;
    /// Until something has come since `page` was called last. False: it is over.
    fn news(&mut self) -> impl Future<Output = bool> + Send;
}

/// Whether this request is for a stream.
pub fn is_asked(head: &Parts) -> bool {
    let accepts = head.headers.get_all(header::ACCEPT).iter();
    accepts.filter_map(|v| v.to_str().ok()).any(|line| {
        let mut kinds = line.split(',').map(|k| k.split(';').next().unwrap_or(""));
        kinds.any(|k| k.trim().eq_ignore_ascii_case("text/event-stream"))
    })
}

/// After which position to begin: `Last-Event-ID`, else `?after=`; `None`: nothing is said.
///
/// # Errors
/// When that is no position.
pub fn after(head: &Parts) -> Result<Option<u64>, &'static str> {
    let last = head.headers.get("last-event-id");
    let last = last.map(|v| v.to_str().unwrap_or("?").trim());
    let query = head.uri.query().unwrap_or("");
    let after = query.split('&').find_map(|p| p.strip_prefix("after="));
    match last.filter(|l| !l.is_empty()).or(after) {
        None => Ok(None),
        Some(text) => (text.parse().map(Some))
            .map_err(|_| "a position is a whole number; 0 is before the first event"),
    }
}

/// One event, on one line.
pub fn event(position: u64, data: &[u8], out: &mut Vec<u8>) {
    out.extend(format!("id: {position}\ndata: ").into_bytes());
    out.extend_from_slice(data);
    out.extend(b"\n\n");
}

/// Says that some of what came `after` there is gone, the newest of it at `forgotten`. Who comes back goes on from `place`:
/// nothing that is still kept may stand between `after` and there.
pub fn gap(place: u64, after: u64, forgotten: u64) -> String {
    format!("event: gap\nid: {place}\ndata: {{\"after\":{after},\"forgotten\":{forgotten}}}\n\n")
}

/// Tells a client how far it is, though nothing came for it.
pub fn place(position: u64) -> Vec<u8> {
    format!("id: {position}\n\n").into_bytes()
}

/// The answer, which lasts as long as client and source. `hello` is sent first; `permit` is given back at the end.
pub fn answer(
    source: impl Source,
    hello: String,
    permit: OwnedSemaphorePermit,
) -> Response<Payload> {
    let mut answer = Response::new(begin(source, hello, permit, PATIENCE));
    let headers = answer.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn begin(
    source: impl Source,
    hello: String,
    permit: OwnedSemaphorePermit,
    patience: Patience,
) -> Payload {
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        run(source, hello.into(), sender, patience).await;
        drop(permit);
    });
    Pieces(pieces).boxed_unsync()
}

async fn run(
    mut source: impl Source,
    hello: Bytes,
    sender: mpsc::Sender<Bytes>,
    patience: Patience,
) {
    let mut piece = hello;
    loop {
        if !piece.is_empty() {
            let sent = timeout(patience.stuck, sender.send(piece)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
        let Some(page) = source.page().await else {
            return;
        };
        piece = page.text.into();
        if !piece.is_empty() || page.more {
            continue;
        }
        piece = tokio::select! {
            more = source.news() => match more {
                true => Bytes::new(),
                false => return,
            },
            () = sleep(patience.beat) => Bytes::from_static(b": \n\n"),
            () = sender.closed() => return,
        };
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use tokio::sync::{Semaphore, watch};

    /// Gives what was counted, a number for each page; ends when nobody counts any more.
    struct Counting {
        at: u64,
        read: Arc<AtomicU64>,
        news: watch::Receiver<u64>,
    }

    impl Source for Counting {
        async fn page(&mut self) -> Option<Page> {
            let last = *self.news.borrow_and_update();
            if self.at >= last {
                return Some(Page::default());
            }
            self.at += 1;
            self.read.store(self.at, SeqCst);
            let mut text = Vec::new();
            event(self.at, b"x", &mut text);
            Some(Page { text, more: true })
        }
        async fn news(&mut self) -> bool {
            self.news.changed().await.is_ok()
        }
    }

    struct Stage {
        counter: watch::Sender<u64>,
        read: Arc<AtomicU64>,
        open: Arc<Semaphore>,
        body: Payload,
    }

    fn stage(beat: u64, stuck: u64) -> Stage {
        let patience = Patience {
            beat: Duration::from_millis(beat),
            stuck: Duration::from_millis(stuck),
        };
        let (counter, news) = watch::channel(0);
        let (read, open) = (Arc::<AtomicU64>::default(), Arc::new(Semaphore::new(1)));
        let source = Counting {
            at: 0,
            read: read.clone(),
            news,
        };
        let permit = open.clone().try_acquire_owned().unwrap();
        Stage {
            counter,
            read,
            open,
            body: begin(source, ": hello\n\n".into(), permit, patience),
        }
    }

    async fn next(body: &mut Payload) -> Option<String> {
        let frame = body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn events_come_in_order_with_beats_between_and_an_end() {
        let mut s = stage(20, 60_000);
        assert_eq!(next(&mut s.body).await.unwrap(), ": hello\n\n");
        assert_eq!(next(&mut s.body).await.unwrap(), ": \n\n");
        s.counter.send_replace(2);
        let mut all = String::new();
        while !all.contains("id: 2") {
            all += &next(&mut s.body).await.unwrap().replace(": \n\n", "");
        }
        assert_eq!(all, "id: 1\ndata: x\n\nid: 2\ndata: x\n\n");
        drop(s.counter);
        while next(&mut s.body).await.is_some() {}
        assert!(s.open.acquire().await.is_ok());
    }

    #[tokio::test]
    async fn a_slow_client_is_read_no_further_and_let_go() {
        let s = stage(60_000, 50);
        s.counter.send_replace(1000);
        // It takes nothing, not even the greeting.
        assert!(s.open.acquire().await.is_ok());
        let read = s.read.load(SeqCst);
        assert!((1..=PIECES as u64 + 1).contains(&read), "{read}");
    }

    #[tokio::test]
    async fn a_client_that_is_gone_frees_its_place() {
        let mut s = stage(60_000, 60_000);
        next(&mut s.body).await.unwrap();
        drop(s.body);
        let freed = s.open.acquire().await;
        assert!(freed.is_ok());
    }

    #[test]
    fn a_client_says_where_it_was() {
        let of = |target: &str, last: Option<&str>| {
            let mut request = http::Request::get(target);
            if let Some(last) = last {
                request = request.header("last-event-id", last);
            }
            after(&request.body(()).unwrap().into_parts().0)
        };
        assert_eq!(of("/e", None), Ok(None));
        assert_eq!(of("/e?x=1&after=7", None), Ok(Some(7)));
        assert_eq!(of("/e?after=7", Some(" 9 ")), Ok(Some(9)));
        assert_eq!(of("/e?after=7", Some("")), Ok(Some(7)));
        assert!(of("/e", Some("-1")).is_err());
        let asks = |accept: &str| {
            let request = http::Request::get("/").header("accept", accept);
            is_asked(&request.body(()).unwrap().into_parts().0)
        };
        assert!(asks("text/event-stream") && asks("a/b;q=1, Text/Event-Stream;q=0.9"));
        assert!(!asks("*/*") && !asks("text/event-streams"));
    }
}
