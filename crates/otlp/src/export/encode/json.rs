//! The same in JSON: names in lowerCamelCase, numbers of 64 bits as text, ids in hexadecimal.

use super::super::message::{
    Attributes, Data, Exemplar, Metric, Point, Resource, Sent, Spread, Value,
};
use super::{CUMULATIVE, SCHEMA, SCOPE};
use serde_json::{Value as Json, json};
use std::borrow::Cow;

pub fn traces(resource: &Resource, spans: &[Sent]) -> Vec<u8> {
    let spans: Vec<Json> = spans.iter().map(span).collect();
    whole("Spans", "spans", resource, spans)
}

pub fn metrics(resource: &Resource, metrics: &[Metric], time: (u64, u64)) -> Vec<u8> {
    let all: Vec<Json> = metrics.iter().map(|m| metric(m, time)).collect();
    whole("Metrics", "metrics", resource, all)
}

fn whole(signal: &str, what: &str, resource: &Resource, all: Vec<Json>) -> Vec<u8> {
    let scoped = json!({
        "scope": { "name": SCOPE, "version": resource.version },
        "schemaUrl": SCHEMA,
        what: all,
    });
    let of = json!({
        "resource": { "attributes": attributes(&resource.attributes) },
        "schemaUrl": SCHEMA,
        (format!("scope{signal}")): [scoped],
    });
    let request = json!({ (format!("resource{signal}")): [of] });
    request.to_string().into_bytes()
}

fn attributes(all: &Attributes) -> Json {
    let pair = |(key, v): &(Cow<'static, str>, Value)| {
        let value = match v {
            Value::Text(t) => json!({ "stringValue": t }),
            Value::Flag(b) => json!({ "boolValue": b }),
            Value::Whole(n) => json!({ "intValue": n.to_string() }),
            Value::Real(x) => json!({ "doubleValue": x }),
        };
        json!({ "key": key, "value": value })
    };
    all.iter().map(pair).collect()
}

fn span(s: &Sent) -> Json {
    let mut span = json!({
        "traceId": format!("{:032x}", s.trace),
        "spanId": format!("{:016x}", s.id),
        "name": s.name,
        "kind": s.kind,
        "startTimeUnixNano": s.start.to_string(),
        "endTimeUnixNano": s.end.to_string(),
        "attributes": attributes(&s.attributes),
    });
    if s.parent > 0 {
        span["parentSpanId"] = format!("{:016x}", s.parent).into();
    }
    if s.is_error {
        span["status"] = json!({ "code": 2 });
    }
    span
}

fn metric(m: &Metric, time: (u64, u64)) -> Json {
    let mut metric = json!({ "name": m.name, "description": m.help, "unit": m.unit });
    let numbers = |points: &[Point], start| -> Vec<Json> {
        points.iter().map(|p| number(p, (start, time.1))).collect()
    };
    match &m.data {
        Data::Gauge(points) => metric["gauge"] = json!({ "dataPoints": numbers(points, 0) }),
        Data::Sum(points) => {
            metric["sum"] = json!({
                "dataPoints": numbers(points, time.0),
                "aggregationTemporality": CUMULATIVE,
                "isMonotonic": true,
            });
        }
        Data::Histogram(spreads) => {
            let points: Vec<Json> = spreads.iter().map(|s| spread(s, time)).collect();
            metric["histogram"] =
                json!({ "dataPoints": points, "aggregationTemporality": CUMULATIVE });
        }
    }
    metric
}

fn number(p: &Point, (start, now): (u64, u64)) -> Json {
    let mut point = json!({
        "timeUnixNano": now.to_string(),
        "asDouble": p.value,
        "attributes": attributes(&p.attributes),
    });
    if start > 0 {
        point["startTimeUnixNano"] = start.to_string().into();
    }
    point
}

fn spread(s: &Spread, (start, now): (u64, u64)) -> Json {
    let counts: Vec<String> = s.counts.iter().map(u64::to_string).collect();
    let exemplars: Vec<Json> = s.exemplars.iter().map(exemplar).collect();
    json!({
        "startTimeUnixNano": start.to_string(),
        "timeUnixNano": now.to_string(),
        "count": s.counts.iter().sum::<u64>().to_string(),
        "sum": s.sum,
        "bucketCounts": counts,
        "explicitBounds": s.bounds,
        "exemplars": exemplars,
        "attributes": attributes(&s.attributes),
    })
}

fn exemplar(e: &Exemplar) -> Json {
    json!({
        "timeUnixNano": e.at.to_string(),
        "asDouble": e.value,
        "spanId": format!("{:016x}", e.span),
        "traceId": format!("{:032x}", e.trace),
    })
}
