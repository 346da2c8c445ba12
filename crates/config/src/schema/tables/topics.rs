//! The keys of `topics`.

use super::*;
use crate::sections::{Endpoint, EventMode, Filter, Receiver, Subscription, Topic};

/// Largest data of an event, bytes.
const SIZE: u64 = 4 << 20;
const CONCURRENCY: u64 = 1024;
const ATTEMPTS: u64 = 1000;
/// Most secrets that sign at once, and most steps of a schedule.
const SECRETS: usize = 8;
const STEPS: usize = 32;

pub const TOPIC: &[Field<Topic>] = &[
    key!(
        "events" = "1000000",
        Kind::Whole {
            min: 1,
            max: 1_000_000_000
        },
        "1000000",
        "held at once; those that everybody has got give way to new ones, then publishers get 503",
        |t, n, cx| put!(t.events, cx.whole(n, 1, 1_000_000_000))
    ),
    key!(
        "bytes" = "1GiB",
        Kind::Bytes,
        "1GiB",
        "of them together",
        |t, n, cx| put!(t.bytes, cx.bytes(n))
    ),
    key!(
        "keep" = "24h",
        Kind::Duration,
        "7d",
        "how long an event can be read again by position; one that somebody still waits for stays longer",
        |t, n, cx| put!(t.keep, cx.some_time(n))
    ),
    key!(
        "dedup" = "10m",
        Kind::Duration,
        "1h",
        "an event with the same source and id within this time is the same one, as long as it is kept",
        |t, n, cx| put!(t.dedup, cx.duration(n))
    ),
    key!(
        "size" = "256KiB",
        Kind::Bytes,
        "256KiB",
        "largest data of one event; at most 4MiB",
        |t, n, cx| put!(t.size, cx.bytes_within(n, 1, SIZE))
    ),
    key!(
        "subscriptions",
        Kind::MapOf("subscription"),
        "{ billing: { to: shop, path: /hooks/orders } }",
        "names of those who get its events, each with its keys",
        |t, n, cx| {
            for (name, n) in cx.named("subscriptions", n) {
                if let Some(s) = subscription(&name, n, cx) {
                    t.subscriptions.push(s);
                }
            }
        }
    ),
];

/// As it stands in the file.
pub struct Subscribed {
    service: Option<String>,
    path: String,
    webhook: Option<Endpoint>,
    pull: bool,
    stream: bool,
    attempts: Option<u32>,
    rest: Subscription,
}

impl Subscribed {
    pub(crate) fn named(name: &str) -> Subscribed {
        Subscribed {
            service: None,
            path: "/".into(),
            webhook: None,
            pull: false,
            stream: false,
            attempts: None,
            rest: Subscription::named(name),
        }
    }
}

pub const SUBSCRIPTION: &[Field<Subscribed>] = &[
    key!(
        "to",
        Kind::Text,
        "shop",
        "events are pushed to instances of this service, under its limits, breakers and balancing",
        |s, n, cx| s.service = cx.text(n)
    ),
    key!(
        "path" = "/",
        Kind::Text,
        "/hooks/orders",
        "where the service takes them, by POST",
        |s, n, cx| put!(s.path, path(n, cx))
    ),
    key!(
        "webhook",
        Kind::Section("endpoint"),
        "{ url: 'https://partner.example.com/hook', secrets: [{ env: HOOK_SECRET }] }",
        "events are pushed to an address outside, signed as Standard Webhooks say",
        |s, n, cx| {
            let mut e = Endpoint::default();
            cx.section("webhook", n, ENDPOINT, &mut e);
            s.webhook = Some(e);
        }
    ),
    key!(
        "pull" = "false",
        Kind::Flag,
        "true",
        "events wait until somebody leases them over HTTP",
        |s, n, cx| put!(s.pull, cx.flag(n))
    ),
    key!(
        "sse" = "false",
        Kind::Flag,
        "true",
        "events are read from a position as a stream (server-sent events); nothing is kept for anybody",
        |s, n, cx| put!(s.stream, cx.flag(n))
    ),
    key!(
        "filter",
        Kind::Section("filter"),
        "{ prefix: { type: order. } }",
        "which events it takes, by their attributes; all of them when left out",
        |s, n, cx| s.rest.filter = Some(filter(n, cx))
    ),
    key!(
        "mode" = "binary",
        Kind::OneOf(&["binary", "structured"]),
        "structured",
        "how events are pushed: attributes in headers, or all in one JSON object",
        |s, n, cx| put!(
            s.rest.mode,
            cx.one_of(
                n,
                &[
                    ("binary", EventMode::Binary),
                    ("structured", EventMode::Structured)
                ]
            )
        )
    ),
    key!(
        "order_by",
        Kind::Text,
        "subject",
        "events with the same value of this attribute are delivered in order, one at a time",
        |s, n, cx| s.rest.order_by = attribute(n, cx)
    ),
    key!(
        "ttl" = "3d",
        Kind::Duration,
        "3d",
        "an event that is not delivered by then is dead",
        |s, n, cx| put!(s.rest.ttl, cx.some_time(n))
    ),
    key!(
        "concurrency" = "16",
        Kind::Whole {
            min: 1,
            max: CONCURRENCY
        },
        "4",
        "deliveries at once, at most",
        |s, n, cx| put!(
            s.rest.concurrency,
            cx.whole(n, 1, CONCURRENCY).map(|v| v as u32)
        )
    ),
    key!(
        "timeout" = "30s",
        Kind::Duration,
        "15s",
        "of one attempt; how long a pulled event is leased",
        |s, n, cx| put!(s.rest.timeout, cx.some_time(n))
    ),
    key!(
        "attempts" = "12",
        Kind::Whole {
            min: 1,
            max: ATTEMPTS
        },
        "5",
        "until an event is dead; of a webhook, as many as `retry` has steps",
        |s, n, cx| s.attempts = cx.whole(n, 1, ATTEMPTS).map(|v| v as u32)
    ),
    key!(
        "backoff" = "1s",
        Kind::Duration,
        "1s",
        "before the second attempt; doubled for each further one up to 10min, and drawn from zero to that; webhooks have `retry`",
        |s, n, cx| put!(s.rest.backoff, cx.some_time(n))
    ),
];

