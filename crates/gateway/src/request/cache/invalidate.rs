//! What an unsafe request changes: its own address, those that its answer names, and groups (RFC 9111 4.4, RFC 9875).

use super::{Changes, Disks, Marks, Second, targeted};
use crate::exchange::{Exchange, Outgoing};
use crate::gate::{Gate, Kept, Slot, Step};
use base::Nanos;
use std::sync::Arc;

/// Who has to know of changes: as a gate on routes without a cache of their own.
pub struct Invalidate {
    marks: Arc<Marks>,
    changes: Arc<Changes>,
    disks: Arc<Disks>,
    second: Arc<Second>,
}

impl Invalidate {
    pub fn of(kept: &Kept) -> Invalidate {
        Invalidate {
            marks: kept.get("cache", Marks::default),
            changes: kept.get("cache", Changes::default),
            disks: Disks::of(kept),
            second: Second::of(kept),
        }
    }

    /// A request that may change what is on disk waits until it says there that it may: its effect would outlive a
    /// process that is killed meanwhile.
    pub fn before(&self, x: &Exchange<'_>) -> Step {
        if safe(x.head.method_name()) {
            return Step::Go;
        }
        let (host, path) = (x.head.host().unwrap_or(b""), x.head.path());
        let doubts = self.disks.doubt(host, path);
        if doubts.is_empty() {
            return Step::Go;
        }
        Step::Wait(Box::pin(async {
            for doubt in doubts {
                doubt.noted().await;
            }
        }))
    }

    /// A change that the instance refused has changed nothing.
    pub fn after(&self, x: &Exchange<'_>, out: &Outgoing<'_>, now: Nanos) {
        if safe(x.head.method_name()) || !(200..400).contains(&out.head.status()) {
            return;
        }
        let (host, path) = (x.head.host().unwrap_or(b""), x.head.path());
        let changed = |path: &[u8]| {
            // First, or what others have of it would be taken for newer.
            self.second.path_changed(host, path);
            self.marks.changed(host, path, now);
            self.disks.changed(host, path);
            self.changes.path(host, path);
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
            self.second.group_changed(host, &group);
            self.marks.changed(host, &Marks::group(&group), now);
            self.disks.group_changed(host, &group);
            self.changes.group(host, &group);
        }
    }
}

impl Gate for Invalidate {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn enter(&self, x: &mut Exchange<'_>, _slot: &mut Slot, _now: Nanos) -> Step {
        self.before(x)
    }

    fn reply(&self, x: &mut Exchange<'_>, _slot: &mut Slot, out: &mut Outgoing<'_>, now: Nanos) {
        self.after(x, out, now);
    }
}

pub fn safe(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
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
