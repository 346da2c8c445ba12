//! Conditions of requests against what is stored (RFC 9110 13). Pure.

use crate::control::{Fields, list};
use crate::date;

/// What a stored response says of its version.
#[derive(Clone, Copy, Debug, Default)]
pub struct Version<'a> {
    pub etag: Option<&'a [u8]>,
    pub modified: Option<&'a [u8]>,
    /// When it was generated, or else received; seconds since the Unix epoch.
    pub date: u64,
}

/// Whether the client's copy is the stored one: then the answer is 304 without a body.
pub fn unchanged(request: &impl Fields, stored: Version<'_>, now: u64) -> bool {
    if let Some(wanted) = request.joined("if-none-match") {
        let same = |w: &[u8]| stored.etag.is_some_and(|e| opaque(w) == opaque(e));
        return list(&wanted).any(|w| w == b"*" || same(w));
    }
    let Some(since) = request.single("if-modified-since") else {
        return false;
    };
    let modified = match stored.modified {
        Some(m) => date::parse(m, now),
        // RFC 9111 4.3.2.
        None => Some(stored.date),
    };
    match (date::parse(&since, now), modified) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

/// A tag without its weakness, which does not matter here.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether the request's `Range` is about the stored response.
pub fn same_for_range(request: &impl Fields, stored: Version<'_>, now: u64) -> bool {
    let Some(wanted) = request.single("if-range") else {
        return !request.has("if-range");
    };
    if wanted.starts_with(b"\"") {
        return stored.etag == Some(&wanted[..]);
    }
    // A date says enough only when nothing can have changed within its second.
    let modified = stored.modified.filter(|m| **m == wanted[..]);
    let modified = modified.and_then(|m| date::parse(m, now));
    modified.is_some_and(|m| m < stored.date)
}

/// A tag that says the bytes are the same, not only the meaning.
pub fn strong(etag: Option<&[u8]>) -> Option<&[u8]> {
    etag.filter(|e| e.starts_with(b"\""))
}
