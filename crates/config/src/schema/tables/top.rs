//! The keys of the top level and of `limits`.

use super::*;

/// What `probes_off` may name, in the order in which they run.
pub const PROBES: &[&str] = &[
    "listeners",
    "cgroup",
    "cpu",
    "host",
    "disk",
    "network",
    "connections",
    "memory",
    "pressure",
    "pools",
    "scrape",
    "postgres",
    "redis",
    "storage",
    "waiters",
];

pub const TOP: &[Field<Config>] = &[
    key!(required "listen", Kind::Address, "0.0.0.0:8080", "where requests come in: an address, or a Unix socket such as `unix:/run/plimsoll.sock`", |c, n, cx| put!(c.listen, cx.listen(n))),
    key!(
        "socket_mode" = "660",
        Kind::Text,
        "666",
        "permissions of the file when `listen` is a Unix socket; who may write it may connect",
        |c, n, cx| put!(c.socket_mode, cx.mode(n))
    ),
    key!(
        "console" = "127.0.0.1:9400",
        Kind::TextOr("console"),
        "127.0.0.1:9400",
        "console, API and metrics: an address, a Unix socket, or a section",
        |c, n, cx| console::console(n, cx, &mut c.console)
    ),
    key!(
        "data_dir" = "./plimsoll-data",
        Kind::Text,
        "./plimsoll-data",
        "where the ledger lives",
        |c, n, cx| put!(c.data_dir, cx.text(n).map(Into::into))
    ),
    key!(
        "catalog",
        Kind::Text,
        "./catalog",
        "folder of teams, services, on-call, runbooks and incidents, seen from this file's folder; `catalog` beside this file when left out",
        |c, n, cx| c.catalog = cx.text(n).map(Into::into)
    ),
    key!(
        "threads",
        Kind::Whole { min: 1, max: 1024 },
        "4",
        "traffic threads; one per core when left out",
        |c, n, cx| c.threads = cx.whole(n, 1, 1024).map(|v| v as usize)
    ),
    key!(
        "probes_off" = "[]",
        Kind::ListOf(&Kind::OneOf(PROBES)),
        "[waiters]",
        "probes that are not run; read at start",
        |c, n, cx| {
            let choices: Vec<(&str, &str)> = PROBES.iter().map(|p| (*p, *p)).collect();
            c.probes_off = cx.list(n, |cx, n| cx.one_of(n, &choices).map(str::to_owned));
        }
    ),
    key!(
        "proxy_protocol",
        Kind::Section("proxy_protocol"),
        "{ from: [10.0.0.0/8] }",
        "load balancers in front that say who their clients are (PROXY protocol); none when left out",
        |c, n, cx| {
            let mut proxy_protocol = ProxyProtocol::default();
            cx.section("proxy_protocol", n, PROXY_PROTOCOL, &mut proxy_protocol);
            c.proxy_protocol = Some(proxy_protocol);
        }
    ),
    key!(
        "tls",
        Kind::Section("tls"),
        "{ certificates: [{ cert: shop.pem, key: shop.key }] }",
        "encrypted connections of clients; plain when left out",
        |c, n, cx| {
            let mut tls = Tls::default();
            cx.section("tls", n, TLS, &mut tls);
            c.tls = Some(tls);
        }
    ),
    key!(
        "http2",
        Kind::Section("http2"),
        "{ streams: 250 }",
        "bounds of HTTP/2 connections of clients",
        |c, n, cx| cx.section("http2", n, HTTP2, &mut c.http2)
    ),
    key!(
        "limits",
        Kind::Section("limits"),
        "{ head: 32KiB }",
        "bounds of the data path",
        |c, n, cx| cx.section("limits", n, LIMITS, &mut c.limits)
    ),
    key!(
        "nameserver",
        Kind::Address,
        "10.0.0.2:53",
        "who resolves instances given by name; whom /etc/resolv.conf names when left out",
        |c, n, cx| c.nameserver = cx.address(n)
    ),
    key!(
        "zone",
        Kind::Text,
        "eu-1a",
        "where this gateway runs: instances in the same zone are preferred, as far as they have room",
        |c, n, cx| c.zone = cx.text(n)
    ),
    key!(
        "access_log",
        Kind::Section("access_log"),
        "{ to: stdout, share: 1% }",
        "one line of JSON per request; off when left out",
        |c, n, cx| {
            let mut log = AccessLog::default();
            cx.section("access_log", n, ACCESS_LOG, &mut log);
            c.access_log = Some(log);
        }
    ),
    key!(
        "upgrade",
        Kind::Section("upgrade"),
        "{ drain: 10m }",
        "how a new binary takes over",
        |c, n, cx| cx.section("upgrade", n, UPGRADE, &mut c.upgrade)
    ),
    key!(
        "identity",
        Kind::Section("identity"),
        "{ user: x-user-id, tenant: x-tenant }",
        "who asks and how much it matters: by headers, tokens or certificates",
        |c, n, cx| {
            let mut identity = Identity::default();
            cx.section("identity", n, IDENTITY, &mut identity);
            c.identity = Some(identity);
        }
    ),
    key!(
        "via",
        Kind::Text,
        "plimsoll-eu1",
        "what Plimsoll calls itself in `Via`, in requests and in answers of instances; no such line when left out",
        |c, n, cx| {
            c.via = cx.text(n).filter(|t| super::route::header_name(t));
            if c.via.is_none() {
                cx.error(n, "config-value", "this cannot stand in `Via`")
                    .help = "write one word, such as `plimsoll-eu1`".into();
            }
        }
    ),
    key!(
        "purge_hook",
        Kind::Section("purge_hook"),
        "{ address: 'PURGE http://varnish.internal:6081{path}' }",
        "purges are passed on to the cache further out",
        |c, n, cx| {
            let mut hook = PurgeHook::default();
            cx.section("purge_hook", n, PURGE_HOOK, &mut hook);
            purge_hook::check(&hook, n, cx);
            c.purge_hook = Some(hook);
        }
    ),
    key!(
        "otlp",
        Kind::Section("otlp"),
        "{ http: 127.0.0.1:4318, grpc: 127.0.0.1:4317 }",
        "spans of instrumented services are taken as evidence; none when left out",
        |c, n, cx| {
            let mut otlp = Otlp::default();
            cx.section("otlp", n, OTLP, &mut otlp);
            otlp::check(&otlp, n, cx);
            c.otlp = Some(otlp);
        }
    ),
    key!(
        "error_budget",
        Kind::Section("error_budget"),
        "{ caution: 25%, largest: 1 }",
        "what may be tried as error budgets shrink; everything when left out",
        |c, n, cx| {
            let mut policy = ErrorBudget::default();
            cx.section("error_budget", n, ERROR_BUDGET, &mut policy);
            c.error_budget = Some(policy);
        }
    ),
    key!(
        "incidents",
        Kind::Section("incidents"),
        "{ from: page }",
        "whether alerts open incidents",
        |c, n, cx| cx.section("incidents", n, INCIDENTS, &mut c.incidents)
    ),
    key!(
        "alerts",
        Kind::Section("alerts"),
        "{ alertmanager: { urls: ['http://alertmanager.internal:9093'] } }",
        "who is told when an objective is missed; the console and the log only when left out",
        |c, n, cx| cx.section("alerts", n, ALERTS, &mut c.alerts)
    ),
    key!(
        "export",
        Kind::Section("export"),
        "{ otlp: { endpoint: 'http://127.0.0.1:4318' } }",
        "metrics and traces are sent to a collector; nowhere when left out",
        |c, n, cx| cx.section("export", n, EXPORT, &mut c.export)
    ),
    key!(
        "traces",
        Kind::Section("traces"),
        "{ share: 5%, slow: 500ms }",
        "which requests are kept as traces, and sent (`export`), beside those that failed",
        |c, n, cx| cx.section("traces", n, TRACES, &mut c.traces)
    ),
    key!(
        "history",
        Kind::Section("history"),
        "{ counts: 90d, size: 128MiB }",
        "what is remembered of counts and latencies, over restarts",
        |c, n, cx| cx.section("history", n, HISTORY, &mut c.history)
    ),
    key!(
        "engines",
        Kind::Section("engines"),
        "{ shared: { env: PLIMSOLL_REDIS_URL } }",
        "where several Plimsolls keep what they share; nothing is shared when left out",
        |c, n, cx| cx.section("engines", n, ENGINES, &mut c.engines)
    ),
    key!(
        "agents",
        Kind::Section("agents"),
        "{ listen: 0.0.0.0:9701, token: { env: PLIMSOLL_AGENT_TOKEN } }",
        "agents on other hosts send what their probes read; none when left out",
        |c, n, cx| c.agents = agents::agents(n, cx)
    ),
    key!(
        "sessions",
        Kind::MapOf("session"),
        "{ shop: { idle: 30m } }",
        "what services remember of clients between requests, kept here; routes name it",
        |c, n, cx| {
            for (name, n) in cx.named("sessions", n) {
                let mut s = Session::named(&name);
                cx.section(&format!("sessions.{name}"), n, SESSION, &mut s);
                c.sessions.push(s);
            }
        }
    ),
    key!(
        "replication",
        Kind::MapOf("replication"),
        "{ shop: { primary: { postgres: { env: SHOP_DB_URL } }, replicas: { r1: { postgres: { env: SHOP_R1_URL } } } } }",
        "databases with read replicas, so that routes can say how old what they show may be",
        |c, n, cx| {
            for (name, n) in cx.named("replication", n) {
                let mut r = Replication::named(&name);
                cx.section(&format!("replication.{name}"), n, REPLICATION, &mut r);
                c.replications.push(r);
            }
        }
    ),
    key!(
        "state",
        Kind::Section("state"),
        "{ listen: 127.0.0.1:9402, token: { env: PLIMSOLL_STATE_TOKEN }, stores: { carts: {} } }",
        "values that services keep here, by HTTP on a listener of its own; none when left out",
        |c, n, cx| c.state = state::read(n, cx)
    ),
    key!(
        "topics",
        Kind::MapOf("topic"),
        "{ orders: { subscriptions: { billing: { to: shop, path: /hooks/orders } } } }",
        "events that services publish once, for everybody who subscribes; the first one takes a restart",
        |c, n, cx| {
            for (name, n) in cx.named("topics", n) {
                let mut t = Topic::named(&name);
                cx.section(&format!("topics.{name}"), n, TOPIC, &mut t);
                c.topics.push(t);
            }
        }
    ),
    key!(
        "streams",
        Kind::Section("streams"),
        "{ retention: 30d }",
        "streams of events, kept here; services reach them where `state` listens",
        |c, n, cx| {
            let mut s = Streams::default();
            cx.section("streams", n, STREAMS, &mut s);
            c.streams = Some(s);
        }
    ),
    key!(
        "outbox",
        Kind::MapOf("outbox"),
        "{ orders: { postgres: { env: SHOP_DB_URL }, to: stream orders } }",
        "tables of PostgreSQL whose rows become events or jobs and are deleted then; read at start",
        |c, n, cx| {
            for (name, n) in cx.named("outbox", n) {
                let mut o = Outbox::named(&name);
                cx.section(&format!("outbox.{name}"), n, OUTBOX, &mut o);
                c.outboxes.push(o);
            }
        }
    ),
    key!(
        "projections",
        Kind::MapOf("projection"),
        "{ orders-view: { to: 'http://127.0.0.1:7001/events', stream: orders } }",
        "services that events are pushed to in order, and that requests can wait for; read at start",
        |c, n, cx| {
            for (name, n) in cx.named("projections", n) {
                let mut p = Projection::named(&name);
                cx.section(&format!("projections.{name}"), n, PROJECTION, &mut p);
                c.projections.push(p);
            }
        }
    ),
    key!(
        "cron",
        Kind::MapOf("cron"),
        "{ report: { schedule: '0 6 * * *', route: orders, path: /orders/report } }",
        "jobs by the calendar: each time is one job of a route with `async`",
        |c, n, cx| {
            for (name, n) in cx.named("cron", n) {
                let mut cron = Cron::named(&name);
                cx.section(&format!("cron.{name}"), n, CRON, &mut cron);
                c.crons.push(cron);
            }
        }
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
        Kind::MapOfLists("request"),
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
        "head" = "32KiB",
        Kind::Bytes,
        "32KiB",
        "request line and headers, at most 1MiB",
        |l, n, cx| put!(
            l.head,
            cx.bytes_within(n, 1 << 10, 1 << 20).map(|b| b as usize)
        )
    ),
    key!(
        "headers" = "100",
        Kind::Whole { min: 8, max: 100 },
        "100",
        "header lines",
        |l, n, cx| put!(l.headers, cx.whole(n, 8, 100).map(|v| v as usize))
    ),
    key!(
        "connections" = "20000",
        Kind::Whole {
            min: 1,
            max: 1_000_000
        },
        "20000",
        "client connections open at once",
        |l, n, cx| put!(l.connections, cx.whole(n, 1, 1_000_000).map(|v| v as usize))
    ),
    key!(
        "connections_per_client",
        Kind::Whole {
            min: 1,
            max: 1_000_000
        },
        "200",
        "of those, of one address (of IPv6: one /64), as `proxy_protocol` tells it; four fifths when left out; a Unix socket has no bound",
        |l, n, cx| l.connections_per_client = cx.whole(n, 1, 1_000_000).map(|v| v as usize)
    ),
    key!(
        "body" = "1GiB",
        Kind::Bytes,
        "1GiB",
        "largest request body",
        |l, n, cx| put!(l.body, cx.bytes(n))
    ),
    key!(
        "idle" = "75s",
        Kind::Duration,
        "75s",
        "an idle client connection is closed after this, and one whose client takes nothing of an answer, an event stream or a WebSocket for so long",
        |l, n, cx| put!(l.idle, cx.some_time(n))
    ),
    key!(
        "head_timeout" = "15s",
        Kind::Duration,
        "15s",
        "time to receive a whole head",
        |l, n, cx| put!(l.head_timeout, cx.some_time(n))
    ),
    key!(
        "body_timeout" = "15s",
        Kind::Duration,
        "15s",
        "longest time without any of a request's body",
        |l, n, cx| put!(l.body_timeout, cx.some_time(n))
    ),
    key!(
        "notice" = "0s",
        Kind::Duration,
        "10s",
        "at shutdown, how long `/readyz` says so before connections are refused",
        |l, n, cx| put!(l.notice, cx.duration(n))
    ),
    key!(
        "drain" = "30s",
        Kind::Duration,
        "30s",
        "time for requests in flight at shutdown",
        |l, n, cx| put!(l.drain, cx.duration(n))
    ),
];
