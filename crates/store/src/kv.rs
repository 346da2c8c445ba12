//! `Kv`: values by key, changed by compare-and-set, with an expiry judged by the caller's clock.

use crate::bounds::{limit, name};
use crate::{Ack, Error, MAX_VALUE};
use serde::{Deserialize, Serialize};

/// Names one state of one key; never given out twice by a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Etag(pub u64);

impl Etag {
    /// No state has it: a write under it is refused, in its turn behind the writes before it.
    pub const NONE: Etag = Etag(0);
}

/// What must hold for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precondition {
    Any,
    /// No value, or only an expired one.
    Absent,
    Is(Etag),
}

/// Written down, the value is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    pub key: String,
    #[serde(skip)]
    pub value: Vec<u8>,
    pub precondition: Precondition,
    /// Milliseconds since the Unix epoch from which on the value is gone; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
}

impl Put {
    /// Whatever was there, and for ever.
    pub fn new(key: impl Into<String>, value: Vec<u8>) -> Put {
        Put {
            key: key.into(),
            value,
            precondition: Precondition::Any,
            expires_ms: None,
        }
    }

    /// Whether its key and its value are within the bounds that all engines have.
    pub(crate) fn fits(&self) -> Result<(), Error> {
        name("key", &self.key)?;
        limit("a value", self.value.len(), MAX_VALUE)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub value: Vec<u8>,
    pub etag: Etag,
    pub expires_ms: Option<u64>,
}

/// `now_ms` is milliseconds since the Unix epoch; a value is gone at its expiry, swept or not.
pub trait Kv: Send + Sync {
    fn get(&self, key: &str, now_ms: u64) -> Result<Option<Entry>, Error>;
    /// `Error::Stale` when the precondition does not hold.
    fn put(&self, put: Put, now_ms: u64) -> Ack<Etag>;
    /// Tells whether there was a value. `Error::Stale` when the precondition does not hold.
    fn delete(&self, key: &str, precondition: Precondition, now_ms: u64) -> Ack<bool>;
    /// Entries whose key starts with `prefix` and is greater than `after`, in order of key, at most `limit`.
    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now_ms: u64,
    ) -> Result<Vec<Entry>, Error>;
    /// Values whose key starts with `prefix`. Engines that can count without reading do so.
    fn count(&self, prefix: &str, now_ms: u64) -> Result<u64, Error> {
        let (mut n, mut after) = (0, None::<String>);
        loop {
            let page = self.scan(prefix, after.as_deref(), PAGE, now_ms)?;
            let Some(last) = page.last() else {
                return Ok(n);
            };
            n += page.len() as u64;
            after = Some(last.key.clone());
        }
    }
    /// Removes up to `limit` expired values; tells how many.
    fn sweep(&self, limit: usize, now_ms: u64) -> Ack<usize>;
}

/// Rows that [`entries`] reads at once.
const PAGE: usize = 500;

/// All entries of a prefix in the order of their keys, read a page at a time; an error ends them and is in `failed`.
pub fn entries<'a>(
    store: &'a impl Kv,
    prefix: &'a str,
    now_ms: u64,
    failed: &'a mut Option<Error>,
) -> impl Iterator<Item = Entry> + 'a {
    let mut after: Option<String> = None;
    std::iter::from_fn(move || {
        let page = store.scan(prefix, after.as_deref(), PAGE, now_ms);
        let page = page.unwrap_or_else(|e| {
            *failed = Some(e);
            Vec::new()
        });
        after = page.last().map(|e| e.key.clone());
        (!page.is_empty()).then_some(page)
    })
    .flatten()
}
