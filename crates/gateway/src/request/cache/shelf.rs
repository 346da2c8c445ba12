//! The stored answers of one route on one arm, as the gates look at them that answer from there.

use super::Marks;
use super::core::{self};
use super::entry::Entry;
use super::reuse::{self, Ask, Use};
use super::status::Said;
use super::store::{Found, Store};
use crate::exchange::{Head, Reply};
use crate::gate::Making;
use crate::request::policy::Policy;
use base::Nanos;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub struct Shelf {
    pub(super) arm: u8,
    pub(super) store: Arc<Store>,
    pub(super) marks: Arc<Marks>,
    pub(super) policy: Option<Policy>,
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
            policy: Policy::of(m.route),
        })
    }

    pub(super) fn key(&self, head: &Head<'_>) -> Vec<u8> {
        key(self.arm, head.host().unwrap_or(b""), head.path_and_query())
    }

    pub(super) fn find(&self, key: &[u8], head: &Head<'_>, range: bool) -> Found {
        let range = head.get("range").filter(|_| range);
        let mut found = self.store.find(key, head, range);
        // A guess is for nobody in particular.
        let for_all = |e: &Arc<Entry>| !(e.keep.guessed && core::personal(head));
        found.entry = found.entry.filter(for_all);
        found
    }

    /// How the entry may be used for the request.
    pub(super) fn reuse(&self, ask: &Ask, entry: &Entry, head: &Head<'_>, now: Nanos) -> Use {
        let mut age = entry.age(now);
        if entry.purged.load(Relaxed) {
            age = age.max(entry.keep.lifetime);
        }
        reuse::reuse(ask, &entry.keep, age, self.invalid(entry, head))
    }

    /// An unsafe request has changed it since.
    pub(super) fn invalid(&self, entry: &Entry, head: &Head<'_>) -> bool {
        let host = head.host().unwrap_or(b"");
        let by_group = |g: &str| self.marks.outdated(host, &Marks::group(g), entry.at);
        self.marks.outdated(host, head.path(), entry.at) || entry.groups.iter().any(|g| by_group(g))
    }

    /// The answer that was stored for another request and is good for this one, too.
    pub fn shared(&self, head: &Head<'_>, now: Nanos) -> Option<Reply> {
        let ask = reuse::ask(head.method_name(), head, head.has_body())?;
        let entry = self.find(&self.key(head), head, ask.range).entry?;
        match self.reuse(&ask, &entry, head, now) {
            Use::Fresh | Use::StaleWhileRevalidate | Use::Stale => {
                Some(self.answer(&entry, head, ask.get, now, Said::Collapsed))
            }
            Use::Validate(_) => None,
        }
    }

    /// The entry as the reply to the request, in the route's words about caching.
    pub fn answer(
        &self,
        entry: &Entry,
        head: &Head<'_>,
        get: bool,
        now: Nanos,
        said: Said<'_>,
    ) -> Reply {
        let mut reply = entry.answer(head, get, now, said);
        if let Some(policy) = &self.policy {
            policy.rewrite(head, &mut reply);
        }
        reply
    }

    /// What was stored last for the request, however old it is and whatever age the request asks for.
    pub fn last(&self, head: &Head<'_>) -> Option<Arc<Entry>> {
        let entry = self
            .find(&self.key(head), head, head.method_name() == b"GET")
            .entry?;
        (!self.invalid(&entry, head)).then_some(entry)
    }
}

/// Arm, host in lower case, path and query. Host and path cannot hold the separator.
pub(super) fn key(arm: u8, host: &[u8], target: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(host.len() + target.len() + 2);
    key.push(arm);
    key.extend(host.iter().map(u8::to_ascii_lowercase));
    key.push(0);
    key.extend_from_slice(target);
    key
}
