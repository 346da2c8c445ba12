//! The cache as a gate: looks up on the way in, taps the body on the way out, stores what passed whole.

use super::Marks;
use super::control::Fields;
use super::core::{self, Ask, Response};
use super::shelf::{Shelf, answer};
use super::store::{Entry, Found, Store};
use crate::exchange::{Exchange, Facts, Failed, Head, Outgoing, Reply, ResponseHead};
use crate::gate::{BodyNeed, Gate, Making, Needs, Slot, Step};
use base::{CacheState, Nanos};
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

/// On a route with a cache: the cache. On one without that may change things: what tells the caches of it.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let marks = m.kept.get("cache", Marks::default);
    let method = m.route.matcher.method.as_deref();
    let Some(config) = &m.route.cache else {
        let unsafe_too = !matches!(method, Some("GET" | "HEAD" | "OPTIONS" | "TRACE"));
        return unsafe_too.then(|| Arc::new(Invalidate { marks }) as Arc<dyn Gate>);
    };
    let shelf = Shelf::of(m)?;
    shelf.store.resize(config.size);
    Some(Arc::new(CacheGate {
        config: config.clone(),
        shelf,
    }))
}

struct CacheGate {
    config: config::sections::Cache,
    shelf: Shelf,
}

/// For routes without a cache of their own.
struct Invalidate {
    marks: Arc<Marks>,
}

/// A response on its way in.
struct Fill {
    store: Arc<Store>,
    key: Vec<u8>,
    /// Until the head has come and may be stored.
    entry: Option<Entry>,
    body: Vec<u8>,
    max_body: u64,
    /// The body is larger than that.
    too_large: bool,
    /// Bytes of the store's room for fills that this one holds.
    reserved: u64,
    started: Nanos,
}

impl Fill {
    fn give_up(&mut self) {
        self.entry = None;
        self.body = Vec::new();
        self.store.filled(std::mem::take(&mut self.reserved));
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.store.filled(self.reserved);
    }
}

impl Fields for Head<'_> {
    fn each(&self, name: &str, each: &mut dyn FnMut(&[u8])) {
        self.each(|n, v| {
            if n.eq_ignore_ascii_case(name.as_bytes()) {
                each(v);
            }
        });
    }
}

impl Fields for ResponseHead<'_> {
    fn each(&self, name: &str, each: &mut dyn FnMut(&[u8])) {
        self.each(|n, v| {
            if n.eq_ignore_ascii_case(name.as_bytes()) {
                each(v);
            }
        });
    }
}

impl Gate for CacheGate {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn needs(&self) -> Needs {
        Needs {
            response_body: BodyNeed::Tap,
            failures: true,
            ..Needs::default()
        }
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let head = x.head;
        let method = std::str::from_utf8(head.method_name()).unwrap_or("");
        let Ask::Look {
            store,
            only_if_cached,
        } = core::ask(method, &head, head.has_body())
        else {
            x.cache = CacheState::Bypass;
            if !safe(method) {
                *slot = Slot::Number(1);
            }
            return Step::Go;
        };
        let key = self.shelf.key(&head);
        // A request that was started to fetch anew has nothing to find.
        let found = match x.is_refresh {
            true => Found::Nothing,
            false => self.shelf.find(&key, &head, now),
        };
        match found {
            Found::Fresh(entry) => {
                x.cache = CacheState::Hit;
                return Step::Answer(answer(&entry, &head, now, ""));
            }
            Found::Stale { entry, refresh } => {
                x.cache = CacheState::Hit;
                x.refresh_wanted = refresh;
                return Step::Answer(answer(&entry, &head, now, ""));
            }
            Found::Nothing => {}
        }
        x.cache = CacheState::Miss;
        if only_if_cached {
            let detail =
                "the request asks for a stored response only, and there is none that is fresh";
            return Step::Answer(Reply::problem(504, "not-cached", detail));
        }
        if store {
            (self.shelf.marks).watch(head.host().unwrap_or(b""), head.path());
            *slot = Slot::boxed(Fill {
                store: self.shelf.store.clone(),
                key,
                entry: None,
                body: Vec::new(),
                max_body: self.config.max_body,
                too_large: false,
                reserved: 0,
                started: now,
            });
        }
        Step::Go
    }

