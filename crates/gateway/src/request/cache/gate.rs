//! The cache as a gate: looks up on the way in, has the instance confirm what is no longer fresh, taps the body on the
//! way out, stores what passed whole.

use super::Marks;
use super::control::Fields;
use super::core::{self, Keep, Not, Response, Rules};
use super::entry::{Entry, Started};
use super::fill::{Fill, Stored};
use super::invalidate::{Invalidate, invalidate, safe, same_origin};
use super::lines::{self, Lines};
use super::range::{self, Part};
use super::reuse::{self, Ask, Use};
use super::shelf::Shelf;
use super::status::{Forward, Said, forwarded};
use crate::exchange::{Exchange, Facts, Failed, Head, Outgoing, Reply, ResponseHead};
use crate::gate::{BodyNeed, Gate, Making, Needs, Slot, Step};
use base::{CacheState, Nanos};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// On a route with a cache: the cache. On one without that may change things: what tells the caches of it.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let marks = m.kept.get("cache", Marks::default);
    let method = m.route.matcher.method.as_deref();
    let Some(config) = &m.route.cache else {
        let unsafe_too = method.is_none_or(|m| !safe(m.as_bytes()));
        return unsafe_too.then(|| Arc::new(Invalidate { marks }) as Arc<dyn Gate>);
    };
    let shelf = Shelf::of(m)?;
    shelf.store.resize(config.size);
    Some(Arc::new(CacheGate {
        rules: Rules {
            ttl: config.ttl,
            stale: config.stale_while_revalidate,
            heuristic: config.heuristic,
            set_cookie: config.set_cookie,
        },
        max_body: config.max_body,
        shelf,
    }))
}

const SET_COOKIE: &str = "set-cookie";

struct CacheGate {
    rules: Rules,
    max_body: u64,
    shelf: Shelf,
}

impl Fields for Head<'_> {
    fn each(&self, name: &str, each: &mut dyn FnMut(&[u8])) {
        self.each(|n, v| {
            if lines::is(n, name) {
                each(v);
            }
        });
    }
}

impl Fields for ResponseHead<'_> {
    fn each(&self, name: &str, each: &mut dyn FnMut(&[u8])) {
        self.each(|n, v| {
            if lines::is(n, name) {
                each(v);
            }
        });
    }
}

impl lines::Head for ResponseHead<'_> {
    fn walk(&self, see: &mut dyn FnMut(&[u8], &[u8])) {
        self.each(see);
    }
}

impl CacheGate {
    /// What the store has for the request; else, or when that must be confirmed, the request goes on.
    fn look(&self, x: &mut Exchange<'_>, ask: Ask, slot: &mut Slot, now: Nanos) -> Step {
        let head = x.head;
        let key = self.shelf.key(&head);
        let found = self.shelf.find(&key, &head, ask.range);
        let forward = match &found.entry {
            Some(entry) => match self.shelf.reuse(&ask, entry, &head, now) {
                Use::Validate(why) => Forward::Asked(why),
                how => {
                    x.cache = CacheState::Hit;
                    x.refresh_wanted = how == Use::StaleWhileRevalidate && entry.claim(now);
                    let said = match how {
                        Use::Stale => Said::Instead("max-stale"),
                        _ => Said::Hit,
                    };
                    return Step::Answer(self.shelf.answer(entry, &head, ask.get, now, said));
                }
            },
            None if found.partial => Forward::Partial,
            None if found.known => Forward::VaryMiss,
            None => Forward::UriMiss,
        };
        x.cache = CacheState::Miss;
        if ask.only_if_cached {
            let detail =
                "the request asks for a stored response only, and there is none that is fresh";
            return Step::Answer(Reply::problem(504, "not-cached", detail));
        }
        (self.shelf.marks).watch(head.host().unwrap_or(b""), head.path());
        let mut fill = Fill::new(&self.shelf.store, key, forward, self.max_body, now);
        if let Some(entry) = found.entry {
            fill.conditional = ask.get && self.conditions(x, &entry);
            x.conditional = fill.conditional;
            fill.had = Some(entry);
        }
        *slot = Slot::boxed(fill);
        Step::Go
    }

    /// Makes the request one for news of what is stored; the client's own conditions are judged when the answer is there.
    fn conditions(&self, x: &mut Exchange<'_>, entry: &Entry) -> bool {
        // A date would say that nothing changed within the second of a change.
        let invalid = self.shelf.invalid(entry, &x.head);
        let modified = entry.modified.as_deref().filter(|_| !invalid);
        let etag = entry.etag.as_deref();
        if etag.is_none() && modified.is_none() {
            return false;
        }
        for (name, value) in [("If-None-Match", etag), ("If-Modified-Since", modified)] {
            match value {
                Some(value) => x.edits.set(name, value),
                None => x.edits.drop(name),
            }
        }
        true
    }

