//! The keys of a route's `publish`.

use super::*;
use crate::Pattern;

pub const PUBLISH: &[Field<Publish>] = &[
    key!(required
        "topic",
        Kind::Text,
        "orders",
        "name of one of the `topics`",
        |p, n, cx| put!(p.topic, cx.text(n))
    ),
    key!(
        "type" = "plimsoll.{route}",
        Kind::Text,
        "order.placed",
        "of an event that does not say it itself; `{route}`, `{method}`, `{path}`, names in the route's path and `{header.NAME}` are filled in",
        |p, n, cx| put!(p.kind, pattern(n, cx))
    ),
    key!(
        "source" = "/routes/{route}",
        Kind::Text,
        "/shop",
        "likewise; a URI",
        |p, n, cx| put!(p.source, pattern(n, cx))
    ),
    key!(
        "subject",
        Kind::Text,
        "order/{id}",
        "likewise; none when left out, or when nothing is filled in",
        |p, n, cx| p.subject = pattern(n, cx)
    ),
    key!(
        "cloudevents" = "true",
        Kind::Flag,
        "false",
        "a request that is a CloudEvent (`ce-` headers, or structured) is taken as it is; `false`: clients only bring data, and say nothing else of the event",
        |p, n, cx| put!(p.cloudevents, cx.flag(n))
    ),
];

/// The name of a topic, or a section.
pub(super) fn read(n: &Node, cx: &mut Cx) -> Option<Publish> {
    let mut publish = Publish::to("");
    match n.text().filter(|t| !t.is_empty()) {
        Some(topic) => publish.topic = topic.to_owned(),
        None => cx.section("routes.publish", n, PUBLISH, &mut publish),
    }
    Some(publish)
}

fn pattern(n: &Node, cx: &mut Cx) -> Option<Pattern> {
    let text = cx.text(n)?;
    match Pattern::parse(&text) {
        Ok(pattern) => Some(pattern),
        Err(what) => {
            cx.error(n, "config-value", what).help = "write it like `order/{id}`".into();
            None
        }
    }
}
