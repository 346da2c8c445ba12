//! The same samples, the same questions: what Prometheus answers, and what we answer.

use past::promql::{Labels, Steps, Value, answer, is_there};
use past::{Bounds, Past, Series, metric};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Write;

const START: u64 = 1_700_000_100_000;
const SLOT: u64 = 10_000;
/// Four hours: an hour of coarse slots, then fine ones.
const SLOTS: u64 = 4 * 360;

/// Numbers that look like chance and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Two routes whose traffic varies, one of which begins late, and a break of seven minutes in which nobody counted.
fn past() -> Past {
    let mut past = Past::new(Bounds {
        counts_ms: 35 * 86_400_000,
        buckets_ms: 3 * 86_400_000,
        bytes: 64 << 20,
    });
    let mut chance = Chance(7);
    for slot in (1..=SLOTS).filter(|s| !(900..942).contains(s)) {
        let mut counts = Vec::new();
        for (route, from) in [("a", 0), ("b", 500)] {
            if slot < from {
                continue;
            }
            for (status, most) in [("2xx", 900), ("4xx", 20), ("5xx", 5)] {
                let of = Series::new(&metric::REQUESTS, &[route, "base", status]);
                counts.push((of, chance.below(most)));
            }
            for _ in 0..12 {
                let part = chance.below(100) as usize;
                let of = Series::new(&metric::DURATIONS, &[route, "base"]).of_part(part);
                counts.push((of, 1 + chance.below(30)));
            }
            let of = Series::new(&metric::DURATION_SUM, &[route, "base"]);
            counts.push((of, chance.below(9_000_000)));
        }
        counts.sort();
        counts.dedup_by(|a, b| {
            let same = a.0 == b.0;
            b.1 += if same { a.1 } else { 0 };
            same
        });
        past.push(START + slot * SLOT, counts);
    }
    past
}

/// Every sample, as OpenMetrics.
fn samples(past: &Past) -> String {
    let times = past.times(0, i64::MAX);
    let mut out = String::new();
    for group in past.groups() {
        for found in past.read(&group, &times) {
            let labels = found.labels.iter().map(|l| format!("{}={:?}", l.0, l.1));
            let labels = labels.collect::<Vec<_>>().join(",");
            for (value, at) in found.values.iter().zip(&times.at_ms[found.first..]) {
                let at = *at as f64 / 1000.0;
                let _ = writeln!(out, "{}{{{labels}}} {value} {at}", found.name);
            }
        }
    }
    out + "# EOF\n"
}

const EXPRESSIONS: &[&str] = &[
    "plimsoll_requests_total",
    "plimsoll_requests_total{route=\"a\",status!~\"4..\"}",
    "{__name__=~\"plimsoll_request.*_sum\",route!=\"\"}",
    "rate(plimsoll_requests_total[11m])",
    "increase(plimsoll_requests_total{status=\"2xx\"}[17m])",
    "irate(plimsoll_requests_total[15m] offset 7m)",
    "delta(plimsoll_requests_total[20m])",
    "sum by (route) (rate(plimsoll_requests_total[12m]))",
    "sum without (arm, status) (increase(plimsoll_requests_total[1h]))",
    "avg(rate(plimsoll_requests_total[11m])) * 60 - 1",
    "max by (status) (plimsoll_requests_total) / 2 ^ 3 % 7",
    "min(plimsoll_requests_total) + -2",
    "count by (route) (plimsoll_requests_total > 1000)",
    "topk(2, rate(plimsoll_requests_total[13m]))",
    "bottomk(1, rate(plimsoll_requests_total[13m]))",
    "sum(rate(plimsoll_requests_total{status=\"5xx\"}[11m])) / sum(rate(plimsoll_requests_total[11m]))",
    "rate(plimsoll_requests_total{status=\"5xx\"}[11m]) / on (route) sum by (route) (rate(plimsoll_requests_total[11m]))",
    "rate(plimsoll_requests_total{status=\"5xx\"}[11m]) / ignoring (status) sum without (status) (rate(plimsoll_requests_total[11m]))",
    "histogram_quantile(0.99, sum by (le) (rate(plimsoll_request_duration_seconds_bucket[11m])))",
    "histogram_quantile(0.5, rate(plimsoll_request_duration_seconds_bucket[12m]))",
    "histogram_quantile(1.5, rate(plimsoll_request_duration_seconds_bucket[12m]))",
    "rate(plimsoll_request_duration_seconds_sum[11m]) / ignoring (status) sum without (status) (rate(plimsoll_requests_total[11m]))",
    "sum_over_time(plimsoll_requests_total[16m]) + avg_over_time(plimsoll_requests_total[16m])",
    "max_over_time(plimsoll_requests_total[16m]) - min_over_time(plimsoll_requests_total[16m])",
    "count_over_time(plimsoll_requests_total[16m])",
    "last_over_time(plimsoll_requests_total[16m])",
    "plimsoll_requests_total{status=\"2xx\"} and on (route) plimsoll_requests_total{status=\"5xx\"} > 500",
    "plimsoll_requests_total{status=\"2xx\"} unless plimsoll_requests_total{route=\"b\"}",
    "plimsoll_requests_total{route=\"a\"} or plimsoll_requests_total{status=\"2xx\"}",
    "plimsoll_requests_total == bool 0",
    "clamp_max(round(rate(plimsoll_requests_total[11m]), 0.5), 20)",
    "floor(sqrt(plimsoll_requests_total)) != 3",
    "scalar(sum(plimsoll_requests_total)) - time()",
    "vector(1) + vector(1)",
    "1 + 2 * 3",
];

