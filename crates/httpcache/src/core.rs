//! What may be stored, and for how long (RFC 9111 3 and 4.2). Pure; times are arguments.

use crate::control::{Control, Fields, list};
use crate::{date, targeted, vary};
use std::time::Duration;

/// What the route says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Lifetime of responses that say nothing about theirs.
    pub ttl: Option<Duration>,
    /// The same for `stale-while-revalidate`.
    pub stale: Option<Duration>,
    /// Share of its age since `Last-Modified` for which a response without a lifetime is taken for fresh; 0: never.
    pub heuristic: f64,
    /// Responses that set cookies may be stored when they say for how long.
    pub set_cookie: bool,
}

/// How a response would be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Age when its request had started, seconds.
    pub age: u64,
    pub lifetime: u64,
    /// Seconds beyond its lifetime for which it may answer while someone fetches it anew.
    pub stale: u64,
    /// What the response says of how long, in seconds beyond its lifetime, it may stand in for an error.
    pub stale_if_error: Option<u64>,
    /// It must not be used beyond its lifetime, whatever happens.
    pub never_stale: bool,
    /// It must not be used unless the instance confirms it.
    pub validate: bool,
    /// Its lifetime is the route's or a guess. It answers nobody who shows who they are.
    pub guessed: bool,
    /// Names of the request's fields that select it, lower case.
    pub vary: Vec<String>,
    /// Fields that are not for a shared store.
    pub withheld: Vec<Box<[u8]>>,
}

impl Keep {
    /// It can answer another request without a word from the instance.
    pub fn is_shared(&self) -> bool {
        !self.validate && self.age < self.lifetime.saturating_add(self.stale)
    }
}

/// Why a response is not stored; `detail` in `Cache-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Not {
    Status = 1,
    Directive,
    Cookie,
    Vary,
    Authorization,
    /// Its lifetime would be a guess, and the request carries a session.
    Personal,
    NoLifetime,
    Expired,
    /// A part that says not which.
    Part,
    TooLarge,
    /// An error, and something better is stored.
    Better,
}

impl Not {
    pub const ALL: [Not; 11] = [
        Not::Status,
        Not::Directive,
        Not::Cookie,
        Not::Vary,
        Not::Authorization,
        Not::Personal,
        Not::NoLifetime,
        Not::Expired,
        Not::Part,
        Not::TooLarge,
        Not::Better,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Not::Status => "status",
            Not::Directive => "directive",
            Not::Cookie => "set-cookie",
            Not::Vary => "vary",
            Not::Authorization => "authorization",
            Not::Personal => "personal",
            Not::NoLifetime => "no-lifetime",
            Not::Expired => "expired",
            Not::Part => "part",
            Not::TooLarge => "too-large",
            Not::Better => "error",
        }
    }
}

/// What is known of a response whose request `ask` allowed to be stored.
pub struct Response<'a, Q, R> {
    pub request: &'a Q,
    pub status: u16,
    pub fields: &'a R,
    /// From the start of the request to the head, seconds.
    pub delay: u64,
    /// Seconds since the Unix epoch, when the head came.
    pub now: u64,
}

/// A guess is good for no longer than this (RFC 9111 4.2.2 had a warning for more).
const LONGEST_GUESS: u64 = 24 * 3600;

pub fn keep(r: &Response<'_, impl Fields, impl Fields>, rules: &Rules) -> Result<Keep, Not> {
    let targeted = targeted::control(r.fields);
    let ours = targeted.is_some();
    let control = targeted.unwrap_or_else(|| Control::of(r.fields));
    if !storable(r.status) || control.must_understand && !understood(r.status) {
        return Err(Not::Status);
    }
    // With `must-understand`, `no-store` is for those who do not (RFC 9111 5.2.2.3).
    if control.no_store && !control.must_understand || control.private {
        return Err(Not::Directive);
    }
    let told_shared = control.public || control.s_maxage.is_some() || control.must_revalidate;
    if r.request.has("authorization") && !told_shared {
        return Err(Not::Authorization);
    }
    let vary = vary::names(r.fields).ok_or(Not::Vary)?;
    let date = r.fields.single("date").and_then(|d| date::parse(&d, r.now));
    let explicit = control.s_maxage.or(control.max_age).or_else(|| {
        // A date that cannot be read is one in the past: `Expires: 0`.
        let expires = r.fields.joined("expires").filter(|_| !ours)?;
        let until = date::parse(&expires, r.now).unwrap_or(0);
        Some(until.saturating_sub(date.unwrap_or(r.now)))
    });
    let kept_out = |name: &[u8]| {
        control
            .withheld
            .iter()
            .any(|w| w.eq_ignore_ascii_case(name))
    };
    let cookie = r.fields.has("set-cookie") && !kept_out(b"set-cookie");
    if cookie && !(rules.set_cookie && explicit.is_some()) {
        return Err(Not::Cookie);
    }
    let has_version = r.fields.has("etag") || r.fields.has("last-modified");
    if control.no_cache && !has_version {
        return Err(Not::Directive);
    }
    let guess = || guess(r, &control, date, rules);
    let lifetime = match explicit.or_else(guess) {
        Some(lifetime) => lifetime,
        None if control.no_cache => 0,
        None => return Err(Not::NoLifetime),
    };
    // An application that never thought of caches may personalise by session: its answers to a session, and
    // answers for one, are not shared on a guess.
    let guessed = explicit.is_none() && !control.no_cache;
    if guessed && personal(r.request) {
        return Err(Not::Personal);
    }
    let mut age = age(r, date);
    if age == UNREADABLE {
        age = lifetime;
    }
    let never_stale = control.must_revalidate
        || control.proxy_revalidate
        || control.s_maxage.is_some()
        || control.no_cache;
    let stale = match control.stale_while_revalidate {
        _ if never_stale => 0,
        Some(s) => s,
        None if guessed => rules.stale.map_or(0, |d| d.as_secs()),
        None => 0,
    };
    let after = stale.max(control.stale_if_error.unwrap_or(0));
    if age >= lifetime.saturating_add(after) && !has_version {
        return Err(Not::Expired);
    }
    Ok(Keep {
        age,
        lifetime,
        stale,
        stale_if_error: control.stale_if_error,
        never_stale,
        validate: control.no_cache,
        guessed,
        vary,
        withheld: control.withheld,
    })
}