pub const ENDPOINT: &[Field<Endpoint>] = &[
    key!(required "url", Kind::Secret, "https://partner.example.com/hook", "where events are posted; one that lets in whoever knows it by `{ env: NAME }` or `{ file: PATH }`", |e, n, cx| {
        e.url = cx.secret(n);
        if let Some(Secret::Text(_)) = &e.url {
            super::alerts::address(n, cx);
        }
    }),
    key!(required "secrets", Kind::ListOf(&Kind::Secret), "[{ env: HOOK_SECRET }, { env: HOOK_SECRET_OLD }]", "each signs (`whsec_…`), so that receivers can change from one to the next; by `{ env: NAME }` or `{ file: PATH }`", |e, n, cx| {
        e.secrets = cx.list(n, |cx, n| secret_elsewhere(n, cx));
        if e.secrets.is_empty() || e.secrets.len() > SECRETS {
            cx.error(n, "config-value", format!("give from 1 to {SECRETS} secrets"));
            e.secrets.truncate(SECRETS);
        }
    }),
    key!(
        "allow",
        Kind::ListOf(&Kind::Network),
        "[10.1.0.0/16]",
        "networks that may be reached though they are private, of this host, or of the provider's metadata; else those are refused",
        |e, n, cx| {
            e.allow = cx
                .list(n, |cx, n| cx.peer(n))
                .into_iter()
                .flatten()
                .collect()
        }
    ),
    key!(
        "rate",
        Kind::Rate,
        "10/s",
        "most attempts; as fast as it answers when left out",
        |e, n, cx| e.rate = cx.rate(n).filter(|r| *r > 0.0)
    ),
    key!(
        "retry" = "[0s, 5s, 5m, 30m, 2h, 5h, 10h, 10h]",
        Kind::ListOf(&Kind::Duration),
        "[0s, 10s, 1m]",
        "how long to wait before each attempt; an event is dead after the last",
        |e, n, cx| {
            let steps = cx.list(n, |cx, n| cx.duration(n));
            match steps.len() {
                1..=STEPS => e.retry = steps,
                _ => {
                    cx.error(n, "config-value", format!("give from 1 to {STEPS} times"));
                }
            }
        }
    ),
    key!(
        "handshake",
        Kind::Text,
        "events.example.com",
        "the endpoint must first agree to events from this origin (`WebHook-Request-Origin`); it is not asked when left out",
        |e, n, cx| e.handshake = origin(n, cx)
    ),
];

