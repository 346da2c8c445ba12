//! A real Prometheus scrapes the binary; both are asked the same.

use super::{ROUTE, ask, now_ms, request};
use crate::stage::Stage;
use serde_json::Value;

/// Asked of both for one moment; answers may differ by as much as comes within a scrape and the end of a slot.
const SAME: &[&str] = &[
    "sum(plimsoll_requests_total)",
    "sum by (route, arm, status) (plimsoll_requests_total)",
    "plimsoll_request_duration_seconds_count",
    "sum by (le) (plimsoll_request_duration_seconds_bucket)",
    "histogram_quantile(0.5, sum by (le) (plimsoll_request_duration_seconds_bucket))",
    "sum(plimsoll_attempts_total) / sum(plimsoll_requests_total)",
    "plimsoll_request_duration_seconds_sum / plimsoll_request_duration_seconds_count",
];

fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

/// Labels without those that scraping adds, and the last value of a range.
fn values(told: &Value) -> Vec<(String, f64)> {
    assert_eq!(told["status"], "success", "{told}");
    let line = |r: &Value| {
        let mut labels = r["metric"].as_object().unwrap().clone();
        ["instance", "job"]
            .iter()
            .for_each(|l| drop(labels.remove(*l)));
        let last = r["values"].as_array().unwrap().last().unwrap();
        let value = last[1].as_str().unwrap().parse().unwrap();
        (serde_json::to_string(&labels).unwrap(), value)
    };
    let mut all: Vec<_> = told["data"]["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn prometheus_scrapes_openmetrics_with_exemplars_and_both_answer_the_same() {
    let mut stage = Stage::new(ROUTE);
    stage.start();
    let Some(server) = peers::there(peers::Prometheus::scraping(stage.console)) else {
        return;
    };
    for _ in 0..200 {
        request(stage.listen);
    }
    // Nothing comes any more: both know all of it when a scrape and a slot have ended.
    let total = |told: Option<Value>| {
        let told = told?;
        told["data"]["result"][0]["value"][1]
            .as_str()?
            .parse::<f64>()
            .ok()
    };
    let query = format!("/api/v1/query?query={}", encoded(SAME[0]));
    let theirs = || serde_json::from_str(&server.get(&query).ok()?).ok();
    stage.wait("the same total", |s| {
        let (ours, theirs) = (total(ask(s, &query)), total(theirs()));
        (ours == Some(200.0) && theirs == Some(200.0)).then_some(())
    });
    // The whole second after all of it.
    let end = now_ms() / 1000 + 1;
    let start = end - 4;
    for query in SAME {
        let target = format!(
            "/api/v1/query_range?query={}&start={start}&end={end}&step=1",
            encoded(query)
        );
        let ours = values(&ask(&stage, &target).unwrap());
        let theirs = values(&serde_json::from_str(&server.get(&target).unwrap()).unwrap());
        let labels = |all: &[(String, f64)]| all.iter().map(|l| l.0.clone()).collect::<Vec<_>>();
        assert_eq!(labels(&ours), labels(&theirs), "{query}");
        for ((labels, own), (_, value)) in ours.iter().zip(&theirs) {
            // Sums of seconds are kept in microseconds.
            let near = (own - value).abs() <= 1e-4 * value.abs().max(1e-2);
            assert!(near, "{query} {labels}: {own}, and Prometheus says {value}");
        }
    }
    let exemplars = stage.wait("an exemplar", |_| {
        let target = format!(
            "/api/v1/query_exemplars?query=plimsoll_request_duration_seconds_bucket&start={}&end={}",
            start - 60,
            end + 60
        );
        server.get(&target).ok().filter(|a| a.contains("trace_id"))
    });
    assert!(
        exemplars.contains("0123456789abcdef0123456789abcdef"),
        "{exemplars}"
    );
    let page = stage.console_get("/metrics").unwrap();
    let (head, page) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let (fine, said) = peers::promtool(&["check", "metrics"], page).unwrap();
    assert!(fine, "promtool: {said}");
}
