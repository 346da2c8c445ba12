//! What can wait comes twelve times as often: do those who matter notice?

use super::Stage;
use super::clients::{Class, Patience, Phase, drive, quantile_ms};
use super::contenders::{Contender, Measured, each, haproxy, nginx, plimsoll};
use super::envoy;
use super::origin::{Plan, Work};
use super::page::Section;
use std::net::SocketAddr;
use std::time::Duration;

const CRITICAL: f64 = 150.0;
const OTHERS: f64 = 60.0;
const SPIKE: f64 = 12.0;
const OBJECTIVE: Duration = Duration::from_millis(500);
const LEAST: f64 = 0.999;

const STORY: &str = "Capacity 400/s (two instances of four slots, 20 ms). Critical requests come at 150/s; those that can wait rise from 60/s to 720/s
at once, for 30 s. Good is within 500 ms; nobody tries again. Target: 99.9 % of the critical ones are good.";

const COLUMNS: &[&str] = &["critical, good", "critical p99", "others, good"];

const YAML: &str = "identity: { user: x-user-id, criticality: x-criticality }\n\
                    routes:\n  all: { match: \"GET /{rest...}\", to: app, criticality: critical, slo: { latency: 500ms } }\n";

const CONTENDERS: [Contender; 4] = [
    Contender {
        name: "Plimsoll",
        how: "`limit: 8`, `shed: {}`, criticality from a header",
        start: |s, i| plimsoll(s, i, "    limit: 8\n    shed: {}\n", YAML).map(|o| o.proxy),
    },
    Contender {
        name: envoy::NAME,
        how: "two priorities by a header: at most 8 and 4 requests in flight",
        start: |s, i| envoy::start(s, i, "", PRIORITY_ROUTES, PRIORITIES),
    },
    Contender {
        name: "HAProxy",
        how: "`set-priority-class` by a header, `maxconn 4` per server, `timeout queue 250ms`",
        start: |s, i| {
            let class = "  http-request set-priority-class int(10) if { req.hdr(x-criticality) sheddable }\n";
            haproxy(s, i, class, "  timeout queue 250ms\n", "maxconn 4")
        },
    },
    Contender {
        name: "nginx",
        how: "`limit_conn` of 4 for what can wait, by a header",
        start: |s, i| {
            let http = "map $http_x_criticality $low { sheddable 1; default \"\"; } limit_conn_zone $low zone=low:1m;";
            nginx(s, i, http, "max_fails=0", "limit_conn low 4;")
        },
    },
];

const PRIORITY_ROUTES: &str = r#"{ match: { prefix: "/", headers: [ { name: x-criticality, string_match: { exact: sheddable } } ] }, route: { cluster: app, timeout: 60s } },
              { match: { prefix: "/" }, route: { cluster: app, timeout: 60s, priority: HIGH } }"#;
const PRIORITIES: &str = ", circuit_breakers: { thresholds: [ { priority: DEFAULT, max_requests: 4, max_pending_requests: 4 }, \
                          { priority: HIGH, max_requests: 8, max_pending_requests: 100 } ] }";

pub fn run(stage: &Stage<'_>) -> Result<Section, String> {
    let plan = Plan::new(2, 4, vec![Work::of("/", Duration::from_millis(20))]);
    let section = Section::new(STORY, COLUMNS);
    each(stage, section, &CONTENDERS, &plan, |_, proxy| {
        measure(proxy.address)
    })
}

fn measure(proxy: SocketAddr) -> Result<Measured, String> {
    let class = |headers| Class {
        path: "/item/{}",
        headers,
    };
    let classes = [
        class("x-user-id: u{}\r\nx-criticality: critical\r\n"),
        class("x-user-id: u{}\r\nx-criticality: sheddable\r\n"),
    ];
    let phase = |seconds, times| Phase {
        time: Duration::from_secs(seconds),
        rates: vec![CRITICAL, OTHERS * times],
    };
    let calm = phase(5, 1.0);
    let phases = [calm.clone(), phase(30, SPIKE), calm];
    let patience = Patience::once(Duration::from_secs(1));
    let done = drive(proxy, &classes, &phases, patience)?;
    let of = |class| -> Vec<_> { done.iter().copied().filter(|d| d.class == class).collect() };
    let good = |class| {
        let all = of(class);
        all.iter().filter(|d| d.good(OBJECTIVE)).count() as f64 / all.len() as f64
    };
    let cells = vec![
        format!("{:.2} %", 100.0 * good(0)),
        format!("{:.1} ms", quantile_ms(&of(0), 0.99)),
        format!("{:.0} %", 100.0 * good(1)),
    ];
    Ok((cells, Some(good(0) >= LEAST)))
}
