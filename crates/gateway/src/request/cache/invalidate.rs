//! What an unsafe request changes: its own address, those that its answer names, and groups (RFC 9111 4.4, RFC 9875).

use super::{Changes, Marks, targeted};
use crate::exchange::{Exchange, Outgoing};
use crate::gate::{Gate, Slot, Step};
use base::Nanos;
use std::sync::Arc;

/// For routes without a cache of their own.
pub struct Invalidate {
    pub marks: Arc<Marks>,
    pub changes: Arc<Changes>,
}

impl Gate for Invalidate {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn enter(&self, _x: &mut Exchange<'_>, _slot: &mut Slot, _now: Nanos) -> Step {
        Step::Go
    }

    fn reply(&self, x: &mut Exchange<'_>, _slot: &mut Slot, out: &mut Outgoing<'_>, now: Nanos) {
        if !safe(x.head.method_name()) {
            invalidate(&self.marks, &self.changes, x, out, now);
        }
    }
}

pub fn safe(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
}

/// A change that the instance refused has changed nothing.
pub fn invalidate(
    marks: &Marks,
    changes: &Changes,
    x: &Exchange<'_>,
    out: &Outgoing<'_>,
    now: Nanos,
) {
    if !(200..400).contains(&out.head.status()) {
        return;
    }
    let (host, path) = (x.head.host().unwrap_or(b""), x.head.path());
    let changed = |path: &[u8]| {
        marks.changed(host, path, now);
        changes.path(host, path);
    };
    changed(path);
    for name in ["location", "content-location"] {
        if let Some(target) = out.head.get(name)
            && let Some(other) = same_origin(target, host, path)
        {
            changed(&other);
        }
    }
    for group in targeted::groups(&out.head, "cache-group-invalidation") {
        marks.changed(host, &Marks::group(&group), now);
        changes.group(host, &group);
    }
}

/// The path, without query, of an address in a response to a request of `path`; `None` when it is of another origin.
pub fn same_origin(target: &[u8], host: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    let target = target.trim_ascii();
    let cut = target
        .iter()
        .position(|b| matches!(b, b'?' | b'#'))
        .unwrap_or(target.len());
    let target = &target[..cut];
    let scheme = target.windows(3).position(|w| w == b"://");
    let authority = match scheme {
        Some(at) => {
            let known = matches!(&target[..at].to_ascii_lowercase()[..], b"http" | b"https");
            known.then_some(&target[at + 3..])
        }
        None => target.strip_prefix(b"//"),
    };
    if let Some(rest) = authority {
        let end = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
        let (there, rest) = rest.split_at(end);
        let path = if rest.is_empty() { b"/" } else { rest };
        return there.eq_ignore_ascii_case(host).then(|| path.to_vec());
    }
    if scheme.is_some() {
        return None;
    }
    match target.first() {
        None => Some(path.to_vec()),
        Some(b'/') => Some(target.to_vec()),
        Some(_) => {
            let folder = path.iter().rposition(|&b| b == b'/').map_or(0, |i| i + 1);
            Some([&path[..folder], target].concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_resolved_within_its_origin() {
        let of = |target: &str| {
            let path = same_origin(target.as_bytes(), b"shop.example:80", b"/cart/items");
            path.map(|p| String::from_utf8(p).unwrap())
        };
        for (target, path) in [
            ("/a", Some("/a")),
            ("/a?b=1#c", Some("/a")),
            ("", Some("/cart/items")),
            ("?x=1", Some("/cart/items")),
            ("7", Some("/cart/7")),
            ("http://Shop.example:80/a", Some("/a")),
            ("https://shop.example:80", Some("/")),
            ("//shop.example:80/a", Some("/a")),
            ("http://other/a", None),
            ("ftp://shop.example:80/a", None),
        ] {
            assert_eq!(of(target).as_deref(), path, "{target}");
        }
    }
}
