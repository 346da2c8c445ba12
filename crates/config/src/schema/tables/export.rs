//! The keys of `export`.

use super::alerts::address;
use super::*;
use std::time::Duration;

/// More often there is nothing new, and a collector has work.
const SHORTEST: Duration = Duration::from_secs(1);
/// Nobody waits that long for a try, or for metrics.
const LONGEST: Duration = Duration::from_secs(600);
const MAX_HEADERS: usize = 16;

pub const EXPORT: &[Field<Export>] = &[key!(
    "otlp",
    Kind::Section("export_otlp"),
    "{ endpoint: 'http://127.0.0.1:4318' }",
    "metrics, and traces of requests that failed or were slow, go to a collector; read at start",
    |e, n, cx| {
        let mut otlp = ExportOtlp::default();
        cx.section("export.otlp", n, EXPORT_OTLP, &mut otlp);
        e.otlp = Some(otlp);
    }
)];

pub const EXPORT_OTLP: &[Field<ExportOtlp>] = &[
    key!(required
        "endpoint",
        Kind::Text,
        "http://127.0.0.1:4318",
        "the collector, by http or https; `/v1/traces` and `/v1/metrics` are added, but for gRPC",
        |e, n, cx| put!(e.endpoint, address(n, cx))
    ),
    key!(
        "protocol" = "http/protobuf",
        Kind::OneOf(&["http/protobuf", "http/json", "grpc"]),
        "grpc",
        "how it is sent; collectors take gRPC at another port (4317)",
        |e, n, cx| put!(
            e.protocol,
            cx.one_of(
                n,
                &[
                    ("http/protobuf", OtlpProtocol::Protobuf),
                    ("http/json", OtlpProtocol::Json),
                    ("grpc", OtlpProtocol::Grpc)
                ]
            )
        )
    ),
    key!(
        "headers",
        Kind::Secrets,
        "{ authorization: { env: OTLP_AUTHORIZATION } }",
        "sent with each request; what lets somebody in by `{ env: NAME }` or `{ file: PATH }`, read anew each time",
        |e, n, cx| e.headers = headers("export.otlp.headers", n, cx)
    ),
    key!(
        "gzip" = "true",
        Kind::Flag,
        "false",
        "requests are packed",
        |e, n, cx| put!(e.gzip, cx.flag(n))
    ),
    key!(
        "interval" = "15s",
        Kind::Duration,
        "60s",
        "time between two requests with metrics, from 1s to 10min; traces go within a second",
        |e, n, cx| put!(e.interval, time(n, cx))
    ),
    key!(
        "timeout" = "10s",
        Kind::Duration,
        "10s",
        "of one try, from 1s to 10min",
        |e, n, cx| put!(e.timeout, time(n, cx))
    ),
    key!(
        "name" = "plimsoll",
        Kind::Text,
        "edge-eu",
        "what this gateway is called there (`service.name`)",
        |e, n, cx| put!(e.name, cx.text(n))
    ),
];

fn time(n: &Node, cx: &mut Cx) -> Option<Duration> {
    let time = cx.some_time(n)?;
    if !(SHORTEST..=LONGEST).contains(&time) {
        cx.error(n, "config-value", "this time is from 1s to 10min")
            .help = "write `15s`".into();
        return None;
    }
    Some(time)
}

pub(super) fn headers(section: &str, n: &Node, cx: &mut Cx) -> Vec<(String, Secret)> {
    let mut all = Vec::new();
    for (name, at) in cx.named(section, n) {
        if !super::route::header_name(&name) {
            let what = format!("`{name}` is not the name of a header");
            cx.error(at, "config-value", what);
            continue;
        }
        let name = name.to_ascii_lowercase();
        let lets_in = ["auth", "token", "key", "secret", "password"];
        let value = match lets_in.iter().any(|word| name.contains(word)) {
            true => secret_elsewhere(at, cx),
            false => cx.secret(at),
        };
        all.extend(value.map(|v| (name, v)));
    }
    if all.len() > MAX_HEADERS {
        let what = format!("{} headers are more than {MAX_HEADERS}", all.len());
        cx.error(n, "config-too-many", what);
    }
    all
}
