//! `Log` for several nodes: a stream of JetStream is the order, and each node applies it to a file of its own, which it reads.
//!
//! An append is one message: its events, and what is expected of their stream. Whether that holds, and which of the events are new, is
//! judged when the message is applied, by the messages before it: the same at every node, and nobody has to try again because somebody
//! was quicker. It is answered when JetStream has stored it and this node has applied it. ADR 365.

mod codec;
mod following;
mod kv;

use super::bucket::Bucket;
use super::conn::Conn;
use super::fault::{Fault, odd};
use super::link::PATIENCE;
use super::{Nats, subject};
use crate::ack::{Ack, Reply, pair};
use crate::embedded::acceptable;
use crate::embedded::copy::{Foreseen, Outcome};
use crate::{Appended, Embedded, Ends, Error, Expect, Log, MAX_ROWS, Names, NewEvent, Record};
use following::State;
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::timeout;

/// What a message may carry beside its events and what it says of them, bytes.
const HEADERS: usize = 1024;
/// How long what was asked for may still take when the log is closed.
const CLOSES: Duration = Duration::from_secs(3);

/// Told of the last position, whoever appended.
pub type News = Box<dyn Fn(u64) + Send + Sync>;

/// How it stands with a node's copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Following {
    /// Name of the stream of JetStream.
    pub stream: String,
    /// Number of the last message that was applied.
    pub applied: u64,
    /// Why nothing is followed or appended; `None`: all is well.
    pub wrong: Option<String>,
    /// It has not yet applied what was there when following began.
    pub behind: bool,
}

/// Streams of events of several nodes. Share it behind an `Arc`; dropping it finishes what was asked for.
pub struct Shared {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

struct Inner {
    nats: Arc<Nats>,
    copy: Arc<Embedded>,
    bucket: Bucket,
    news: News,
    /// This process, among those that ask.
    asker: u64,
    asks: AtomicU64,
    /// Who waits for what becomes of its message.
    asked: Mutex<HashMap<u64, Reply<Outcome>>>,
    state: watch::Sender<State>,
    /// Number of the last message that was applied.
    applied: watch::Sender<u64>,
    closed: watch::Sender<bool>,
    pending: AtomicUsize,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.inner.copy).finish()
    }
}

impl Shared {
    /// `copy`: this node's file, empty or of the same stream. Follows in the background: NATS may be away.
    ///
    /// # Errors
    /// When its options say nothing of events, or there is no thread.
    pub fn open(nats: Arc<Nats>, copy: Arc<Embedded>, news: News) -> Result<Shared, Error> {
        let bucket = nats.events.clone().ok_or_else(|| {
            Error::Invalid("the nats engine was opened without a stream of events".into())
        })?;
        let inner = Arc::new(Inner {
            nats,
            copy,
            bucket,
            news,
            asker: RandomState::new().hash_one(std::process::id()),
            asks: AtomicU64::new(0),
            asked: Mutex::default(),
            state: watch::channel(State::Begins).0,
            applied: watch::channel(0).0,
            closed: watch::channel(false).0,
            pending: AtomicUsize::new(0),
        });
        let theirs = inner.clone();
        let thread = std::thread::Builder::new()
            .name("events".into())
            .spawn(move || following::run(&theirs));
        let thread = thread.map_err(|e| Error::Io {
            path: "events".into(),
            why: format!("no thread: {e}"),
        })?;
        Ok(Shared {
            inner,
            thread: Some(thread),
        })
    }

    pub fn following(&self) -> Following {
        let state = self.inner.state.borrow().clone();
        Following {
            stream: self.inner.bucket.stream(),
            applied: *self.inner.applied.borrow(),
            behind: matches!(state, State::Begins),
            wrong: match state {
                State::Wrong(why) => Some(why),
                State::Begins | State::Follows => self.inner.nats.link.away(),
            },
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let until = Instant::now() + CLOSES;
        let wait = |done: &dyn Fn() -> bool| {
            while !done() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        wait(&|| self.inner.pending.load(Relaxed) == 0);
        self.inner.closed.send_replace(true);
        if let Some(thread) = self.thread.take() {
            wait(&|| thread.is_finished());
        }
        // Whoever opens the file next finds it closed.
        wait(&|| Arc::strong_count(&self.inner) == 1);
    }
}

/// One that closing waits for.
struct Pending(Arc<Inner>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Relaxed);
    }
}

/// A question that waits for its message to be applied.
struct Question<'i> {
    inner: &'i Inner,
    number: u64,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.inner.asked().remove(&self.number);
    }
}

impl Inner {
    fn asked(&self) -> MutexGuard<'_, HashMap<u64, Reply<Outcome>>> {
        self.asked.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn engine(&self) -> String {
        format!("nats at {}", self.nats.link.place())
    }

    fn pending(self: &Arc<Inner>) -> Pending {
        self.pending.fetch_add(1, Relaxed);
        Pending(self.clone())
    }

    /// Waits a moment for following to have begun.
    async fn follows(&self) -> Result<(), Fault> {
        let mut state = self.state.subscribe();
        let said = timeout(PATIENCE, state.wait_for(|s| *s != State::Begins)).await;
        let engine = || self.engine();
        let why = match said {
            Ok(Ok(now)) => match &*now {
                State::Wrong(why) => why.clone(),
                State::Begins | State::Follows => return Ok(()),
            },
            _ => "this node still reads what was appended before; try again".to_owned(),
        };
        Err(Fault::Own(Error::Refused {
            engine: engine(),
            why,
        }))
    }

