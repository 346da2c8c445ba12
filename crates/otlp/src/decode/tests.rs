//! Both encodings say the same, and nothing that comes makes it panic or grow.

use super::*;
use crate::span::Act;
use proptest::prelude::*;

fn key_value(key: &str, value: &str) -> Vec<u8> {
    let any = Writer::default().bytes(1, value.as_bytes());
    let pair = Writer::default().bytes(1, key.as_bytes());
    pair.bytes(2, &any.out).out
}

fn span(trace: &[u8], id: &[u8], attributes: &[(&str, &str)]) -> Vec<u8> {
    let mut w = Writer::default()
        .bytes(1, trace)
        .bytes(2, id)
        .bytes(4, &[0, 0, 0, 0, 0, 0, 0, 9])
        .bytes(5, b"SELECT")
        .number(6, 3)
        .fixed(7, 1_000)
        .fixed(8, 4_000)
        // A field of tomorrow.
        .bytes(99, b"future");
    for (key, value) in attributes {
        w = w.bytes(9, &key_value(key, value));
    }
    w.out
}

/// The resource after the spans, as is allowed.
fn request(spans: &[Vec<u8>]) -> Vec<u8> {
    let scope = spans.iter().fold(Writer::default(), |w, s| w.bytes(2, s));
    let resource = Writer::default().bytes(1, &key_value("service.name", "front"));
    let all = Writer::default()
        .bytes(2, &scope.out)
        .bytes(1, &resource.out);
    Writer::default().bytes(1, &all.out).out
}

const DB: &[(&str, &str)] = &[
    ("db.system.name", "postgresql"),
    ("db.query.text", "SELECT 1"),
];

const JSON: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"01010101010101010101010101010101",
    "spanId":"0202020202020202","parentSpanId":"0000000000000009","name":"SELECT","kind":3,
    "startTimeUnixNano":"1000","endTimeUnixNano":4000,"future":{"a":[1]},"attributes":[
    {"key":"db.system.name","value":{"stringValue":"postgresql"}},
    {"key":"db.query.text","value":{"stringValue":"SELECT 1"}},
    {"key":"x","value":{"arrayValue":{"values":[{"intValue":"5"}]}}}]}]}],
    "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"front"}}]}}]}"#;

#[test]
fn protobuf_and_json_are_the_same_span() {
    let proto = spans(&request(&[span(&[1; 16], &[2; 8], DB)]), Encoding::Protobuf).unwrap();
    let json = spans(JSON.as_bytes(), Encoding::Json).unwrap();
    assert_eq!(proto, json);
    let s = &proto.spans[0];
    assert_eq!(
        (s.parent, s.start, s.end, &*s.service),
        (9, 1000, 4000, "front")
    );
    let Act::Database { system, shape, .. } = &s.act else {
        panic!("{s:?}")
    };
    assert_eq!((&**system, &**shape), ("postgresql", "SELECT ?"));
}

#[test]
fn ids_of_a_wrong_length_are_rejected_and_counted() {
    let bad = [
        span(&[1; 15], &[2; 8], &[]),
        span(&[1; 16], &[2; 9], &[]),
        span(&[0; 16], &[2; 8], &[]),
        span(&[], &[], &[]),
        span(&[1; 16], &[2; 8], &[]),
    ];
    let got = spans(&request(&bad), Encoding::Protobuf).unwrap();
    assert_eq!((got.spans.len(), got.rejected()), (1, 4));
    assert!(
        got.complaint().contains("4 spans whose trace id"),
        "{}",
        got.complaint()
    );
    for (from, to) in [
        ("0101\"", "01\""),
        ("\"0202", "\"x202"),
        ("0202020202020202", ""),
    ] {
        let json = JSON.replacen(from, to, 1);
        let got = spans(json.as_bytes(), Encoding::Json).unwrap();
        assert_eq!((got.spans.len(), got.bad_ids), (0, 1), "{from} to {to}");
    }
}

