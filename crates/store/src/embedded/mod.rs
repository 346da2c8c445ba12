//! The embedded engine: one SQLite file, one writer thread that commits what is waiting as one group,
//! and readers with connections of their own.

mod backup;
pub(crate) mod copy;
mod counters;
mod leases;
mod queue;
mod readers;
mod relaxed;
pub(crate) mod replace;
pub(crate) mod schema;
mod vacuum;
mod writer;

use crate::ack::{Ack, pair};
use crate::bounds::{limit, name};
use crate::{
    Appended, Counter, Ends, Entry, Error, Etag, Expect, Kv, Log, MAX_EVENTS, MAX_NAME, MAX_VALUE,
    Names, NewEvent, Precondition, Put, Quota, Record, Take, Taken,
};
use counters::Counters;
use readers::Readers;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use writer::Write;

pub use backup::copy;
pub use copy::Copy as CopyOf;
#[cfg(feature = "nats")]
pub(crate) use queue::{is_name as is_payload, name_of as payload_name, payloads};
#[cfg(feature = "redis")]
pub(crate) use readers::successor;
pub use relaxed::Relaxed;
pub use schema::SCHEMA;

/// Writes that may wait at once, and their bytes; beyond, `Error::Busy`.
pub const QUEUE: usize = 4096;
const QUEUE_BYTES: usize = 64 << 20;

/// A store in one file. Share it behind an `Arc`; dropping it finishes the writes that wait.
#[derive(Debug)]
pub struct Embedded {
    path: PathBuf,
    readers: Readers,
    counters: Counters,
    /// Bytes at which it takes no more.
    #[cfg_attr(
        not(feature = "nats"),
        allow(dead_code, reason = "other nodes are those of an engine")
    )]
    most: u64,
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    writes: Mutex<Option<SyncSender<Write>>>,
    /// Bytes that wait.
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
    /// Held locked while the store is open, so that no second process writes; freed by the system when we die.
    lock: File,
}

impl Embedded {
    /// Opens the file for reading and writing, and makes it (and its folder) if it is not there.
    pub fn open(path: impl AsRef<Path>) -> Result<Embedded, Error> {
        Embedded::open_within(path, u64::MAX)
    }

