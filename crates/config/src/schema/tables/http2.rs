//! The keys of `http2`.

use super::*;

pub const HTTP2: &[Field<Http2>] = &[
    key!(
        "plain" = "true",
        Kind::Flag,
        "false",
        "understood without TLS, from clients that know it beforehand",
        |h, n, cx| put!(h.plain, cx.flag(n))
    ),
    key!(
        "streams" = "100",
        Kind::Whole {
            min: 1,
            max: 10_000
        },
        "250",
        "requests under way on one connection",
        |h, n, cx| put!(h.streams, whole(n, cx, 1, 10_000))
    ),
    key!(
        "window" = "256KiB",
        Kind::Bytes,
        "1MiB",
        "of a request body, sent ahead; four times as much of all on a connection",
        |h, n, cx| put!(
            h.window,
            cx.bytes_within(n, 16 << 10, 256 << 20).map(|b| b as u32)
        )
    ),
    key!(
        "resets" = "50",
        Kind::Whole {
            min: 1,
            max: 100_000
        },
        "50",
        "requests taken back before their answer began, more than were answered; then the connection ends",
        |h, n, cx| put!(h.resets, whole(n, cx, 1, 100_000))
    ),
    key!(
        "resets_total" = "10000",
        Kind::Whole {
            min: 1,
            max: 100_000_000
        },
        "10000",
        "resets over the life of a connection",
        |h, n, cx| put!(h.resets_total, whole(n, cx, 1, 100_000_000))
    ),
    key!(
        "local_resets" = "500",
        Kind::Whole {
            min: 1,
            max: 100_000
        },
        "500",
        "resets that a client causes by what it does wrong, over the life of a connection",
        |h, n, cx| put!(h.local_resets, whole(n, cx, 1, 100_000))
    ),
    key!(
        "idle_frames" = "1000",
        Kind::Whole {
            min: 10,
            max: 1_000_000
        },
        "1000",
        "frames per second that move nothing: PING, SETTINGS, PRIORITY, empty DATA",
        |h, n, cx| put!(h.idle_frames, whole(n, cx, 10, 1_000_000))
    ),
    key!(
        "ping" = "30s",
        Kind::Duration,
        "30s",
        "a client with requests under way that is silent for so long is asked whether it is there",
        |h, n, cx| put!(h.ping, cx.some_time(n))
    ),
    key!(
        "ping_timeout" = "10s",
        Kind::Duration,
        "10s",
        "without an answer within this it is not",
        |h, n, cx| put!(h.ping_timeout, cx.some_time(n))
    ),
];

fn whole(n: &Node, cx: &mut Cx, min: u64, max: u64) -> Option<u32> {
    cx.whole(n, min, max).map(|v| v as u32)
}
