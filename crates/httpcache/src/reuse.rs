//! What a request wants of a cache, and whether a stored response may answer it. Pure; times are arguments.

use crate::control::{Control, Fields, list};
use crate::core::Keep;

/// A request that the cache looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// A `GET`: its answer may be stored.
    pub get: bool,
    /// Part of the representation is asked for.
    pub range: bool,
    pub only_if_cached: bool,
    /// Only what the instance says is good enough.
    pub no_cache: bool,
    /// Seconds.
    pub max_age: Option<u64>,
    pub min_fresh: Option<u64>,
    pub max_stale: Option<u64>,
}

/// How a stored response may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Fresh,
    /// Past its lifetime, which the request allows.
    Stale,
    /// Past its lifetime, while somebody fetches it anew.
    StaleWhileRevalidate,
    /// Only when the instance says that it is still good.
    Validate(Why),
}

/// What makes the instance be asked; `fwd` in `Cache-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Stale,
    Request,
}

/// Conditions about writes are for the instance to judge.
const INSTANCE_ONLY: [&str; 2] = ["if-match", "if-unmodified-since"];

/// `None`: it passes untouched.
pub fn ask(method: &[u8], fields: &impl Fields, has_body: bool) -> Option<Ask> {
    if !matches!(method, b"GET" | b"HEAD") || has_body {
        return None;
    }
    let control = Control::of(fields);
    if control.no_store || INSTANCE_ONLY.iter().any(|n| fields.has(n)) {
        return None;
    }
    let mut pragma = false;
    if !control.given {
        fields.each("pragma", &mut |v| {
            pragma |= list(v).any(|p| p.eq_ignore_ascii_case(b"no-cache"));
        });
    }
    let get = method == b"GET";
    Some(Ask {
        get,
        range: get && fields.has("range"),
        only_if_cached: control.only_if_cached,
        no_cache: control.no_cache || pragma,
        max_age: control.max_age,
        min_fresh: control.min_fresh,
        max_stale: control.max_stale,
    })
}

/// `age` in seconds; `invalid`: something has changed it since.
#[inline]
pub fn reuse(ask: &Ask, keep: &Keep, age: u64, invalid: bool) -> Use {
    let fresh = age < keep.lifetime && !keep.validate && !invalid;
    let too_old = ask.no_cache || ask.max_age.is_some_and(|m| age > m);
    if fresh {
        let left = keep.lifetime - age;
        return match too_old || ask.min_fresh.is_some_and(|m| left < m) {
            true => Use::Validate(Why::Request),
            false => Use::Fresh,
        };
    }
    let past = age.saturating_sub(keep.lifetime);
    let demanding = too_old || ask.min_fresh.is_some();
    if demanding || keep.never_stale || keep.validate || invalid {
        Use::Validate(Why::Stale)
    } else if past < keep.stale {
        Use::StaleWhileRevalidate
    } else if ask.max_stale.is_some_and(|m| past <= m) {
        Use::Stale
    } else {
        Use::Validate(Why::Stale)
    }
}
