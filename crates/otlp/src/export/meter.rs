//! Durations of requests and attempts under the names of the semantic conventions (1.44), counted since the start.

use super::message::{Attributes, Data, Exemplar, Metric, Spread, text, whole};
use super::spans::{self, Words};
use base::{Arm, InstanceIx, Nanos, Outcome, RouteIx, Sample, SampleKind};
use std::collections::BTreeMap;

/// What the conventions advise for both, seconds.
const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Series of each metric; more are one, with `otel.metric.overflow`.
const SERIES: usize = 2000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    route: RouteIx,
    arm: Arm,
    instance: InstanceIx,
    method: u8,
    secure: bool,
    status: u16,
    outcome: u8,
}

struct Series {
    /// One that says the same as all.
    like: Sample,
    is_overflow: bool,
    counts: [u64; BOUNDS.len() + 1],
    sum: f64,
    /// The last request of each bucket that is kept, with its span.
    exemplars: [Option<Seen>; BOUNDS.len() + 1],
}

#[derive(Clone, Copy)]
struct Seen {
    trace: u128,
    span: u64,
    took: f64,
    end: Nanos,
}

/// Counts since the start.
#[derive(Default)]
pub struct Meter {
    requests: BTreeMap<Key, Box<Series>>,
    attempts: BTreeMap<Key, Box<Series>>,
}

/// What tells series apart. Only whether it failed counts of an outcome.
fn key(s: &Sample) -> Key {
    let outcome = match s.outcome {
        Outcome::UpstreamFailed => 1,
        Outcome::Lost => 2,
        _ => 0,
    };
    let is_request = s.kind == SampleKind::Request;
    Key {
        route: if is_request { s.route } else { RouteIx::NONE },
        arm: if is_request { s.arm } else { Arm::BASE },
        instance: s.instance,
        method: s.method,
        secure: s.secure,
        status: s.status,
        outcome,
    }
}

fn overflow() -> Key {
    Key {
        route: RouteIx::NONE,
        arm: Arm::BASE,
        instance: InstanceIx::NONE,
        method: u8::MAX,
        secure: false,
        status: 0,
        outcome: u8::MAX,
    }
}

impl Meter {
    /// `is_kept`: its trace can be found where it is sent.
    pub fn push(&mut self, s: &Sample, is_kept: bool) {
        if s.outcome == Outcome::Stream || s.behind {
            return;
        }
        let all = match s.kind {
            SampleKind::Request => &mut self.requests,
            SampleKind::Attempt => &mut self.attempts,
        };
        let mut key = key(s);
        if all.len() >= SERIES && !all.contains_key(&key) {
            key = overflow();
        }
        let series = all.entry(key).or_insert_with(|| {
            Box::new(Series {
                like: *s,
                is_overflow: key == overflow(),
                counts: [0; BOUNDS.len() + 1],
                sum: 0.0,
                exemplars: [None; BOUNDS.len() + 1],
            })
        });
        let took = s.seconds();
        let bucket = BOUNDS.partition_point(|b| *b < took);
        series.counts[bucket] += 1;
        series.sum += took;
        if is_kept {
            series.exemplars[bucket] = Some(Seen {
                trace: s.trace,
                span: spans::root(s),
                took,
                end: s.end,
            });
        }
    }

    /// Everything counted, for one request of OTLP.
    pub fn metrics(&self, words: &Words<'_>) -> Vec<Metric> {
        let of = |name: &str, help: &str, all: &BTreeMap<Key, Box<Series>>| Metric {
            name: name.into(),
            unit: "s",
            help: help.into(),
            data: Data::Histogram(all.values().map(|s| s.spread(words)).collect()),
        };
        let all = [
            of(
                "http.server.request.duration",
                "Duration of HTTP server requests.",
                &self.requests,
            ),
            of(
                "http.client.request.duration",
                "Duration of HTTP client requests: the tries against instances.",
                &self.attempts,
            ),
        ];
        all.into_iter().filter(|m| m.data.points() > 0).collect()
    }
}

