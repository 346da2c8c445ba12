//! The store while it is lent, and who waits for news of it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::{Appended, Ends, Error, Expect, Kv, Log, MAX_EVENTS, NewEvent};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

/// Clients that read along at once.
const FOLLOWERS: usize = 256;

/// What streams and checkpoints are kept in.
pub trait Store: Log + Kv {}
impl<T: Log + Kv> Store for T {}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another process has the store, or none does.
    NotOpen,
    /// There is no such stream or subscription.
    Unknown(String),
    /// It is not to be had in this way: a status of 400.
    Wrong(String),
    /// It is there already, and another.
    Other(String),
    /// What was asked for was let go; events begin after this position, or with this version.
    Gone {
        first: u64,
    },
    Store(Error),
}

impl From<Error> for Fault {
    fn from(e: Error) -> Fault {
        Fault::Store(e)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::NotOpen => f.write_str("the store of streams is not open; try again"),
            Fault::Unknown(what) | Fault::Wrong(what) | Fault::Other(what) => f.write_str(what),
            Fault::Gone { first } => {
                write!(f, "events before {first} were let go (`streams.retention`)")
            }
            Fault::Store(e) => e.fmt(f),
        }
    }
}

/// Shared by all who append and read. Survives new generations.
pub struct Place {
    store: RwLock<Option<Arc<dyn Store>>>,
    /// The last position that is known of.
    news: watch::Sender<u64>,
    followers: Arc<Semaphore>,
    /// Others append too, and what they were told comes here a little later.
    lags: AtomicBool,
}

/// How long something is waited for that another node may have told of.
const REACHED: Duration = Duration::from_secs(1);

/// Whether this node does what one of several does; else who does.
pub type Leads = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

impl Default for Place {
    fn default() -> Self {
        Place {
            store: RwLock::default(),
            news: watch::channel(0).0,
            followers: Arc::new(Semaphore::new(FOLLOWERS)),
            lags: AtomicBool::new(false),
        }
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    unix.unwrap_or_default().as_millis() as u64
}

impl Place {
    /// `None` takes it back: nothing is accepted from then on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn lend(&self, store: Option<Arc<dyn Store>>) -> Result<(), Error> {
        if let Some(store) = &store {
            let last = store.ends()?.last;
            self.news.send_replace(last);
        }
        let ends = store.is_none();
        *self.store.write().unwrap_or_else(|e| e.into_inner()) = store;
        if ends {
            // Who reads along finds out that it is over.
            self.news.send_modify(|_| {});
        }
        Ok(())
    }

    pub fn store(&self) -> Result<Arc<dyn Store>, Fault> {
        let store = self.store.read().unwrap_or_else(|e| e.into_inner());
        store.clone().ok_or(Fault::NotOpen)
    }

    /// Durable once it is answered.
    pub async fn append(
        &self,
        stream: &str,
        expect: Expect,
        events: Vec<NewEvent>,
    ) -> Result<Appended, Fault> {
        if events.len() > MAX_EVENTS {
            let what = format!("{} events at once; at most {MAX_EVENTS}", events.len());
            return Err(Fault::Wrong(what));
        }
        let ack = self.store()?.append(stream, expect, events);
        let appended = ack.await?;
        self.heard(appended.position);
        Ok(appended)
    }

    /// There are events up to here.
    pub fn heard(&self, position: u64) {
        self.news.send_if_modified(|last| {
            let is_news = position > *last;
            *last = position.max(*last);
            is_news
        });
    }

    /// Other nodes append to its streams, too.
    pub fn set_lags(&self) {
        self.lags.store(true, Relaxed);
    }

    /// Both ends, after a moment for a position that another node may have told of.
    pub(crate) async fn ends_at(&self, position: u64) -> Result<Ends, Fault> {
        if self.lags.load(Relaxed) && position > self.last() {
            self.wait_past(position - 1, after(REACHED)).await;
        }
        self.ends().await
    }

    /// Reads off the runtime's threads.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let store = self.store()?;
        let done = tokio::task::spawn_blocking(move || read(&*store)).await;
        done.unwrap_or(Err(Fault::NotOpen))
    }

    pub async fn ends(&self) -> Result<Ends, Fault> {
        self.read(|s| Ok(s.ends()?)).await
    }

    /// Whether there is something after `position`, now or until then.
    pub async fn wait_past(&self, position: u64, until: Instant) -> bool {
        let mut news = self.news.subscribe();
        let came = news.wait_for(|last| *last > position);
        matches!(timeout_at(until, came).await, Ok(Ok(_)))
    }

    /// Told of each append, and of the end.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(crate) fn followers(&self) -> Arc<Semaphore> {
        self.followers.clone()
    }

    /// The last position that is known of.
    pub fn last(&self) -> u64 {
        *self.news.borrow()
    }
}

/// The end of a wait.
pub(crate) fn after(wait: Duration) -> Instant {
    Instant::now() + wait
}
