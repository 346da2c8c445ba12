//! The keys of `incidents`.

use super::*;

pub const INCIDENTS: &[Field<Incidents>] = &[
    key!(
        "from",
        Kind::OneOf(&["page", "ticket", "none"]),
        "page",
        "alerts that open an incident, a file in the catalog: pages, tickets too, or none; pages where the config names a `catalog`, none elsewhere, when left out",
        |i, n, cx| i.from = cx.one_of(
            n,
            &[
                ("page", OpenFrom::Page),
                ("ticket", OpenFrom::Ticket),
                ("none", OpenFrom::None),
            ]
        )
    ),
    key!(
        "resolve_after" = "1h",
        Kind::Duration,
        "30m",
        "without an alert for so long, one that nobody has taken on is resolved; `none`: people resolve",
        |i, n, cx| match n.text() {
            Some("none") => i.resolve_after = None,
            _ => put!(i.resolve_after, cx.some_time(n).map(Some)),
        }
    ),
];
