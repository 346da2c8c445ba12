//! The keys of a route's `quota`.

use super::rate::{rate_fail, rate_key, rate_name};
use super::*;
use crate::sections::Per;

const LARGEST: u64 = 1_000_000_000_000;
const MOST_KEYS: u64 = 10_000_000;

pub const QUOTA: &[Field<Quota>] = &[
    key!(required
        "limit",
        Kind::Whole { min: 1, max: LARGEST },
        "100000",
        "requests, or units where they cost more than one, of each key in a period",
        |q, n, cx| put!(q.limit, cx.whole(n, 1, LARGEST))
    ),
    key!(
        "per" = "day",
        Kind::OneOf(&["day", "month"]),
        "month",
        "a period: a day or a month of the calendar",
        |q, n, cx| put!(
            q.per,
            cx.one_of(n, &[("day", Per::Day), ("month", Per::Month)])
        )
    ),
    key!(
        "timezone" = "UTC",
        Kind::Text,
        "Europe/Berlin",
        "an IANA name; whose days and months they are",
        |q, n, cx| put!(q.timezone, timezone(n, cx))
    ),
    key!(
        "key" = "client",
        Kind::Text,
        "tenant",
        "`client` (address), `user`, `tenant`, `header:NAME` or `all`; who is not known by it counts by address",
        |q, n, cx| put!(q.key, rate_key(n, cx))
    ),
    key!(
        "name",
        Kind::Text,
        "api",
        "routes that give the same name have one quota together, and give the same `limit`, `per`, `timezone`, `key` and `keys`",
        |q, n, cx| q.name = rate_name(n, cx)
    ),
    key!(
        "cost" = "1",
        Kind::Whole {
            min: 1,
            max: LARGEST
        },
        "5",
        "units that one request takes",
        |q, n, cx| put!(q.cost, cx.whole(n, 1, LARGEST))
    ),
    key!(
        "keys" = "100000",
        Kind::Whole {
            min: 1,
            max: MOST_KEYS
        },
        "100000",
        "keys that are counted apart in a period; those that come later have one quota together",
        |q, n, cx| put!(q.keys, cx.whole(n, 1, MOST_KEYS))
    ),
    key!(
        "announce" = "false",
        Kind::Flag,
        "true",
        "answers of the service say what is left, as refusals always do",
        |q, n, cx| put!(q.announce, cx.flag(n))
    ),
    key!(
        "fail" = "local-share",
        Kind::OneOf(&["local-share", "open", "closed"]),
        "open",
        "while the store that counts is away: `local-share` (this node's share of what was left), `open` (no quota; what passes is counted later) or `closed` (503)",
        |q, n, cx| put!(q.fail, rate_fail(n, cx))
    ),
    key!(
        "observe" = "false",
        Kind::Flag,
        "true",
        "count, refuse nothing",
        |q, n, cx| put!(q.observe, cx.flag(n))
    ),
];

pub(super) fn read(n: &Node, cx: &mut Cx) -> Quota {
    let mut quota = Quota::of(0);
    cx.section("quota", n, QUOTA, &mut quota);
    if quota.limit > 0 && quota.cost > quota.limit {
        let what = format!(
            "a request costs {} units, and no more than {} are ever there",
            quota.cost, quota.limit
        );
        cx.error(n, "config-quota", what).help = "give a higher `limit`, or a lower `cost`".into();
    }
    quota
}

fn timezone(n: &Node, cx: &mut Cx) -> Option<String> {
    let timezone = cx.text(n)?;
    let quota = Quota {
        timezone,
        ..Quota::of(1)
    };
    if let Err(e) = quota.zone() {
        let what = format!("`{}` is no time zone: {e}", quota.timezone.escape_debug());
        cx.error(n, "config-quota", what).help =
            "write an IANA name like `Europe/Berlin`; its rules must be installed (tzdata)".into();
        return None;
    }
    Some(quota.timezone)
}
