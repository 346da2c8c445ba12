//! Metrics and traces reach a collector that is away at first, and what comes last before a stop as well.

use crate::alerts::receiver::Receiver;
use crate::history::{ROUTE, request};
use crate::stage::{Stage, signal};
use serde_json::Value;
use std::sync::atomic::Ordering::SeqCst;

fn spans(body: &Value) -> &[Value] {
    let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array();
    spans.map_or(&[], Vec::as_slice)
}

fn metric<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    let all = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array();
    all?.iter().find(|m| m["name"] == name)
}

#[test]
fn a_collector_gets_metrics_and_traces_once_it_is_there() {
    let collector = Receiver::start(503);
    let at = collector.at;
    let mut stage = Stage::new(&format!(
        "{ROUTE}export: {{ otlp: {{ endpoint: 'http://{at}', protocol: http/json, gzip: false, interval: 1s }} }}\n\
         traces: {{ share: 100% }}\n"
    ));
    let pid = stage.start();
    request(stage.listen);
    stage.wait("both to be tried", |_| {
        Some((
            collector.last("/v1/traces")?,
            collector.last("/v1/metrics")?,
        ))
    });
    stage.wait("status", |s| {
        let said = String::from_utf8(s.ask(&["status"]).stdout).unwrap();
        said.contains("NOT TAKEN NOW: it answered 503")
            .then_some(())
    });
    request(stage.listen);
    collector.status.store(200, SeqCst);
    let told = stage.wait("spans that were taken", |s| {
        let told = crate::history::ask(s, "/api/v1/export")?;
        (told["traces"]["counts"]["sent"] == 4).then_some(told)
    });
    assert_eq!((&told["dropped"], &told["waiting"]), (&0.into(), &0.into()));
    let body = collector.last("/v1/traces").unwrap();
    let all = spans(&body);
    let client = all.iter().find(|s| s["kind"] == 3).unwrap();
    let server = all.iter().find(|s| s["kind"] == 2).unwrap();
    assert_eq!(server["traceId"], "0123456789abcdef0123456789abcdef");
    assert_eq!(
        server["parentSpanId"], "0123456789abcdef",
        "of whoever asked"
    );
    assert_eq!(server["name"], "GET /{rest...}");
    let told = server["attributes"].as_array().unwrap();
    for (key, value) in [("url.path", "/p"), ("client.address", "127.0.0.1")] {
        let of = told.iter().find(|a| a["key"] == key);
        let of = of.unwrap_or_else(|| panic!("{key}: {told:?}"));
        assert_eq!(of["value"]["stringValue"], value);
    }
    assert_eq!(client["parentSpanId"], server["spanId"]);
    let body = stage.wait("metrics with both", |_| {
        let body = collector.last("/v1/metrics")?;
        let duration = metric(&body, "http.server.request.duration")?;
        let points = &duration["histogram"]["dataPoints"];
        (points[0]["count"] == "2").then_some(body)
    });
    for name in [
        "http.client.request.duration",
        "plimsoll_requests",
        "process_resident_memory_bytes",
    ] {
        assert!(metric(&body, name).is_some(), "{name}");
    }
    let page = stage.console_get("/metrics").unwrap();
    assert!(
        page.contains("plimsoll_export_total{signal=\"traces\",fate=\"sent\"} 4"),
        "{page}"
    );

    // The last one is not lost by a stop.
    request(stage.listen);
    signal(pid, "TERM");
    stage.ended(pid);
    let bodies = collector.seen.lock().unwrap();
    let sent = bodies.iter().filter(|b| b.0 == "/v1/traces");
    let distinct: std::collections::BTreeSet<String> = sent
        .flat_map(|b| spans(&b.1).iter().map(|s| s["spanId"].to_string()))
        .collect();
    assert_eq!(distinct.len(), 6);
}
