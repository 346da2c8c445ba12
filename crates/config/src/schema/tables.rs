//! One table per section.

use super::*;

/// A key.
macro_rules! key {
    ($key:literal, $kind:expr, $example:literal, $help:literal, $set:expr) => {
        Field {
            key: $key,
            kind: $kind,
            required: false,
            help: $help,
            example: $example,
            set: $set,
        }
    };
    (required $key:literal, $kind:expr, $example:literal, $help:literal, $set:expr) => {
        Field {
            key: $key,
            kind: $kind,
            required: true,
            help: $help,
            example: $example,
            set: $set,
        }
    };
}

/// Sets a plain (not optional) field when the value could be read.
macro_rules! put {
    ($place:expr, $value:expr) => {
        if let Some(v) = $value {
            $place = v;
        }
    };
}

fn not_yet(node: &Node, cx: &mut Cx, what: &str) {
    cx.warning(
        node,
        "config-not-built",
        format!("{what} is not built yet: it has no effect"),
    )
    .help = "leave it if you like; it will be read when it is there".into();
}

pub const TOP: &[Field<Config>] = &[
    key!(required "listen", Kind::Address, "0.0.0.0:8080", "where requests come in", |c, n, cx| put!(c.listen, cx.address(n))),
    key!(
        "console",
        Kind::Address,
        "127.0.0.1:9400",
        "console, API and metrics",
        |c, n, cx| put!(c.console, cx.address(n))
    ),
    key!(
        "data_dir",
        Kind::Text,
        "./plimsoll-data",
        "where the ledger lives",
        |c, n, cx| put!(c.data_dir, cx.text(n).map(Into::into))
    ),
    key!(
        "threads",
        Kind::Whole { min: 1, max: 1024 },
        "4",
        "traffic threads; one per core when left out",
        |c, n, cx| c.threads = cx.whole(n, 1, 1024).map(|v| v as usize)
    ),
    key!(
        "limits",
        Kind::Section("limits"),
        "{ head: 32KiB }",
        "bounds of the data path",
        |c, n, cx| cx.section("limits", n, LIMITS, &mut c.limits)
    ),
    key!(required "services", Kind::MapOf("service"), "{ app: { instances: [127.0.0.1:3000] } }", "what answers requests", |c, n, cx| {
        for (name, n) in cx.named("services", n) {
            let mut s = Service::named(&name);
            cx.section(&format!("services.{name}"), n, SERVICE, &mut s);
            c.services.push(s);
        }
    }),
    key!(
        "routes",
        Kind::MapOf("route"),
        "{ home: { match: GET /, to: app } }",
        "classes of requests; with one service it may be left out",
        |c, n, cx| {
            for (name, n) in cx.named("routes", n) {
                let mut r = Route::named(&name);
                cx.section(&format!("routes.{name}"), n, ROUTE, &mut r);
                c.routes.push(r);
            }
        }
    ),
    key!(
        "resources",
        Kind::MapOf("resource"),
        "{ pool.app.db: { capacity: 8 } }",
        "what can run out and no probe sees",
        |c, n, cx| {
            for (name, n) in cx.named("resources", n) {
                let mut r = Resource::named(&name);
                cx.section(&format!("resources.{name}"), n, RESOURCE, &mut r);
                c.resources.push(r);
            }
        }
    ),
    key!(
        "loads",
        Kind::MapOf("request"),
        "{ shop: [{ request: GET / }] }",
        "request mixes for `plimsoll load`",
        |c, n, cx| {
            for (name, n) in cx.named("loads", n) {
                let requests = cx.list(n, |cx, n| {
                    let mut r = LoadRequest {
                        method: "GET".into(),
                        path: "/".into(),
                        weight: 1.0,
                        headers: Vec::new(),
                        body: None,
                        zipf: false,
                    };
                    cx.section("loads", n, REQUEST, &mut r);
                    Some(r)
                });
                c.loads.push(LoadMix { name, requests });
            }
        }
    ),
];

