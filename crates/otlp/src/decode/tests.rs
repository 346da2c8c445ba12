//! Both encodings say the same, and nothing that comes makes it panic or grow.

use super::*;
use crate::span::Act;
use proptest::prelude::*;

fn spans(bytes: &[u8], encoding: Encoding) -> Result<Decoded, Malformed> {
    super::spans(bytes, encoding, &Wanted::default())
}

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

/// Both encodings of the same attributes.
fn both(proto: &[Vec<u8>], json: &str, wanted: &Wanted) -> Vec<(Box<str>, Box<str>)> {
    let mut one = Writer::default().bytes(1, &[1; 16]).bytes(2, &[2; 8]);
    for attribute in proto {
        one = one.bytes(9, attribute);
    }
    let read = super::spans(&request(&[one.out]), Encoding::Protobuf, wanted).unwrap();
    let json = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"front"}}}}]}},
        "scopeSpans":[{{"spans":[{{"traceId":"01010101010101010101010101010101","spanId":"0202020202020202","attributes":[{json}]}}]}}]}}]}}"#
    );
    let same = super::spans(json.as_bytes(), Encoding::Json, wanted).unwrap();
    assert_eq!(read, same);
    read.seen[0].attributes.clone()
}

#[test]
fn of_attributes_only_those_that_are_wanted_are_kept_and_they_are_few_and_short() {
    let any = |key: &str, value: Writer| {
        let pair = Writer::default().bytes(1, key.as_bytes());
        pair.bytes(2, &value.out).out
    };
    let long = "é".repeat(300);
    let proto = [
        key_value("http.route", "/items/{id}"),
        key_value("url.full", "https://shop/?token=secret"),
        key_value("user.id", "mary"),
        any("rpc.grpc.status_code", Writer::default().number(3, 14)),
        key_value("http.route", "again"),
        key_value("error.type", &long),
    ];
    let json = format!(
        r#"{{"key":"http.route","value":{{"stringValue":"/items/{{id}}"}}}},
        {{"key":"url.full","value":{{"stringValue":"https://shop/?token=secret"}}}},
        {{"key":"user.id","value":{{"stringValue":"mary"}}}},
        {{"key":"rpc.grpc.status_code","value":{{"intValue":"14"}}}},
        {{"key":"http.route","value":{{"stringValue":"again"}}}},
        {{"key":"error.type","value":{{"stringValue":"{long}"}}}}"#
    );
    let kept = both(&proto, &json, &Wanted::default());
    let names: Vec<&str> = kept.iter().map(|(k, _)| &**k).collect();
    assert_eq!(names, ["http.route", "rpc.grpc.status_code", "error.type"]);
    assert_eq!((&*kept[0].1, &*kept[1].1), ("/items/{id}", "14"));
    assert_eq!(kept[2].1.len(), 160);
    assert!(both(&proto, &json, &Wanted::none()).is_empty());

    let flag = [any("app.beta", Writer::default().number(2, 1))];
    let json = r#"{"key":"app.beta","value":{"boolValue":true}}"#;
    let own = Wanted::of(["app.beta"]);
    assert_eq!(
        both(&flag, json, &own),
        [("app.beta".into(), "true".into())]
    );
    let odd = [key_value("app.beta", "")];
    assert!(
        both(
            &odd,
            r#"{"key":"app.beta","value":{"boolValue":"yes"}}"#,
            &own
        )
        .is_empty()
    );

    let names: Vec<String> = (0..40).map(|i| format!("app.{i:02}")).collect();
    let many: Vec<Vec<u8>> = names.iter().map(|n| key_value(n, "x")).collect();
    let json: Vec<String> = (names.iter())
        .map(|n| format!(r#"{{"key":"{n}","value":{{"stringValue":"x"}}}}"#))
        .collect();
    let wanted = Wanted::of(names.iter().map(String::as_str));
    assert_eq!(
        both(&many, &json.join(","), &wanted).len(),
        traces::ATTRIBUTES
    );
}

#[test]
fn a_call_of_a_database_says_its_system_once() {
    let read = spans(&request(&[span(&[1; 16], &[2; 8], DB)]), Encoding::Protobuf).unwrap();
    let kept = &read.seen[0].attributes;
    let names: Vec<&str> = kept.iter().map(|(k, _)| &**k).collect();
    assert_eq!(names, ["db.system", "statement"]);
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

fn record(trace: &[u8], body: &[u8]) -> Vec<u8> {
    let w = Writer::default()
        .fixed(1, 5_000)
        .number(2, 17)
        .bytes(5, body);
    let w = w.bytes(6, &key_value("exception.type", "SoldOut"));
    w.bytes(9, trace)
        .bytes(10, &[2; 8])
        .bytes(99, b"future")
        .out
}

const LOG: &str = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"front"}}]},
    "scopeLogs":[{"logRecords":[{"timeUnixNano":"5000","severityNumber":17,"body":{"stringValue":"sold out"},
    "traceId":"01010101010101010101010101010101","spanId":"0202020202020202","attributes":[
    {"key":"n","value":{"intValue":"5"}},{"key":"exception.type","value":{"stringValue":"SoldOut"}}]}]}]}]}"#;

