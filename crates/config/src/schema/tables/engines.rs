//! The keys of `engines`.

use super::*;

/// Longest prefix, bytes.
const PREFIX: usize = 64;
/// Most servers that the doctor asks.
const MONITORS: usize = 8;

const KEPT_IN: &[(&str, KeptIn)] = &[("embedded", KeptIn::Embedded), ("durable", KeptIn::Durable)];

pub const ENGINES: &[Field<Engines>] = &[
    key!(
        "shared",
        Kind::Secret,
        "{ env: PLIMSOLL_REDIS_URL }",
        "the URL of a Redis (or Valkey, 6.2 or later): `redis://USER:PASSWORD@HOST:PORT`, or `rediss://` for TLS; several Plimsolls that name the same one share rate limits, sessions and caches that say `shared`, and one of them leads; read at start",
        |e, n, cx| e.shared = cx.secret(n)
    ),
    key!(
        "durable",
        Kind::Secret,
        "{ env: PLIMSOLL_NATS_URL }",
        "the URL of a nats-server (2.11 or later) with JetStream: `nats://USER:PASSWORD@HOST:PORT` or `nats://TOKEN@HOST:PORT`, `tls://` for TLS, several of one cluster with commas; idempotency keys, sessions and values of services are kept there in place of `state.db`, and streams of events have their order there, for all nodes that name the same one; read at start",
        |e, n, cx| e.durable = cx.secret(n)
    ),
    key!(
        "jobs" = "embedded",
        Kind::OneOf(&["embedded", "durable"]),
        "durable",
        "where the jobs of routes with `async` are: in `data_dir` of the node that accepted them, or in `durable` (2.12 or later), where every node that names the same one delivers them; read at start",
        |e, n, cx| put!(e.jobs, cx.one_of(n, KEPT_IN))
    ),
    key!(
        "topics" = "embedded",
        Kind::OneOf(&["embedded", "durable"]),
        "durable",
        "where topics are, with the events that their subscriptions wait for: in `data_dir` of the node that took them, or in `durable`, where they are the same for every node that names the same one, and each of them delivers; read at start",
        |e, n, cx| put!(e.topics, cx.one_of(n, KEPT_IN))
    ),
    key!(
        "replicas" = "1",
        Kind::Whole { min: 1, max: 5 },
        "3",
        "on how many servers of its cluster `durable` keeps its buckets, when it makes them; 1 to 5",
        |e, n, cx| put!(e.replicas, cx.whole(n, 1, 5).map(|v| v as u32))
    ),
    key!(
        "size" = "1GiB",
        Kind::Bytes,
        "10GiB",
        "most bytes of values that `durable` keeps, as many of jobs, and as many of what was done to topics, when it makes their streams; more are refused, and nothing is thrown away",
        |e, n, cx| put!(e.size, cx.bytes_within(n, 1 << 20, 1 << 44))
    ),
    key!(
        "monitors",
        Kind::ListOf(&Kind::Text),
        "['http://nats-1:8222']",
        "the monitoring ports (`http_port`) of all servers of `durable`, for `plimsoll doctor`: only there they say whether each write is synced; 8 at most",
        |e, n, cx| {
            e.monitors = cx.list(n, |cx, n| alerts::address(n, cx));
            if e.monitors.len() > MONITORS {
                cx.error(
                    n,
                    "config-value",
                    format!("give {MONITORS} addresses at most"),
                )
                .help = "write `monitors: ['http://nats-1:8222']`".into();
                e.monitors.truncate(MONITORS);
            }
        }
    ),
    key!(
        "ca",
        Kind::Text,
        "engines-ca.pem",
        "PEM file: who may have signed their certificates; whom the system trusts when left out; read at start",
        |e, n, cx| e.ca = cx.text(n).map(Into::into)
    ),
    key!(
        "prefix" = "plimsoll",
        Kind::Text,
        "plimsoll-eu",
        "what all keys begin with, and the names of buckets: deployments that share a server need different ones; read at start",
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