type Points = BTreeMap<i64, f64>;

fn ours(past: &Past, query: &str, steps: Steps) -> BTreeMap<Labels, Points> {
    let answer = answer(past, query, steps).unwrap_or_else(|e| panic!("{query}: {e}"));
    assert_eq!(answer.warnings, [""; 0], "{query}");
    let points = |values: &[f64]| -> Points {
        let there = values.iter().zip(steps.all()).filter(|v| is_there(*v.0));
        there.map(|(v, at)| (at, *v)).collect()
    };
    match answer.value {
        Value::Scalar(values) => [(Vec::new(), points(&values))].into(),
        Value::Vector(lines) => (lines.into_iter())
            .map(|mut l| {
                l.labels.extend(l.name.map(|n| ("__name__".to_owned(), n)));
                l.labels.sort();
                (l.labels, points(&l.values))
            })
            .collect(),
    }
}

fn theirs(body: &str) -> BTreeMap<Labels, Points> {
    let said: Json = serde_json::from_str(body).unwrap();
    assert_eq!(said["status"], "success", "{said}");
    let line = |r: &Json| {
        let metric = r["metric"].as_object().unwrap();
        let labels: Labels = (metric.iter())
            .map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned()))
            .collect();
        let point = |p: &Json| {
            let at = (p[0].as_f64().unwrap() * 1000.0).round() as i64;
            (at, p[1].as_str().unwrap().parse().unwrap())
        };
        let points = r["values"].as_array().unwrap().iter().map(point);
        (labels, points.collect())
    };
    said["data"]["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

#[test]
fn we_answer_as_prometheus_does() {
    let past = past();
    let Some(server) = peers::there(peers::Prometheus::holding(&samples(&past))) else {
        return;
    };
    let end = (START + (SLOTS + 20) * SLOT) as i64;
    let mut values = 0;
    // At odd times, and at the ends of slots.
    for (begin, step) in [(1_203_456, 97_000), (1_200_000, 300_000)] {
        let steps = Steps::new(START as i64 + begin, end, step).unwrap();
        values += EXPRESSIONS
            .iter()
            .map(|query| compared(&past, &server, query, steps))
            .sum::<usize>();
    }
    assert!(values > 10_000, "only {values} values were compared");
}

/// How many values are the same; the first that is not ends the test.
fn compared(past: &Past, server: &peers::Prometheus, query: &str, steps: Steps) -> usize {
    let target = format!(
        "/api/v1/query_range?query={}&start={}&end={}&step={}",
        encoded(query),
        steps.start_ms as f64 / 1000.0,
        steps.end_ms as f64 / 1000.0,
        steps.step_ms / 1000
    );
    let ours = ours(past, query, steps);
    let theirs = theirs(&server.get(&target).unwrap());
    let named = |all: &BTreeMap<Labels, Points>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(named(&ours), named(&theirs), "{query}");
    let mut values = 0;
    for (labels, points) in theirs {
        let mine = &ours[&labels];
        assert_eq!(mine.len(), points.len(), "{query} {labels:?}");
        for (at, value) in points {
            let own = mine[&at];
            let near = (own - value).abs() <= 1e-9 * value.abs().max(1e-9);
            assert!(
                near || own == value || (own.is_nan() && value.is_nan()),
                "{query} {labels:?} at {at}: {own}, and Prometheus says {value}"
            );
            values += 1;
        }
    }
    values
}