pub const LIMITS: &[Field<Limits>] = &[
    key!(
        "head",
        Kind::Bytes,
        "32KiB",
        "request line and headers",
        |l, n, cx| put!(l.head, cx.bytes(n).map(|b| b as usize))
    ),
    key!(
        "headers",
        Kind::Whole { min: 8, max: 100 },
        "100",
        "header lines",
        |l, n, cx| put!(l.headers, cx.whole(n, 8, 100).map(|v| v as usize))
    ),
    key!(
        "connections",
        Kind::Whole {
            min: 1,
            max: 1_000_000
        },
        "20000",
        "client connections open at once",
        |l, n, cx| put!(l.connections, cx.whole(n, 1, 1_000_000).map(|v| v as usize))
    ),
    key!(
        "body",
        Kind::Bytes,
        "1GiB",
        "largest request body",
        |l, n, cx| put!(l.body, cx.bytes(n))
    ),
    key!(
        "idle",
        Kind::Duration,
        "75s",
        "an idle client connection is closed after this",
        |l, n, cx| put!(l.idle, cx.duration(n))
    ),
    key!(
        "head_timeout",
        Kind::Duration,
        "15s",
        "time to receive a whole head",
        |l, n, cx| put!(l.head_timeout, cx.duration(n))
    ),
    key!(
        "drain",
        Kind::Duration,
        "30s",
        "time for requests in flight at shutdown",
        |l, n, cx| put!(l.drain, cx.duration(n))
    ),
];

pub const SERVICE: &[Field<Service>] = &[
    key!(required "instances", Kind::ListOf(&Kind::Address), "[127.0.0.1:7001]", "where it listens", |s, n, cx| s.instances =
        cx.list(n, Cx::address)),
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
        "interval",
        Kind::Duration,
        "2s",
        "between checks",
        |h, n, cx| put!(h.interval, cx.duration(n))
    ),
    key!(
        "timeout",
        Kind::Duration,
        "1s",
        "of one check",
        |h, n, cx| put!(h.timeout, cx.duration(n))
    ),
    key!(
        "rise",
        Kind::Whole { min: 1, max: 100 },
        "2",
        "good checks until it counts as up",
        |h, n, cx| put!(h.rise, cx.whole(n, 1, 100).map(|v| v as u32))
    ),
    key!(
        "fall",
        Kind::Whole { min: 1, max: 100 },
        "3",
        "bad checks until it counts as down",
        |h, n, cx| put!(h.fall, cx.whole(n, 1, 100).map(|v| v as u32))
    ),
    key!(
        "eject_after",
        Kind::Whole {
            min: 1,
            max: 10_000
        },
        "5",
        "failures in a row that eject an instance",
        |h, n, cx| put!(h.eject_after, cx.whole(n, 1, 10_000).map(|v| v as u32))
    ),
    key!(
        "eject_for",
        Kind::Duration,
        "10s",
        "first ejection; grows when it fails again",
        |h, n, cx| put!(h.eject_for, cx.duration(n))
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
        "wait",
        Kind::Duration,
        "1s",
        "longest wait for a connection",
        |p, n, cx| put!(p.wait, cx.duration(n))
    ),
    key!(
        "connect_timeout",
        Kind::Duration,
        "1s",
        "to open one",
        |p, n, cx| put!(p.connect_timeout, cx.duration(n))
    ),
    key!(
        "idle",
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
        "max_instances",
        Kind::Whole { min: 1, max: 64 },
        "4",
        "never more than this",
        |s, n, cx| put!(s.max_instances, cx.whole(n, 1, 64).map(|v| v as u32))
    ),
];

