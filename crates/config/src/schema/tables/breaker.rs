//! The keys of a service's `breaker`.

use super::*;

pub const BREAKER: &[Field<Breaker>] = &[
    key!(
        "threshold" = "50%",
        Kind::Share,
        "50%",
        "share of good answers below which requests are refused, in proportion",
        |b, n, cx| put!(b.threshold, some_share(n, cx))
    ),
    key!(
        "slow",
        Kind::Duration,
        "2s",
        "an answer that begins later counts as failed",
        |b, n, cx| b.slow = cx.some_time(n)
    ),
    key!(
        "at_least" = "20",
        Kind::Whole {
            min: 10,
            max: 1_000_000
        },
        "20",
        "answers in 10 s; fewer decide nothing",
        |b, n, cx| put!(b.at_least, cx.whole(n, 10, 1_000_000).map(|v| v as u32))
    ),
    key!(
        "most" = "90%",
        Kind::Share,
        "90%",
        "largest share refused; the rest tells when the trouble is over",
        |b, n, cx| put!(b.most, most(n, cx))
    ),
    key!(
        "dead_after" = "10",
        Kind::Whole {
            min: 2,
            max: 10_000
        },
        "10",
        "connects that fail in a row, for 1 s or more, after which only probes pass",
        |b, n, cx| put!(b.dead_after, cx.whole(n, 2, 10_000).map(|v| v as u32))
    ),
    key!(
        "probe" = "500ms",
        Kind::Duration,
        "500ms",
        "between probes",
        |b, n, cx| put!(b.probe, cx.some_time(n))
    ),
    key!(
        "ramp" = "5s",
        Kind::Duration,
        "5s",
        "until all requests pass again after the first answer",
        |b, n, cx| put!(b.ramp, cx.duration(n))
    ),
    key!(
        "observe" = "false",
        Kind::Flag,
        "true",
        "count, refuse nothing",
        |b, n, cx| put!(b.observe, cx.flag(n))
    ),
];

fn some_share(n: &Node, cx: &mut Cx) -> Option<f64> {
    let share = cx.share(n)?;
    if share == 0.0 {
        cx.error(n, "config-value", "0% would never refuse anything")
            .help = "leave the section out, or give a share above 0%".into();
        return None;
    }
    Some(share)
}

fn most(n: &Node, cx: &mut Cx) -> Option<f64> {
    let share = cx.share(n)?;
    if share > 0.99 {
        cx.error(n, "config-value", "at most 99% can be refused")
            .why = "what passes is how the breaker learns that the trouble is over".into();
        return None;
    }
    Some(share)
}
