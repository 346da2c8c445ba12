//! What is sent can be read by our own receiver.

use super::super::message::{Data, Exemplar, Point, Spread, Value};
use super::*;
use crate::decode::{self, Signal};
use crate::span::Act;

fn resource() -> Resource {
    Resource {
        attributes: vec![("service.name".into(), Value::Text("edge".into()))],
        version: "1",
    }
}

fn sent(parent: u64, kind: u8) -> Sent {
    Sent {
        trace: 7,
        id: 9,
        parent,
        name: "GET".into(),
        kind,
        start: 5,
        end: 25,
        attributes: vec![
            ("http.request.method".into(), Value::Text("GET".into())),
            ("server.address".into(), Value::Text("10.0.0.1".into())),
            ("server.port".into(), Value::Whole(0)),
            ("half".into(), Value::Real(0.5)),
            ("yes".into(), Value::Flag(false)),
        ],
        is_error: true,
    }
}

#[test]
fn spans_come_back_from_our_own_receiver() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let bytes = traces(&resource(), &[sent(0, 2), sent(3, 3)], encoding);
        let read = decode::spans(&bytes, encoding, &::traces::Wanted::none()).unwrap();
        assert_eq!((read.rejected(), read.spans.len()), (0, 2), "{encoding:?}");
        let [first, second] = read.spans.as_slice() else {
            panic!()
        };
        assert_eq!((first.trace, first.id, first.parent), (7, 9, 0));
        assert_eq!((second.parent, second.start, second.end), (3, 5, 25));
        assert_eq!((&*first.service, &first.act), ("edge", &Act::Work));
        let to = "GET 10.0.0.1".into();
        assert_eq!(second.act, Act::Call { to });
    }
}

#[test]
fn every_point_is_counted_by_our_own_receiver() {
    let point = |value| Point {
        attributes: vec![("a".into(), Value::Text("b".into()))],
        value,
    };
    let metric = |name: &str, data| Metric {
        name: name.into(),
        unit: "s",
        help: "Of it.".into(),
        data,
    };
    let spread = Spread {
        attributes: Vec::new(),
        sum: 1.5,
        bounds: vec![0.1, 1.0],
        counts: vec![1, 0, 1],
        exemplars: vec![Exemplar {
            trace: 7,
            span: 9,
            value: 0.05,
            at: 3,
        }],
    };
    let all = [
        metric("a", Data::Sum(vec![point(0.0), point(2.0)])),
        metric("b", Data::Gauge(vec![point(-1.0)])),
        metric("c", Data::Histogram(vec![spread])),
    ];
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let bytes = metrics(&resource(), &all, (1, 2), encoding);
        let n = decode::count(&bytes, Signal::Metrics, encoding).unwrap();
        assert_eq!(n, 4, "{encoding:?}");
    }
}

#[test]
fn a_message_of_grpc_says_how_long_it_is() {
    assert_eq!(framed(b"abc", true), [1, 0, 0, 0, 3, b'a', b'b', b'c']);
    let gzip = packed(b"abc").unwrap();
    assert_eq!(gzip[..2], [0x1f, 0x8b]);
}
