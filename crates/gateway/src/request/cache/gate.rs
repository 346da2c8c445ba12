//! The cache as a gate: looks up on the way in, has the instance confirm what is no longer fresh, taps the body on the
//! way out, stores what passed whole.

use super::control::Fields;
use super::core::{Not, Rules};
use super::entry::Entry;
use super::fill::{Fill, Stored};
use super::invalidate::{Invalidate, safe};
use super::lines;
use super::reuse::{self, Ask, Use};
use super::second::Outcome;
use super::shelf::Shelf;
use super::status::{Forward, Said, forwarded};
use super::{Disks, Second, disk};
use crate::exchange::{Exchange, Facts, Failed, Head, Outgoing, Reply, ResponseHead};
use crate::gate::{BodyNeed, Gate, Making, Needs, Slot, Step, Ticket};
use base::{Arm, CacheState, Nanos};
use config::sections::Consistency;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// On a route with a cache: the cache. On one without that may change things: what tells the caches of it.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let method = m.route.matcher.method.as_deref();
    let Some(config) = &m.route.cache else {
        let unsafe_too = method.is_none_or(|m| !safe(m.as_bytes()));
        return unsafe_too.then(|| Arc::new(Invalidate::of(m.kept)) as Arc<dyn Gate>);
    };
    let shelf = Shelf::of(m)?;
    shelf.store.resize(config.size);
    let disk = config.disk.as_ref();
    let disk = disk.and_then(|d| Disks::of(m.kept).open(m, d, &shelf.store, &shelf.marks));
    shelf.store.set_disk(disk);
    let shared = config.shared.as_ref();
    let second = shared.and_then(|s| Second::of(m.kept).open(m, s, &shelf.store));
    shelf.store.set_second(second);
    Some(Arc::new(CacheGate {
        rules: Rules {
            ttl: config.ttl,
            stale: config.stale_while_revalidate,
            heuristic: config.heuristic,
            set_cookie: config.set_cookie,
        },
        max_body: config.max_body,
        oldest: oldest(m),
        invalidate: Invalidate::of(m.kept),
        shelf,
    }))
}

/// What `consistency: bounded` leaves for a stored answer, seconds: all of it, or half where the other half is a replica's.
fn oldest(m: &Making<'_>) -> Option<u64> {
    let Some(Consistency::Bounded(bound)) = m.route.consistency else {
        return None;
    };
    let shares = if m.service.config.replication.is_some() {
        2
    } else {
        1
    };
    // An age is told in whole seconds, and may be almost one more.
    Some((bound.as_secs() / shares).saturating_sub(1))
}

pub(super) const SET_COOKIE: &str = "set-cookie";

pub(super) struct CacheGate {
    pub(super) rules: Rules,
    pub(super) max_body: u64,
    /// Seconds; `None`: as old as it may be by itself.
    oldest: Option<u64>,
    invalidate: Invalidate,
    pub(super) shelf: Shelf,
}

/// The request waits for what is on disk, or what other nodes have.
struct Fetching {
    ask: Ask,
    tried: Tried,
}

/// Where memory was filled from.
#[derive(Clone, Default)]
struct Tried {
    disk: Option<Arc<disk::Disk>>,
    /// What came of asking what other nodes have.
    shared: Option<Rc<Cell<Outcome>>>,
}

/// Whether the request waits for what other nodes have.
enum Asked {
    Wait(Ticket, Rc<Cell<Outcome>>),
    Done(Outcome),
}

impl Tried {
    /// A refresh is content with what another node has fetched anew.
    fn judge(&self, x: &Exchange<'_>, ask: Ask) -> Ask {
        match x.is_refresh && self.shared.is_some() {
            true => Ask {
                get: true,
                ..Ask::default()
            },
            false => ask,
        }
    }
}

