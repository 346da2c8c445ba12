//! The cache as a gate: looks up on the way in, taps the body on the way out, stores what passed whole.

use super::Marks;
use super::control::Fields;
use super::core::{self, Ask, Response};
use super::store::{Entry, Found, Store};
use crate::exchange::{Exchange, Facts, Head, Outgoing, Reply, ResponseHead};
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
    let store = m
        .kept
        .get(&m.route.name, || Store::new(config.size, config.max_body));
    store.resize(config.size);
    Some(Arc::new(CacheGate {
        config: config.clone(),
        arm: m.arm.0,
        store,
        marks,
    }))
}

struct CacheGate {
    config: config::sections::Cache,
    arm: u8,
    store: Arc<Store>,
    marks: Arc<Marks>,
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
        let key = key(self.arm, &head);
        let host = head.host().unwrap_or(b"");
        // A request that was started to fetch anew has nothing to find.
        let found = match x.is_refresh {
            true => Found::Nothing,
            false => self.store.find(&key, &head, now),
        };
        let shareable = |e: &Entry| !e.keep.by_route || !core::personal(&head);
        let usable = |e: &Entry| {
            let age = e.age(now);
            shareable(e)
                && !self.marks.outdated(host, head.path(), e.at)
                && core::accepts(&head, age, e.keep.lifetime.saturating_sub(age))
        };
        match found {
            Found::Fresh(entry) if usable(&entry) => {
                x.cache = CacheState::Hit;
                return Step::Answer(answer(&entry, &head, now));
            }
            Found::Stale { entry, refresh } if usable(&entry) => {
                x.cache = CacheState::Hit;
                x.refresh_wanted = refresh;
                return Step::Answer(answer(&entry, &head, now));
            }
            _ => {}
        }
        x.cache = CacheState::Miss;
        if only_if_cached {
            let detail =
                "the request asks for a stored response only, and there is none that is fresh";
            return Step::Answer(Reply::problem(504, "not-cached", detail));
        }
        if store {
            self.marks.watch(host, head.path());
            // Coalescing of misses in flight belongs here: the same key, already on its way.
            *slot = Slot::boxed(Fill {
                store: self.store.clone(),
                key,
                entry: None,
                body: Vec::new(),
                max_body: self.config.max_body,
                reserved: 0,
                started: now,
            });
        }
        Step::Go
    }

    fn reply(&self, x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, now: Nanos) {
        if let Slot::Number(_) = slot {
            return invalidate(&self.marks, x, out.head.status(), now);
        }
        let Some(fill) = slot.get::<Fill>() else {
            return;
        };
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
        if fill.body.len() as u64 + n > fill.max_body || !fill.store.reserve(n) {
            return fill.give_up();
        }
        fill.reserved += n;
        fill.body.extend_from_slice(data);
    }

    fn leave(&self, facts: &mut Facts, slot: &mut Slot, _now: Nanos) {
        let mut taken = slot.take();
        let Some(fill) = taken.get::<Fill>() else {
            return;
        };
        if !facts.complete {
            return;
        }
        if let Some(mut entry) = fill.entry.take() {
            entry.body = std::mem::take(&mut fill.body).into();
            fill.store.put(&fill.key, entry);
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

/// Arm, host in lower case, path and query. Nothing of it can hold the separator.
fn key(arm: u8, head: &Head<'_>) -> Vec<u8> {
    let (host, path) = (head.host().unwrap_or(b""), head.path_and_query());
    let mut key = Vec::with_capacity(host.len() + path.len() + 2);
    key.push(arm);
    key.extend(host.iter().map(u8::to_ascii_lowercase));
    key.push(0);
    key.extend_from_slice(path);
    key
}

fn answer(entry: &Entry, request: &Head<'_>, now: Nanos) -> Reply {
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
    reply
        .with("Age", age.to_string())
        .with("Cache-Status", format!("plimsoll; hit; ttl={left}"))
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
