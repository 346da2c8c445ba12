//! What people take out of the stores: one address, all below a path, or a group.
//!
//! Soft (the default) makes it stale: while one request fetches it anew others may get it, and it may stand in for an error.
//! Hard takes it out.

use super::entry::Entry;
use base::Nanos;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

/// What is purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Path and query.
    Url(String),
    /// Everything whose path begins so.
    Prefix(String),
    /// Everything that names this group in `Cache-Groups`.
    Group(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    pub what: What,
    /// In lower case; `None`: any.
    pub host: Option<String>,
    pub hard: bool,
}

impl Purge {
    /// `key` is as the shelf makes it: arm, host, 0, path and query.
    pub fn names(&self, key: &[u8], groups: &[Box<str>]) -> bool {
        // The arm comes first, and may itself be 0.
        let Some(end) = key.iter().skip(1).position(|&b| b == 0) else {
            return false;
        };
        let (host, target) = (&key[1..=end], &key[end + 2..]);
        let here = self.host.as_ref().is_none_or(|h| h.as_bytes() == host);
        here && match &self.what {
            What::Url(url) => url.as_bytes() == target,
            What::Prefix(prefix) => target.starts_with(prefix.as_bytes()),
            What::Group(group) => groups.iter().any(|g| **g == **group),
        }
    }
}

/// The last purges: what was asked for before one of them is not stored after it.
#[derive(Debug, Default)]
pub struct Log {
    recent: VecDeque<(Nanos, Purge)>,
}

/// Purges that are remembered. A response that takes longer than so many purges counts as purged.
const REMEMBERED: usize = 64;

impl Log {
    pub fn note(&mut self, purge: Purge, now: Nanos) {
        if self.recent.len() >= REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((now, purge));
    }

    /// Whether the response may be stored; a soft purge leaves it stale.
    pub fn allows(&self, key: &[u8], entry: &Entry) -> bool {
        let full = self.recent.len() >= REMEMBERED;
        let forgotten = full && self.recent.front().is_some_and(|(at, _)| entry.at < *at);
        !forgotten && self.spares(key, entry)
    }

    /// The same, as far as purges are remembered: for what was stored, so that the others have already found it.
    pub fn spares(&self, key: &[u8], entry: &Entry) -> bool {
        let later = self
            .recent
            .iter()
            .rev()
            .take_while(|(at, _)| *at >= entry.at);
        let mut named = later
            .filter(|(_, p)| p.names(key, &entry.groups))
            .peekable();
        if named.peek().is_none() {
            return true;
        }
        entry.purged.store(true, Relaxed);
        named.all(|(_, p)| !p.hard)
    }
}