fn text(said: &str) -> Vec<u8> {
    Writer::default().bytes(1, said.as_bytes()).out
}

#[test]
fn log_lines_are_the_same_in_both_encodings() {
    let proto = logs(
        &request(&[record(&[1; 16], &text("sold out"))]),
        Encoding::Protobuf,
    )
    .unwrap();
    let json = logs(LOG.as_bytes(), Encoding::Json).unwrap();
    assert_eq!(proto, json);
    let (trace, line) = &proto.lines[0];
    assert_eq!(*trace, u128::from_be_bytes([1; 16]));
    assert_eq!(
        (line.at, &*line.service, line.severity.word()),
        (5000, "front", "error")
    );
    assert_eq!(&*line.text, "sold out\nSoldOut: ");
}

#[test]
fn values_within_values_and_long_lines_end_somewhere() {
    let value = |json: &str| {
        let log = LOG
            .replace(r#"{"stringValue":"sold out"}"#, json)
            .replace("exception", "other");
        logs(log.as_bytes(), Encoding::Json)
            .unwrap()
            .lines
            .remove(0)
            .1
    };
    let list = r#"{"kvlistValue":{"values":[{"key":"a","value":{"intValue":"1"}},{"key":"b","value":{"arrayValue":{"values":[{"boolValue":true},{"doubleValue":0.5}]}}}]}}"#;
    assert_eq!(&*value(list).text, "a=1 b=true 0.5");
    let deep =
        r#"{"arrayValue":{"values":["#.repeat(30) + r#"{"stringValue":"x"}"# + &"]}}".repeat(30);
    assert_eq!(&*value(&deep).text, "…");
    let long = value(&format!(r#"{{"stringValue":"{}"}}"#, "ä".repeat(10_000)));
    assert!(long.cut && long.text.len() <= traces::TEXT && long.text.starts_with("ää"));
    // The same of protobuf.
    let mut nested = text("x");
    for _ in 0..30 {
        let list = Writer::default().bytes(1, &nested);
        nested = Writer::default().bytes(5, &list.out).out;
    }
    let got = logs(&request(&[record(&[1; 16], &nested)]), Encoding::Protobuf).unwrap();
    assert_eq!(&*got.lines[0].1.text, "…\nSoldOut: ");
    let alone = logs(&request(&[record(&[1; 3], &text("x"))]), Encoding::Protobuf).unwrap();
    assert_eq!(
        (alone.lines[0].0, &*alone.lines[0].1.text),
        (0, ""),
        "counted, not read"
    );
    let many = vec![b"\x10\x01".to_vec(); LINES + 3];
    let got = logs(&request(&many), Encoding::Protobuf).unwrap();
    assert_eq!((got.lines.len(), got.over), (LINES, 3));
}

#[test]
fn what_is_shown_of_a_span_has_a_bound_and_says_how_it_failed() {
    let status = Writer::default()
        .bytes(2, "x".repeat(9000).as_bytes())
        .number(3, 2);
    let mut failed = span(&[1; 16], &[2; 8], &[("secret", "s3cret"), DB[0], DB[1]]);
    failed.extend(Writer::default().bytes(15, &status.out).out);
    let got = spans(&request(&[failed]), Encoding::Protobuf).unwrap();
    let seen = &got.seen[0];
    assert!(seen.error && &*seen.name == "SELECT" && seen.kind == 3);
    assert!(seen.bytes() < 1000, "{seen:?}");
    assert!(!format!("{seen:?}").contains("s3cret"));
    assert_eq!(seen.attributes[1], ("statement".into(), "SELECT ?".into()));
}