/// Of a whole response; a part is stored by rules of its own. Some are about one client at one moment whatever they say.
fn storable(status: u16) -> bool {
    status >= 200 && !matches!(status, 304 | 401 | 407 | 416 | 421 | 428 | 429 | 431 | 511)
}

/// Statuses whose meaning for caches is implemented here.
fn understood(status: u16) -> bool {
    by_default(status) || matches!(status, 302 | 303 | 307 | 400 | 403 | 500 | 502 | 503 | 504)
}

/// RFC 9110 15.1.
fn by_default(status: u16) -> bool {
    matches!(
        status,
        200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// The lifetime of a response that says nothing of it.
fn guess(
    r: &Response<'_, impl Fields, impl Fields>,
    control: &Control,
    date: Option<u64>,
    rules: &Rules,
) -> Option<u64> {
    let mut pragma = false;
    (r.fields).each("pragma", &mut |v| pragma |= list(v).next().is_some());
    // Any word about caching means that the response was thought about: then the route's lifetime is not for it.
    let silent = !control.given && !pragma && matches!(r.status, 200 | 203 | 301 | 308);
    if let Some(ttl) = rules.ttl.filter(|_| silent) {
        return Some(ttl.as_secs());
    }
    if pragma || control.no_cache || !(by_default(r.status) || control.public) {
        return None;
    }
    let modified = date::parse(&r.fields.single("last-modified")?, r.now)?;
    let since = date.unwrap_or(r.now).saturating_sub(modified);
    let guess = (since as f64 * rules.heuristic) as u64;
    (rules.heuristic > 0.0).then(|| guess.min(LONGEST_GUESS))
}

/// Whether the request says who asks.
pub fn personal(request: &impl Fields) -> bool {
    request.has("cookie") || request.has("authorization")
}

const UNREADABLE: u64 = u64::MAX;

/// RFC 9111 4.2.3, when the request started: what passes from then on is added when the age is asked for. A second or two
/// of apparent age are clocks and rounding, but the document counts them.
fn age(r: &Response<'_, impl Fields, impl Fields>, date: Option<u64>) -> u64 {
    let apparent = date.map_or(0, |d| r.now.saturating_sub(d));
    told_age(r.fields)
        .unwrap_or(0)
        .max(apparent.saturating_sub(r.delay))
}

/// The keep of a confirmed response: an age that the confirmation tells is older than its date does.
pub fn aged(mut keep: Keep, confirmation: &impl Fields) -> Keep {
    keep.age = match told_age(confirmation) {
        None => keep.age,
        Some(UNREADABLE) => keep.lifetime,
        Some(told) => keep.age.max(told),
    };
    keep
}

/// Of a list the first counts (RFC 9111 5.1). What two have written, each without knowing of the other, cannot be believed.
fn told_age(fields: &impl Fields) -> Option<u64> {
    if !fields.has("age") {
        return None;
    }
    let value = fields.single("age").unwrap_or_default();
    let mut members = list(&value);
    let first = members.next().unwrap_or(b"");
    let digits = !first.is_empty() && first.len() < 10 && first.iter().all(u8::is_ascii_digit);
    let again = members.next() == Some(first);
    let number = std::str::from_utf8(first).ok().and_then(|n| n.parse().ok());
    Some(number.filter(|_| digits && !again).unwrap_or(UNREADABLE))
}
