//! The keys of a route's `rate`.

use super::route::header_name;
use super::*;
use base::units;

const LARGEST_BURST: u64 = 10_000_000;

pub const RATE: &[Field<Rate>] = &[
    key!(required "limit", Kind::Rate, "200/s", "requests, or units where they cost more than one", |r, n, cx| {
        put!(r.per_second, cx.rate(n));
        if r.per_second <= 0.0 && matches!(units::rate(n.text().unwrap_or("")), Ok(0.0)) {
            cx.error(n, "config-value", "a rate of 0 refuses every request").help =
                "leave the section out, or give a rate".into();
        }
    }),
    key!(
        "burst",
        Kind::Whole {
            min: 1,
            max: LARGEST_BURST
        },
        "50",
        "above the rate at once; one second's worth when left out",
        |r, n, cx| put!(r.burst, cx.whole(n, 1, LARGEST_BURST).map(|v| v as u32))
    ),
    key!(
        "key" = "client",
        Kind::Text,
        "tenant",
        "`client` (address), `user`, `tenant`, `header:NAME` or `all`; who is not known by it counts by address",
        |r, n, cx| put!(r.key, rate_key(n, cx))
    ),
    key!(
        "name",
        Kind::Text,
        "api",
        "routes that give the same name have one limit together, and give the same `limit`, `burst` and `key`",
        |r, n, cx| r.name = rate_name(n, cx)
    ),
    key!(
        "cost" = "1",
        Kind::Text,
        "5",
        "units that one request takes; `learned`: what it costs on the constraint, in average requests of its service",
        |r, n, cx| match n.text() {
            Some("learned") => r.cost = RateCost::Learned,
            _ => put!(
                r.cost,
                cx.whole(n, 1, LARGEST_BURST)
                    .map(|v| RateCost::Units(v as u32))
            ),
        }
    ),
    key!(
        "announce" = "false",
        Kind::Flag,
        "true",
        "answers of the service say what is left, as refusals always do",
        |r, n, cx| put!(r.announce, cx.flag(n))
    ),
    key!(
        "shared",
        Kind::Flag,
        "false",
        "with `engines.shared`, all nodes together have this limit, unless this says `false`",
        |r, n, cx| put!(r.shared, cx.flag(n))
    ),
    key!(
        "fail" = "local-share",
        Kind::OneOf(&["local-share", "open", "closed"]),
        "open",
        "while the shared engine is away: `local-share` (this node's last known share of the limit), `open` (no limit) or `closed` (503)",
        |r, n, cx| put!(r.fail, rate_fail(n, cx))
    ),
    key!(
        "observe" = "false",
        Kind::Flag,
        "true",
        "count, refuse nothing",
        |r, n, cx| put!(r.observe, cx.flag(n))
    ),
];

pub(super) fn read(n: &Node, cx: &mut Cx) -> Rate {
    let mut rate = Rate {
        burst: 0,
        shared: true,
        ..Rate::of(0.0)
    };
    cx.section("rate", n, RATE, &mut rate);
    if rate.burst == 0 {
        rate.burst = Rate::of(rate.per_second).burst;
    }
    if let RateCost::Units(cost) = rate.cost
        && cost > rate.burst
    {
        let what = format!(
            "a request costs {cost} units, and no more than {} are ever there",
            rate.burst
        );
        cx.error(n, "config-rate", what).help =
            format!("give `burst: {cost}` or more, or a lower `cost`");
    }
    rate
}

pub(super) fn rate_name(n: &Node, cx: &mut Cx) -> Option<String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let name = cx
        .text(n)
        .filter(|t| !t.is_empty() && t.len() <= 64 && t.bytes().all(good));
    if name.is_none() {
        cx.error(n, "config-name", "this cannot be a name").help =
            "use letters, digits, `-`, `_` and `.`, at most 64".into();
    }
    name
}

pub(super) fn rate_fail(n: &Node, cx: &mut Cx) -> Option<RateFail> {
    let known = [
        ("local-share", RateFail::LocalShare),
        ("open", RateFail::Open),
        ("closed", RateFail::Closed),
    ];
    cx.one_of(n, &known)
}

pub(super) fn rate_key(n: &Node, cx: &mut Cx) -> Option<RateKey> {
    let text = cx.text(n)?;
    match text.as_str() {
        "all" => Some(RateKey::All),
        "client" => Some(RateKey::Client),
        "user" => Some(RateKey::User),
        "tenant" => Some(RateKey::Tenant),
        t if t.strip_prefix("header:").is_some_and(header_name) => t
            .strip_prefix("header:")
            .map(|h| RateKey::Header(h.to_lowercase())),
        t => {
            cx.error(n, "config-value", format!("`{t}` is not a key"))
                .help = "write `client`, `user`, `tenant`, `header:NAME` or `all`".into();
            None
        }
    }
}