    /// Waits until all is applied here that JetStream has now.
    async fn catch_up(&self, conn: &Conn) -> Result<(), Fault> {
        let info = conn.stream(&self.bucket.stream()).await?;
        let last = info["state"]["last_seq"].as_u64().ok_or_else(odd)?;
        let mut applied = self.applied.subscribe();
        match timeout(2 * PATIENCE, applied.wait_for(|seq| *seq >= last)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Fault::Own(self.slow())),
        }
    }

    fn slow(&self) -> Error {
        Error::Away {
            engine: self.engine(),
            why: "this node does not keep up with what is appended: look at its disk".into(),
        }
    }

    /// Puts a command into the order; what became of it.
    async fn ask(&self, conn: &Conn, subject: String, value: Vec<u8>) -> Result<Outcome, Fault> {
        let most = conn.max_payload.saturating_sub(HEADERS);
        if value.len() > most {
            return Err(Fault::Own(Error::TooLarge {
                what: "an append with what it says of its events (nats-server takes more with a larger `max_payload`)".into(),
                size: value.len(),
                limit: most,
            }));
        }
        let number = self.asks.fetch_add(1, Relaxed);
        let (reply, outcome) = pair();
        self.asked().insert(number, reply);
        let _question = Question {
            inner: self,
            number,
        };
        let draft = codec::draft(value, self.asker, number);
        conn.publish(subject, draft).await?.ok_or_else(odd)?;
        self.nats.link.takes();
        match timeout(2 * PATIENCE, outcome).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Fault::Own(self.slow())),
        }
    }

    async fn append(
        &self,
        conn: Conn,
        stream: String,
        expect: Expect,
        events: Arc<Vec<NewEvent>>,
    ) -> Result<Appended, Fault> {
        self.follows().await?;
        let foresee = || self.copy.foresee(&stream, expect, events.clone());
        let mut foreseen = foresee().await?;
        if let Foreseen::Conflict(_) = foreseen {
            // What is on its way here may tell that these events are there already.
            self.catch_up(&conn).await?;
            foreseen = foresee().await?;
        }
        match foreseen {
            Foreseen::Known(appended) => return Ok(appended),
            Foreseen::Conflict(e) => return Err(Fault::Own(e)),
            Foreseen::Fresh => {}
        }
        let subject = subject::of_stream(&self.bucket.name, &stream);
        let value = codec::append(&stream, expect, &events);
        match self.ask(&conn, subject, value).await? {
            Outcome::Appended(said) => Ok(said?),
            Outcome::Trimmed(_) | Outcome::Nothing => Err(odd()),
        }
    }

    async fn trim(&self, conn: Conn, before_ms: u64, limit: usize) -> Result<u64, Fault> {
        self.follows().await?;
        let value = codec::trim(before_ms, limit);
        match self
            .ask(&conn, subject::of_all(&self.bucket.name), value)
            .await?
        {
            Outcome::Trimmed(gone) => Ok(gone),
            Outcome::Appended(_) | Outcome::Nothing => Err(odd()),
        }
    }

    /// Whether something is old enough, as far as this node knows.
    fn is_due(&self, before_ms: u64) -> Result<bool, Error> {
        let first = self.copy.read_all(self.copy.ends()?.gone, 1)?;
        Ok(first.first().is_some_and(|e| e.at_ms < before_ms))
    }
}

impl Log for Shared {
    fn append(&self, stream: &str, expect: Expect, events: Vec<NewEvent>) -> Ack<Appended> {
        if let Err(e) = acceptable(stream, &events) {
            return Ack::ready(Err(e));
        }
        let bytes = events.iter().map(|e| e.data.len()).sum();
        let (pending, name) = (self.inner.pending(), stream.to_owned());
        let link = &self.inner.nats.link;
        link.ask(&format!("log/{stream}"), bytes, move |conn| async move {
            pending.0.append(conn, name, expect, Arc::new(events)).await
        })
    }
    fn trim(&self, before_ms: u64, limit: usize) -> Ack<u64> {
        match self.inner.is_due(before_ms) {
            Ok(true) if limit > 0 => {}
            Ok(_) => return Ack::ready(Ok(0)),
            Err(e) => return Ack::ready(Err(e)),
        }
        let pending = self.inner.pending();
        let limit = limit.min(MAX_ROWS);
        self.inner.nats.link.ask("log", 0, move |conn| async move {
            pending.0.trim(conn, before_ms, limit).await
        })
    }
    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.inner.copy.read(stream, from, limit)
    }
    fn read_back(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.inner.copy.read_back(stream, from, limit)
    }
    fn read_all(&self, after: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.inner.copy.read_all(after, limit)
    }
    fn read_some(
        &self,
        names: Names<'_>,
        after: u64,
        until: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        self.inner.copy.read_some(names, after, until, limit)
    }
    fn version(&self, stream: &str) -> Result<u64, Error> {
        self.inner.copy.version(stream)
    }
    fn ends(&self) -> Result<Ends, Error> {
        self.inner.copy.ends()
    }
    fn streams(&self, after: &str, limit: usize) -> Result<Vec<(String, u64)>, Error> {
        self.inner.copy.streams(after, limit)
    }
}
