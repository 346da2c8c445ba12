//! The keys of a service.

use super::*;
use crate::Address;
use crate::decode::Place;

pub const SERVICE: &[Field<Service>] = &[
    key!(required "instances", Kind::ListOf(&Kind::TextOr("instance")), "[127.0.0.1:7001]", "where it listens: addresses, names such as `app.internal:7001` that DNS knows, or Unix sockets such as `unix:/run/app.sock`; `{ at: ADDRESS, zone: eu-1a }` says where one runs", |s, n, cx| {
        for listed in cx.list(n, balance::listed) {
            let written = match listed.at {
                Some(Place::Address(address)) => {
                    s.instances.push(address);
                    address.to_string()
                }
                Some(Place::Name(name)) => {
                    let written = name.to_string();
                    s.names.push(name);
                    written
                }
                Some(Place::Socket(path)) => {
                    let written = Address::Unix(path.clone()).to_string();
                    s.sockets.push(path);
                    written
                }
                None => continue,
            };
            let from = listed.reads_from.map(|from| (written.clone(), from));
            s.reads_from.extend(from);
            s.zones.extend(listed.zone.map(|zone| (written, zone)));
        }
    }),
    key!(
        "owner",
        Kind::Text,
        "checkout",
        "the team that owns it",
        |s, n, cx| s.owner = cx.text(n)
    ),
    key!(
        "runbook",
        Kind::Text,
        "runbooks/shop.md",
        "what to do when it breaks",
        |s, n, cx| s.runbook = cx.text(n)
    ),
    key!(
        "slo",
        Kind::Section("slo"),
        "{ latency: 500ms, target: 99.9% }",
        "what good means for all its routes together; none when left out",
        |s, n, cx| s.slo = Some(slo::read(n, cx))
    ),
    key!(
        "price",
        Kind::Price,
        "$0.05/h",
        "of one instance",
        |s, n, cx| s.price_per_hour = cx.price(n)
    ),
    key!(
        "depends_on",
        Kind::ListOf(&Kind::Text),
        "[shop-db]",
        "services and resources that it calls",
        |s, n, cx| s.depends_on = cx.list(n, Cx::text)
    ),
    key!(
        "health",
        Kind::Section("health"),
        "{ path: /health }",
        "active checks and ejection",
        |s, n, cx| cx.section("health", n, HEALTH, &mut s.health)
    ),
    key!(
        "balance",
        Kind::Section("balance"),
        "{ by: header:x-user, method: ring }",
        "the same instance for the same key; the better of two at random when left out",
        |s, n, cx| {
            let mut balance = Balance::default();
            cx.section("balance", n, BALANCE, &mut balance);
            s.balance = Some(balance);
        }
    ),
    key!(
        "replication",
        Kind::Text,
        "shop",
        "the databases that it reads from: one of `replication`; instances say which with `reads_from`, or are told by `Plimsoll-Read-From` with each request",
        |s, n, cx| s.replication = cx.text(n)
    ),
    key!(
        "pool",
        Kind::Section("pool"),
        "{ size: 32 }",
        "connections to each instance",
        |s, n, cx| cx.section("pool", n, POOL, &mut s.pool)
    ),
    key!(
        "start",
        Kind::Section("start"),
        "{ command: [./app, --port, \"{port}\"] }",
        "how to start one more instance here",
        |s, n, cx| {
            let mut start = Start {
                command: Vec::new(),
                max_instances: 4,
            };
            cx.section("start", n, START, &mut start);
            s.start = Some(start);
        }
    ),
    key!(
        "limit",
        Kind::Whole {
            min: 1,
            max: 1_000_000
        },
        "64",
        "requests in flight; learned when left out",
        |s, n, cx| s.limit = cx.whole(n, 1, 1_000_000).map(|v| v as u32)
    ),
    key!(
        "latency_limit" = "false",
        Kind::Flag,
        "true",
        "for as long as no `limit` is given or learned with confidence: refuse what the latency of answers says is too much; when `false` it is only counted",
        |s, n, cx| put!(s.latency_limit, cx.flag(n))
    ),
    key!(
        "breaker" = "{ observe: true }",
        Kind::OffOr("breaker"),
        "{ threshold: 50% }",
        "send less to it while it fails; what this would do is counted when left out, `off`: nothing at all",
        |s, n, cx| s.breaker = cx.section_or_off("breaker", n, BREAKER, Breaker::default())
    ),
    key!(
        "shed" = "{ observe: true }",
        Kind::OffOr("shed"),
        "{}",
        "when its limit is full, refuse by `criticality`; what this would do is counted when left out, `off`: nothing at all",
        |s, n, cx| s.shed = cx.section_or_off("shed", n, SHED, Shed::default())
    ),
    key!(
        "stateful",
        Kind::FlagOr("stateful"),
        "{ share: 1% }",
        "look on all its routes whether instances keep sessions in their memory; `true` for the defaults, off when left out",
        |s, n, cx| s.stateful = stateful::read(n, cx)
    ),
    key!(
        "bulkhead",
        Kind::Section("bulkhead"),
        "{ weights: { checkout: 3 } }",
        "divide its limit among its routes, and lend what is idle; off when left out",
        |s, n, cx| {
            let mut bulkhead = Bulkhead::default();
            cx.section("bulkhead", n, BULKHEAD, &mut bulkhead);
            s.bulkhead = Some(bulkhead);
        }
    ),
    key!(
        "tls",
        Kind::Section("service_tls"),
        "{ ca: instances.pem, name: shop.internal }",
        "encrypted connections to the instances; plain when left out",
        |s, n, cx| {
            let mut tls = ServiceTls::default();
            cx.section("tls", n, SERVICE_TLS, &mut tls);
            s.tls = Some(tls);
        }
    ),
    key!(
        "protocol" = "auto",
        Kind::OneOf(&["auto", "http/1.1", "h2"]),
        "h2",
        "what the instances speak; `auto`: what they choose over TLS (ALPN), HTTP/1.1 without it",
        |s, n, cx| put!(
            s.protocol,
            cx.one_of(
                n,
                &[
                    ("auto", Speaks::Auto),
                    ("http/1.1", Speaks::Http1),
                    ("h2", Speaks::Http2)
                ]
            )
        )
    ),
    key!(
        "proxy_protocol",
        Kind::OneOf(&["v2"]),
        "v2",
        "tell the instances who the client is, by a PROXY header: a connection to them carries requests of one client only; not told when left out",
        |s, n, cx| put!(s.proxy_protocol, cx.one_of(n, &[("v2", true)]))
    ),
];

