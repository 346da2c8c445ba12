//! The stored answers of one route on one arm, as the gates look at them that answer from there.

use super::Marks;
use super::core;
use super::store::{Entry, Found, Store};
use crate::exchange::{Head, Reply};
use crate::gate::Making;
use base::Nanos;
use bytes::Bytes;
use std::sync::Arc;

pub struct Shelf {
    arm: u8,
    pub(super) store: Arc<Store>,
    pub(super) marks: Arc<Marks>,
}

impl Shelf {
    /// `None` on a route without a cache.
    pub fn of(m: &Making<'_>) -> Option<Shelf> {
        let config = m.route.cache.as_ref()?;
        let new = || Store::new(config.size, config.max_body);
        Some(Shelf {
            arm: m.arm.0,
            store: m.kept.get(&m.route.name, new),
            marks: m.kept.get("cache", Marks::default),
        })
    }

    /// Arm, host in lower case, path and query. Nothing of it can hold the separator.
    pub(super) fn key(&self, head: &Head<'_>) -> Vec<u8> {
        let (host, path) = (head.host().unwrap_or(b""), head.path_and_query());
        let mut key = Vec::with_capacity(host.len() + path.len() + 2);
        key.push(self.arm);
        key.extend(host.iter().map(u8::to_ascii_lowercase));
        key.push(0);
        key.extend_from_slice(path);
        key
    }

    /// What may answer the request now.
    pub(super) fn find(&self, key: &[u8], head: &Head<'_>, now: Nanos) -> Found {
        let usable = |e: &Entry| {
            let age = e.age(now);
            self.is_for(e, head) && core::accepts(head, age, e.keep.lifetime.saturating_sub(age))
        };
        match self.store.find(key, head, now) {
            Found::Fresh(entry) if usable(&entry) => Found::Fresh(entry),
            Found::Stale { entry, refresh } if usable(&entry) => Found::Stale { entry, refresh },
            _ => Found::Nothing,
        }
    }

    /// The fresh answer to the request.
    pub fn fresh(&self, head: &Head<'_>, now: Nanos) -> Option<Reply> {
        match self.find(&self.key(head), head, now) {
            Found::Fresh(entry) => Some(answer(&entry, head, now, "")),
            _ => None,
        }
    }

    /// What was stored last for the request, however old it is and whatever age the request asks for.
    pub fn last(&self, head: &Head<'_>) -> Option<Arc<Entry>> {
        let entry = self.store.last(&self.key(head), head)?;
        self.is_for(&entry, head).then_some(entry)
    }

    /// Neither changed since by an unsafe request, nor for somebody else.
    fn is_for(&self, e: &Entry, head: &Head<'_>) -> bool {
        let host = head.host().unwrap_or(b"");
        let outdated = self.marks.outdated(host, head.path(), e.at);
        !(outdated || e.keep.by_route && core::personal(head))
    }
}

/// The stored answer as a reply. `detail` says in `Cache-Status` why it is used though it is old; empty: it is not.
pub fn answer(entry: &Entry, request: &Head<'_>, now: Nanos, detail: &str) -> Reply {
    let age = entry.age(now);
    let etag = entry.etag.as_deref();
    let unix = entry.unix + age;
    let not_modified =
        entry.status == 200 && core::unchanged(request, etag, entry.modified.as_deref(), unix);
    let mut reply = match not_modified {
        true => Reply::new(304, Bytes::new()),
        false => Reply::new(entry.status, entry.body.clone()),
    };
    reply.headers.reserve(entry.headers.len() + 2);
    let of_body = |n: &str| n.len() > 8 && n[..8].eq_ignore_ascii_case("content-");
    let headers = entry
        .headers
        .iter()
        .filter(|(n, _)| !not_modified || !of_body(n));
    reply.headers.extend(headers.cloned());
    let left = entry.keep.lifetime as i64 - age as i64;
    let mut status = format!("plimsoll; hit; ttl={left}");
    if !detail.is_empty() {
        status.push_str("; detail=");
        status.push_str(detail);
    }
    reply
        .with("Age", age.to_string())
        .with("Cache-Status", status)
}
