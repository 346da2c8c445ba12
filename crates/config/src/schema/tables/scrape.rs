//! The keys of an exporter behind a resource.

use super::*;
use crate::selector::Selector;

fn selector(n: &Node, cx: &mut Cx) -> Option<Selector> {
    let text = cx.text(n)?;
    let found = Selector::parse(&text);
    if found.is_none() {
        cx.error(n, "config-value", format!("`{text}` does not name series"))
            .help = r#"write a metric's name, and labels if need be: `name{label="value"}`"#.into();
    }
    found
}

pub const SCRAPE: &[Field<Scrape>] = &[
    key!(required "url", Kind::Text, "http://127.0.0.1:9187/metrics", "in Prometheus' text format, read once a second", |s, n, cx| {
        let Some(url) = cx.text(n) else { return };
        if url.strip_prefix("http://").is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            cx.error(n, "config-value", format!("`{url}` is not an address that can be read")).help = "write it like `http://127.0.0.1:9187/metrics`; https is not read".into();
        }
        s.url = url;
    }),
    key!(
        "busy",
        Kind::Text,
        "redis_cpu_user_seconds_total",
        "a counter of what is used, in seconds of one server, core or slot",
        |s, n, cx| s.busy = selector(n, cx)
    ),
    key!(
        "scale",
        Kind::Number,
        "0.001",
        "one unit of `busy` in seconds; 1 when left out",
        |s, n, cx| s.scale = cx.number(n)
    ),
    key!(
        "level",
        Kind::Text,
        "'pg_stat_activity_count{state=\"active\"}'",
        "a gauge of what is in use now: slots, bytes",
        |s, n, cx| s.level = selector(n, cx)
    ),
    key!(
        "waiting",
        Kind::Text,
        "'pg_stat_activity_count{wait_event_type=\"Lock\"}'",
        "a gauge of those who wait now",
        |s, n, cx| s.waiting = selector(n, cx)
    ),
    key!(
        "capacity",
        Kind::Text,
        "pg_settings_max_connections",
        "a gauge of what there is",
        |s, n, cx| s.capacity = selector(n, cx)
    ),
];
