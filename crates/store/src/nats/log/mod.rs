//! `Log` for several nodes: a stream of JetStream is the order, and each node applies it to a file of its own, which it reads.
//!
//! An append is one message: its events, and what is expected of their stream. Whether that holds, and which of the events are new, is
//! judged when the message is applied, by the messages before it: the same at every node, and nobody has to try again because somebody
//! was quicker. It is answered when JetStream has stored it and this node has applied it. ADR 365.

pub(super) mod codec;
mod following;
mod handing;
mod joining;
mod kv;

use super::bucket::Bucket;
use super::conn::Conn;
use super::fault::{Fault, odd};
use super::link::{Link, PATIENCE};
use super::message::Found;
use super::target::Target;
use super::{Nats, Options, Standing, bucket, message, subject};
use crate::ack::{Ack, Reply, pair};
use crate::embedded::acceptable;
use crate::embedded::copy::{Command, Foreseen, Outcome};
use crate::{Appended, Embedded, Ends, Error, Expect, Log, MAX_ROWS, Names, NewEvent, Record};
use following::State;
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long closing waits for its connection's end.
const CLOSES: Duration = Duration::from_secs(4);

/// How long messages stay whose events were let go: so long a node may be away without fetching another one's file.
pub(super) const STAYS: Duration = Duration::from_secs(24 * 3600);

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
pub struct Events {
    link: Link,
    inner: Closing,
    values: Arc<Nats>,
}

/// What a log and its copy at this node have together.
pub(super) struct Inner {
    pub copy: Arc<Embedded>,
    pub stream: String,
    engine: String,
    /// What it is that is followed.
    what: &'static str,
    /// What a message says; its format, when this version does not know it.
    read: fn(&Found) -> Result<Command, u64>,
    /// Told when something was applied that somebody may want to look at.
    news: Box<dyn Fn() + Send + Sync>,
    /// Told of what came of a message of this process for which nobody waits any more.
    late: Box<dyn Fn(Outcome) + Send + Sync>,
    /// This process, among those that ask.
    asker: u64,
    asks: AtomicU64,
    /// Who waits for what becomes of its message.
    asked: Mutex<HashMap<u64, Reply<Outcome>>>,
    state: watch::Sender<State>,
    /// Number of the last message that was applied.
    pub applied: watch::Sender<u64>,
}

/// Dropped after the link: whoever opens the file next finds it closed.
pub(super) struct Closing(pub Arc<Inner>);

/// What is different between logs.
pub(super) struct Kind {
    pub what: &'static str,
    pub read: fn(&Found) -> Result<Command, u64>,
    pub news: Box<dyn Fn() + Send + Sync>,
    pub late: Box<dyn Fn(Outcome) + Send + Sync>,
}

/// Begins to follow the log of this bucket, in the background.
pub(super) fn start(
    options: &Options,
    bucket: Bucket,
    copy: Arc<Embedded>,
    kind: Kind,
) -> Result<(Link, Closing), Error> {
    let stream = bucket.stream();
    let target = Target::new(options, vec![bucket])?;
    let inner = Arc::new(Inner {
        copy,
        stream,
        engine: format!("nats at {}", target.place()),
        what: kind.what,
        read: kind.read,
        news: kind.news,
        late: kind.late,
        asker: RandomState::new().hash_one(std::process::id()),
        asks: AtomicU64::new(0),
        asked: Mutex::default(),
        state: watch::channel(State::Begins).0,
        applied: watch::channel(0).0,
    });
    let theirs = inner.clone();
    let follow = move |conn| following::follow(theirs.clone(), conn);
    let link = Link::start(target, Some(Box::new(follow)))?;
    Ok((link, Closing(inner)))
}

impl Drop for Closing {
    fn drop(&mut self) {
        let until = Instant::now() + CLOSES;
        while Arc::strong_count(&self.0) > 1 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Events").field(&self.inner.0.copy).finish()
    }
}

