//! The keys of `otlp`.

use super::*;

pub const OTLP: &[Field<Otlp>] = &[
    key!(
        "http",
        Kind::Address,
        "127.0.0.1:4318",
        "where services send spans by HTTP (protobuf or JSON); not taken when left out; read at start",
        |o, n, cx| o.http = cx.address(n)
    ),
    key!(
        "grpc",
        Kind::Address,
        "127.0.0.1:4317",
        "where services send spans by gRPC; not taken when left out; read at start",
        |o, n, cx| o.grpc = cx.address(n)
    ),
    key!(
        "token",
        Kind::Secret,
        "{ file: /run/secrets/otlp }",
        "what senders must show as `Authorization: Bearer …`; needed when an address is not loopback; read at start",
        |o, n, cx| o.token = secret_elsewhere(n, cx)
    ),
    key!(
        "sample" = "10%",
        Kind::Share,
        "10%",
        "of the requests that come without a trace, those that services are asked to record; what clients ask for is kept",
        |o, n, cx| put!(o.sample, cx.share(n))
    ),
];

/// Nobody sends there, or anybody may.
pub(super) fn check(otlp: &Otlp, n: &Node, cx: &mut Cx) {
    let addresses = [otlp.http, otlp.grpc];
    let mut named = addresses.iter().flatten();
    if addresses == [None, None] {
        cx.error(n, "config-otlp", "spans are taken nowhere").help =
            "give `http: 127.0.0.1:4318`, `grpc: 127.0.0.1:4317`, or both".into();
    } else if otlp.http == otlp.grpc && otlp.http.is_some_and(|a| a.port() != 0) {
        let what = "`http` and `grpc` have the same address";
        cx.error(n, "config-otlp", what).help =
            "give one of them only: either port understands both".into();
    }
    let open = named.find(|a| !a.ip().is_loopback());
    if let Some(open) = open.filter(|_| otlp.token.is_none()) {
        let what = format!("whoever reaches {open} may send spans");
        let finding = cx.error(n, "config-otlp-open", what);
        finding.why = "forged spans mislead the diagnosis".into();
        finding.help = "give `token: { file: PATH }`, or listen on 127.0.0.1".into();
    }
}
