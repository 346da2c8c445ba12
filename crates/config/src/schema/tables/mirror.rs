//! The keys of a route's `split` and `mirror`.

use super::*;

/// Most headers that are compared.
const HEADERS: usize = 8;

pub const MIRROR: &[Field<Mirror>] = &[
    key!(required "to", Kind::Text, "next", "the service that gets copies of GET and HEAD requests", |m, n, cx| put!(m.to, cx.text(n))),
    key!(
        "share" = "5%",
        Kind::Share,
        "5%",
        "of requests that are copied; each copy is also asked of the own service a second time, to know how often two answers of one differ",
        |m, n, cx| put!(m.share, cx.share(n))
    ),
    key!(
        "rate" = "50/s",
        Kind::Rate,
        "50/s",
        "copies, at most",
        |m, n, cx| put!(m.rate, cx.rate(n))
    ),
    key!(
        "load" = "70%",
        Kind::Share,
        "70%",
        "nothing is copied while either service has more of its limit in flight",
        |m, n, cx| put!(m.load, cx.share(n))
    ),
    key!(
        "in_flight" = "16",
        Kind::Whole { min: 1, max: 1000 },
        "16",
        "copies under way at once; more are left out",
        |m, n, cx| put!(m.in_flight, cx.whole(n, 1, 1000).map(|v| v as u32))
    ),
    key!(
        "timeout" = "5s",
        Kind::Duration,
        "5s",
        "for an answer to a copy",
        |m, n, cx| put!(m.timeout, cx.some_time(n))
    ),
    key!(
        "headers" = "[content-type]",
        Kind::ListOf(&Kind::Text),
        "[content-type, location]",
        "compared, beside status and body; at most 8",
        |m, n, cx| m.headers = names(n, cx)
    ),
];

pub(super) fn names(n: &Node, cx: &mut Cx) -> Vec<String> {
    let names = cx.list(n, |cx, n| {
        let name = cx.text(n)?.to_lowercase();
        let good = super::route::header_name(&name);
        if !good {
            let what = format!("`{name}` is not the name of a header");
            cx.error(n, "config-value", what);
        }
        good.then_some(name)
    });
    if names.len() > HEADERS {
        let what = format!("at most {HEADERS} headers are compared");
        cx.error(n, "config-too-many", what);
    }
    names
}

/// Services and their shares.
pub(super) fn split(n: &Node, cx: &mut Cx) -> Vec<(String, f64)> {
    if n.entries().is_empty() {
        cx.texts(n);
    }
    let entries = n.entries().iter();
    entries
        .filter_map(|e| Some((e.key.clone(), cx.share(&e.value)?)))
        .collect()
}