impl Series {
    fn spread(&self, words: &Words<'_>) -> Spread {
        let exemplar = |s: &Seen| Exemplar {
            trace: s.trace,
            span: s.span,
            value: s.took,
            at: words.at(s.end),
        };
        Spread {
            attributes: self.attributes(words),
            sum: self.sum,
            bounds: BOUNDS.to_vec(),
            counts: self.counts.to_vec(),
            exemplars: self.exemplars.iter().flatten().map(exemplar).collect(),
        }
    }

    fn attributes(&self, words: &Words<'_>) -> Attributes {
        let s = &self.like;
        let mut a = Vec::with_capacity(8);
        if self.is_overflow {
            let flag = super::message::Value::Flag(true);
            return vec![("otel.metric.overflow".into(), flag)];
        }
        text(&mut a, "http.request.method", spans::method(s));
        if s.kind == SampleKind::Request {
            let (route, template) = words.route(s);
            text(&mut a, "http.route", template);
            text(&mut a, "url.scheme", spans::scheme(s));
            if s.status > 0 {
                whole(&mut a, "http.response.status_code", s.status);
            }
            text(&mut a, "error.type", spans::error(s));
            text(&mut a, "plimsoll.route", route);
            text(&mut a, "plimsoll.arm", spans::arm(s.arm));
            return a;
        }
        let (service, host, port) = words.instance(s);
        text(&mut a, "server.address", host);
        if let Some(port) = port {
            whole(&mut a, "server.port", port);
        }
        if let Some(status) = spans::attempt_status(s) {
            whole(&mut a, "http.response.status_code", status);
        }
        text(&mut a, "error.type", spans::attempt_error(s));
        text(&mut a, "plimsoll.service", service);
        a
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Value;
    use super::*;
    use base::Names;
    use std::collections::HashMap;

    #[test]
    fn series_are_told_apart_within_a_bound_and_show_traces_that_are_kept() {
        let names = Names::default();
        let (route, templates) = (names.routes.intern("r"), HashMap::new());
        let words = Words {
            names: &names,
            templates: &templates,
            zero: 100,
        };
        let mut meter = Meter::default();
        let mut s = Sample::new(SampleKind::Request, route, Nanos(0));
        (s.status, s.method, s.trace) = (200, 0, 9);
        s.end = Nanos(20_000_000);
        meter.push(&s, false);
        meter.push(&s, true);
        s.status = 503;
        meter.push(&s, false);
        s.outcome = Outcome::Stream;
        meter.push(&s, true);
        let all = meter.metrics(&words);
        let [Metric { name, data, .. }] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!(name, "http.server.request.duration");
        let Data::Histogram(points) = data else {
            panic!()
        };
        assert_eq!(points.len(), 2);
        assert_eq!((points[0].counts[2], points[0].counts.len()), (2, 15));
        assert!((points[0].sum - 0.04).abs() < 1e-9);
        let shown = points[0].exemplars.as_slice();
        assert_eq!(
            (shown.len(), shown[0].trace, shown[0].at),
            (1, 9, 20_000_100)
        );
        let failed = ("error.type".into(), Value::Text("503".into()));
        assert!(points[1].attributes.contains(&failed));

        let mut a = Sample::new(SampleKind::Attempt, route, Nanos(0));
        for i in 0..5000 {
            a.instance = InstanceIx(i);
            meter.push(&a, false);
        }
        let all = meter.metrics(&words);
        assert_eq!(all[1].data.points(), SERIES + 1);
        let Data::Histogram(points) = &all[1].data else {
            panic!()
        };
        let rest = points
            .iter()
            .find(|p| p.attributes[0].0 == "otel.metric.overflow");
        assert_eq!(
            rest.unwrap().counts.iter().sum::<u64>(),
            5000 - SERIES as u64
        );
    }
}
