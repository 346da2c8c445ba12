//! The keys of `traces`.

use super::*;

pub const TRACES: &[Field<Traces>] = &[
    key!(
        "share" = "1%",
        Kind::Share,
        "5%",
        "of the requests that neither failed nor were slow, those that are kept (and sent), too",
        |t, n, cx| put!(t.share, cx.share(n))
    ),
    key!(
        "slow",
        Kind::Duration,
        "500ms",
        "what takes longer is slow; as the route's `slo` has it when left out, and 1s where there is none",
        |t, n, cx| t.slow = cx.some_time(n)
    ),
    key!(
        "size" = "256MiB",
        Kind::Bytes,
        "1GiB",
        "how much `traces.db` in `data_dir` may take; the oldest go first; from 1MiB to 64GiB, or 0 to keep none (whether any are is read at start)",
        |t, n, cx| put!(t.size, size(n, cx))
    ),
];

fn size(n: &Node, cx: &mut Cx) -> Option<u64> {
    let size = cx.bytes_within(n, 0, 64 << 30)?;
    if (1..1 << 20).contains(&size) {
        cx.error(
            n,
            "config-value",
            "traces are kept in 1MiB or more, or not at all",
        )
        .help = "write `256MiB`, or 0 to keep none".into();
        return None;
    }
    Some(size)
}
