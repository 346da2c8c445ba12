//! The keys of `streams`, `outbox`, `projections`, and of a route's `projection`.

use super::alerts::address;
use super::*;
use std::time::Duration;

/// Longest name of a stream, bytes.
const NAME: usize = 255;
/// Most rows or events at once.
const BATCH: u64 = 512;
/// Nobody holds a connection longer for a projection.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub const STREAMS: &[Field<Streams>] = &[
    key!(
        "size" = "4GiB",
        Kind::Bytes,
        "20GiB",
        "bytes of `events.db` at which no more events are taken, and of the stream of `engines.durable`, when that is made; read at start",
        |s, n, cx| put!(s.size, cx.bytes_within(n, 1 << 20, 1 << 46))
    ),
    key!(
        "retention",
        Kind::Duration,
        "30d",
        "events that are older are let go, read or not; they stay when left out",
        |s, n, cx| s.retention = cx.some_time(n)
    ),
    key!(
        "shared" = "true",
        Kind::Flag,
        "false",
        "with `engines.durable`, events are the same at all nodes, unless this says `false`: then each has its own; read at start",
        |s, n, cx| put!(s.shared, cx.flag(n))
    ),
];

pub const OUTBOX: &[Field<Outbox>] = &[
    key!(required
        "postgres",
        Kind::Secret,
        "{ env: SHOP_DB_URL }",
        "the URL of the PostgreSQL; its role needs SELECT, UPDATE and DELETE on the table",
        |o, n, cx| put!(o.postgres, cx.secret(n))
    ),
    key!(
        "ca",
        Kind::Text,
        "db-ca.pem",
        "a PEM file of those who may have signed the server's certificate",
        |o, n, cx| o.ca = cx.text(n).map(Into::into)
    ),
    key!(
        "table" = "outbox",
        Kind::Text,
        "app.outbox",
        "where the application writes rows, in the transaction that changes its data",
        |o, n, cx| put!(o.table, table(n, cx))
    ),
    key!(required
        "to",
        Kind::Text,
        "stream orders",
        "`stream NAME`: they become events of it; `job ROUTE`: they become jobs of a route with `async`, as CloudEvents that are posted to the service",
        |o, n, cx| put!(o.to, target(n, cx))
    ),
    key!(
        "path" = "/",
        Kind::Text,
        "/emails",
        "of a job: where it is posted; the route must match it",
        |o, n, cx| put!(o.path, super::topics::path(n, cx))
    ),
    key!(
        "id" = "id",
        Kind::Text,
        "id",
        "column that is unique; rows go in its order, and it keeps them from going twice",
        |o, n, cx| put!(o.columns.id, column(n, cx))
    ),
    key!(
        "type" = "type",
        Kind::Text,
        "event_type",
        "column with the event's type",
        |o, n, cx| put!(o.columns.kind, column(n, cx))
    ),
    key!(
        "data" = "payload",
        Kind::Text,
        "body",
        "column with its data: `json`, `jsonb`, or text that is JSON; at most 900KiB",
        |o, n, cx| put!(o.columns.data, column(n, cx))
    ),
    key!(
        "subject",
        Kind::Text,
        "aggregate_id",
        "column with its subject; none when left out",
        |o, n, cx| o.columns.subject = column(n, cx)
    ),
    key!(
        "batch" = "200",
        Kind::Whole { min: 1, max: BATCH },
        "200",
        "rows at once, at most",
        |o, n, cx| put!(o.batch, cx.whole(n, 1, BATCH).map(|v| v as u32))
    ),
    key!(
        "poll" = "200ms",
        Kind::Duration,
        "1s",
        "how often an empty table is looked at",
        |o, n, cx| put!(o.poll, cx.some_time(n))
    ),
];

