//! What the instance's answers change in the store.

use super::Marks;
use super::control::Fields;
use super::core::{self, Keep, Not, Response};
use super::entry::{Entry, Started};
use super::fill::Fill;
use super::gate::{CacheGate, SET_COOKIE};
use super::invalidate::same_origin;
use super::lines::{self, Lines};
use super::range::{self, Part};
use super::status::{Forward, forwarded};
use crate::exchange::{Exchange, Head, Outgoing, ResponseHead};
use crate::gate::Slot;
use base::Nanos;
use std::time::{SystemTime, UNIX_EPOCH};

impl CacheGate {
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
    pub(super) fn store(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        out: &mut Outgoing<'_>,
        now: Nanos,
    ) {
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
                let said = forwarded(fill.forward, status, Err(not.name()), fill.shared.detail());
                out.edits.append("Cache-Status", said.as_bytes());
                *slot = Slot::Empty;
                return self.release(x, status, now);
            }
        };
        let left = keep.lifetime as i64 - keep.age as i64;
        let said = forwarded(fill.forward, status, Ok(left), fill.shared.detail());
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
    pub(super) fn head_tells(
        &self,
        x: &Exchange<'_>,
        fill: &Fill,
        out: &ResponseHead<'_>,
        now: Nanos,
    ) {
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
    pub(super) fn freshened(
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
        let kept_out = |n: &[u8]| keep.withheld.iter().any(|w| w.eq_ignore_ascii_case(n));
        let dated = dated.only(|n| !kept_out(n));
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
    pub(super) fn post(&self, x: &Exchange<'_>, slot: &mut Slot, out: &Outgoing<'_>, now: Nanos) {
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
