//! The keys of a service's `balance`, and of an instance that is more than an address.

use super::*;
use crate::decode::Place;

pub const BALANCE: &[Field<Balance>] = &[
    key!(required "by", Kind::Text, "header:x-user", "requests with the same `user` (name, else session, else address), `path`, `header:NAME` or `cookie:NAME` go to the same instance; those without are balanced as usual", |b, n, cx| put!(b.by, hash_by(n, cx))),
    key!(
        "method" = "ring",
        Kind::OneOf(&["ring", "maglev"]),
        "maglev",
        "`ring` moves the fewest keys when instances come and go, `maglev` divides them more evenly",
        |b, n, cx| put!(
            b.method,
            cx.one_of(
                n,
                &[("ring", HashMethod::Ring), ("maglev", HashMethod::Maglev)]
            )
        )
    ),
    key!(
        "bound" = "1.25",
        Kind::Number,
        "1.25",
        "no instance gets more than this times its equal part of what is in flight; the rest goes to the key's next instance",
        |b, n, cx| put!(b.bound, bound(n, cx))
    ),
];

/// One item of `instances`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    pub at: Option<Place>,
    pub zone: Option<String>,
    pub reads_from: Option<String>,
}

pub const INSTANCE: &[Field<Listed>] = &[
    key!(required "at", Kind::Address, "127.0.0.1:7001", "where it listens: an address, or a name that DNS knows", |i, n, cx| i.at = cx.place(n)),
    key!(
        "zone",
        Kind::Text,
        "eu-1a",
        "where it runs; with a `zone` at top level, instances in the same one are preferred",
        |i, n, cx| i.zone = cx.text(n)
    ),
    key!(
        "reads_from",
        Kind::Text,
        "r1",
        "the database of the service's `replication` that it reads from; the primary when left out",
        |i, n, cx| i.reads_from = cx.text(n)
    ),
];

/// An address alone, or a section.
pub(super) fn listed(cx: &mut Cx, n: &Node) -> Option<Listed> {
    let mut listed = Listed::default();
    match &n.value {
        Value::Map { .. } => cx.section("instance", n, INSTANCE, &mut listed),
        _ => listed.at = cx.place(n),
    }
    listed.at.is_some().then_some(listed)
}

fn hash_by(n: &Node, cx: &mut Cx) -> Option<HashBy> {
    let text = cx.text(n)?;
    let named = |kind: &str| {
        let name = text.strip_prefix(kind)?;
        super::route::header_name(name).then(|| name.to_owned())
    };
    match text.as_str() {
        "user" => return Some(HashBy::User),
        "path" => return Some(HashBy::Path),
        _ => {}
    }
    if let Some(name) = named("header:") {
        return Some(HashBy::Header(name.to_lowercase()));
    }
    if let Some(name) = named("cookie:") {
        return Some(HashBy::Cookie(name));
    }
    cx.error(n, "config-value", format!("`{text}` is not a key"))
        .help = "write `user`, `path`, `header:NAME` or `cookie:NAME`".into();
    None
}

fn bound(n: &Node, cx: &mut Cx) -> Option<f64> {
    let bound = cx.number(n)?;
    if !(1.05..=100.0).contains(&bound) {
        cx.error(n, "config-value", "the bound lies between 1.05 and 100")
            .why = "at 1 no instance may have more than its equal part, and keys never stay".into();
        return None;
    }
    Some(bound)
}
