//! State behind seven traits: `Log` (streams of events), `Kv` (values by key), `Queue` (jobs that wait), `Topics` (events for
//! many), `Counter` (how often something may happen), `Lease` (who may do it) and `SecondLevel` (answers that several caches have together). Engines: `embedded`
//! (SQLite in the data directory) has all but the last, `redis` (a feature) the last three and `Kv`, `nats` (a feature) `Kv`, `Lease`, `Queue`, `Log` and `Topics`, for
//! several nodes. Every engine passes the suites in `tests/suite`.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod ack;
mod bounds;
pub mod counter;
pub mod embedded;
pub mod error;
pub mod kv;
pub mod lease;
pub mod log;
#[cfg(feature = "nats")]
pub mod nats;
pub mod queue;
#[cfg(feature = "redis")]
pub mod redis;
pub mod second;
pub mod topics;

pub use ack::{Ack, in_parts};
pub use counter::{Counter, Quota, Take, Taken};
pub use embedded::Embedded;
pub use error::Error;
pub use kv::{Entry, Etag, Kv, Precondition, Put, entries};
pub use lease::{Holding, Lease};
pub use log::{Appended, Ends, Expect, Log, Names, NewEvent, Record};
pub use queue::{
    Bounds, Cancel, Carried, Finish, Job, JobId, Lane, Leased, Marked, Named, NewJob, Payload,
    Queue, State,
};
pub use second::SecondLevel;
pub use topics::{Broker, Message, NewMessage, Own, Published, Topic, TopicBounds, Topics};

/// Longest name of a stream, kind of an event, or key, bytes.
pub const MAX_NAME: usize = 1024;
/// Largest value or event, bytes.
pub const MAX_VALUE: usize = 1 << 20;
/// Most rows that one read returns.
pub const MAX_ROWS: usize = 10_000;
/// Bytes of events from which on a read returns no more of them.
pub const MAX_READ: usize = 8 << 20;
/// Most events in one append.
pub const MAX_EVENTS: usize = 512;
/// Most streams of a store.
pub const MAX_STREAMS: u64 = 1_000_000;
