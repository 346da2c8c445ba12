//! The same keys, written without waiting for the disk: `kill -9` loses nothing. A power cut undoes at most what came since
//! the last write of anybody that did wait, or since the log was last written back to the file (it is after 1000 pages): none while
//! a later one stays, and the file stays whole (`tests/power_cut`). A later value may then have the etag of one that was undone.

use super::Embedded;
use crate::{Ack, Entry, Error, Etag, Kv, Precondition, Put};
use std::sync::Arc;

/// For what may be lost, such as when somebody was last seen. A durable write takes those before it along.
#[derive(Debug)]
pub struct Relaxed(pub Arc<Embedded>);

impl Kv for Relaxed {
    fn get(&self, key: &str, now_ms: u64) -> Result<Option<Entry>, Error> {
        self.0.get(key, now_ms)
    }
    fn put(&self, put: Put, now_ms: u64) -> Ack<Etag> {
        self.0.put_as(true, put, now_ms)
    }
    fn delete(&self, key: &str, precondition: Precondition, now_ms: u64) -> Ack<bool> {
        self.0.delete_as(true, key, precondition, now_ms)
    }
    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now_ms: u64,
    ) -> Result<Vec<Entry>, Error> {
        self.0.scan(prefix, after, limit, now_ms)
    }
    fn count(&self, prefix: &str, now_ms: u64) -> Result<u64, Error> {
        self.0.count(prefix, now_ms)
    }
    fn sweep(&self, limit: usize, now_ms: u64) -> Ack<usize> {
        self.0.sweep(limit, now_ms)
    }
}
