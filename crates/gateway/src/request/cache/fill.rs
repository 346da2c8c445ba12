//! A response on its way in: what is known of it, and its body as far as it has come.

use super::core::Not;
use super::entry::Entry;
use super::second::Outcome;
use super::status::Forward;
use super::store::Store;
use base::Nanos;
use std::sync::Arc;

pub struct Fill {
    pub store: Arc<Store>,
    pub key: Vec<u8>,
    pub forward: Forward,
    /// Why other nodes were not asked.
    pub shared: Outcome,
    /// What is stored already.
    pub had: Option<Arc<Entry>>,
    /// The request carries the conditions of what is stored.
    pub conditional: bool,
    /// Until the head has come and may be stored.
    pub entry: Option<Entry>,
    pub body: Vec<u8>,
    pub max_body: u64,
    /// Why it is not stored after all.
    pub not: Option<Not>,
    /// What came of it.
    pub stored: Stored,
    /// Bytes of the store's room for fills that this one holds.
    reserved: u64,
    pub started: Nanos,
}

/// Room that is made for a body at once, when its length is told.
const AHEAD: u64 = 64 * 1024;

impl Fill {
    pub fn new(
        store: &Arc<Store>,
        key: Vec<u8>,
        forward: Forward,
        max_body: u64,
        now: Nanos,
    ) -> Fill {
        Fill {
            store: store.clone(),
            key,
            forward,
            shared: Outcome::Asked,
            had: None,
            conditional: false,
            entry: None,
            body: Vec::new(),
            max_body,
            not: None,
            stored: Stored::No,
            reserved: 0,
            started: now,
        }
    }

    /// The head has come, and may be stored.
    pub fn begin(&mut self, entry: Entry, length: Option<u64>) {
        self.entry = Some(entry);
        self.body.reserve(length.unwrap_or(0).min(AHEAD) as usize);
    }

    /// More of the body; nothing: that was all.
    pub fn take(&mut self, data: &[u8]) {
        if self.entry.is_none() {
            return;
        }
        if data.is_empty() {
            return self.end();
        }
        let n = data.len() as u64;
        if self.body.len() as u64 + n > self.max_body {
            self.not = Some(Not::TooLarge);
        }
        if self.not.is_some() || !self.store.reserve(n) {
            self.entry = None;
            self.body = Vec::new();
            self.store.filled(std::mem::take(&mut self.reserved));
            return self.refuse();
        }
        self.reserved += n;
        self.body.extend_from_slice(data);
    }

    /// Stores it, before its client has the end: whoever asks next finds it.
    fn end(&mut self) {
        let Some(mut entry) = self.entry.take() else {
            return;
        };
        entry.body = std::mem::take(&mut self.body).into();
        self.stored = match entry.keep.is_shared() {
            true => Stored::ForAll,
            false => Stored::ToValidate,
        };
        self.store.put(&self.key, entry);
    }

    fn refuse(&self) {
        if let Some(not) = self.not {
            self.store.refuse(&self.key, not);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    ForAll,
    /// Each who asks has to have it confirmed.
    ToValidate,
    No,
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.store.filled(self.reserved);
    }
}
