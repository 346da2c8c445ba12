//! `Topics`: events that are kept once, and lent to each of their subscriptions as a job that carries them.

use crate::queue::{JobId, NewJob, Payload};
use crate::{Ack, Error, Kv, Marked, Queue};
use serde::{Deserialize, Serialize};

/// Most events in one `publish`.
pub const MAX_PUBLISHED: usize = 256;
/// Most subscriptions of one event.
pub const MAX_FAN_OUT: usize = 256;

/// An event before it is stored. Written down, what is opaque is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
    /// What says that another one is the same event.
    pub digest: [u8; 16],
    pub at_ms: u64,
    /// Opaque to the store, as is the payload; both are kept once, however many take them.
    #[serde(skip)]
    pub head: Vec<u8>,
    #[serde(skip)]
    pub payload: Vec<u8>,
    /// One for each subscription that takes it. Their heads and payloads are empty: they carry those of the event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<NewJob>,
}

/// How much one topic holds, and what counts as the same event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicBounds {
    pub events: u64,
    /// Of heads and payloads.
    pub bytes: u64,
    /// An event with the same digest from then on is the same one.
    pub since_ms: u64,
}

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its place in the order of all events, from 1, never given twice.
    pub position: u64,
    /// It was there already: nobody gets it once more.
    pub duplicate: bool,
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub position: u64,
    pub at_ms: u64,
    pub head: Vec<u8>,
    pub payload: Payload,
}

/// One topic in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    pub events: u64,
    pub bytes: u64,
    /// The oldest that is kept; 0: none is.
    pub first: u64,
    /// The newest that ever was, and the newest that was forgotten; 0: none was.
    pub last: u64,
    pub gone: u64,
    /// Dead letters that gave way to new events, ever.
    pub dropped: u64,
}

pub trait Topics: Send + Sync {
    /// Stores all events with the jobs of their subscriptions, or none, in one commit; in the order given. One that is there
    /// already is told and not stored again. Events that nobody waits for make room, the oldest first;
    /// `Error::Full` when that is not enough.
    fn publish(
        &self,
        topic: &str,
        events: Vec<NewMessage>,
        bounds: TopicBounds,
    ) -> Ack<Vec<Published>>;
    /// The worker has the job until then. False: it does not have it any more.
    fn extend(&self, id: JobId, attempt: u32, until_ms: u64) -> Ack<bool>;
    /// Ends up to `most` jobs of a lane whose time has come, whether somebody leases there or not. How many.
    fn expire(&self, lane: &str, now_ms: u64, most: usize) -> Ack<usize>;
    /// Forgets up to `most` events of before, of those that no job carries any more. How many.
    fn trim(&self, topic: &str, before_ms: u64, most: usize) -> Ack<usize>;
    /// Events of a topic with a position above `after`, in order.
    fn events(&self, topic: &str, after: u64, limit: usize) -> Result<Vec<Message>, Error>;
    /// Every topic that ever was, by name.
    fn topics(&self) -> Result<Vec<Topic>, Error>;
}

/// A queue with topics, and values beside them.
pub trait Broker: Queue + Topics + Kv {}

impl<T: Queue + Topics + Kv> Broker for T {}

/// What one process has in a file.
pub trait Own: Broker + Marked {}

impl<T: Broker + Marked> Own for T {}