pub const ROUTE: &[Field<Route>] = &[
    key!(required "match", Kind::TextOr("match"), "GET /products/{id}", "which requests", |r, n, cx| match &n.value {
        Value::Scalar(_) => put!(r.matcher, shorthand(n, cx)),
        _ => cx.section("match", n, MATCH, &mut r.matcher),
    }),
    key!(required "to", Kind::Text, "shop", "the service that answers", |r, n, cx| put!(r.to, cx.text(n))),
    key!(
        "slo",
        Kind::Section("slo"),
        "{ latency: 250ms, target: 99.9% }",
        "what good means",
        |r, n, cx| {
            let mut slo = Slo {
                latency: Default::default(),
                target: 0.99,
                window: std::time::Duration::from_secs(28 * 86_400),
            };
            cx.section("slo", n, SLO, &mut slo);
            r.slo = Some(slo);
        }
    ),
    key!(
        "cache",
        Kind::Section("cache"),
        "{ ttl: 10s }",
        "answer repeated reads from memory",
        |r, n, cx| {
            let mut cache = Cache {
                ttl: None,
                stale_while_revalidate: None,
                size: 64 << 20,
                max_body: 1 << 20,
            };
            cx.section("cache", n, CACHE, &mut cache);
            r.cache = Some(cache);
        }
    ),
    key!(
        "rate",
        Kind::Section("rate"),
        "{ limit: 200/s, key: client }",
        "refuse above a rate",
        |r, n, cx| {
            let mut rate = Rate {
                per_second: 0.0,
                burst: 0,
                key: RateKey::Client,
                observe: false,
            };
            cx.section("rate", n, RATE, &mut rate);
            if rate.per_second <= 0.0 && n.get("limit").is_some() && cx.findings.is_empty() {
                cx.error(n, "config-value", "a rate of 0 refuses every request")
                    .help = "leave the section out, or give a rate".into();
            }
            if rate.burst == 0 {
                rate.burst = rate.per_second.ceil().max(1.0) as u32;
            }
            r.rate = Some(rate);
        }
    ),
    key!(
        "deadline",
        Kind::Section("deadline"),
        "{ first_byte: 60s }",
        "how long an answer may take",
        |r, n, cx| cx.section("deadline", n, DEADLINE, &mut r.deadline)
    ),
    key!(
        "retry",
        Kind::Section("retry"),
        "{ attempts: 2 }",
        "of safe and idempotent requests",
        |r, n, cx| cx.section("retry", n, RETRY, &mut r.retry)
    ),
    key!(
        "criticality",
        Kind::OneOf(&["critical", "normal", "sheddable"]),
        "critical",
        "who is refused last",
        |r, n, cx| put!(
            r.criticality,
            cx.one_of(
                n,
                &[
                    ("critical", Criticality::Critical),
                    ("normal", Criticality::Normal),
                    ("sheddable", Criticality::Sheddable)
                ]
            )
        )
    ),
    key!(
        "consistency",
        Kind::Text,
        "bounded 10s",
        "not built yet",
        |_, n, cx| not_yet(n, cx, "`consistency`")
    ),
];

pub const MATCH: &[Field<Match>] = &[
    key!(
        "method",
        Kind::Text,
        "GET",
        "any when left out",
        |m, n, cx| m.method = method(n, cx)
    ),
    key!(
        "host",
        Kind::Text,
        "shop.example.com",
        "exact, or `*.example.com`",
        |m, n, cx| m.host = cx.text(n).map(|h| h.to_lowercase())
    ),
    key!(
        "path",
        Kind::Text,
        "/products/{id}",
        "template; `{rest...}` takes all that follows",
        |m, n, cx| put!(m.path, path(n, cx))
    ),
    key!(
        "headers",
        Kind::Texts,
        "{ x-beta: \"1\" }",
        "names and exact values; empty: present",
        |m, n, cx| m.headers = cx
            .texts(n)
            .into_iter()
            .map(|(k, v)| (k.to_lowercase(), v))
            .collect()
    ),
];

pub const SLO: &[Field<Slo>] = &[
    key!(required "latency", Kind::Duration, "250ms", "a good answer is complete within this", |s, n, cx| put!(s.latency, cx.duration(n))),
    key!(
        "target",
        Kind::Share,
        "99.9%",
        "share of good answers",
        |s, n, cx| put!(s.target, cx.share(n))
    ),
    key!(
        "window",
        Kind::Duration,
        "28d",
        "over which the share is counted",
        |s, n, cx| put!(s.window, cx.duration(n))
    ),
];

