//! The keys of a route's `idempotency`.

use super::*;
use crate::sections::{Replay, StoreDown};

/// Largest body of a request with a key, and of an answer that is kept, bytes.
const BODY: u64 = 16 << 20;
const ANSWER: u64 = 960 << 10;
const KEYS: u64 = 10_000_000;

pub const IDEMPOTENCY: &[Field<Idempotency>] = &[
    key!(
        "required" = "false",
        Kind::Flag,
        "true",
        "a POST or PATCH without `Idempotency-Key` is refused with 400",
        |i, n, cx| put!(i.required, cx.flag(n))
    ),
    key!(
        "keep" = "24h",
        Kind::Duration,
        "24h",
        "how long a key is remembered",
        |i, n, cx| put!(i.keep, cx.some_time(n))
    ),
    key!(
        "body" = "1MiB",
        Kind::Bytes,
        "1MiB",
        "largest body of a request with a key; at most 16MiB",
        |i, n, cx| put!(i.body, cx.bytes_within(n, 0, BODY))
    ),
    key!(
        "answer" = "256KiB",
        Kind::Bytes,
        "256KiB",
        "largest body of an answer that is kept; at most 960KiB. After a larger one the key is refused with 409",
        |i, n, cx| put!(i.answer, cx.bytes_within(n, 0, ANSWER))
    ),
    key!(
        "keys" = "100000",
        Kind::Whole { min: 1, max: KEYS },
        "100000",
        "that are remembered at once; further ones are refused with 503",
        |i, n, cx| put!(i.keys, cx.whole(n, 1, KEYS))
    ),
    key!(
        "replay" = "unsafe",
        Kind::OneOf(&["unsafe", "safe"]),
        "safe",
        "a request of which nobody knows whether the service has done it: refused with 409, or sent again because doing it twice does no harm",
        |i, n, cx| put!(
            i.replay,
            cx.one_of(n, &[("unsafe", Replay::Unsafe), ("safe", Replay::Safe)])
        )
    ),
    key!(
        "store_down" = "refuse",
        Kind::OneOf(&["refuse", "pass"]),
        "pass",
        "while keys cannot be written down: requests with a key are refused with 503, or go on as if they had none",
        |i, n, cx| put!(
            i.store_down,
            cx.one_of(
                n,
                &[("refuse", StoreDown::Refuse), ("pass", StoreDown::Pass)]
            )
        )
    ),
];

/// `true` stands for all defaults, `false` for none.
pub(super) fn read(n: &Node, cx: &mut Cx) -> Option<Idempotency> {
    if matches!(n.value, Value::Scalar(_)) {
        return cx.flag(n)?.then(Idempotency::default);
    }
    let (mut section, before) = (Idempotency::default(), cx.findings.len());
    cx.section("idempotency", n, IDEMPOTENCY, &mut section);
    (cx.findings.len() == before).then_some(section)
}
