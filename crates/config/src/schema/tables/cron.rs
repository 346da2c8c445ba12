//! The keys of `cron.NAME`.

use super::*;
use crate::sections::Missed;

/// Largest body, bytes.
const BODY: usize = 64 << 10;
const MAX_HEADERS: usize = 32;

pub const CRON: &[Field<Cron>] = &[
    key!(required
        "schedule",
        Kind::Text,
        "'*/5 * * * *'",
        "minute, hour, day of the month, month, day of the week, as crontab has them; at most once a minute",
        |c, n, cx| put!(c.schedule, cx.text(n))
    ),
    key!(
        "timezone" = "UTC",
        Kind::Text,
        "Europe/Berlin",
        "an IANA name; whose clock it is",
        |c, n, cx| put!(c.timezone, cx.text(n))
    ),
    key!(required
        "route",
        Kind::Text,
        "orders",
        "a route with `async` that matches the request: its jobs they are",
        |c, n, cx| put!(c.route, cx.text(n))
    ),
    key!(
        "method" = "POST",
        Kind::OneOf(&["GET", "POST", "PUT", "PATCH", "DELETE"]),
        "POST",
        "of the request",
        |c, n, cx| put!(
            c.method,
            cx.one_of(
                n,
                &[
                    ("GET", "GET"),
                    ("POST", "POST"),
                    ("PUT", "PUT"),
                    ("PATCH", "PATCH"),
                    ("DELETE", "DELETE")
                ]
            )
            .map(str::to_owned)
        )
    ),
    key!(required
        "path",
        Kind::Text,
        "/orders/report",
        "of the request, with its query",
        |c, n, cx| put!(c.path, path(n, cx))
    ),
    key!(
        "body",
        Kind::Text,
        "'{\"report\":\"daily\"}'",
        "of the request, at most 64KiB",
        |c, n, cx| put!(c.body, body(n, cx))
    ),
    key!(
        "headers",
        Kind::Texts,
        "{ content-type: application/json }",
        "of the request",
        |c, n, cx| c.headers = headers(n, cx)
    ),
    key!(
        "missed" = "once",
        Kind::OneOf(&["once", "all", "none"]),
        "all",
        "what becomes of times at which Plimsoll did not run: one job for all of them, one for each, or none",
        |c, n, cx| put!(
            c.missed,
            cx.one_of(
                n,
                &[
                    ("once", Missed::Once),
                    ("all", Missed::All),
                    ("none", Missed::None)
                ]
            )
        )
    ),
];

fn path(n: &Node, cx: &mut Cx) -> Option<String> {
    let path = cx.text(n)?;
    let good = |b: u8| b.is_ascii_graphic() && b != b'#';
    if !path.starts_with('/') || path.len() > 2048 || !path.bytes().all(good) {
        cx.error(
            n,
            "config-value",
            format!("`{}` is not a path", path.escape_debug()),
        )
        .help = "write it like `/orders/report?day=today`".into();
        return None;
    }
    Some(path)
}

fn body(n: &Node, cx: &mut Cx) -> Option<String> {
    let body = cx.text(n)?;
    if body.len() > BODY {
        cx.error(
            n,
            "config-value",
            format!("a body of {} bytes; at most {BODY}", body.len()),
        );
        return None;
    }
    Some(body)
}

fn headers(n: &Node, cx: &mut Cx) -> Vec<(String, String)> {
    let all = cx.texts(n);
    let ours = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.starts_with("plimsoll-")
            || matches!(
                name.as_str(),
                "content-length" | "transfer-encoding" | "connection" | "idempotency-key"
            )
    };
    let good = |(name, value): &&(String, String)| {
        super::route::header_name(name) && !ours(name) && !value.chars().any(char::is_control)
    };
    let fine: Vec<_> = all.iter().filter(good).cloned().collect();
    if fine.len() < all.len() || all.len() > MAX_HEADERS {
        cx.error(
            n,
            "config-value",
            "not all of these are headers of a request",
        )
        .help = format!(
            "at most {MAX_HEADERS}, and none that says how the body is sent or what the job is"
        );
    }
    fine
}
