//! `Log`: streams of events that are only ever appended to, with one global order.

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

/// Where an append ended up: of its last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub version: u64,
    pub position: u64,
}

pub trait Log: Send + Sync {
    /// Appends all events or none. `Error::Conflict` when the stream is not as expected.
    fn append(&self, stream: &str, expect: Expect, events: Vec<NewEvent>) -> Ack<Appended>;
    /// Events of one stream from version `from` (1 is the first), at most `limit`.
    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<Record>, Error>;
    /// Events of all streams after position `after` (0 reads from the start), at most `limit`.
    fn read_all(&self, after: u64, limit: usize) -> Result<Vec<Record>, Error>;
    /// How many events the stream holds; 0 when it does not exist.
    fn version(&self, stream: &str) -> Result<u64, Error>;
}