    fn judge(
        &self,
        x: &Exchange<'_>,
        fill: &Fill,
        out: &ResponseHead<'_>,
        (delay, unix): (u64, u64),
    ) -> Result<(Keep, Option<Part>), Not> {
        let status = out.status();
        let part = match status {
            206 => Some(part(&x.head, out).ok_or(Not::Part)?),
            _ => None,
        };
        if out.length().is_some_and(|n| n > fill.max_body) {
            return Err(Not::TooLarge);
        }
        if status >= 500 && fill.had.is_some() {
            return Err(Not::Better);
        }
        let response = Response {
            request: &x.head,
            status,
            fields: out,
            delay,
            now: unix,
        };
        Ok((core::keep(&response, &self.rules)?, part))
    }

    /// The instance's answer to a `GET` passes: it is stored if it may be.
    fn store(&self, x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, now: Nanos) {
        let Some(fill) = slot.get::<Fill>() else {
            return;
        };
        if let Some(flight) = &x.flight {
            fill.started = fill.started.max(flight.since);
        }
        let (unix, delay) = (unix_now(), now.since(fill.started).as_secs());
        let status = out.head.status();
        let (keep, part) = match self.judge(x, fill, &out.head, (delay, unix)) {
            Ok(kept) => kept,
            Err(not) => {
                self.shelf.store.refuse(&fill.key, not);
                let said = forwarded(fill.forward, status, Err(not.name()));
                out.edits.append("Cache-Status", said.as_bytes());
                *slot = Slot::Empty;
                return self.release(x, status, now);
            }
        };
        let left = keep.lifetime as i64 - keep.age as i64;
        let said = forwarded(fill.forward, status, Ok(left));
        out.edits.append("Cache-Status", said.as_bytes());
        let started = Started {
            at: fill.started,
            unix: unix.saturating_sub(delay),
        };
        let lines = Lines::end_to_end(&out.head, &keep.withheld);
        let mut entry = Entry::new(status, lines, keep, &x.head, started);
        entry.part = part;
        for group in &entry.groups {
            let host = x.head.host().unwrap_or(b"");
            self.shelf.marks.watch(host, &Marks::group(group));
        }
        fill.begin(entry, out.head.length());
    }

    /// Nothing to store: who waits for it goes on alone, or one of them tries again.
    fn release(&self, x: &mut Exchange<'_>, status: u16, now: Nanos) {
        let Some(flight) = x.flight.take() else {
            return;
        };
        match status {
            500.. => flight.failed(),
            // Nothing said against it: another one leads.
            304 => drop(flight),
            // Too many for now is no property of the key.
            429 => flight.alone(),
            _ => flight.solitary(now),
        }
    }

    /// What `HEAD` tells of the stored answer to `GET` (RFC 9111 4.3.5).
    fn head_tells(&self, x: &Exchange<'_>, fill: &Fill, out: &ResponseHead<'_>, now: Nanos) {
        let Some(had) = fill.had.as_ref().filter(|_| out.status() == 200) else {
            return;
        };
        let same = |name: &str, stored: &Option<bytes::Bytes>| {
            out.get(name).is_none_or(|v| stored.as_deref() == Some(v))
        };
        let length = out.get("content-length");
        let length = length.and_then(|v| std::str::from_utf8(v).ok()?.parse::<u64>().ok());
        let same_length = length.is_none_or(|n| had.part.is_none() && n == had.body.len() as u64);
        let unchanged =
            same("etag", &had.etag) && same("last-modified", &had.modified) && same_length;
        match self.freshened(x, fill, had, out, now).filter(|_| unchanged) {
            Some(entry) => self.shelf.store.put(&fill.key, entry),
            None => self.shelf.store.forget(&fill.key, had),
        }
    }

    /// The stored response with what the instance says anew; `None`: it may no longer be stored.
    fn freshened(
        &self,
        x: &Exchange<'_>,
        fill: &Fill,
        had: &Entry,
        out: &ResponseHead<'_>,
        now: Nanos,
    ) -> Option<Entry> {
        let (unix, delay) = (unix_now(), now.since(fill.started).as_secs());
        let mut withheld = had.keep.withheld.clone();
        if !self.rules.set_cookie {
            withheld.push(SET_COOKIE.as_bytes().into());
        }
        let lines = had.lines.updated(out, &withheld);
        // Its date is that of the confirmation.
        let dated = match out.get("date") {
            Some(_) => lines,
            None => lines.only(|n| !lines::is(n, "date")),
        };
        let response = Response {
            request: &x.head,
            status: had.status,
            fields: &dated,
            delay,
            now: unix,
        };
        let keep = core::keep(&response, &self.rules).ok()?;
        let keep = core::aged(keep, out);
        let started = Started {
            at: fill.started,
            unix: unix.saturating_sub(delay),
        };
        let mut entry = Entry::new(had.status, dated, keep, &x.head, started);
        entry.body = had.body.clone();
        entry.part = had.part.clone();
        Some(entry)
    }

