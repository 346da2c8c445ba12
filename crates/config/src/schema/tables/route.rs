//! The keys of a route.

use super::*;

pub const ROUTE: &[Field<Route>] = &[
    key!(required "match", Kind::TextOr("match"), "GET /products/{id}", "which requests", |r, n, cx| match &n.value {
        Value::Scalar(_) => put!(r.matcher, shorthand(n, cx)),
        _ => cx.section("match", n, MATCH, &mut r.matcher),
    }),
    key!(required "to", Kind::Text, "shop", "the service that answers", |r, n, cx| put!(r.to, cx.text(n))),
    key!(
        "split",
        Kind::Texts,
        "{ stable: 95%, next: 5% }",
        "services that share the users, `to` among them; a user stays with one of them, and a growing share only adds users",
        |r, n, cx| r.split = mirror::split(n, cx)
    ),
    key!(
        "mirror",
        Kind::Section("mirror"),
        "{ to: next, share: 5% }",
        "copies of safe requests go to another service, beside the path, and the answers are compared; off when left out",
        |r, n, cx| {
            let mut mirror = Mirror::default();
            cx.section("mirror", n, MIRROR, &mut mirror);
            r.mirror = Some(mirror);
        }
    ),
    key!(
        "stateful",
        Kind::FlagOr("stateful"),
        "{ share: 1% }",
        "look whether its instances keep sessions in their memory: some safe requests are asked of another instance, beside the path; as its service has it when left out, `false` is never",
        |r, n, cx| r.stateful = stateful::read(n, cx)
    ),
    key!(
        "grpc_web" = "false",
        Kind::Flag,
        "true",
        "clients may speak gRPC-Web, binary or text, with a service that speaks gRPC",
        |r, n, cx| put!(r.grpc_web, cx.flag(n))
    ),
    key!(
        "slo",
        Kind::Section("slo"),
        "{ latency: 250ms, target: 99.9% }",
        "what good means",
        |r, n, cx| r.slo = Some(slo::read(n, cx))
    ),
    key!(
        "cache",
        Kind::Section("cache"),
        "{ ttl: 10s }",
        "answer repeated reads from memory",
        |r, n, cx| {
            let mut cache = Cache::default();
            cx.section("cache", n, CACHE, &mut cache);
            if cache.max_body > cache.size {
                cx.error(
                    n,
                    "config-value",
                    "`max_body` is larger than the whole cache",
                )
                .help = "make `size` at least as large as `max_body`".into();
            }
            r.cache = Some(cache);
        }
    ),
    key!(
        "cache_control",
        Kind::Section("cache_control"),
        "{ browsers: max-age=60, cdns: max-age=600 }",
        "what browsers and CDNs are told about answers that are for everybody, in place of what the service says",
        |r, n, cx| {
            let mut told = CacheControl::default();
            cx.section("cache_control", n, CACHE_CONTROL, &mut told);
            r.cache_control = Some(told);
        }
    ),
    key!(
        "compress" = "{ when: observe }",
        Kind::OffOr("compress"),
        "{ when: link }",
        "compress answers for clients that accept it; not where an answer shows both a secret and what a stranger chose (BREACH); what this would do is estimated when left out, `off`: nothing at all",
        |r, n, cx| r.compress = cx.section_or_off("compress", n, COMPRESS, Compress::default())
    ),
    key!(
        "rate",
        Kind::Section("rate"),
        "{ limit: 200/s, key: client }",
        "refuse above a rate",
        |r, n, cx| {
            r.rate = Some(rate::read(n, cx));
        }
    ),
    key!(
        "quota",
        Kind::Section("quota"),
        "{ limit: 100000, per: month, key: tenant }",
        "refuse above a number of a day or a month; what is counted outlasts a restart",
        |r, n, cx| r.quota = Some(quota::read(n, cx))
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
        "hedge",
        Kind::FlagOr("hedge"),
        "{ after: p95, extra: 5% }",
        "a second attempt at another instance for safe requests that are late, with a body up to 16KiB: the first answer is taken, the other attempt cancelled; `true` for the defaults, off when left out",
        |r, n, cx| r.hedge = hedge::read(n, cx)
    ),
    key!(
        "async",
        Kind::FlagOr("async"),
        "{ when: always }",
        "requests become jobs: on disk before they are answered 202, delivered later; `true` for the defaults, off when left out",
        |r, n, cx| r.asynchronous = asynchronous::read(n, cx)
    ),
    key!(
        "publish",
        Kind::TextOr("publish"),
        "orders",
        "name of one of the `topics`, or a section: what is not safe (GET, HEAD, OPTIONS) becomes an event of it, on disk before it is answered 202, and the service is not asked",
        |r, n, cx| r.publish = publish::read(n, cx)
    ),
    key!(
        "idempotency",
        Kind::FlagOr("idempotency"),
        "{ required: true }",
        "a request with an `Idempotency-Key` is done once, and whoever sends it again gets the same answer; `true` for the defaults, off when left out",
        |r, n, cx| r.idempotency = idempotency::read(n, cx)
    ),
    key!(
        "session",
        Kind::Text,
        "shop",
        "name of one of the `sessions`: the service is told it and may change it; none when left out",
        |r, n, cx| r.session = cx.text(n)
    ),
    key!(
        "projection",
        Kind::TextOr("awaited"),
        "orders-view",
        "name of one of the `projections`, or a section: a request with `Plimsoll-Position` waits until it is that far; none when left out",
        |r, n, cx| r.projection = streams::awaited(n, cx)
    ),
    key!(
        "criticality" = "normal",
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
        "coalesce",
        Kind::Section("coalesce"),
        "{ wait: 5s }",
        "with a cache: equal requests at once are one to the service",
        |r, n, cx| cx.section("coalesce", n, COALESCE, &mut r.coalesce)
    ),
    key!(
        "degrade",
        Kind::Section("degrade"),
        "{ stale_if_error: 10m, static: { body: '[]' } }",
        "what reads get when the service fails; nothing else when left out",
        |r, n, cx| {
            let mut degrade = Degrade::default();
            cx.section("degrade", n, DEGRADE, &mut degrade);
            r.degrade = Some(degrade);
        }
    ),
    key!(
        "fault",
        Kind::Section("fault"),
        "{ until: 2030-01-31T18:00:00Z, delay: 200ms, share: 10% }",
        "failures made on purpose, for a while",
        |r, n, cx| {
            let mut fault = Fault::until(0);
            cx.section("fault", n, FAULT, &mut fault);
            fault::check(&fault, n, cx);
            r.fault = Some(fault);
        }
    ),
    key!(
        "business",
        Kind::MapOf("business"),
        "{ orders: { status: 201 }, revenue: { header: X-Order-Total, unit: usd } }",
        "numbers of the business that its answers tell, 8 at most",
        |r, n, cx| r.business = business::read(n, cx)
    ),
    key!(
        "consistency",
        Kind::Text,
        "bounded 10s",
        "how old what it shows may be: `strong`, `session` (what the same session wrote and saw, at least), `bounded 2s` or `eventual`; `strong` when left out and its service has a `replication`",
        |r, n, cx| r.consistency = replication::consistency(n, cx)
    ),
    key!(
        "writes",
        Kind::Flag,
        "true",
        "whether its requests change data; all but GET, HEAD, OPTIONS and TRACE do when left out. With `false` a POST may be hedged and read from replicas",
        |r, n, cx| r.writes = cx.flag(n)
    ),
    key!(
        "reads",
        Kind::TextOr("reads"),
        "{ to: shop-read, deadline: { first_byte: 2s } }",
        "another service for those of its requests that change nothing; `to` answers all when left out",
        |r, n, cx| r.reads = replication::reads(n, cx)
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
        |m, n, cx| m.host = host(n, cx)
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
        |m, n, cx| m.headers = headers(n, cx)
    ),
];

