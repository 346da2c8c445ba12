//! `Log`: streams of events that are only ever appended to, with one global order; the oldest can be let go.

use crate::{Ack, Error};
use serde::{Deserialize, Serialize};

/// What the writer believes about the stream it appends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Any,
    /// Holds no event yet.
    Empty,
    /// Holds exactly this many events.
    Version(u64),
}

/// An event before it is stored. `data` is opaque to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Its name in its stream: who appends it again changes nothing. Empty: it has none.
    pub id: String,
    pub kind: String,
    /// Milliseconds since the Unix epoch, as the writer says.
    pub at_ms: u64,
    pub data: Vec<u8>,
}

/// An event as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Place in the order of all streams, from 1, without gaps, in the order of commit.
    pub position: u64,
    pub stream: String,
    /// Place in its stream, from 1, without gaps.
    pub version: u64,
    pub kind: String,
    pub at_ms: u64,
    pub data: Vec<u8>,
}

/// Where an append ended up: the place of that event of it which is furthest, stored now or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub version: u64,
    pub position: u64,
    /// Events that were stored now; the others were there already, by their ids.
    pub added: usize,
}

/// Of which streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names<'a> {
    All,
    Is(&'a str),
    Begin(&'a str),
}

/// Both ends of the global order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// What was let go: events up to here are not there any more.
    pub gone: u64,
    /// The last event; 0: there was none yet.
    pub last: u64,
}

/// A read returns less than its limit when it gets as large as [`MAX_READ`](crate::MAX_READ): read on until nothing comes.
pub trait Log: Send + Sync {
    /// Appends all events or none. `Error::Conflict` when the stream is not as expected.
    ///
    /// Events whose ids the stream holds already are not stored again. When it holds all of them, the answer is the same
    /// whatever is expected: whoever does not know whether an append was done asks for it again.
    fn append(&self, stream: &str, expect: Expect, events: Vec<NewEvent>) -> Ack<Appended>;
    /// Events of one stream from version `from` (1 is the first), at most `limit`.
    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<Record>, Error>;
    /// The same from version `from` downwards; `u64::MAX` begins with the last.
    fn read_back(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<Record>, Error>;
    /// Events of all streams after position `after` (0 reads from the start), at most `limit`.
    fn read_all(&self, after: u64, limit: usize) -> Result<Vec<Record>, Error>;
    /// Events of some streams after position `after` and up to `until`, in order of position, at most `limit`.
    fn read_some(
        &self,
        names: Names<'_>,
        after: u64,
        until: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Error>;
    /// How many events the stream has had; 0 when it does not exist.
    fn version(&self, stream: &str) -> Result<u64, Error>;
    fn ends(&self) -> Result<Ends, Error>;
    /// Names and versions of streams after `after` in the order of their names, at most `limit`.
    fn streams(&self, after: &str, limit: usize) -> Result<Vec<(String, u64)>, Error>;
    /// Lets the oldest events go, up to the first that is not older than `before_ms`, at most `limit`; tells how many. Versions and
    /// positions go on as if they were there.
    fn trim(&self, before_ms: u64, limit: usize) -> Ack<u64>;
}