pub const PROJECTION: &[Field<Projection>] = &[
    key!(required
        "to",
        Kind::Text,
        "http://127.0.0.1:7001/events",
        "where events are posted, in order, as a batch of CloudEvents; the next batch goes once this one was answered 2xx",
        |p, n, cx| put!(p.to, address(n, cx))
    ),
    key!(
        "stream",
        Kind::Text,
        "orders",
        "events of this stream only; of all when left out",
        |p, n, cx| p.stream = stream(n, cx)
    ),
    key!(
        "prefix",
        Kind::Text,
        "order-",
        "events of the streams whose names begin so",
        |p, n, cx| p.prefix = stream(n, cx)
    ),
    key!(
        "batch" = "100",
        Kind::Whole { min: 1, max: BATCH },
        "100",
        "events in one request, at most; and 4MiB of them",
        |p, n, cx| put!(p.batch, cx.whole(n, 1, BATCH).map(|v| v as u32))
    ),
    key!(
        "timeout" = "30s",
        Kind::Duration,
        "10s",
        "for an answer",
        |p, n, cx| put!(p.timeout, cx.some_time(n))
    ),
    key!(
        "headers",
        Kind::Secrets,
        "{ authorization: { env: ORDERS_TOKEN } }",
        "sent with each request; what lets somebody in by `{ env: NAME }` or `{ file: PATH }`",
        |p, n, cx| p.headers = super::export::headers("projections.NAME.headers", n, cx)
    ),
];

pub const AWAITED: &[Field<Awaited>] = &[
    key!(required
        "of",
        Kind::Text,
        "orders-view",
        "name of one of the `projections`",
        |a, n, cx| put!(a.name, cx.text(n))
    ),
    key!(
        "max_wait" = "2s",
        Kind::Duration,
        "500ms",
        "how long a request with `Plimsoll-Position` waits for it, at most; up to 1min",
        |a, n, cx| put!(a.max_wait, wait(n, cx))
    ),
    key!(
        "stale" = "refuse",
        Kind::OneOf(&["refuse", "pass"]),
        "pass",
        "who has waited in vain gets 503 and `Retry-After`, or goes on and is told with `Plimsoll-Stale`",
        |a, n, cx| put!(a.pass, cx.one_of(n, &[("refuse", false), ("pass", true)]))
    ),
];

/// The name of a projection, or a section.
pub(super) fn awaited(n: &Node, cx: &mut Cx) -> Option<Awaited> {
    let mut awaited = Awaited::named("");
    match n.text().filter(|t| !t.is_empty()) {
        Some(name) => awaited.name = name.to_owned(),
        None => cx.section("routes.projection", n, AWAITED, &mut awaited),
    }
    Some(awaited)
}

fn wait(n: &Node, cx: &mut Cx) -> Option<Duration> {
    let wait = cx.duration(n)?;
    if wait > LONGEST_WAIT {
        cx.error(n, "config-value", "nobody waits longer than 1min here");
        return None;
    }
    Some(wait)
}

fn stream(n: &Node, cx: &mut Cx) -> Option<String> {
    let name = cx.text(n)?;
    if name.len() > NAME || name.chars().any(char::is_control) {
        let what = format!("the name of a stream has at most {NAME} bytes");
        cx.error(n, "config-value", what);
        return None;
    }
    Some(name)
}

fn target(n: &Node, cx: &mut Cx) -> Option<Target> {
    let text = cx.text(n)?;
    let (kind, name) = text.split_once(' ').unwrap_or((&text, ""));
    let name = Some(name.trim()).filter(|name| !name.is_empty() && name.len() <= NAME);
    match (kind, name) {
        ("stream", Some(name)) => Some(Target::Stream(name.to_owned())),
        ("job", Some(name)) => Some(Target::Job(name.to_owned())),
        _ => {
            cx.error(
                n,
                "config-value",
                format!("`{text}` is not where rows can go"),
            )
            .help = "write it like `stream orders`, or `job ROUTE`".into();
            None
        }
    }
}

fn column(n: &Node, cx: &mut Cx) -> Option<String> {
    let name = cx.text(n)?;
    if name.len() > 63 || name.contains('\0') {
        cx.error(
            n,
            "config-value",
            "the name of a column has at most 63 bytes",
        );
        return None;
    }
    Some(name)
}

fn table(n: &Node, cx: &mut Cx) -> Option<String> {
    let name = cx.text(n)?;
    let parts: Vec<&str> = name.split('.').collect();
    let good = |part: &&str| !part.is_empty() && part.len() <= 63 && !part.contains('\0');
    if parts.len() > 2 || !parts.iter().all(good) {
        cx.error(
            n,
            "config-value",
            format!("`{name}` is not the name of a table"),
        )
        .help = "write it like `outbox` or `app.outbox`".into();
        return None;
    }
    Some(name)
}