fn noted(x: &mut Exchange<'_>, outcome: Outcome) -> Outcome {
    if outcome != Outcome::Asked {
        x.note("cache", outcome.detail());
    }
    outcome
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
    /// `tried`: what has brought what it had.
    fn look(
        &self,
        x: &mut Exchange<'_>,
        ask: Ask,
        mut tried: Tried,
        slot: &mut Slot,
        now: Nanos,
    ) -> Step {
        let head = x.head;
        let key = self.shelf.key(&head);
        let found = self.shelf.find(&key, &head, ask.range);
        if !found.known
            && tried.disk.is_none()
            && tried.shared.is_none()
            && let Some(disk) = self.shelf.store.disk()
            && let Some(awaited) = disk.fetch(&key)
        {
            tried.disk = Some(disk);
            *slot = Slot::boxed(Fetching { ask, tried });
            return Step::Wait(Box::pin(awaited.over()));
        }
        let forward = match &found.entry {
            Some(entry) => match self.shelf.reuse(&tried.judge(x, ask), entry, &head, now) {
                Use::Validate(why) => Forward::Asked(why),
                // A refresh wants something better than the cause of it got.
                how if x.is_refresh && how != Use::Fresh => Forward::Asked(reuse::Why::Stale),
                how => {
                    x.cache = CacheState::Hit;
                    x.refresh_wanted = how == Use::StaleWhileRevalidate && entry.claim(now);
                    let said = match how {
                        Use::Stale => Said::Instead("max-stale"),
                        _ => self.said(x, &tried),
                    };
                    return Step::Answer(self.shelf.answer(entry, &head, ask.get, now, said));
                }
            },
            None if found.partial => Forward::Partial,
            None if found.known => Forward::VaryMiss,
            None => Forward::UriMiss,
        };
        let shared = match self.ask_others(x, &key, &ask, forward, &tried) {
            Asked::Wait(ticket, outcome) => {
                tried.shared = Some(outcome);
                *slot = Slot::boxed(Fetching { ask, tried });
                return Step::Wait(ticket);
            }
            Asked::Done(outcome) => outcome,
        };
        x.cache = CacheState::Miss;
        if ask.only_if_cached {
            let detail =
                "the request asks for a stored response only, and there is none that is fresh";
            return Step::Answer(Reply::problem(504, "not-cached", detail));
        }
        (self.shelf.marks).watch(head.host().unwrap_or(b""), head.path());
        let mut fill = Fill::new(&self.shelf.store, key, forward, self.max_body, now);
        fill.shared = shared;
        if let Some(entry) = found.entry {
            fill.conditional = ask.get && self.conditions(x, &entry);
            x.conditional = fill.conditional;
            fill.had = Some(entry);
        }
        *slot = Slot::boxed(fill);
        Step::Go
    }

    /// Where a hit was brought from.
    fn said(&self, x: &mut Exchange<'_>, tried: &Tried) -> Said<'static> {
        if let (Some(_), Some(level)) = (&tried.shared, self.shelf.store.second()) {
            level.counts.hits.fetch_add(1, Relaxed);
            x.note("cache", "shared");
            return Said::FromShared;
        }
        if let Some(disk) = &tried.disk {
            disk.hit();
            x.note("cache", "disk");
            return Said::FromDisk;
        }
        Said::Hit
    }

    /// What other nodes have is asked for before the instance is, unless it is the instance that the client wants.
    fn ask_others(
        &self,
        x: &mut Exchange<'_>,
        key: &[u8],
        ask: &Ask,
        forward: Forward,
        tried: &Tried,
    ) -> Asked {
        if let Some(outcome) = &tried.shared {
            return Asked::Done(noted(x, outcome.get()));
        }
        let missing = matches!(
            forward,
            Forward::UriMiss | Forward::VaryMiss | Forward::Asked(reuse::Why::Stale)
        );
        let wanted = x.is_refresh || !ask.no_cache && ask.max_age != Some(0);
        if !missing || !wanted || self.shelf.arm != Arm::BASE.0 {
            return Asked::Done(Outcome::Asked);
        }
        let Some(level) = self.shelf.store.second() else {
            return Asked::Done(Outcome::Asked);
        };
        match level.fetch(key) {
            Ok((ticket, outcome)) => Asked::Wait(ticket, outcome),
            Err(why) => Asked::Done(noted(x, why)),
        }
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
            return self.invalidate.before(x);
        };
        if let Some(oldest) = self.oldest {
            ask.max_age = Some(ask.max_age.map_or(oldest, |a| a.min(oldest)));
        }
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
        self.look(x, ask, Tried::default(), slot, now)
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        match slot.take().get::<Fetching>() {
            Some(Fetching { ask, tried }) => self.look(x, *ask, tried.clone(), slot, now),
            None => Step::Go,
        }
    }

    fn reply(&self, x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, now: Nanos) {
        let method = x.head.method_name();
        if !safe(method) {
            self.invalidate.after(x, out, now);
            if method == b"POST" {
                self.post(x, slot, out, now);
            }
        }
        match slot.get::<Fill>() {
            Some(fill) if method == b"HEAD" => {
                self.head_tells(x, fill, &out.head, now);
                let said = forwarded(
                    fill.forward,
                    out.head.status(),
                    Err("head"),
                    fill.shared.detail(),
                );
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
