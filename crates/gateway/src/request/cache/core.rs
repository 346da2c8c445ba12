//! What may be stored, for how long, and what a stored response may answer. Pure; times are arguments.

use super::control::{Control, Fields, list};
use super::date;
use std::time::Duration;

/// What the cache does with a request before it looks anything up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Look it up; the answer of the instance may be stored (a `GET` that allows it).
    Look { store: bool, only_if_cached: bool },
    /// Let it pass untouched.
    Bypass,
}

/// How a response would be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The response said nothing; its lifetime is the route's. It answers nobody who shows who they are.
    pub by_route: bool,
    /// Names of the request's fields that select it, lower case.
    pub vary: Vec<String>,
}

/// Why a response is not stored; a label in `Cache-Status` and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Not {
    Status,
    Directive,
    Cookie,
    Vary,
    Authorization,
    /// By the route's lifetime only, and the request carries a session.
    Personal,
    NoLifetime,
    Expired,
}

/// At most this many fields select a variant.
const VARY: usize = 8;

/// `Range` and the conditions that are about writes are for the instance to judge.
const INSTANCE_ONLY: [&str; 4] = ["range", "if-range", "if-match", "if-unmodified-since"];

pub fn ask(method: &str, fields: &impl Fields, has_body: bool) -> Ask {
    let control = Control::of(fields);
    if !matches!(method, "GET" | "HEAD")
        || has_body
        || control.no_store
        || INSTANCE_ONLY.iter().any(|n| fields.has(n))
    {
        return Ask::Bypass;
    }
    Ask::Look {
        store: method == "GET",
        only_if_cached: control.only_if_cached,
    }
}

/// Whether the client accepts an answer of this age and rest of life, both in seconds.
pub fn accepts(fields: &impl Fields, age: u64, left: u64) -> bool {
    let control = Control::of(fields);
    let mut pragma = false;
    if !control.given {
        fields.each("pragma", &mut |v| {
            pragma |= list(v).any(|p| p.eq_ignore_ascii_case(b"no-cache"));
        });
    }
    !(control.no_cache || pragma)
        && control.max_age.is_none_or(|m| age <= m)
        && control.min_fresh.is_none_or(|m| left >= m)
}

/// What is known of a response whose request was a `GET` that `ask` allowed to be stored.
pub struct Response<'a, Q, R> {
    pub request: &'a Q,
    pub status: u16,
    pub fields: &'a R,
    /// From the start of the request to the head, seconds.
    pub delay: u64,
    /// Seconds since the Unix epoch, when the head came.
    pub now: u64,
}

/// `ttl` and `stale` come from the route: a lifetime for responses that say nothing about theirs.
pub fn keep(
    r: &Response<'_, impl Fields, impl Fields>,
    ttl: Option<Duration>,
    stale: Option<Duration>,
) -> Result<Keep, Not> {
    let control = Control::of(r.fields);
    let by_ttl = matches!(r.status, 200 | 203 | 301 | 308);
    if !by_ttl
        && !matches!(
            r.status,
            204 | 300 | 302 | 307 | 404 | 405 | 410 | 414 | 501
        )
    {
        return Err(Not::Status);
    }
    if control.no_store || control.private || control.no_cache {
        return Err(Not::Directive);
    }
    if r.fields.has("set-cookie") {
        return Err(Not::Cookie);
    }
    let told_shared = control.public || control.s_maxage.is_some() || control.must_revalidate;
    if r.request.has("authorization") && !told_shared {
        return Err(Not::Authorization);
    }
    let vary = vary(r.fields)?;
    let date = r.fields.single("date").and_then(|d| date::parse(&d, r.now));
    let mut says_pragma = false;
    r.fields.each("pragma", &mut |_| says_pragma = true);
    let explicit = control.s_maxage.or(control.max_age).or_else(|| {
        // A date that cannot be read is one in the past: `Expires: 0`.
        let expires = r.fields.joined("expires")?;
        let until = date::parse(&expires, r.now).unwrap_or(0);
        Some(until.saturating_sub(date.unwrap_or(r.now)))
    });
    // Any word about caching means that the response was thought about: then the route's lifetime is not for it.
    let silent = !control.given && !says_pragma && by_ttl;
    let lifetime = match (explicit, ttl) {
        (Some(l), _) => l,
        // An application that never thought of caches may personalise by session: its answers to a session, and
        // answers for one, are not shared on the word of a configuration.
        (None, Some(_)) if silent && personal(r.request) => return Err(Not::Personal),
        (None, Some(ttl)) if silent => ttl.as_secs(),
        _ => return Err(Not::NoLifetime),
    };
    let told = r
        .fields
        .single("age")
        .and_then(|a| std::str::from_utf8(&a).ok()?.parse::<u64>().ok());
    let apparent = date.map_or(0, |d| r.now.saturating_sub(d));
    // RFC 9111 4.2.3. A second or two of apparent age are clocks and rounding, but the document counts them.
    let age = apparent.max(told.unwrap_or(0).saturating_add(r.delay));
    let never_stale =
        control.must_revalidate || control.proxy_revalidate || control.s_maxage.is_some();
    let stale = match control.stale_while_revalidate {
        _ if never_stale => 0,
        Some(s) => s,
        None if explicit.is_none() => stale.map_or(0, |d| d.as_secs()),
        None => 0,
    };
    if age >= lifetime {
        return Err(Not::Expired);
    }
    Ok(Keep {
        age,
        lifetime,
        stale,
        stale_if_error: control.stale_if_error,
        never_stale,
        by_route: explicit.is_none(),
        vary,
    })
}

/// Whether the request says who asks.
pub fn personal(request: &impl Fields) -> bool {
    request.has("cookie") || request.has("authorization")
}

fn vary(fields: &impl Fields) -> Result<Vec<String>, Not> {
    let mut names: Vec<String> = Vec::new();
    let mut bad = false;
    fields.each("vary", &mut |value| {
        for name in list(value) {
            let token = name
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            match std::str::from_utf8(name) {
                Ok(n) if token => names.push(n.to_ascii_lowercase()),
                _ => bad = true,
            }
        }
    });
    names.sort();
    names.dedup();
    if bad || names.len() > VARY {
        return Err(Not::Vary);
    }
    Ok(names)
}

/// Whether the client's copy is the stored one (RFC 9110 13.2.2): then the answer is 304 without a body.
pub fn unchanged(
    request: &impl Fields,
    etag: Option<&[u8]>,
    modified: Option<&[u8]>,
    now: u64,
) -> bool {
    if let Some(wanted) = request.joined("if-none-match") {
        let strong = |t: &[u8]| t.strip_prefix(b"W/").unwrap_or(t).to_vec();
        return list(&wanted).any(|w| w == b"*" || etag.is_some_and(|e| strong(w) == strong(e)));
    }
    let Some(since) = request.single("if-modified-since") else {
        return false;
    };
    match (
        date::parse(&since, now),
        modified.and_then(|m| date::parse(m, now)),
    ) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}
