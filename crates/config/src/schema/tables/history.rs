//! The keys of `history`.

use super::*;
use std::time::Duration;

/// Shorter is in the fine slots anyway, and longer is for a time series database.
const SHORTEST: Duration = Duration::from_secs(3 * 3600);
const LONGEST: Duration = Duration::from_secs(400 * 86_400);

pub const HISTORY: &[Field<History>] = &[
    key!(
        "path",
        Kind::Text,
        "/var/lib/plimsoll/history.db",
        "the file that it is kept in; `history.db` in `data_dir` when left out; read at start",
        |h, n, cx| h.path = cx.text(n).map(Into::into)
    ),
    key!(
        "counts" = "35d",
        Kind::Duration,
        "90d",
        "how long requests are remembered, by route and status; from 3 h to 400 d",
        |h, n, cx| put!(h.counts, kept(n, cx))
    ),
    key!(
        "histograms" = "3d",
        Kind::Duration,
        "7d",
        "how long it is remembered how long answers took; from 3 h to 400 d",
        |h, n, cx| put!(h.histograms, kept(n, cx))
    ),
    key!(
        "size" = "64MiB",
        Kind::Bytes,
        "128MiB",
        "memory that all of it may take, and about as much on the disk; the oldest goes first; from 8MiB to 4GiB",
        |h, n, cx| put!(h.size, cx.bytes_within(n, 8 << 20, 4 << 30))
    ),
];

fn kept(n: &Node, cx: &mut Cx) -> Option<Duration> {
    let time = cx.duration(n)?;
    if !(SHORTEST..=LONGEST).contains(&time) {
        cx.error(n, "config-value", "history is kept from 3 h to 400 d")
            .help = "write `35d`; for years, have Prometheus scrape /metrics".into();
        return None;
    }
    Some(time)
}