impl Events {
    /// `copy`: this node's file, empty or of the same stream. `values`: where it is kept how far readers are. Follows in the background:
    /// NATS may be away.
    ///
    /// # Errors
    /// When the options say nothing of events, the URL or the CA's file cannot be used, or there is no thread.
    pub fn open(
        options: &Options,
        values: Arc<Nats>,
        copy: Arc<Embedded>,
        news: News,
    ) -> Result<Events, Error> {
        let bucket = bucket::of_events(options)
            .ok_or_else(|| Error::Invalid("the nats engine is not to have events".into()))?;
        let heard = copy.clone();
        let kind = Kind {
            what: "events",
            read: codec::read,
            news: Box::new(move || {
                if let Ok(ends) = heard.ends() {
                    news(ends.last);
                }
            }),
            late: Box::new(|_| {}),
        };
        let (link, inner) = start(options, bucket, copy, kind)?;
        Ok(Events {
            link,
            inner,
            values,
        })
    }

    /// Asked how it is; does not keep it open.
    pub fn stander(&self) -> impl Fn() -> Standing + Send + Sync + use<> {
        self.link.stander()
    }

    pub fn following(&self) -> Following {
        self.inner.0.following(&self.link)
    }

    /// Takes messages out of JetStream that were stored before, milliseconds since the Unix epoch by its clock, and applied here. Whoever has not
    /// applied them fetches another node's file.
    pub fn let_go(&self, before_ms: u64) -> Ack<()> {
        let inner = self.inner.0.clone();
        self.link.write("", 0, move |conn| async move {
            inner.let_go(&conn, |_| before_ms).await
        })
    }

