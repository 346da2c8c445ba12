//! The request head as the instance gets it: what it came with, what gates have changed, and where it has come from.

use super::Busy;
use super::client::Client;
use super::text::{Text, push_v4};
use super::via;
use crate::exchange::MAX_EDITS;
use crate::proxy_protocol::Ends;
use crate::retry::ATTEMPT;
use http1::{Connection, Edit, Kind, KindSet, Rewrite};
use std::fmt::Write;
use std::net::IpAddr;

/// What is never taken from a client: what only a front that has verified a client's certificate may say of it, and
/// which try this is.
const VOUCHED: KindSet = KindSet::EMPTY
    .with(Kind::ClientCert)
    .with(Kind::XForwardedClientCert)
    .with(Kind::PlimsollAttempt);

/// Where a request has come from, as its head tells the instance.
#[derive(Clone, Copy)]
pub(super) struct Came {
    ends: Ends,
    secure: bool,
    over_http2: bool,
}

impl Came {
    pub fn of(client: &Client) -> Came {
        Came {
            ends: client.ends,
            secure: client.secure,
            over_http2: via::is_http2(&client.socket),
        }
    }
}

/// What earlier proxies said, and the client's address.
fn came_from(head: &http1::RequestHead<'_>, came: &Came) -> Text<512> {
    let mut all = Text::default();
    for earlier in head.fields.all(Kind::XForwardedFor) {
        all.push(earlier);
        all.push(b", ");
    }
    match came.ends.from.ip() {
        IpAddr::V4(v4) => push_v4(&mut all, v4),
        v6 => {
            let _ = write!(all, "{v6}");
        }
    }
    all
}

/// Writes the request head for the instance into the room's buffer.
pub(super) fn write_head(room: &mut Busy, came: &Came) {
    let Busy { down, live, up, .. } = room;
    let Some(head) = down.head() else {
        return;
    };
    let (mut edits, mut n) = live.facts.edits.listed::<{ MAX_EDITS + 6 }>();
    let came_from = came_from(&head, came);
    // Who connects to a Unix socket has no address of his own to add.
    if came.ends != Ends::UNKNOWN {
        edits[n] = Edit::Set(b"X-Forwarded-For", came_from.bytes());
        n += 1;
    }
    if came.secure {
        edits[n] = Edit::Set(b"X-Forwarded-Proto", b"https");
        n += 1;
    } else if !head.fields.has(Kind::XForwardedProto) {
        edits[n] = Edit::Append(b"X-Forwarded-Proto", b"http");
        n += 1;
    }
    if let Some(certificate) = &live.facts.certificate {
        let text = certificate.forwarded.as_bytes();
        edits[n] = Edit::Set(b"X-Forwarded-Client-Cert", text);
        n += 1;
    }
    if let Some(host) = head.host()
        && !head.fields.has(Kind::XForwardedHost)
    {
        edits[n] = Edit::Append(b"X-Forwarded-Host", host);
        n += 1;
    }
    // What Plimsoll delivers for a topic says itself which delivery it is.
    let told = live.facts.job.is_some() && head.fields.has(Kind::PlimsollAttempt);
    let mut which = Text::<3>::default();
    if live.facts.attempt > 1 && !told {
        let _ = write!(which, "{}", live.facts.attempt);
        edits[n] = Edit::Append(ATTEMPT.as_bytes(), which.bytes());
        n += 1;
    }
    let via =
        (live.snapshot.via.as_deref()).map(|v| via::line(v, head.meta.version, came.over_http2));
    if let Some(via) = &via {
        edits[n] = Edit::Append(b"Via", via.bytes());
        n += 1;
    }
    let vouched = match told {
        true => VOUCHED.without(Kind::PlimsollAttempt),
        false => VOUCHED,
    };
    let drop = match live.facts.is_refresh {
        true => vouched.with(Kind::IfNoneMatch).with(Kind::IfModifiedSince),
        false => vouched,
    };
    let rewrite = Rewrite {
        edits: &edits[..n],
        drop,
        connection: match head.upgrade() {
            Some(_) => Connection::Upgrade,
            None => Connection::Omit,
        },
        ..Rewrite::default()
    };
    http1::write_request(&mut up.bytes, &head, &rewrite);
}