pub const FILTER: &[Field<Vec<Filter>>] = &[
    key!(
        "exact",
        Kind::Texts,
        "{ type: order.placed }",
        "these attributes are so",
        |f, n, cx| f.push(Filter::Exact(attributes(n, cx)))
    ),
    key!(
        "prefix",
        Kind::Texts,
        "{ type: order. }",
        "these attributes begin so",
        |f, n, cx| f.push(Filter::Prefix(attributes(n, cx)))
    ),
    key!(
        "suffix",
        Kind::Texts,
        "{ subject: .pdf }",
        "these attributes end so",
        |f, n, cx| f.push(Filter::Suffix(attributes(n, cx)))
    ),
    key!(
        "all",
        Kind::ListOf(&Kind::Section("filter")),
        "[{ exact: { source: /shop } }, { not: { exact: { type: ping } } }]",
        "every one of these filters holds",
        |f, n, cx| f.push(Filter::All(cx.list_of_sections(n, filter)))
    ),
    key!(
        "any",
        Kind::ListOf(&Kind::Section("filter")),
        "[{ exact: { type: a } }, { exact: { type: b } }]",
        "at least one of these filters holds",
        |f, n, cx| f.push(Filter::Any(cx.list_of_sections(n, filter)))
    ),
    key!(
        "not",
        Kind::Section("filter"),
        "{ exact: { type: ping } }",
        "this filter does not hold",
        |f, n, cx| f.push(Filter::Not(Box::new(filter(n, cx))))
    ),
];

/// Several keys hold together.
fn filter(n: &Node, cx: &mut Cx) -> Filter {
    let mut all = Vec::new();
    cx.section("filter", n, FILTER, &mut all);
    match <[Filter; 1]>::try_from(all) {
        Ok([one]) => one,
        Err(all) => Filter::All(all),
    }
}

fn is_attribute(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !name.is_empty() && name.len() <= 64 && name.bytes().all(good)
}

fn bad_attribute(n: &Node, cx: &mut Cx, name: &str) {
    let what = format!("`{name}` is no attribute of a CloudEvent");
    cx.error(n, "config-value", what).help =
        "use lower-case letters and digits, such as `type`, `source` or `subject`".into();
}

fn attribute(n: &Node, cx: &mut Cx) -> Option<String> {
    let name = cx.text(n)?;
    if !is_attribute(&name) {
        bad_attribute(n, cx, &name);
        return None;
    }
    Some(name)
}

fn attributes(n: &Node, cx: &mut Cx) -> Vec<(String, String)> {
    let pairs = cx.texts(n);
    for (name, _) in pairs.iter().filter(|(name, _)| !is_attribute(name)) {
        bad_attribute(n, cx, name);
    }
    pairs
}

pub(super) fn path(n: &Node, cx: &mut Cx) -> Option<String> {
    let path = cx.text(n)?;
    let good = |b: u8| (0x21..0x7f).contains(&b) && b != b'#';
    if !path.starts_with('/') || path.len() > 1024 || !path.bytes().all(good) {
        let what = format!("`{}` is no path of a request", path.escape_debug());
        cx.error(n, "config-value", what).help = "write one like `/hooks/orders`".into();
        return None;
    }
    Some(path)
}

fn origin(n: &Node, cx: &mut Cx) -> Option<String> {
    let origin = cx.text(n)?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':');
    if origin.is_empty() || origin.len() > 255 || !origin.bytes().all(good) {
        let what = format!("`{}` is no origin", origin.escape_debug());
        cx.error(n, "config-value", what).help =
            "write a name of yours, such as `events.example.com`".into();
        return None;
    }
    Some(origin)
}

/// `None`: something is missing or wrong, and was told.
fn subscription(name: &str, n: &Node, cx: &mut Cx) -> Option<Subscription> {
    let (mut s, before) = (Subscribed::named(name), cx.findings.len());
    cx.section(&format!("subscriptions.{name}"), n, SUBSCRIPTION, &mut s);
    if cx.findings.len() > before && n.entries().is_empty() {
        return None;
    }
    let ways = [s.service.is_some(), s.webhook.is_some(), s.pull, s.stream];
    if ways.iter().filter(|w| **w).count() != 1 {
        let what = format!("`{name}` must get its events in one way");
        cx.error(n, "config-subscription", what).help =
            "give one of `to: SERVICE`, `webhook: { … }`, `pull: true` and `sse: true`".into();
        return None;
    }
    let mut rest = s.rest;
    rest.attempts = s.attempts.unwrap_or(rest.attempts);
    rest.to = match (s.service, s.webhook) {
        (Some(service), _) => Receiver::Service {
            service,
            path: s.path,
        },
        (_, Some(endpoint)) => {
            if s.attempts.is_some() {
                let what = "a webhook is tried as often as `retry` has steps";
                cx.error(n, "config-subscription", what).help =
                    "leave `attempts` out, and write `webhook: { retry: [0s, 5s, …] }`".into();
            }
            rest.attempts = endpoint.retry.len() as u32;
            Receiver::Webhook(endpoint)
        }
        _ if s.pull => Receiver::Pull,
        _ => Receiver::Stream,
    };
    Some(rest)
}
