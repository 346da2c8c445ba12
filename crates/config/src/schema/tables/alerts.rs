//! The keys of `alerts`.

use super::*;

pub const ALERTS: &[Field<Alerts>] = &[
    key!(
        "alertmanager",
        Kind::Section("alertmanager"),
        "{ urls: ['http://alertmanager.internal:9093'] }",
        "alerts are sent to Prometheus' Alertmanager",
        |a, n, cx| {
            let mut told = Alertmanager::default();
            cx.section("alerts.alertmanager", n, ALERTMANAGER, &mut told);
            a.alertmanager = Some(told);
        }
    ),
    key!(
        "pagerduty",
        Kind::Section("pagerduty"),
        "{ routing_key: { env: PAGERDUTY_KEY } }",
        "alerts become events of PagerDuty (Events API v2)",
        |a, n, cx| {
            let mut told = PagerDuty::default();
            cx.section("alerts.pagerduty", n, PAGERDUTY, &mut told);
            a.pagerduty = Some(told);
        }
    ),
    key!(
        "webhook",
        Kind::Section("webhook"),
        "{ url: 'https://hooks.example.com/plimsoll' }",
        "alerts are posted in the form of Alertmanager's webhooks (version 4)",
        |a, n, cx| {
            let mut told = Webhook::default();
            cx.section("alerts.webhook", n, WEBHOOK, &mut told);
            a.webhook = Some(told);
        }
    ),
    key!(
        "link",
        Kind::Text,
        "https://plimsoll.internal:9400",
        "where people find this console; goes with every alert",
        |a, n, cx| a.link = address(n, cx)
    ),
];

pub const ALERTMANAGER: &[Field<Alertmanager>] = &[
    key!(required "urls", Kind::ListOf(&Kind::Text), "['http://am-1:9093', 'http://am-2:9093']", "of every Alertmanager of the cluster; 8 at most", |a, n, cx| {
        a.urls = cx.list(n, |cx, n| address(n, cx));
        if a.urls.is_empty() || a.urls.len() > MAX_ALERTMANAGERS {
            cx.error(n, "config-value", format!("give from 1 to {MAX_ALERTMANAGERS} addresses"))
                .help = "write `urls: ['http://alertmanager.internal:9093']`".into();
            a.urls.truncate(MAX_ALERTMANAGERS);
        }
    }),
    key!(
        "token",
        Kind::Secret,
        "{ file: /run/secrets/alertmanager }",
        "sent as `Authorization: Bearer`, by `{ env: NAME }` or `{ file: PATH }`",
        |a, n, cx| a.token = secret_elsewhere(n, cx)
    ),
];

pub const PAGERDUTY: &[Field<PagerDuty>] = &[
    key!(required "routing_key", Kind::Secret, "{ env: PAGERDUTY_KEY }", "the integration's key, by `{ env: NAME }` or `{ file: PATH }`", |p, n, cx| p.routing_key = secret_elsewhere(n, cx)),
    key!(
        "url" = "https://events.pagerduty.com/v2/enqueue",
        Kind::Text,
        "https://events.eu.pagerduty.com/v2/enqueue",
        "where events are sent",
        |p, n, cx| put!(p.url, address(n, cx))
    ),
];

pub const WEBHOOK: &[Field<Webhook>] = &[
    key!(required "url", Kind::Secret, "{ env: HOOK_URL }", "where alerts are posted; one that lets in whoever knows it by `{ env: NAME }` or `{ file: PATH }`", |w, n, cx| {
        w.url = cx.secret(n);
        if let Some(Secret::Text(_)) = &w.url {
            address(n, cx);
        }
    }),
    key!(
        "token",
        Kind::Secret,
        "{ file: /run/secrets/hook }",
        "sent as `Authorization: Bearer`, by `{ env: NAME }` or `{ file: PATH }`",
        |w, n, cx| w.token = secret_elsewhere(n, cx)
    ),
];

/// An address of the web, without what would not be kept secret there.
pub(super) fn address(n: &Node, cx: &mut Cx) -> Option<String> {
    let text = cx.text(n)?;
    let web = text.starts_with("http://") || text.starts_with("https://");
    if !web || text.contains(char::is_whitespace) || crate::secret::has_password(&text) {
        let what = format!("`{}` is not an address to call", crate::secret::mask(&text));
        cx.error(n, "config-value", what).help =
            "write one like `https://hooks.example.com/plimsoll`, without a password".into();
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}