    /// The same, of a file that takes no more jobs at so many bytes. It keeps some room beyond, so that those that it has
    /// can end; when that is used up it is as if the disk were full.
    pub fn open_within(path: impl AsRef<Path>, bytes: u64) -> Result<Embedded, Error> {
        let path = path.as_ref().to_path_buf();
        let io = |e: std::io::Error| Error::Io {
            path: path.display().to_string(),
            why: e.to_string(),
        };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(io)?;
        }
        let lock = File::create(path.with_added_extension("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(Error::Locked {
                    path: path.display().to_string(),
                });
            }
            Err(std::fs::TryLockError::Error(e)) => return Err(io(e)),
        }
        let waiting = Arc::<AtomicUsize>::default();
        let state = writer::State::new(&path, bytes, waiting.clone())?;
        let (writes, queue) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer::run(state, queue))
            .map_err(io)?;
        Ok(Embedded {
            readers: Readers::new(&path)?,
            counters: Counters::default(),
            path,
            most: bytes,
            writer: Some(Writer {
                writes: Mutex::new(Some(writes)),
                waiting,
                thread: Some(thread),
                lock,
            }),
        })
    }

    /// Opens an existing file for tools, also while another process writes to it.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Embedded, Error> {
        let path = path.as_ref().to_path_buf();
        Ok(Embedded {
            readers: Readers::new(&path)?,
            counters: Counters::default(),
            path,
            most: u64::MAX,
            writer: None,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks through the whole file for damage; an empty list means none was found. Takes long on large files.
    pub fn check(&self) -> Result<Vec<String>, Error> {
        Ok(self.readers.check(None)?.0)
    }

    /// The same for no longer than that, and whether all of it was looked at. It reads one moment of the file: a process that
    /// writes meanwhile goes on, and its log grows for so long.
    pub fn check_within(&self, within: Duration) -> Result<(Vec<String>, bool), Error> {
        self.readers.check(Some(within))
    }

    fn submit<T>(&self, make: impl FnOnce(crate::ack::Reply<T>) -> Write) -> Ack<T> {
        let Some(writer) = &self.writer else {
            return Ack::ready(Err(Error::ReadOnly));
        };
        let (reply, ack) = pair();
        let write = make(reply);
        let bytes = write.bytes();
        if writer.waiting.fetch_add(bytes, Ordering::Relaxed) > QUEUE_BYTES {
            writer.waiting.fetch_sub(bytes, Ordering::Relaxed);
            write.fail(Error::Busy);
            return ack;
        }
        let writes = writer
            .writes
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        match writes.as_ref().map(|j| j.try_send(write)) {
            Some(Ok(())) => ack,
            Some(Err(TrySendError::Full(write))) => {
                writer.waiting.fetch_sub(bytes, Ordering::Relaxed);
                write.fail(Error::Busy);
                ack
            }
            // The write is dropped, and its reply says that the writer is gone.
            Some(Err(TrySendError::Disconnected(_))) | None => ack,
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // The writer must close last: only it can fold the write-ahead log into the file.
        self.readers.close();
        if let Some(writer) = &mut self.writer {
            writer
                .writes
                .get_mut()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .take();
            if let Some(thread) = writer.thread.take() {
                // A panic of the writer was reported by its own thread.
                let _ = thread.join();
            }
            // Closing is not enough: a process being started at this moment holds a copy of the file for an instant.
            let _ = writer.lock.unlock();
        }
    }
}

pub(crate) fn acceptable(stream: &str, events: &[NewEvent]) -> Result<(), Error> {
    name("name of a stream", stream)?;
    if events.is_empty() {
        return Err(Error::Invalid("an append without events".into()));
    }
    if events.len() > MAX_EVENTS {
        return Err(Error::Invalid(format!(
            "an append of {} events; at most {MAX_EVENTS} at once",
            events.len()
        )));
    }
    for e in events {
        name("kind of an event", &e.kind)?;
        limit("the id of an event", e.id.len(), MAX_NAME)?;
        limit("an event", e.data.len(), MAX_VALUE)?;
    }
    limit(
        "an append",
        events.iter().map(|e| e.data.len()).sum(),
        4 * MAX_VALUE,
    )
}

impl Log for Embedded {
    fn append(&self, stream: &str, expect: Expect, events: Vec<NewEvent>) -> Ack<Appended> {
        if let Err(e) = acceptable(stream, &events) {
            return Ack::ready(Err(e));
        }
        self.submit(|reply| Write::Append {
            stream: stream.to_owned(),
            expect,
            events,
            reply,
        })
    }
    fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.readers.read(stream, from, limit)
    }
    fn read_all(&self, after: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.readers.read_all(after, limit)
    }
    fn read_back(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.readers.read_back(stream, from, limit)
    }
    fn read_some(
        &self,
        names: Names<'_>,
        after: u64,
        until: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        self.readers.read_some(names, after, until, limit)
    }
    fn version(&self, stream: &str) -> Result<u64, Error> {
        self.readers.version(stream)
    }
    fn ends(&self) -> Result<Ends, Error> {
        self.readers.ends()
    }
    fn streams(&self, after: &str, limit: usize) -> Result<Vec<(String, u64)>, Error> {
        self.readers.streams(after, limit)
    }
    fn trim(&self, before_ms: u64, limit: usize) -> Ack<u64> {
        self.submit(|reply| Write::Trim {
            before_ms,
            limit: limit.min(crate::MAX_ROWS),
            reply,
        })
    }
}

impl Embedded {
    fn put_as(&self, relaxed: bool, put: Put, now_ms: u64) -> Ack<Etag> {
        if let Err(e) = put.fits() {
            return Ack::ready(Err(e));
        }
        self.submit(|reply| Write::Put {
            put,
            now_ms,
            relaxed,
            reply,
        })
    }

    fn delete_as(
        &self,
        relaxed: bool,
        key: &str,
        precondition: Precondition,
        now_ms: u64,
    ) -> Ack<bool> {
        self.submit(|reply| Write::Delete {
            key: key.to_owned(),
            precondition,
            now_ms,
            relaxed,
            reply,
        })
    }
}

impl Kv for Embedded {
    fn get(&self, key: &str, now_ms: u64) -> Result<Option<Entry>, Error> {
        self.readers.get(key, now_ms)
    }
    fn put(&self, put: Put, now_ms: u64) -> Ack<Etag> {
        self.put_as(false, put, now_ms)
    }
    fn delete(&self, key: &str, precondition: Precondition, now_ms: u64) -> Ack<bool> {
        self.delete_as(false, key, precondition, now_ms)
    }
    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now_ms: u64,
    ) -> Result<Vec<Entry>, Error> {
        self.readers.scan(prefix, after, limit, now_ms)
    }
    fn count(&self, prefix: &str, now_ms: u64) -> Result<u64, Error> {
        self.readers.count(prefix, now_ms)
    }
    fn sweep(&self, limit: usize, now_ms: u64) -> Ack<usize> {
        self.submit(|reply| Write::Sweep {
            limit: limit.min(crate::MAX_ROWS),
            now_ms,
            reply,
        })
    }
}

impl Counter for Embedded {
    fn take(&self, take: Take, now_us: u64) -> Ack<Taken> {
        Ack::ready(self.counters.take(&take, now_us))
    }
    fn give(&self, key: &str, quota: Quota, milli: u64, _now_us: u64) -> Ack<()> {
        self.counters.give(key, &quota, milli);
        Ack::ready(Ok(()))
    }
}
