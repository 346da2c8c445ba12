//! The keys of `traces`.

use super::operate::CLIENT;
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
    key!(
        "rate" = "256KiB/s",
        Kind::Flow,
        "1MiB/s",
        "how much is written to it, 4 s of that at once; what is more in a storm gives way and is counted, errors last; a usual trace takes one KiB",
        |t, n, cx| put!(t.rate, cx.flow(n))
    ),
    key!(
        "client",
        Kind::OneOf(&["keep", "hash", "drop"]),
        "hash",
        "the client's address in traces; as in `access_log` when left out, and `keep` without one",
        |t, n, cx| t.client = cx.one_of(n, CLIENT)
    ),
    key!(
        "attributes",
        Kind::ListOf(&Kind::Text),
        "[http.route, app.plan]",
        "attributes of services' spans that are kept, at most 32 names; those in docs/traces.md when left out; `[]`: none",
        |t, n, cx| t.attributes = Some(attributes(n, cx))
    ),
];

fn attributes(n: &Node, cx: &mut Cx) -> Vec<String> {
    let all = cx.list(n, attribute);
    if all.len() > Traces::ATTRIBUTES {
        let what = format!("{} attributes are named, and 32 may be", all.len());
        cx.error(n, "config-value", what).help = "leave some out".into();
    }
    all
}

fn attribute(cx: &mut Cx, n: &Node) -> Option<String> {
    let name = cx.text(n)?;
    let fit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    if name.len() <= Traces::ATTRIBUTE && name.bytes().all(fit) {
        return Some(name);
    }
    let what = "this is no name of an attribute";
    cx.error(n, "config-value", what).help =
        "write it like `http.route`: letters, digits, `.`, `_`, `-` and `/`, at most 64".into();
    None
}

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