pub const DEADLINE: &[Field<Deadline>] = &[key!(
    "first_byte" = "60s",
    Kind::Duration,
    "60s",
    "until the answer begins; `none` for none",
    |d, n, cx| {
        if n.text() == Some("none") {
            d.first_byte = None;
        } else if let Some(v) = cx.some_time(n) {
            d.first_byte = Some(v);
        }
    }
)];

pub const RETRY: &[Field<Retry>] = &[
    key!(
        "attempts" = "2",
        Kind::Whole { min: 1, max: 10 },
        "2",
        "tries in all; 1 means no retry; an instance is told which one by `Plimsoll-Attempt`, from 2 on",
        |r, n, cx| put!(r.attempts, cx.whole(n, 1, 10).map(|v| v as u8))
    ),
    key!(
        "budget" = "20%",
        Kind::Share,
        "20%",
        "retries as a share of requests, over 10 s",
        |r, n, cx| put!(r.budget, cx.share(n))
    ),
    key!(
        "floor" = "1/s",
        Kind::Rate,
        "1/s",
        "also allowed, so that a quiet route can retry",
        |r, n, cx| put!(r.floor_per_s, cx.rate(n))
    ),
    key!(
        "backoff" = "25ms",
        Kind::Duration,
        "25ms",
        "before the first retry; doubles",
        |r, n, cx| put!(r.backoff, cx.duration(n))
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

fn host(n: &Node, cx: &mut Cx) -> Option<String> {
    let text = cx.text(n)?.to_lowercase();
    let name = text.strip_prefix("*.").unwrap_or(&text);
    let good =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'[' | b']' | b':');
    let port = !name.starts_with('[') && name.contains(':');
    if name.is_empty() || port || !name.bytes().all(good) {
        cx.error(n, "config-match", format!("`{text}` is not a host"))
            .help = "write `shop.example.com` or `*.example.com`, without a port".into();
        return None;
    }
    Some(text)
}

/// Names in lower case, and exact values.
pub(super) fn headers(n: &Node, cx: &mut Cx) -> Vec<(String, String)> {
    let headers: Vec<_> = cx
        .texts(n)
        .into_iter()
        .map(|(k, v)| (k.to_lowercase(), v))
        .collect();
    if let Some((bad, _)) = headers.iter().find(|(k, _)| !header_name(k)) {
        let what = format!("`{bad}` is not the name of a header");
        cx.error(n, "config-match", what);
    }
    headers
}

/// The name of a header, in lower case.
pub(super) fn header(n: &Node, cx: &mut Cx) -> Option<String> {
    let name = cx.text(n)?.to_lowercase();
    if !header_name(&name) {
        let what = format!("`{name}` is not the name of a header");
        cx.error(n, "config-value", what);
        return None;
    }
    Some(name)
}

/// Whether `name` can name a header.
pub(super) fn header_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn path(n: &Node, cx: &mut Cx) -> Option<PathTemplate> {
    let text = cx.text(n)?;
    PathTemplate::parse(&text)
        .map_err(|e| {
            cx.error(n, "config-match", e);
        })
        .ok()
}
