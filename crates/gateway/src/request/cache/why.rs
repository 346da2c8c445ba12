//! What the cache would do with a request and why, for people. Looks, counts nothing, changes nothing but the order in
//! which things are forgotten.

use super::reuse::{self, Use, Why as Asked};
use super::{Entry, Fit, Marks, Store, shelf, vary};
use crate::exchange::Head;
use base::{Arm, Nanos};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What would happen, and what that follows from.
#[derive(Clone, Debug, Default)]
pub struct Why {
    /// `None`: no route takes the request.
    pub route: Option<String>,
    /// Arm, host, path and query, as the store knows the answer.
    pub key: String,
    /// One sentence.
    pub verdict: String,
    /// Why the last answer under the key was not stored; empty: it was, or there was none.
    pub refused: &'static str,
    pub variants: Vec<Variant>,
}

/// One stored answer under the key.
#[derive(Clone, Debug, Default)]
pub struct Variant {
    pub status: u16,
    /// Where it was before somebody asked: memory, disk or both, or the shared engine.
    pub tier: &'static str,
    pub bytes: u64,
    /// Seconds.
    pub age: u64,
    pub lifetime: u64,
    pub stale_while_revalidate: u64,
    pub stale_if_error: Option<u64>,
    /// Where the lifetime comes from.
    pub by: &'static str,
    pub must_confirm: bool,
    pub never_stale: bool,
    pub purged: bool,
    /// Changed by an unsafe request since it was asked for.
    pub invalid: bool,
    pub etag: String,
    pub last_modified: String,
    pub groups: Vec<String>,
    /// Fields that select it, with what they were and what they are in this request.
    pub vary: Vec<(String, String, String)>,
    pub fits: bool,
}

/// `store`: of the route that takes the request; `None`: the route has no cache.
pub fn explain(
    route: &str,
    store: Option<(Arc<Store>, Arc<Marks>)>,
    arm: u8,
    head: &Head<'_>,
    now: Nanos,
) -> Why {
    let (host, target) = (head.host().unwrap_or(b""), head.path_and_query());
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    let mut why = Why {
        route: Some(route.to_owned()),
        key: format!(
            "arm {arm}, host {}, {}",
            text(host).to_lowercase(),
            text(target)
        ),
        ..Why::default()
    };
    let Some((store, marks)) = store else {
        why.verdict = format!("passes: route {route} has no `cache`");
        return why;
    };
    let key = shelf::key(arm, host, target);
    why.refused = store.refused(&key).map_or("", |n| n.name());
    let shelf = shelf::Shelf {
        arm,
        store,
        marks,
        policy: None,
    };
    let disk = shelf.store.disk().filter(|d| d.holds(&key));
    let second = shelf.store.second();
    let elsewhere = second.as_ref().filter(|_| arm == Arm::BASE.0);
    let tier = match (shelf.store.knows(&key), &disk) {
        (false, Some(disk)) => {
            disk.fetch_here(&key);
            "disk"
        }
        (true, Some(_)) => "memory and disk",
        (false, None) if elsewhere.is_some_and(|l| l.fetch_here(&key)) => "the shared engine",
        _ => "memory",
    };
    let all = shelf.store.variants(&key);
    let all = all.iter().map(|e| Variant {
        tier,
        ..variant(&shelf, e, head, now)
    });
    why.variants = all.collect();
    why.verdict = verdict(&shelf, &key, head, now, why.refused);
    if tier == "disk" && !why.variants.is_empty() {
        why.verdict
            .push_str("; it was on disk, and is in memory now");
    }
    if let Some(level) = second {
        let said = match (level.wrong(), tier) {
            ("", "the shared engine") => "another node had stored it, and it is in memory now",
            ("", _) if why.variants.is_empty() => "nor has another node stored it",
            ("", _) => "what other nodes have is asked for before the instance is",
            (wrong, _) => wrong,
        };
        why.verdict.push_str("; ");
        why.verdict.push_str(said);
    }
    why
}

fn verdict(shelf: &shelf::Shelf, key: &[u8], head: &Head<'_>, now: Nanos, refused: &str) -> String {
    let Some(ask) = reuse::ask(head.method_name(), head, head.has_body()) else {
        return "passes: only GET and HEAD without a body, `no-store`, `If-Match` and `If-Unmodified-Since` are looked up".into();
    };
    let found = shelf.find(key, head, ask.range);
    let Some(entry) = found.entry else {
        return match (found.known, refused) {
            (true, _) => "miss: what is stored is for requests with other fields (see vary), for another part, or a guess that \
                          is not for requests that say who asks"
                .into(),
            (false, "") => "miss: nothing is stored under this key".into(),
            (false, not) => format!("miss: the last answer was not stored ({not})"),
        };
    };
    let (age, lifetime) = (entry.age(now), entry.keep.lifetime);
    match shelf.reuse(&ask, &entry, head, now) {
        Use::Fresh => format!("hit: {age} s old of {lifetime} s"),
        Use::StaleWhileRevalidate => format!(
            "hit, and fetched anew behind it: {age} s old of {lifetime} s, within stale-while-revalidate"
        ),
        Use::Stale => {
            format!("hit: {age} s old of {lifetime} s, which the request's max-stale allows")
        }
        Use::Validate(by) => {
            let cause = match by {
                Asked::Request => "the request wants a newer one".to_owned(),
                Asked::Stale if entry.keep.validate => "it says no-cache".to_owned(),
                Asked::Stale if shelf.invalid(&entry, head) => "it was changed since".to_owned(),
                Asked::Stale if entry.purged.load(Relaxed) => "it was purged".to_owned(),
                Asked::Stale => format!("it is {age} s old of {lifetime} s"),
            };
            match entry.has_version() {
                true => format!("asks the instance whether it is still good: {cause}"),
                false => format!("miss: {cause}, and it has no ETag or Last-Modified to ask with"),
            }
        }
    }
}

fn variant(shelf: &shelf::Shelf, e: &Entry, head: &Head<'_>, now: Nanos) -> Variant {
    let text =
        |b: Option<&[u8]>| b.map_or(String::new(), |b| String::from_utf8_lossy(b).into_owned());
    let fields = e.keep.vary.iter().zip(&e.selects);
    let fields = fields.map(|(name, was)| {
        let is = vary::select(head, name);
        (name.clone(), text(was.as_deref()), text(is.as_deref()))
    });
    Variant {
        tier: "memory",
        status: e.status,
        bytes: e.body.len() as u64,
        age: e.age(now),
        lifetime: e.keep.lifetime,
        stale_while_revalidate: e.keep.stale,
        stale_if_error: e.keep.stale_if_error,
        by: match e.keep.guessed {
            true => "the route's ttl or a guess",
            false => "the answer",
        },
        must_confirm: e.keep.validate,
        never_stale: e.keep.never_stale,
        purged: e.purged.load(Relaxed),
        invalid: shelf.invalid(e, head),
        etag: text(e.etag.as_deref()),
        last_modified: text(e.modified.as_deref()),
        groups: e.groups.iter().map(|g| g.to_string()).collect(),
        vary: fields.collect(),
        fits: matches!(e.fits(head), Some(Fit::Exact | Fit::ByLanguage)),
    }
}
