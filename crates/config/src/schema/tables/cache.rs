//! The keys of a route's cache, and of what others are told about theirs.

use super::*;
use std::time::Duration;

pub const CACHE: &[Field<Cache>] = &[
    key!(
        "ttl",
        Kind::Duration,
        "10s",
        "lifetime when the answer says nothing of it",
        |c, n, cx| c.ttl = cx.duration(n)
    ),
    key!(
        "stale_while_revalidate",
        Kind::Duration,
        "30s",
        "answer with the old one while a new one is fetched",
        |c, n, cx| c.stale_while_revalidate = cx.duration(n)
    ),
    key!(
        "heuristic" = "10%",
        Kind::Share,
        "10%",
        "share of its age since `Last-Modified` for which an answer without a lifetime is fresh; 0%: never",
        |c, n, cx| put!(c.heuristic, cx.share(n))
    ),
    key!(
        "set_cookie" = "false",
        Kind::Flag,
        "true",
        "store answers that set cookies, too, when they say for how long",
        |c, n, cx| put!(c.set_cookie, cx.flag(n))
    ),
    key!(
        "size" = "64MiB",
        Kind::Bytes,
        "64MiB",
        "memory of this route's cache",
        |c, n, cx| put!(c.size, cx.bytes_within(n, 1, 1 << 40))
    ),
    key!(
        "max_body" = "1MiB",
        Kind::Bytes,
        "1MiB",
        "largest body kept",
        |c, n, cx| put!(c.max_body, cx.bytes_within(n, 1, 1 << 40))
    ),
    key!(
        "disk",
        Kind::Section("cache_disk"),
        "{ path: /var/cache/plimsoll, size: 10GiB }",
        "keeps on disk what memory has no room for and was asked for again; memory only when left out",
        |c, n, cx| {
            let mut disk = CacheDisk::default();
            cx.section("disk", n, CACHE_DISK, &mut disk);
            c.disk = Some(disk);
        }
    ),
    key!(
        "shared",
        Kind::FlagOr("cache_shared"),
        "{ wait: 20ms }",
        "nodes on one `engines.shared` fill from each other before they ask the service, and purges reach all of them; `true` for the defaults, off when left out",
        |c, n, cx| c.shared = shared(n, cx)
    ),
];

/// No request is held up for longer than this by something that is to save time.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Redis holds everything else up while it sends larger ones.
const LARGEST_SHARED: u64 = 16 << 20;

pub const CACHE_SHARED: &[Field<CacheShared>] = &[
    key!(
        "wait" = "20ms",
        Kind::Duration,
        "20ms",
        "longest that a request which is not in the node's own cache waits for the engine, at most 1s; then the service is asked",
        |s, n, cx| put!(s.wait, wait(n, cx))
    ),
    key!(
        "max_body" = "256KiB",
        Kind::Bytes,
        "256KiB",
        "largest body that is shared, at most 16MiB; larger ones stay in each node's own cache",
        |s, n, cx| put!(s.max_body, cx.bytes_within(n, 1, LARGEST_SHARED))
    ),
];

fn shared(n: &Node, cx: &mut Cx) -> Option<CacheShared> {
    if matches!(n.value, Value::Scalar(_)) {
        return cx.flag(n)?.then(CacheShared::default);
    }
    let (mut shared, before) = (CacheShared::default(), cx.findings.len());
    cx.section("shared", n, CACHE_SHARED, &mut shared);
    (cx.findings.len() == before).then_some(shared)
}

fn wait(n: &Node, cx: &mut Cx) -> Option<Duration> {
    let wait = cx.some_time(n)?;
    if wait > LONGEST_WAIT {
        cx.error(n, "config-value", "a request would wait too long")
            .help = "write a time up to `1s`: the service is asked when it is over".into();
        return None;
    }
    Some(wait)
}

/// With less, segments would be too small for a common answer.
const SMALLEST_DISK: u64 = 16 << 20;

pub const CACHE_DISK: &[Field<CacheDisk>] = &[
    key!(required "path", Kind::Text, "/var/cache/plimsoll", "folder in which each route gets one of its own; put nothing else there", |d, n, cx| {
        put!(d.path, cx.text(n).map(Into::into));
    }),
    key!(
        "size" = "1GiB",
        Kind::Bytes,
        "10GiB",
        "bytes of this route's files, at least 16MiB; a sixteenth is given up at once, and no larger answer is kept",
        |d, n, cx| put!(d.size, cx.bytes_within(n, SMALLEST_DISK, 1 << 44))
    ),
];

pub const CACHE_CONTROL: &[Field<CacheControl>] = &[
    key!(
        "browsers",
        Kind::Text,
        "max-age=60",
        "the `Cache-Control` that goes out",
        |c, n, cx| c.browsers = directives(n, cx)
    ),
    key!(
        "cdns",
        Kind::Text,
        "max-age=600",
        "the `CDN-Cache-Control` that goes out",
        |c, n, cx| c.cdns = directives(n, cx)
    ),
];

/// `max-age=60, immutable`: names, some with a number.
fn directives(n: &Node, cx: &mut Cx) -> Option<String> {
    let text = cx.text(n)?;
    let good = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, "0"));
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        digits && !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
    };
    if let Some(bad) = text.split(',').map(str::trim).find(|p| !good(p)) {
        let what = format!("`{bad}` is not a directive of `Cache-Control`");
        cx.error(n, "config-value", what).help =
            "write directives and seconds, like `max-age=60, must-revalidate`".into();
        return None;
    }
    Some(text)
}