pub const CACHE: &[Field<Cache>] = &[
    key!(
        "ttl",
        Kind::Duration,
        "10s",
        "lifetime when the answer says nothing of it",
        |c, n, cx| c.ttl = cx.duration(n)
    ),
    key!(
        "stale_while_revalidate",
        Kind::Duration,
        "30s",
        "answer with the old one while a new one is fetched",
        |c, n, cx| c.stale_while_revalidate = cx.duration(n)
    ),
    key!(
        "size",
        Kind::Bytes,
        "64MiB",
        "memory of this route's cache",
        |c, n, cx| put!(c.size, cx.bytes(n))
    ),
    key!(
        "max_body",
        Kind::Bytes,
        "1MiB",
        "largest body kept",
        |c, n, cx| put!(c.max_body, cx.bytes(n))
    ),
];

pub const RATE: &[Field<Rate>] = &[
    key!(required "limit", Kind::Rate, "200/s", "requests", |r, n, cx| put!(r.per_second, cx.rate(n))),
    key!(
        "burst",
        Kind::Whole {
            min: 1,
            max: 10_000_000
        },
        "50",
        "above the rate at once; one second's worth when left out",
        |r, n, cx| put!(r.burst, cx.whole(n, 1, 10_000_000).map(|v| v as u32))
    ),
    key!(
        "key",
        Kind::Text,
        "client",
        "`client` (address), `all`, or `header:NAME`",
        |r, n, cx| put!(r.key, rate_key(n, cx))
    ),
    key!(
        "observe",
        Kind::Flag,
        "true",
        "count, refuse nothing",
        |r, n, cx| put!(r.observe, cx.flag(n))
    ),
];

pub const DEADLINE: &[Field<Deadline>] = &[key!(
    "first_byte",
    Kind::Duration,
    "60s",
    "until the answer begins; `none` for none",
    |d, n, cx| {
        if n.text() == Some("none") {
            d.first_byte = None;
        } else if let Some(v) = cx.duration(n) {
            d.first_byte = Some(v);
        }
    }
)];

pub const RETRY: &[Field<Retry>] = &[
    key!(
        "attempts",
        Kind::Whole { min: 1, max: 10 },
        "2",
        "tries in all; 1 means no retry",
        |r, n, cx| put!(r.attempts, cx.whole(n, 1, 10).map(|v| v as u8))
    ),
    key!(
        "budget",
        Kind::Share,
        "20%",
        "retries as a share of requests, over 10 s",
        |r, n, cx| put!(r.budget, cx.share(n))
    ),
    key!(
        "floor",
        Kind::Rate,
        "1/s",
        "also allowed, so that a quiet route can retry",
        |r, n, cx| put!(r.floor_per_s, cx.rate(n))
    ),
    key!(
        "backoff",
        Kind::Duration,
        "25ms",
        "before the first retry; doubles",
        |r, n, cx| put!(r.backoff, cx.duration(n))
    ),
];

pub const RESOURCE: &[Field<Resource>] = &[
    key!(
        "class",
        Kind::OneOf(CLASSES),
        "pool-or-lock",
        "told by the name when left out",
        |r, n, cx| r.class = cx.one_of(
            n,
            &[
                ("compute", Class::Compute),
                ("memory", Class::Memory),
                ("storage", Class::Storage),
                ("network", Class::Network),
                ("pool-or-lock", Class::PoolOrLock),
                ("dependency", Class::Dependency),
            ]
        )
    ),
    key!(
        "discipline",
        Kind::OneOf(&["ps", "fcfs", "slots", "level"]),
        "slots",
        "how it serves several at once",
        |r, n, cx| r.discipline = cx.one_of(
            n,
            &[
                ("ps", Discipline::Ps),
                ("fcfs", Discipline::Fcfs),
                ("slots", Discipline::Slots),
                ("level", Discipline::Level),
            ]
        )
    ),
    key!(
        "capacity",
        Kind::Number,
        "8",
        "cores, servers, slots or bytes per second",
        |r, n, cx| r.capacity = cx.number(n)
    ),
    key!(
        "service",
        Kind::Text,
        "shop",
        "whose requests use it",
        |r, n, cx| r.service = cx.text(n)
    ),
    key!(
        "within",
        Kind::Text,
        "pool.shop.db",
        "the slot held while it is used",
        |r, n, cx| r.within = cx.text(n)
    ),
    key!(
        "price",
        Kind::Price,
        "$0.20/h",
        "of the whole",
        |r, n, cx| r.price_per_hour = cx.price(n)
    ),
    key!(
        "shared",
        Kind::Flag,
        "true",
        "more instances do not add to it",
        |r, n, cx| put!(r.shared, cx.flag(n))
    ),
    key!(
        "postgres",
        Kind::Text,
        "postgres://shop@127.0.0.1/shop",
        "not built yet",
        |_, n, cx| not_yet(n, cx, "the PostgreSQL probe")
    ),
];

