//! The keys of a route's `fault`.

use super::route::headers;
use super::*;

pub const FAULT: &[Field<Fault>] = &[
    key!(required "until", Kind::Moment, "2030-01-31T18:00:00Z", "it ends by itself then", |f, n, cx| put!(f.until, cx.moment(n))),
    key!(
        "delay",
        Kind::Duration,
        "200ms",
        "wait before the instance is asked",
        |f, n, cx| f.delay = cx.some_time(n)
    ),
    key!(
        "abort",
        Kind::Whole { min: 400, max: 599 },
        "503",
        "answer this status instead of asking the instance",
        |f, n, cx| f.abort = cx.whole(n, 400, 599).map(|v| v as u16)
    ),
    key!(
        "reset" = "false",
        Kind::Flag,
        "true",
        "the connection breaks before a response",
        |f, n, cx| put!(f.reset, cx.flag(n))
    ),
    key!(
        "rate",
        Kind::Flow,
        "10KiB/s",
        "the response comes no faster",
        |f, n, cx| f.rate = cx.flow(n)
    ),
    key!(
        "cut",
        Kind::Bytes,
        "1KiB",
        "the response breaks off after so much of its body",
        |f, n, cx| f.cut = cx.bytes(n)
    ),
    key!(
        "share" = "100%",
        Kind::Share,
        "10%",
        "of the attempts, at random",
        |f, n, cx| put!(f.share, cx.share(n))
    ),
    key!(
        "first",
        Kind::Whole {
            min: 1,
            max: 1_000_000_000
        },
        "5",
        "only so many attempts, the first ones",
        |f, n, cx| f.first = cx.whole(n, 1, 1_000_000_000)
    ),
    key!(
        "every",
        Kind::Whole {
            min: 1,
            max: 1_000_000_000
        },
        "10",
        "only every 10th attempt",
        |f, n, cx| f.every = cx.whole(n, 1, 1_000_000_000)
    ),
    key!(
        "headers",
        Kind::Texts,
        "{ x-tenant: acme }",
        "only requests with these; empty: present",
        |f, n, cx| f.headers = headers(n, cx)
    ),
    key!(
        "instance",
        Kind::Address,
        "127.0.0.1:7001",
        "only attempts against this one",
        |f, n, cx| f.instance = cx.address(n)
    ),
    key!(
        "tenant",
        Kind::Text,
        "acme",
        "only requests of this tenant, one of `identity.tenants`",
        |f, n, cx| f.tenant = cx.text(n)
    ),
];

/// What no single key can see.
pub(super) fn check(f: &Fault, n: &Node, cx: &mut Cx) {
    let failing = f.abort.is_some() as u8 + f.reset as u8;
    let body = f.rate.is_some() || f.cut.is_some();
    if failing == 0 && !body && f.delay.is_none() {
        cx.error(n, "config-fault", "a fault that does nothing")
            .help = "give at least one of `delay`, `abort`, `reset`, `rate` and `cut`".into();
    }
    if failing == 2 || (failing == 1 && body) {
        cx.error(n, "config-fault", "an attempt can fail in one way only")
            .help = "give `abort`, or `reset`, or `rate` and `cut`; `delay` goes with all".into();
    }
}
