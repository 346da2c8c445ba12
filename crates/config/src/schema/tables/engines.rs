//! The keys of `engines`.

use super::*;

/// Longest prefix, bytes.
const PREFIX: usize = 64;

pub const ENGINES: &[Field<Engines>] = &[
    key!(
        "shared",
        Kind::Secret,
        "{ env: PLIMSOLL_REDIS_URL }",
        "the URL of a Redis (or Valkey, 6.2 or later): `redis://USER:PASSWORD@HOST:PORT`, or `rediss://` for TLS; several Plimsolls that name the same one share rate limits, and one of them leads; read at start",
        |e, n, cx| e.shared = cx.secret(n)
    ),
    key!(
        "ca",
        Kind::Text,
        "redis-ca.pem",
        "PEM file: who may have signed its certificate; whom the system trusts when left out; read at start",
        |e, n, cx| e.ca = cx.text(n).map(Into::into)
    ),
    key!(
        "prefix" = "plimsoll",
        Kind::Text,
        "plimsoll-eu",
        "what all keys begin with: deployments that share a server need different ones; read at start",
        |e, n, cx| {
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            let text = cx.text(n).unwrap_or_default();
            match !text.is_empty() && text.len() <= PREFIX && text.bytes().all(good) {
                true => e.prefix = text,
                false => {
                    cx.error(n, "config-name", "this cannot be a prefix").help =
                        "use letters, digits, `-`, `_` and `.`, at most 64".into();
                }
            }
        }
    ),
];
