//! The keys of `traces`.

use super::*;

pub const TRACES: &[Field<Traces>] = &[
    key!(
        "share" = "1%",
        Kind::Share,
        "5%",
        "of the requests that neither failed nor were slow, those that are sent, too",
        |t, n, cx| put!(t.share, cx.share(n))
    ),
    key!(
        "slow",
        Kind::Duration,
        "500ms",
        "what takes longer is slow; as the route's `slo` has it when left out, and 1s where there is none",
        |t, n, cx| t.slow = cx.some_time(n)
    ),
];
