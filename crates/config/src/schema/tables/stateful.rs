//! The keys of a service's or a route's `stateful`.

use super::*;

pub const STATEFUL: &[Field<Stateful>] = &[
    key!(
        "share" = "0.1%",
        Kind::Share,
        "1%",
        "of the requests with a session that are asked again: of the same instance and of another one, and without the session where that leaves a doubt",
        |s, n, cx| put!(s.share, cx.share(n))
    ),
    key!(
        "rate" = "10/s",
        Kind::Rate,
        "10/s",
        "requests that are asked again, at most",
        |s, n, cx| put!(s.rate, cx.rate(n))
    ),
    key!(
        "load" = "70%",
        Kind::Share,
        "70%",
        "nothing is asked again while the service has more of its limit in flight",
        |s, n, cx| put!(s.load, cx.share(n))
    ),
    key!(
        "in_flight" = "4",
        Kind::Whole { min: 1, max: 100 },
        "4",
        "under way at once; more are left out",
        |s, n, cx| put!(s.in_flight, cx.whole(n, 1, 100).map(|v| v as u32))
    ),
    key!(
        "timeout" = "5s",
        Kind::Duration,
        "5s",
        "for each answer",
        |s, n, cx| put!(s.timeout, cx.some_time(n))
    ),
    key!(
        "headers" = "[cookie, authorization]",
        Kind::ListOf(&Kind::Text),
        "[cookie, x-session]",
        "that carry a session: requests with none of them are not asked again; at most 8",
        |s, n, cx| s.headers = mirror::names(n, cx)
    ),
];

/// `true` stands for all defaults, `false` for nothing at all.
pub(super) fn read(n: &Node, cx: &mut Cx) -> Option<Stateful> {
    if matches!(n.value, Value::Scalar(_)) {
        return Some(match cx.flag(n)? {
            true => Stateful::default(),
            false => Stateful::off(),
        });
    }
    let mut section = Stateful::default();
    cx.section("stateful", n, STATEFUL, &mut section);
    Some(section)
}