    fn copy(&self) -> &Embedded {
        &self.inner.0.copy
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
    pub fn following(&self, link: &Link) -> Following {
        let state = self.state.borrow().clone();
        Following {
            stream: self.stream.clone(),
            applied: *self.applied.borrow(),
            behind: matches!(state, State::Begins),
            wrong: match state {
                State::Wrong(why) => Some(why),
                State::Begins | State::Follows => link.away(),
            },
        }
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<u64, Reply<Outcome>>> {
        self.asked.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Waits a moment for following to have begun.
    pub async fn follows(&self) -> Result<(), Fault> {
        let mut state = self.state.subscribe();
        let said = timeout(PATIENCE, state.wait_for(|s| *s != State::Begins)).await;
        let why = match said {
            Ok(Ok(now)) => match &*now {
                State::Wrong(why) => why.clone(),
                State::Begins | State::Follows => return Ok(()),
            },
            _ => "this node still reads what was done before; try again".to_owned(),
        };
        Err(Fault::Own(Error::Refused {
            engine: self.engine.clone(),
            why,
        }))
    }

    /// Whether all is applied here that was there when following began.
    pub fn is_following(&self) -> bool {
        *self.state.borrow() == State::Follows
    }

    /// Waits until all is applied here that JetStream has now.
    async fn catch_up(&self, conn: &Conn) -> Result<(), Fault> {
        let info = conn.stream(&self.stream).await?;
        let last = info["state"]["last_seq"].as_u64().ok_or_else(odd)?;
        let mut applied = self.applied.subscribe();
        match timeout(2 * PATIENCE, applied.wait_for(|seq| *seq >= last)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Fault::Own(self.slow())),
        }
    }

    fn slow(&self) -> Error {
        Error::Away {
            engine: self.engine.clone(),
            why: "this node does not keep up with what is done at all: look at its disk".into(),
        }
    }

    /// Puts a command into the order; what became of it.
    pub async fn ask(
        &self,
        conn: &Conn,
        subject: String,
        value: Vec<u8>,
    ) -> Result<Outcome, Fault> {
        let number = self.asks.fetch_add(1, Relaxed);
        let (reply, outcome) = pair();
        self.asked().insert(number, reply);
        let _question = Question {
            inner: self,
            number,
        };
        let draft = codec::draft(value, self.asker, number);
        conn.publish(subject, draft).await?.ok_or_else(odd)?;
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
        let subject = subject::of_stream(&self.stream, &stream);
        let value = codec::append(&stream, expect, &events);
        match self.ask(&conn, subject, value).await? {
            Outcome::Appended(said) => Ok(said?),
            Outcome::Trimmed(_) | Outcome::Done(_) | Outcome::Nothing => Err(odd()),
        }
    }

    async fn trim(&self, conn: Conn, before_ms: u64, limit: usize) -> Result<u64, Fault> {
        self.follows().await?;
        let mut gone = 0;
        if self.is_due(before_ms)? {
            let value = codec::trim(before_ms, limit);
            let subject = subject::of_all(&self.stream);
            gone = match self.ask(&conn, subject, value).await? {
                Outcome::Trimmed(gone) => gone,
                Outcome::Appended(_) | Outcome::Done(_) | Outcome::Nothing => return Err(odd()),
            };
        }
        if (gone as usize) < limit {
            let stays = STAYS.as_millis() as u64;
            let until = |now_ms: u64| before_ms.min(now_ms.saturating_sub(stays));
            self.let_go(&conn, until).await?;
        }
        Ok(gone)
    }

    /// `before`: of when, by what JetStream's clock says now.
    pub async fn let_go(&self, conn: &Conn, before: impl Fn(u64) -> u64) -> Result<(), Fault> {
        let info = conn.stream(&self.stream).await?;
        let number = |name: &str| info["state"][name].as_u64().ok_or_else(odd);
        let before_ms = before(message::now_ms(&info).ok_or_else(odd)?);
        let first = number("first_seq")?;
        // The last one stays: by it a copy is known to be of this stream.
        let end = number("last_seq")?.min(*self.applied.borrow());
        // The first of them that stays is looked for; mostly it is the first that is there.
        let (mut low, mut high, mut middle) = (first, end, first);
        while low < high {
            match conn.at(&self.stream, middle).await? {
                Some(found) if found.at_ms < before_ms => low = middle + 1,
                Some(_) => high = middle,
                // Another node lets them go.
                None => return Ok(()),
            }
            middle = low + high.saturating_sub(low) / 2;
        }
        match low > first {
            true => conn.purge_before(&self.stream, low).await,
            false => Ok(()),
        }
    }

    /// Whether something is old enough, as far as this node knows.
    fn is_due(&self, before_ms: u64) -> Result<bool, Error> {
        let first = self.copy.read_all(self.copy.ends()?.gone, 1)?;
        Ok(first.first().is_some_and(|e| e.at_ms < before_ms))
    }
}

impl Log for Events {
    fn append(&self, stream: &str, expect: Expect, events: Vec<NewEvent>) -> Ack<Appended> {
        if let Err(e) = acceptable(stream, &events) {
            return Ack::ready(Err(e));
        }
        let bytes = events.iter().map(|e| e.data.len()).sum();
        let (inner, name) = (self.inner.0.clone(), stream.to_owned());
        self.link.write(stream, bytes, move |conn| async move {
            inner.append(conn, name, expect, Arc::new(events)).await
        })
    }
    fn trim(&self, before_ms: u64, limit: usize) -> Ack<u64> {
        if limit == 0 {
            return Ack::ready(Ok(0));
        }
        let (inner, limit) = (self.inner.0.clone(), limit.min(MAX_ROWS));
        self.link.write("", 0, move |conn| async move {
            inner.trim(conn, before_ms, limit).await
        })
    }
    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.copy().read(stream, from, limit)
    }
    fn read_back(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.copy().read_back(stream, from, limit)
    }
    fn read_all(&self, after: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.copy().read_all(after, limit)
    }
    fn read_some(
        &self,
        names: Names<'_>,
        after: u64,
        until: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        self.copy().read_some(names, after, until, limit)
    }
    fn version(&self, stream: &str) -> Result<u64, Error> {
        self.copy().version(stream)
    }
    fn ends(&self) -> Result<Ends, Error> {
        self.copy().ends()
    }
    fn streams(&self, after: &str, limit: usize) -> Result<Vec<(String, u64)>, Error> {
        self.copy().streams(after, limit)
    }
}
