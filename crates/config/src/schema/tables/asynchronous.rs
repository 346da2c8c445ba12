//! The keys of a route's `async`.

use super::*;
use crate::sections::{OnDead, When};

/// Largest body that may become a job, bytes.
const BODY: u64 = 16 << 20;
/// Deliveries at once, and attempts.
const CONCURRENCY: u64 = 1024;
const ATTEMPTS: u64 = 1000;

pub const ASYNC: &[Field<Async>] = &[
    key!(
        "when" = "asked",
        Kind::OneOf(&["asked", "always"]),
        "always",
        "which requests become jobs: those that say `Prefer: respond-async`, or all of them",
        |a, n, cx| put!(
            a.when,
            cx.one_of(n, &[("asked", When::Asked), ("always", When::Always)])
        )
    ),
    key!(
        "body" = "1MiB",
        Kind::Bytes,
        "1MiB",
        "largest body of a request; at most 16MiB",
        |a, n, cx| put!(a.body, cx.bytes_within(n, 0, BODY))
    ),
    key!(
        "jobs" = "100000",
        Kind::Whole {
            min: 1,
            max: 100_000_000
        },
        "100000",
        "that may wait; more are refused with 503",
        |a, n, cx| put!(a.jobs, cx.whole(n, 1, 100_000_000))
    ),
    key!(
        "bytes" = "1GiB",
        Kind::Bytes,
        "1GiB",
        "of them together",
        |a, n, cx| put!(a.bytes, cx.bytes(n))
    ),
    key!(
        "concurrency" = "16",
        Kind::Whole {
            min: 1,
            max: CONCURRENCY
        },
        "16",
        "deliveries at once, at most; after failures it begins with one again",
        |a, n, cx| put!(a.concurrency, cx.whole(n, 1, CONCURRENCY).map(|v| v as u32))
    ),
    key!(
        "attempts" = "12",
        Kind::Whole {
            min: 1,
            max: ATTEMPTS
        },
        "12",
        "until a job is dead; what the service was not asked does not count",
        |a, n, cx| put!(a.attempts, cx.whole(n, 1, ATTEMPTS).map(|v| v as u32))
    ),
    key!(
        "backoff" = "1s",
        Kind::Duration,
        "1s",
        "before the second attempt; doubled for each further one up to 10min, and drawn from zero to that; never less than `Retry-After` asks, up to 1h",
        |a, n, cx| put!(a.backoff, cx.some_time(n))
    ),
    key!(
        "timeout" = "60s",
        Kind::Duration,
        "60s",
        "of one attempt",
        |a, n, cx| put!(a.timeout, cx.some_time(n))
    ),
    key!(
        "ttl" = "24h",
        Kind::Duration,
        "24h",
        "a job that is not done by then is dead",
        |a, n, cx| put!(a.ttl, cx.some_time(n))
    ),
    key!(
        "keep" = "24h",
        Kind::Duration,
        "24h",
        "how long results can be fetched; dead jobs stay for 14 days",
        |a, n, cx| put!(a.keep, cx.some_time(n))
    ),
    key!(
        "order_by",
        Kind::Text,
        "x-customer",
        "jobs with the same value of this header are delivered in order, one at a time",
        |a, n, cx| a.order_by = super::route::header(n, cx)
    ),
    key!(
        "on_dead" = "skip",
        Kind::OneOf(&["skip", "block"]),
        "block",
        "with `order_by`: once a job is dead the next of its value goes, or all of them wait until it is redriven, discarded or forgotten",
        |a, n, cx| put!(
            a.on_dead,
            cx.one_of(n, &[("skip", OnDead::Skip), ("block", OnDead::Block)])
        )
    ),
];

/// `true` stands for all defaults, `false` for none.
pub(super) fn read(n: &Node, cx: &mut Cx) -> Option<Async> {
    if matches!(n.value, Value::Scalar(_)) {
        return cx.flag(n)?.then(Async::default);
    }
    let (mut section, before) = (Async::default(), cx.findings.len());
    cx.section("async", n, ASYNC, &mut section);
    if section.on_dead == OnDead::Block && section.order_by.is_none() {
        cx.error(n, "config-on-dead", "`on_dead: block` without an order")
            .help = "name the header that orders jobs: `order_by`".into();
    }
    (cx.findings.len() == before).then_some(section)
}