pub const SHED: &[Field<Shed>] = &[key!(
    "observe" = "false",
    Kind::Flag,
    "true",
    "count, refuse nothing",
    |s, n, cx| put!(s.observe, cx.flag(n))
)];

pub const BULKHEAD: &[Field<Bulkhead>] = &[
    key!(
        "weights",
        Kind::Texts,
        "{ checkout: 3 }",
        "of its routes, from 1 to 1000; 1 when left out",
        |b, n, cx| {
            for entry in n.entries() {
                if let Some(weight) = cx.whole(&entry.value, 1, 1000) {
                    b.weights.push((entry.key.clone(), weight as u32));
                }
            }
            if n.entries().is_empty() {
                cx.texts(n);
            }
        }
    ),
    key!(
        "tenants" = "false",
        Kind::Flag,
        "true",
        "divide each route's part among the tenants of `identity`, by their weights",
        |b, n, cx| put!(b.tenants, cx.flag(n))
    ),
];

pub const HEALTH: &[Field<Health>] = &[
    key!(
        "path",
        Kind::Text,
        "/health",
        "asked with GET; a TCP connect when left out",
        |h, n, cx| h.path = cx.text(n)
    ),
    key!(
        "grpc",
        Kind::Text,
        "shop.Cart",
        "asked for by gRPC's health protocol, instead of a `path`; `'*'`: the server as a whole",
        |h, n, cx| h.grpc = cx.text(n)
    ),
    key!(
        "interval" = "2s",
        Kind::Duration,
        "2s",
        "between checks",
        |h, n, cx| put!(h.interval, cx.some_time(n))
    ),
    key!(
        "timeout" = "1s",
        Kind::Duration,
        "1s",
        "of one check",
        |h, n, cx| put!(h.timeout, cx.some_time(n))
    ),
    key!(
        "rise" = "2",
        Kind::Whole { min: 1, max: 100 },
        "2",
        "good checks until it counts as up",
        |h, n, cx| put!(h.rise, cx.whole(n, 1, 100).map(|v| v as u32))
    ),
    key!(
        "fall" = "3",
        Kind::Whole { min: 1, max: 100 },
        "3",
        "bad checks until it counts as down",
        |h, n, cx| put!(h.fall, cx.whole(n, 1, 100).map(|v| v as u32))
    ),
    key!(
        "eject_after" = "5",
        Kind::Whole {
            min: 1,
            max: 10_000
        },
        "5",
        "failures in a row that eject an instance",
        |h, n, cx| put!(h.eject_after, cx.whole(n, 1, 10_000).map(|v| v as u32))
    ),
    key!(
        "eject_for" = "10s",
        Kind::Duration,
        "10s",
        "first ejection; grows when it fails again",
        |h, n, cx| put!(h.eject_for, cx.some_time(n))
    ),
    key!(
        "outliers" = "observe",
        Kind::OneOf(&["off", "observe", "eject"]),
        "eject",
        "what happens to an instance that is far slower than the others, or fails far more often, on the same routes; `observe` counts and tells",
        |h, n, cx| put!(
            h.outliers,
            cx.one_of(
                n,
                &[
                    ("off", Outliers::Off),
                    ("observe", Outliers::Observe),
                    ("eject", Outliers::Eject)
                ]
            )
        )
    ),
];

pub const POOL: &[Field<Pool>] = &[
    key!(
        "size",
        Kind::Whole {
            min: 1,
            max: 100_000
        },
        "32",
        "connections per instance; not limited when left out",
        |p, n, cx| p.size = cx.whole(n, 1, 100_000).map(|v| v as u32)
    ),
    key!(
        "wait" = "1s",
        Kind::Duration,
        "1s",
        "longest wait for a connection",
        |p, n, cx| put!(p.wait, cx.duration(n))
    ),
    key!(
        "connect_timeout" = "1s",
        Kind::Duration,
        "1s",
        "to open one",
        |p, n, cx| put!(p.connect_timeout, cx.some_time(n))
    ),
    key!(
        "idle" = "60s",
        Kind::Duration,
        "60s",
        "an idle connection is closed after this",
        |p, n, cx| put!(p.idle, cx.duration(n))
    ),
];

pub const START: &[Field<Start>] = &[
    key!(required "command", Kind::ListOf(&Kind::Text), "[./app, --port, \"{port}\"]", "program and arguments; `{port}` is replaced", |s, n, cx| s
        .command = cx.list(n, Cx::text)),
    key!(
        "max_instances" = "4",
        Kind::Whole { min: 1, max: 64 },
        "4",
        "never more than this",
        |s, n, cx| put!(s.max_instances, cx.whole(n, 1, 64).map(|v| v as u32))
    ),
];
