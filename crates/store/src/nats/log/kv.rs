//! What is kept beside events, how far their readers are above all, is in the bucket of values: the same for all nodes.

use super::Events;
use crate::{Ack, Entry, Error, Etag, Kv, Precondition, Put};

impl Kv for Events {
    fn get(&self, key: &str, now_ms: u64) -> Result<Option<Entry>, Error> {
        self.values.get(key, now_ms)
    }
    fn put(&self, put: Put, now_ms: u64) -> Ack<Etag> {
        self.values.put(put, now_ms)
    }
    fn delete(&self, key: &str, precondition: Precondition, now_ms: u64) -> Ack<bool> {
        self.values.delete(key, precondition, now_ms)
    }
    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now_ms: u64,
    ) -> Result<Vec<Entry>, Error> {
        self.values.scan(prefix, after, limit, now_ms)
    }
    fn count(&self, prefix: &str, now_ms: u64) -> Result<u64, Error> {
        self.values.count(prefix, now_ms)
    }
    fn sweep(&self, limit: usize, now_ms: u64) -> Ack<usize> {
        self.values.sweep(limit, now_ms)
    }
}
