//! The keys of `access_log` and `upgrade`.

use super::*;

pub(super) const CLIENT: &[(&str, ClientAddress)] = &[
    ("keep", ClientAddress::Keep),
    ("hash", ClientAddress::Hash),
    ("drop", ClientAddress::Drop),
];

pub const ACCESS_LOG: &[Field<AccessLog>] = &[
    key!(
        "to" = "stdout",
        Kind::Text,
        "/var/log/plimsoll/access.log",
        "a file, or `stdout`",
        |a, n, cx| put!(
            a.to,
            cx.text(n).map(|t| match t.as_str() {
                "stdout" => LogTo::Stdout,
                path => LogTo::File(path.into()),
            })
        )
    ),
    key!(
        "share" = "100%",
        Kind::Share,
        "1%",
        "of the requests that neither failed nor were slow; those are always logged",
        |a, n, cx| put!(a.share, cx.share(n))
    ),
    key!(
        "slow" = "1s",
        Kind::Duration,
        "1s",
        "a request that takes longer is slow",
        |a, n, cx| put!(a.slow, cx.duration(n))
    ),
    key!(
        "query" = "false",
        Kind::Flag,
        "true",
        "write queries as they are, not `REDACTED`",
        |a, n, cx| put!(a.query, cx.flag(n))
    ),
    key!(
        "client" = "keep",
        Kind::OneOf(&["keep", "hash", "drop"]),
        "hash",
        "the client's address; `hash`: another name for it, the same until the next start",
        |a, n, cx| put!(a.client, cx.one_of(n, CLIENT))
    ),
];

pub const UPGRADE: &[Field<Upgrade>] = &[
    key!(
        "ready" = "30s",
        Kind::Duration,
        "30s",
        "the new process must have proved itself by then, or the old one goes on",
        |u, n, cx| put!(u.ready, cx.some_time(n))
    ),
    key!(
        "drain" = "1h",
        Kind::Duration,
        "1h",
        "time for connections of the old process, tunnels too, to end by themselves",
        |u, n, cx| put!(u.drain, cx.duration(n))
    ),
];
