//! The keys of `sessions`.

use super::*;
use crate::sections::{Conflict, SameSite, Secure};

/// Most bytes of a session: it travels in a header.
const SIZE: u64 = 16 << 10;

pub const SESSION: &[Field<Session>] = &[
    key!(
        "cookie" = "session",
        Kind::Text,
        "shop",
        "name of the cookie; over TLS `__Host-` stands before it",
        |s, n, cx| put!(s.cookie, cookie(n, cx))
    ),
    key!(
        "secure" = "auto",
        Kind::OneOf(&["auto", "always"]),
        "always",
        "whether clients speak TLS: as this gateway sees it, or always because somebody in front of it does",
        |s, n, cx| put!(
            s.secure,
            cx.one_of(n, &[("auto", Secure::Auto), ("always", Secure::Always)])
        )
    ),
    key!(
        "same_site" = "lax",
        Kind::OneOf(&["lax", "strict", "none"]),
        "strict",
        "which requests from other sites carry the cookie",
        |s, n, cx| put!(
            s.same_site,
            cx.one_of(
                n,
                &[
                    ("lax", SameSite::Lax),
                    ("strict", SameSite::Strict),
                    ("none", SameSite::None)
                ]
            )
        )
    ),
    key!(
        "idle" = "30m",
        Kind::Duration,
        "30m",
        "without a request for so long, it ends; that somebody was here is written once a minute at most",
        |s, n, cx| put!(s.idle, cx.some_time(n))
    ),
    key!(
        "absolute" = "12h",
        Kind::Duration,
        "12h",
        "so long after its beginning, it ends anyway",
        |s, n, cx| put!(s.absolute, cx.some_time(n))
    ),
    key!(
        "grace" = "30s",
        Kind::Duration,
        "30s",
        "how long the old id is good when the service asks for another, for requests that are on their way",
        |s, n, cx| put!(s.grace, cx.duration(n))
    ),
    key!(
        "size" = "4KiB",
        Kind::Bytes,
        "4KiB",
        "most bytes of its data, which travel to the service in a header; at most 16KiB",
        |s, n, cx| put!(s.size, cx.bytes_within(n, 1, SIZE))
    ),
    key!(
        "durable" = "false",
        Kind::Flag,
        "true",
        "an answer waits until its change of the session is on disk; without, a power cut may undo the last moment",
        |s, n, cx| put!(s.durable, cx.flag(n))
    ),
    key!(
        "shared" = "false",
        Kind::Flag,
        "true",
        "kept in `engines.shared` for all nodes that name the same one; if that Redis loses its data, everybody is logged out",
        |s, n, cx| put!(s.shared, cx.flag(n))
    ),
    key!(
        "conflict" = "refuse",
        Kind::OneOf(&["refuse", "last"]),
        "last",
        "when two requests change a session at once: the second gets 409, or holds",
        |s, n, cx| put!(
            s.conflict,
            cx.one_of(n, &[("refuse", Conflict::Refuse), ("last", Conflict::Last)])
        )
    ),
    key!(
        "secret",
        Kind::Secret,
        "{ env: PLIMSOLL_SESSION_SECRET }",
        "seals a copy of the session that its client keeps, read while the store is away; no copies when left out",
        |s, n, cx| s.secret = secret_elsewhere(n, cx)
    ),
];

/// A token of RFC 6265.
fn cookie(n: &Node, cx: &mut Cx) -> Option<String> {
    let name = cx.text(n)?;
    if super::route::header_name(&name) && !name.starts_with("__") {
        return Some(name);
    }
    let what = format!("`{name}` cannot be the name of a cookie here");
    cx.error(n, "config-value", what).help = "write one word, such as `shop`".into();
    None
}
