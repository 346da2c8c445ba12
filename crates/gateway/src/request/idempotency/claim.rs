//! A key that this process is at work on: in memory so that two requests at once meet there, and in the store.

use super::core::Fingerprint;
use super::record::{Record, Stage};
use crate::jobs::carry::Kept;
use crate::state::State;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use store::{Ack, Error, Etag, Precondition, Put};

/// Keys under way: as many as there are requests with keys.
#[derive(Debug, Default)]
pub struct Claims {
    under_way: Mutex<HashMap<String, Fingerprint>>,
}

impl Claims {
    /// # Errors
    /// The payload of whoever is at work on the key.
    pub fn begin(
        self: &Arc<Self>,
        key: String,
        fingerprint: Fingerprint,
    ) -> Result<Turn, Fingerprint> {
        let mut under_way = self.under_way.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(other) = under_way.get(&key) {
            return Err(*other);
        }
        under_way.insert(key.clone(), fingerprint);
        Ok(Turn {
            claims: self.clone(),
            key,
        })
    }
}

/// The only one here at work on its key, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    claims: Arc<Claims>,
    pub key: String,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut under_way = (self.claims.under_way.lock()).unwrap_or_else(|e| e.into_inner());
        under_way.remove(&self.key);
    }
}

/// A claim that is on disk. Dropped without an end it stays there, and says that nobody knows.
pub struct Claim {
    pub turn: Turn,
    /// Not the store itself: a long exchange must not keep whoever wants it back.
    pub state: Arc<State>,
    pub etag: Etag,
    pub fingerprint: Fingerprint,
    /// When it was made, and when it is forgotten (milliseconds since the Unix epoch).
    pub made_ms: u64,
    pub expires_ms: u64,
    /// Of the job that it becomes; `None`: it becomes none.
    pub secret: Option<u128>,
    /// Keys of the route.
    pub count: Arc<AtomicU64>,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({})", self.turn.key)
    }
}

impl Claim {
    /// Writes down what came of it. Whoever asks from now on finds that.
    pub fn end(self, stage: Stage) -> Ack<Etag> {
        let record = Record {
            fingerprint: self.fingerprint,
            stage,
        };
        let put = Put {
            key: self.turn.key.clone(),
            value: record.write(),
            precondition: Precondition::Is(self.etag),
            expires_ms: Some(self.expires_ms),
        };
        match self.state.lent() {
            Some(lent) => lent.durable.put(put, self.made_ms),
            None => Ack::ready(Err(taken_back())),
        }
    }

    pub fn answered(self, kept: Kept) -> Ack<Etag> {
        self.end(Stage::Answered(kept))
    }

    /// Nothing was done: the key is as if it had never been seen.
    pub fn free(self) -> Ack<bool> {
        let one_less = |n: u64| Some(n.saturating_sub(1));
        let _ = self.count.fetch_update(Relaxed, Relaxed, one_less);
        let is = Precondition::Is(self.etag);
        match self.state.lent() {
            Some(lent) => lent.durable.delete(&self.turn.key, is, self.made_ms),
            None => Ack::ready(Err(taken_back())),
        }
    }
}

fn taken_back() -> Error {
    Error::Stopped("another process has it".into())
}
