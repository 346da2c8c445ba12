//! What can go wrong in a store, and what a person should do about it.

use crate::Etag;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The stream is not at the version the writer expected: read again and decide again.
    #[error(
        "stream `{stream}` is at version {actual}, not {expected}: someone else wrote to it first"
    )]
    Conflict {
        stream: String,
        expected: String,
        actual: u64,
    },
    /// The key does not hold what the writer expected: read again and decide again.
    #[error("key `{key}` was changed by someone else since it was read")]
    Stale { key: String, actual: Option<Etag> },
    #[error("{what} is {size} bytes; at most {limit} are stored")]
    TooLarge {
        what: String,
        size: usize,
        limit: usize,
    },
    #[error("{0}")]
    Invalid(String),
    /// The writer's queue is full: the disk is slower than what is asked of it. May be tried again.
    #[error("the store's queue is full: the disk does not keep up")]
    Busy,
    /// Nothing was stored. May be tried again when there is room.
    #[error("{what} holds {holds}, and no more is taken: at most {limit}")]
    Full {
        what: String,
        holds: String,
        limit: String,
    },
    /// Nothing was stored; what was stored before is safe.
    #[error("{path}: the disk is full; free some space, nothing else is needed")]
    DiskFull { path: String },
    /// A write failed earlier; whether it reached the disk is unknown, so nothing more is accepted.
    #[error(
        "the store stopped after a failed write ({0}): check the disk's space and health, then restart; \
         everything acknowledged before is safe"
    )]
    Stopped(String),
    #[error("{path} is used by another running process; stop it, or open the store read-only")]
    Locked { path: String },
    #[error("the store was opened read-only")]
    ReadOnly,
    #[error(
        "{path} was written by a newer version (schema {found}; this one knows up to {known}): use that version, \
         or move the file away to start afresh"
    )]
    Newer {
        path: String,
        found: i64,
        known: i64,
    },
    #[error("{path} is not a store of Plimsoll: {why}")]
    Foreign { path: String, why: String },
    #[error(
        "{path}, {place}: {why}. The file is damaged there; restore a copy, or move the file away to start afresh"
    )]
    Corrupt {
        path: String,
        place: String,
        why: String,
    },
    /// Nothing is known of what was asked last: it may have been done.
    #[error("{engine} is away: {why}")]
    Away { engine: String, why: String },
    /// Nothing was done.
    #[error("{engine} refuses: {why}")]
    Refused { engine: String, why: String },
    #[error("{path}: {why}")]
    Io { path: String, why: String },
}

impl Error {
    /// Whether the caller lost a race and should read and decide again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Error::Conflict { .. } | Error::Stale { .. })
    }
}