#[test]
fn a_flood_of_spans_is_cut_and_said_to_be() {
    let one = span(&[1; 16], &[2; 8], &[]);
    let got = spans(&request(&vec![one; SPANS + 7]), Encoding::Protobuf).unwrap();
    assert_eq!((got.spans.len(), got.over), (SPANS, 7));
    let empty = r#"{"resourceSpans":[{"scopeSpans":[{"spans":["#.to_owned()
        + &vec!["{}"; 150_000].join(",")
        + "]}]}]}";
    let got = spans(empty.as_bytes(), Encoding::Json).unwrap();
    assert_eq!((got.spans.len(), got.rejected()), (0, 150_000));
    let many: Vec<(&str, &str)> = vec![("db.system", "redis"); 2000];
    let got = spans(
        &request(&[span(&[1; 16], &[2; 8], &many)]),
        Encoding::Protobuf,
    );
    assert_eq!(got.unwrap().spans.len(), 1);
}

#[test]
fn points_and_records_are_counted() {
    let w = |field, inner: &[u8]| Writer::default().bytes(field, inner).out;
    let points = Writer::default()
        .bytes(1, b"\x08\x01")
        .bytes(1, b"\x08\x01")
        .out;
    let metrics = w(1, &w(2, &w(2, &w(7, &points))));
    assert_eq!(count(&metrics, Signal::Metrics, Encoding::Protobuf), Ok(2));
    let logs = w(1, &w(2, &w(2, b"\x08\x01")));
    assert_eq!(count(&logs, Signal::Logs, Encoding::Protobuf), Ok(1));
    let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"a","sum":{"dataPoints":[{},{}]}},{"gauge":{"dataPoints":[{}]}}]}]}]}"#;
    assert_eq!(
        count(json.as_bytes(), Signal::Metrics, Encoding::Json),
        Ok(3)
    );
    let json = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{}]}]}]}"#;
    assert_eq!(count(json.as_bytes(), Signal::Logs, Encoding::Json), Ok(2));
}

#[test]
fn what_is_neither_is_said_not_to_be() {
    for bad in [
        &b"\x0a\xff"[..],
        b"\x00",
        b"\x0b",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x08\x01\x0d",
    ] {
        assert!(spans(bad, Encoding::Protobuf).is_err(), "{bad:?}");
    }
    let deep = "[".repeat(100_000);
    for bad in [
        "",
        "{",
        "{\"resourceSpans\":5}",
        "{\"resourceSpans\":[5]}",
        &deep,
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[1]}}]}",
    ] {
        assert!(spans(bad.as_bytes(), Encoding::Json).is_err(), "{bad}");
    }
    assert!(spans(b"{\"x\":\"\xff\"}", Encoding::Json).is_err());
    assert_eq!(spans(b"{}", Encoding::Json).unwrap(), Decoded::default());
    assert_eq!(spans(b"", Encoding::Protobuf).unwrap(), Decoded::default());
}

proptest! {
    #[test]
    fn random_bytes_are_spans_or_a_mistake(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            let _ = spans(&bytes, encoding);
            let _ = count(&bytes, Signal::Metrics, encoding);
        }
    }

    #[test]
    fn a_request_with_a_hole_is_spans_or_a_mistake(at in 0usize..200, byte in any::<u8>(), cut in 0usize..200) {
        let mut bytes = request(&[span(&[1; 16], &[2; 8], DB)]);
        let n = bytes.len();
        bytes[at % n] = byte;
        bytes.truncate(n - cut % n);
        if let Ok(got) = spans(&bytes, Encoding::Protobuf) {
            prop_assert!(got.spans.iter().all(|s| s.trace > 0 && s.id > 0));
        }
        let mut json = JSON.as_bytes().to_vec();
        let n = json.len();
        json[(at * 7) % n] = byte;
        let _ = spans(&json, Encoding::Json);
    }
}
