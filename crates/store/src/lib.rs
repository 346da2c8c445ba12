//! Durable state behind three traits: `Log` (streams of events), `Kv` (values by key) and `Queue` (jobs that wait).
//! Engines: `embedded` (SQLite in the data directory). Every engine passes the suites in `tests/suite`.

pub mod ack;
pub mod embedded;
pub mod error;
pub mod kv;
pub mod log;
pub mod queue;

pub use ack::Ack;
pub use embedded::Embedded;
pub use error::Error;
pub use kv::{Entry, Etag, Kv, Precondition, Put, entries};
pub use log::{Appended, Expect, Log, NewEvent, Record};
pub use queue::{Bounds, Cancel, Finish, Job, JobId, Lane, Leased, NewJob, Payload, Queue, State};

/// Longest name of a stream, kind of an event, or key, bytes.
pub const MAX_NAME: usize = 1024;
/// Largest value or event, bytes.
pub const MAX_VALUE: usize = 1 << 20;
/// Most rows that one read returns.
pub const MAX_ROWS: usize = 10_000;
/// Most events in one append.
pub const MAX_EVENTS: usize = 512;
