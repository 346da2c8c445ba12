//! The messages of `opentelemetry/proto/{trace,metrics,common,resource}/v1` in protobuf.

use super::super::message::{
    Attributes, Data, Exemplar, Metric, Point, Resource, Sent, Spread, Value,
};
use super::{CUMULATIVE, SCHEMA, SCOPE};
use crate::decode::Writer;

pub fn traces(resource: &Resource, spans: &[Sent]) -> Vec<u8> {
    let spans = spans.iter().map(span);
    whole(resource, spans)
}

pub fn metrics(resource: &Resource, metrics: &[Metric], time: (u64, u64)) -> Vec<u8> {
    whole(resource, metrics.iter().map(|m| metric(m, time)))
}

/// Resource, scope and what is in it have the same numbers for all signals.
fn whole(resource: &Resource, all: impl Iterator<Item = Writer>) -> Vec<u8> {
    let scope = Writer::default()
        .bytes(1, SCOPE.as_bytes())
        .bytes(2, resource.version.as_bytes());
    let scoped = Writer::default().bytes(1, &scope.out);
    let scoped = all.fold(scoped, |w, one| w.bytes(2, &one.out));
    let scoped = scoped.bytes(3, SCHEMA.as_bytes());
    let of = attributes(Writer::default(), 1, &resource.attributes);
    let all = Writer::default()
        .bytes(1, &of.out)
        .bytes(2, &scoped.out)
        .bytes(3, SCHEMA.as_bytes());
    Writer::default().bytes(1, &all.out).out
}

fn attributes(to: Writer, field: u64, all: &Attributes) -> Writer {
    all.iter().fold(to, |w, (key, v)| {
        let pair = Writer::default().bytes(1, key.as_bytes());
        w.bytes(field, &pair.message(2, &value(v).out).out)
    })
}

fn value(v: &Value) -> Writer {
    match v {
        Value::Text(t) => Writer::default().message(1, t.as_bytes()),
        Value::Flag(b) => Writer::default().always(2, u64::from(*b)),
        Value::Whole(n) => Writer::default().always(3, *n as u64),
        Value::Real(x) => Writer::default().fixed(4, x.to_bits()),
    }
}

fn span(s: &Sent) -> Writer {
    let mut w = Writer::default()
        .bytes(1, &s.trace.to_be_bytes())
        .bytes(2, &s.id.to_be_bytes());
    if s.parent > 0 {
        w = w.bytes(4, &s.parent.to_be_bytes());
    }
    w = w
        .bytes(5, s.name.as_bytes())
        .number(6, s.kind.into())
        .fixed(7, s.start)
        .fixed(8, s.end);
    w = attributes(w, 9, &s.attributes);
    match s.is_error {
        true => w.bytes(15, &Writer::default().number(3, 2).out),
        false => w,
    }
}

fn metric(m: &Metric, time: (u64, u64)) -> Writer {
    let w = Writer::default()
        .bytes(1, m.name.as_bytes())
        .bytes(2, m.help.as_bytes())
        .bytes(3, m.unit.as_bytes());
    match &m.data {
        Data::Gauge(points) => w.bytes(5, &numbers(points, (0, time.1)).out),
        Data::Sum(points) => {
            let sum = numbers(points, time).number(2, CUMULATIVE).number(3, 1);
            w.bytes(7, &sum.out)
        }
        Data::Histogram(spreads) => {
            let add = |w: Writer, s: &Spread| w.bytes(1, &spread(s, time).out);
            let all = spreads.iter().fold(Writer::default(), add);
            w.bytes(9, &all.number(2, CUMULATIVE).out)
        }
    }
}

/// A start of 0 says that there is none.
fn times((start, now): (u64, u64)) -> Writer {
    let w = Writer::default();
    let w = if start > 0 { w.fixed(2, start) } else { w };
    w.fixed(3, now)
}

fn numbers(points: &[Point], time: (u64, u64)) -> Writer {
    points.iter().fold(Writer::default(), |w, p| {
        let point = times(time).fixed(4, p.value.to_bits());
        w.bytes(1, &attributes(point, 7, &p.attributes).out)
    })
}

fn spread(s: &Spread, time: (u64, u64)) -> Writer {
    let counts: Vec<u8> = s.counts.iter().flat_map(|n| n.to_le_bytes()).collect();
    let bounds: Vec<u8> = s.bounds.iter().flat_map(|b| b.to_le_bytes()).collect();
    let w = times(time)
        .fixed(4, s.counts.iter().sum())
        .fixed(5, s.sum.to_bits())
        .bytes(6, &counts)
        .bytes(7, &bounds);
    let w = s
        .exemplars
        .iter()
        .fold(w, |w, e| w.bytes(8, &exemplar(e).out));
    attributes(w, 9, &s.attributes)
}

fn exemplar(e: &Exemplar) -> Writer {
    Writer::default()
        .fixed(2, e.at)
        .fixed(3, e.value.to_bits())
        .bytes(4, &e.span.to_be_bytes())
        .bytes(5, &e.trace.to_be_bytes())
}
