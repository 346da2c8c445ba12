//! The keys of `state`.

use super::*;
use crate::sections::{StateApi, StateStore};
use std::net::SocketAddr;

/// Largest value that a store may take, bytes.
const SIZE: u64 = 960 << 10;

/// As it stands in the file.
#[derive(Default)]
pub struct StateWritten {
    listen: Option<SocketAddr>,
    token: Option<Secret>,
    tls: Option<Certificate>,
    stores: Vec<StateStore>,
}

pub const STATE: &[Field<StateWritten>] = &[
    key!(required
        "listen",
        Kind::Address,
        "127.0.0.1:9402",
        "where services reach the state API; read at start",
        |s, n, cx| s.listen = cx.address(n)
    ),
    key!(required
        "token",
        Kind::Secret,
        "{ env: PLIMSOLL_STATE_TOKEN }",
        "what services must show; read at start",
        |s, n, cx| s.token = secret_elsewhere(n, cx)
    ),
    key!(
        "tls",
        Kind::Section("certificate"),
        "{ cert: plimsoll.pem, key: plimsoll.key }",
        "the listener speaks TLS and shows this certificate; plain when left out; read at start",
        |s, n, cx| {
            let mut certificate = Certificate::default();
            cx.section("state.tls", n, CERTIFICATE, &mut certificate);
            s.tls = Some(certificate);
        }
    ),
    key!(
        "stores",
        Kind::MapOf("state_store"),
        "{ carts: { ttl: 24h } }",
        "names of stores, each with its keys; read at start",
        |s, n, cx| {
            for (name, n) in cx.named("state.stores", n) {
                let mut store = StateStore::named(&name);
                cx.section(&format!("state.stores.{name}"), n, STATE_STORE, &mut store);
                s.stores.push(store);
            }
        }
    ),
];

pub const STATE_STORE: &[Field<StateStore>] = &[
    key!(
        "ttl",
        Kind::Duration,
        "24h",
        "how long a value lives when nothing is said, and at most; for ever when left out",
        |s, n, cx| s.ttl = cx.some_time(n)
    ),
    key!(
        "size" = "64KiB",
        Kind::Bytes,
        "64KiB",
        "largest value; at most 960KiB",
        |s, n, cx| put!(s.size, cx.bytes_within(n, 1, SIZE))
    ),
    key!(
        "keys" = "1000000",
        Kind::Whole {
            min: 1,
            max: 100_000_000
        },
        "1000000",
        "most values at once; further ones are refused with 507",
        |s, n, cx| put!(s.keys, cx.whole(n, 1, 100_000_000))
    ),
    key!(
        "durable" = "true",
        Kind::Flag,
        "false",
        "an answer waits until the write is on disk; without, a power cut may undo the last moment",
        |s, n, cx| put!(s.durable, cx.flag(n))
    ),
    key!(
        "first_write_wins" = "false",
        Kind::Flag,
        "true",
        "a PUT without `If-Match` only makes new values; else the last one holds",
        |s, n, cx| put!(s.first_write_wins, cx.flag(n))
    ),
];

/// `None`: something is missing or wrong, and was told.
pub(super) fn read(n: &Node, cx: &mut Cx) -> Option<StateApi> {
    let mut written = StateWritten::default();
    cx.section("state", n, STATE, &mut written);
    Some(StateApi {
        listen: written.listen?,
        token: written.token?,
        tls: written.tls,
        stores: written.stores,
    })
}
