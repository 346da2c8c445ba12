//! The keys of a route's `coalesce` and `degrade`.

use super::*;

pub const COALESCE: &[Field<Coalesce>] = &[key!(
    "wait" = "5s",
    Kind::Duration,
    "5s",
    "longest wait for the answer to an equal request; `none`: nobody waits",
    |c, n, cx| put!(c.wait, wait(n, cx))
)];

pub const DEGRADE: &[Field<Degrade>] = &[
    key!(
        "stale_if_error",
        Kind::Duration,
        "10m",
        "first what the cache holds, so long past its lifetime",
        |d, n, cx| d.stale_if_error = cx.some_time(n)
    ),
    key!(
        "last_good",
        Kind::Duration,
        "1d",
        "then the same, older, and said to be so",
        |d, n, cx| d.last_good = cx.some_time(n)
    ),
    key!(
        "static",
        Kind::Section("static"),
        "{ body: '[]' }",
        "then this",
        |d, n, cx| {
            let mut fixed = Fixed::default();
            cx.section("static", n, STATIC, &mut fixed);
            d.fixed = Some(fixed);
        }
    ),
    key!(
        "retry_after" = "5s",
        Kind::Duration,
        "5s",
        "at last 503 with this `Retry-After`",
        |d, n, cx| put!(d.retry_after, cx.some_time(n))
    ),
    key!(
        "brownout",
        Kind::Duration,
        "300ms",
        "when over 5% of the answers begin later, some requests carry `plimsoll-brownout: 1`",
        |d, n, cx| d.brownout = cx.some_time(n)
    ),
];

pub const STATIC: &[Field<Fixed>] = &[
    key!(
        "status" = "200",
        Kind::Whole { min: 200, max: 599 },
        "200",
        "its status",
        |f, n, cx| put!(f.status, cx.whole(n, 200, 599).map(|v| v as u16))
    ),
    key!(
        "type" = "application/json",
        Kind::Text,
        "application/json",
        "its `Content-Type`",
        |f, n, cx| put!(f.content_type, cx.text(n))
    ),
    key!(required "body", Kind::Text, "'[]'", "its body, at most 64 KiB", |f, n, cx| put!(f.body, body(n, cx))),
];

fn wait(n: &Node, cx: &mut Cx) -> Option<std::time::Duration> {
    match n.text() {
        Some("none") => Some(std::time::Duration::ZERO),
        _ => cx.duration(n),
    }
}

fn body(n: &Node, cx: &mut Cx) -> Option<String> {
    let text = cx.text(n)?;
    if text.len() > 64 << 10 {
        cx.error(n, "config-value", "the body is larger than 64 KiB");
        return None;
    }
    Some(text)
}
