//! The store that is lent, and what gates count of it.

use crate::calendar::Calendar;
use base::Nanos;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock};
use store::{Entry, Error, Kv};

/// A store with two manners of writing.
#[derive(Clone)]
pub struct Lent {
    /// What is acknowledged outlasts a power cut.
    pub durable: Arc<dyn Kv>,
    /// A power cut may take what came last.
    pub relaxed: Arc<dyn Kv>,
    /// No other gateway uses it: what nobody here is at work on, nobody is.
    pub alone: bool,
}

/// Survives new generations.
#[derive(Default)]
pub struct State {
    /// `None`: there is none yet, or another process has it.
    lent: RwLock<Option<Lent>>,
    /// What all nodes have together and may lose; `None`: there is no such engine.
    shared: RwLock<Option<Arc<dyn Kv>>>,
    calendar: Calendar,
    counts: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

impl State {
    pub fn lent(&self) -> Option<Lent> {
        self.lent.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// `None` takes it back.
    pub fn lend(&self, lent: Option<Lent>) {
        *self.lent.write().unwrap_or_else(|e| e.into_inner()) = lent;
    }

    pub fn shared(&self) -> Option<Arc<dyn Kv>> {
        (self.shared.read().unwrap_or_else(|e| e.into_inner())).clone()
    }

    pub fn lend_shared(&self, kv: Option<Arc<dyn Kv>>) {
        *self.shared.write().unwrap_or_else(|e| e.into_inner()) = kv;
    }

    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self, now: Nanos) -> u64 {
        self.calendar.now_ms(now)
    }

    /// About how many values there are under a prefix: counted anew now and then, moved by gates in between.
    pub fn count(&self, prefix: &str) -> Arc<AtomicU64> {
        let mut counts = self.counts.lock().unwrap_or_else(|e| e.into_inner());
        counts.entry(prefix.to_owned()).or_default().clone()
    }

    /// Counts anew what somebody still wants to know. Blocks.
    pub(super) fn recount(&self, now_ms: u64) -> Result<(), Error> {
        let Some(lent) = self.lent() else {
            return Ok(());
        };
        let all: Vec<_> = {
            let mut counts = self.counts.lock().unwrap_or_else(|e| e.into_inner());
            counts.retain(|_, count| Arc::strong_count(count) > 1);
            counts.iter().map(|(p, c)| (p.clone(), c.clone())).collect()
        };
        for (prefix, count) in all {
            count.store(lent.durable.count(&prefix, now_ms)?, Relaxed);
        }
        Ok(())
    }
}

impl Lent {
    /// Reads a value on a thread that may block.
    pub async fn read(self, key: String, now_ms: u64) -> Result<Option<Entry>, Error> {
        let read = tokio::task::spawn_blocking(move || self.durable.get(&key, now_ms));
        let stopped = |_| Err(Error::Stopped("the process ends".into()));
        read.await.unwrap_or_else(stopped)
    }
}