    /// The answer to a `POST` that is what a `GET` would give, and says for how long (RFC 9110 9.3.3).
    fn post(&self, x: &Exchange<'_>, slot: &mut Slot, out: &Outgoing<'_>, now: Nanos) {
        let (host, target) = (x.head.host().unwrap_or(b""), x.head.path_and_query());
        let named = out.head.get("content-location");
        let own = named.is_some_and(|n| {
            let query = n.iter().position(|&b| b == b'?').map(|i| &n[i + 1..]);
            same_origin(n, host, x.head.path()).as_deref() == Some(x.head.path())
                && query == x.head.query()
        });
        if !own || out.head.status() != 200 || target.is_empty() {
            return;
        }
        let key = self.shelf.key(&x.head);
        // What it has changed it has changed before this moment.
        let after = Nanos(now.0.saturating_add(1));
        let mut fill = Fill::new(
            &self.shelf.store,
            key,
            Forward::Method,
            self.max_body,
            after,
        );
        let unix = unix_now();
        let Ok((keep, None)) = self.judge(x, &fill, &out.head, (0, unix)) else {
            return;
        };
        if keep.guessed || keep.age >= keep.lifetime {
            return;
        }
        let lines = Lines::end_to_end(&out.head, &keep.withheld);
        let started = Started { at: after, unix };
        fill.begin(
            Entry::new(200, lines, keep, &x.head, started),
            out.head.length(),
        );
        *slot = Slot::boxed(fill);
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
        let ask = reuse::ask(head.method_name(), &head, head.has_body());
        let Some(mut ask) = ask.filter(|_| !head.is_upgrade()) else {
            x.cache = CacheState::Bypass;
            return Step::Go;
        };
        if x.is_refresh {
            // It fetches the whole anew, whatever part its cause was about.
            ask = Ask {
                get: true,
                no_cache: true,
                ..Ask::default()
            };
            x.edits.drop("Range");
            x.edits.drop("If-Range");
        }
        self.look(x, ask, slot, now)
    }

    fn reply(&self, x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, now: Nanos) {
        let method = x.head.method_name();
        if !safe(method) {
            invalidate(&self.shelf.marks, x, out, now);
            if method == b"POST" {
                self.post(x, slot, out, now);
            }
        }
        match slot.get::<Fill>() {
            Some(fill) if method == b"HEAD" => {
                self.head_tells(x, fill, &out.head, now);
                let said = forwarded(fill.forward, out.head.status(), Err("head"));
                out.edits.append("Cache-Status", said.as_bytes());
                *slot = Slot::Empty;
            }
            Some(fill) if fill.forward != Forward::Method => self.store(x, slot, out, now),
            _ if safe(method) => out.edits.append("Cache-Status", b"plimsoll; fwd=bypass"),
            _ => out.edits.append("Cache-Status", b"plimsoll; fwd=method"),
        }
    }

    fn not_modified(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        head: ResponseHead<'_>,
        now: Nanos,
    ) -> Option<Reply> {
        let mut taken = slot.take();
        let fill = match taken.get::<Fill>() {
            Some(fill) if fill.conditional => fill,
            _ => {
                *slot = taken;
                return None;
            }
        };
        let had = fill.had.take()?;
        if let Some(flight) = &x.flight {
            fill.started = fill.started.max(flight.since);
        }
        let why = match fill.forward {
            Forward::Asked(why) => why,
            _ => reuse::Why::Stale,
        };
        let get = x.head.method_name() == b"GET" && !x.is_refresh;
        let fresh = self.freshened(x, fill, &had, &head, now);
        let flight = x.flight.take();
        let said = Said::Confirmed(why);
        let mut reply = match fresh {
            Some(entry) => {
                let reply = self.shelf.answer(&entry, &x.head, get, now, said);
                let shared = entry.keep.is_shared();
                self.shelf.store.put(&fill.key, entry);
                match flight {
                    Some(flight) if shared => flight.stored(),
                    Some(flight) => flight.solitary(now),
                    None => {}
                }
                reply
            }
            None => {
                self.shelf.store.forget(&fill.key, &had);
                if let Some(flight) = flight {
                    flight.solitary(now);
                }
                self.shelf.answer(&had, &x.head, get, now, said)
            }
        };
        if !self.rules.set_cookie {
            // For this client, and not for the store.
            Fields::each(&head, SET_COOKIE, &mut |cookie| {
                reply
                    .headers
                    .push(("Set-Cookie".into(), cookie.to_vec().into()));
            });
        }
        Some(reply)
    }

    fn tap(&self, slot: &mut Slot, data: &[u8]) {
        if let Some(fill) = slot.get::<Fill>() {
            fill.take(data);
        }
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
        let Some(fill) = taken.get::<Fill>() else {
            return;
        };
        let (stored, too_large) = (fill.stored, fill.not == Some(Not::TooLarge));
        match flight {
            Some(flight) if stored == Stored::ForAll => flight.stored(),
            Some(flight) if stored == Stored::ToValidate || too_large => flight.solitary(now),
            Some(flight) => flight.alone(),
            None => {}
        }
    }
}

/// Which part a 206 is, when one was asked for.
fn part(request: &Head<'_>, out: &ResponseHead<'_>) -> Option<Part> {
    let asked = request.single("range")?;
    let (first, _, total) = range::content(out.get("content-range")?)?;
    range::parse(&asked)?;
    Some(Part {
        first,
        total,
        asked: asked.into(),
    })
}

fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}