    fn reply(&self, x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, now: Nanos) {
        if let Slot::Number(_) = slot {
            return invalidate(&self.shelf.marks, x, out.head.status(), now);
        }
        let Some(fill) = slot.get::<Fill>() else {
            return;
        };
        if let Some(flight) = &x.flight {
            fill.started = fill.started.max(flight.since);
        }
        let unix = unix_now();
        let delay = now.since(fill.started).as_secs();
        let response = Response {
            request: &x.head,
            status: out.head.status(),
            fields: &out.head,
            delay,
            now: unix,
        };
        let keep = match core::keep(
            &response,
            self.config.ttl,
            self.config.stale_while_revalidate,
        ) {
            Ok(keep) if out.head.length().is_none_or(|n| n <= fill.max_body) => keep,
            _ => {
                *slot = Slot::Empty;
                if let Some(flight) = x.flight.take() {
                    match out.head.status() {
                        500.. => flight.failed(),
                        // Nothing to store, and nothing said against it: another one leads.
                        304 => drop(flight),
                        // Too many for now is no property of the key.
                        429 => flight.alone(),
                        _ => flight.solitary(now),
                    }
                }
                return out.edits.append("Cache-Status", b"plimsoll; fwd=uri-miss");
            }
        };
        out.edits
            .append("Cache-Status", b"plimsoll; fwd=uri-miss; stored");
        let selects = keep.vary.iter().map(|name| x.head.joined(name)).collect();
        let bytes = |name: &str| out.head.get(name).map(Bytes::copy_from_slice);
        fill.entry = Some(Entry {
            status: out.head.status(),
            headers: end_to_end(&out.head),
            body: Bytes::new(),
            etag: bytes("etag"),
            modified: bytes("last-modified"),
            at: fill.started,
            unix: unix.saturating_sub(delay),
            keep,
            selects,
            refreshing: AtomicU64::new(0),
        });
    }

    fn tap(&self, slot: &mut Slot, data: &[u8]) {
        let Some(fill) = slot.get::<Fill>() else {
            return;
        };
        if fill.entry.is_none() {
            return;
        }
        let n = data.len() as u64;
        fill.too_large = fill.body.len() as u64 + n > fill.max_body;
        if fill.too_large || !fill.store.reserve(n) {
            return fill.give_up();
        }
        fill.reserved += n;
        fill.body.extend_from_slice(data);
    }

    /// Who waits for this answer waits for nothing.
    fn failed(
        &self,
        x: &mut Exchange<'_>,
        _slot: &mut Slot,
        _failed: Failed<'_>,
        _now: Nanos,
    ) -> Option<Reply> {
        if let Some(flight) = x.flight.take() {
            flight.failed();
        }
        None
    }

    fn leave(&self, facts: &mut Facts, slot: &mut Slot, now: Nanos) {
        // Dropped when the answer did not come whole: then another one leads.
        let flight = facts.flight.take().filter(|_| facts.complete);
        let mut taken = slot.take();
        let Some(fill) = taken.get::<Fill>().filter(|_| facts.complete) else {
            return;
        };
        let entry = fill.entry.take();
        let stored = entry.is_some();
        if let Some(mut entry) = entry {
            entry.body = std::mem::take(&mut fill.body).into();
            fill.store.put(&fill.key, entry);
        }
        match flight {
            Some(flight) if stored => flight.stored(),
            Some(flight) if fill.too_large => flight.solitary(now),
            Some(flight) => flight.alone(),
            None => {}
        }
    }
}

impl Gate for Invalidate {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, _now: Nanos) -> Step {
        if !std::str::from_utf8(x.head.method_name()).is_ok_and(safe) {
            *slot = Slot::Number(1);
        }
        Step::Go
    }

    fn reply(&self, x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, now: Nanos) {
        if let Slot::Number(_) = slot {
            invalidate(&self.marks, x, out.head.status(), now);
        }
    }
}

fn safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// A change that the instance refused has changed nothing (RFC 9111 4.4).
fn invalidate(marks: &Marks, x: &Exchange<'_>, status: u16, now: Nanos) {
    if (200..400).contains(&status) {
        marks.changed(x.head.host().unwrap_or(b""), x.head.path(), now);
    }
}

/// Fields that belong to one connection, one answer, or the framing.
const NOT_STORED: [&str; 13] = [
    "age",
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-connection",
    "server-timing",
    "te",
    "trailer",
    "transfer-encoding",
    "traceresponse",
    "upgrade",
];

/// Names that need no allocation when they are sent.
const COMMON: [&str; 14] = [
    "Accept-Ranges",
    "Access-Control-Allow-Origin",
    "Cache-Control",
    "Content-Encoding",
    "Content-Language",
    "Content-Type",
    "Date",
    "ETag",
    "Expires",
    "Last-Modified",
    "Link",
    "Server",
    "Vary",
    "X-Content-Type-Options",
];

fn end_to_end(head: &ResponseHead<'_>) -> Vec<(Cow<'static, str>, Bytes)> {
    let named = head.joined("connection").unwrap_or_default();
    let mut out = Vec::new();
    head.each(|name, value| {
        let is = |n: &str| name.eq_ignore_ascii_case(n.as_bytes());
        let by_connection = super::control::list(&named).any(|n| name.eq_ignore_ascii_case(n));
        if by_connection || NOT_STORED.iter().any(|n| is(n)) {
            return;
        }
        let name = match COMMON.iter().find(|n| is(n)) {
            Some(common) => Cow::Borrowed(*common),
            None => Cow::Owned(String::from_utf8_lossy(name).into_owned()),
        };
        out.push((name, Bytes::copy_from_slice(value)));
    });
    out
}

fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}