const CLASSES: &[&str] = &[
    "compute",
    "memory",
    "storage",
    "network",
    "pool-or-lock",
    "dependency",
];

pub const REQUEST: &[Field<LoadRequest>] = &[
    key!(required "request", Kind::Text, "GET /products/{1..500}", "method and path; ranges are drawn per request", |r, n, cx| {
        let Some(text) = cx.text(n) else { return };
        match text.split_once(' ') {
            Some((m, p)) if p.starts_with('/') => (r.method, r.path) = (m.to_owned(), p.trim().to_owned()),
            None if text.starts_with('/') => r.path = text,
            _ => {
                cx.error(n, "config-value", format!("`{text}` is not a request")).help = "write it like `GET /products/{1..500}`".into();
            }
        }
    }),
    key!(
        "weight",
        Kind::Number,
        "3",
        "share among the others",
        |r, n, cx| put!(r.weight, cx.number(n))
    ),
    key!(
        "headers",
        Kind::Texts,
        "{ accept: text/html }",
        "sent with it",
        |r, n, cx| r.headers = cx.texts(n)
    ),
    key!("body", Kind::Text, "{}", "sent with it", |r, n, cx| r
        .body =
        cx.text(n)),
    key!(
        "zipf",
        Kind::Flag,
        "true",
        "low numbers of a range are drawn more often",
        |r, n, cx| put!(r.zipf, cx.flag(n))
    ),
];

fn shorthand(n: &Node, cx: &mut Cx) -> Option<Match> {
    let text = cx.text(n)?;
    let (m, p) = match text.split_once(' ') {
        Some((m, p)) => (Some(m), p.trim()),
        None => (None, text.as_str()),
    };
    let method = match m {
        Some(m) => Some(check_method(m, n, cx)?),
        None => None,
    };
    match PathTemplate::parse(p) {
        Ok(path) => Some(Match {
            method,
            path,
            ..Match::default()
        }),
        Err(e) => {
            cx.error(n, "config-match", e).help = "write it like `GET /products/{id}`".into();
            None
        }
    }
}

fn method(n: &Node, cx: &mut Cx) -> Option<String> {
    let m = cx.text(n)?;
    check_method(&m, n, cx)
}

fn check_method(m: &str, n: &Node, cx: &mut Cx) -> Option<String> {
    if m == "*" || m.eq_ignore_ascii_case("any") {
        cx.error(n, "config-match", format!("`{m}` is not a method"))
            .help = "leave the method out to match any".into();
        return None;
    }
    if m.is_empty() || !m.bytes().all(|b| b.is_ascii_uppercase()) {
        cx.error(n, "config-match", format!("`{m}` is not a method"))
            .help = format!("methods are written in capitals: `{}`", m.to_uppercase());
        return None;
    }
    Some(m.to_owned())
}

fn path(n: &Node, cx: &mut Cx) -> Option<PathTemplate> {
    let text = cx.text(n)?;
    PathTemplate::parse(&text)
        .map_err(|e| {
            cx.error(n, "config-match", e);
        })
        .ok()
}

fn rate_key(n: &Node, cx: &mut Cx) -> Option<RateKey> {
    let text = cx.text(n)?;
    match text.as_str() {
        "all" => Some(RateKey::All),
        "client" => Some(RateKey::Client),
        t if t.strip_prefix("header:").is_some_and(|h| !h.is_empty()) => t
            .strip_prefix("header:")
            .map(|h| RateKey::Header(h.to_lowercase())),
        t => {
            cx.error(n, "config-value", format!("`{t}` is not a key"))
                .help = "write `client`, `all` or `header:NAME`".into();
            None
        }
    }
}
