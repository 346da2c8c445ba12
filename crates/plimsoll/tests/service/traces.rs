//! Traces that are kept without any collector: over a kill -9, within their bytes, with spans and log lines of services.

use crate::history::{ROUTE, ask, request};
use crate::stage::{Stage, port, signal};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const ALL: &str = "traces: { share: 100% }\n";
const ID: &str = "0123456789abcdef0123456789abcdef";

fn post(at: SocketAddr, path: &str, body: &Value) -> String {
    let body = body.to_string();
    let mut stream = TcpStream::connect(at).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn resource(service: &str) -> Value {
    json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] })
}

fn spans(spans: &[Value]) -> Value {
    json!({ "resourceSpans": [{ "resource": resource("stock"), "scopeSpans": [{ "spans": spans }] }] })
}

fn line(trace: &str, text: &str) -> Value {
    let record = json!({ "timeUnixNano": "1", "severityNumber": 17, "traceId": trace, "body": { "stringValue": text } });
    json!({ "resourceLogs": [{ "resource": resource("stock"), "scopeLogs": [{ "logRecords": [record] }] }] })
}

fn one(stage: &Stage) -> Option<Value> {
    ask(stage, &format!("/api/v1/traces/{ID}")).filter(|t| t["rows"].is_array())
}

fn of(service: &str, trace: &Value) -> usize {
    let rows = trace["rows"].as_array().unwrap();
    rows.iter().filter(|r| r["service"] == service).count()
}

#[test]
fn a_request_its_spans_and_its_log_lines_are_one_trace_over_a_kill() {
    let otlp = port();
    let mut stage = Stage::new(&format!("{ROUTE}{ALL}otlp: {{ http: {otlp} }}\n"));
    let pid = stage.start();
    // One comes before its request has ended, the other after.
    let before = json!({ "traceId": ID, "spanId": "00000000000000aa", "parentSpanId": "", "name": "early",
        "status": { "code": 2, "message": "sold out" },
        "attributes": [
            { "key": "error.type", "value": { "stringValue": "SoldOut" } },
            { "key": "user.id", "value": { "stringValue": "mary" } }] });
    assert!(post(otlp, "/v1/traces", &spans(&[before])).contains("200 OK"));
    assert!(post(otlp, "/v1/logs", &line(ID, "the shelf is empty")).contains("{}"));
    assert!(post(otlp, "/v1/logs", &line("", "of no trace")).contains("{}"));
    request(stage.listen);
    let trace = stage.wait("the trace", |s| one(s).filter(|t| of("stock", t) == 1));
    assert_eq!(of("plimsoll", &trace), 2, "{trace}");
    assert_eq!(trace["said"][0]["text"], "the shelf is empty");
    assert_eq!(
        (&trace["route"], &trace["status"], &trace["why"]),
        (&"home".into(), &200.into(), &"share".into())
    );
    let after = json!({ "traceId": ID, "spanId": "00000000000000ab", "parentSpanId": "00000000000000aa", "name": "late" });
    post(otlp, "/v1/traces", &spans(&[after]));
    stage.wait("the late span", |s| one(s).filter(|t| of("stock", t) == 2));
    signal(pid, "KILL");
    stage.ended(pid);
    stage.start();
    let trace = stage.wait("the trace again", one);
    assert_eq!(
        (of("plimsoll", &trace), of("stock", &trace)),
        (2, 2),
        "{trace}"
    );

    let said = |args: &[&str]| String::from_utf8(stage.ask(args).stdout).unwrap();
    let list = said(&[
        "traces", "--route", "home", "--status", "2xx", "--since", "1h",
    ]);
    assert!(list.contains(ID) && list.contains("stock"), "{list}");
    assert!(said(&["traces", "--status", "5xx"]).contains("none of the"));
    let page = said(&["traces", ID]);
    for part in [
        "plimsoll: GET /{rest...}",
        "! stock: early",
        "error=sold out",
        "error.type=SoldOut",
        "url.path=/p client.address=127.0.0.1",
        "error   stock: the shelf is empty",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("mary"), "{page}");
    // The file is looked through at the first turn.
    stage.wait("the number of traces", |_| {
        said(&["status"])
            .contains("traces      1 kept")
            .then_some(())
    });
    // The same id once more, as clients do that have only one: what is there stays.
    request(stage.listen);
    stage.wait("both requests", |s| {
        one(s).filter(|t| of("plimsoll", t) == 4 && of("stock", t) == 2)
    });
    post(otlp, "/v1/logs", &line("", "of no trace"));
    let metrics = stage.console_get("/metrics").unwrap();
    let counted = "plimsoll_otlp_log_lines_total{service=\"stock\",severity=\"error\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(metrics.contains("plimsoll_otlp_kept_total{signal=\"logs\",fate=\"alone\"} 1"));
}

fn fresh(at: SocketAddr, n: u64) {
    let mut stream = TcpStream::connect(at).unwrap();
    write!(
        stream,
        "GET /p HTTP/1.1\r\nHost: app\r\nConnection: close\r\ntraceparent: 00-{n:032x}-0123456789abcdef-00\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
}

#[test]
fn where_none_are_kept_nothing_is_written_and_it_is_said() {
    let otlp = port();
    let mut stage = Stage::new(&format!(
        "{ROUTE}traces: {{ share: 100%, size: 0 }}\notlp: {{ http: {otlp} }}\n"
    ));
    stage.start();
    fresh(stage.listen, 1);
    assert!(post(otlp, "/v1/logs", &line(ID, "x")).contains("dropped these logs"));
    let said = stage.ask(&["traces"]);
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("no traces are kept here"),
        "{said:?}"
    );
    assert!(!stage.path("data").join("traces.db").exists());
}

#[test]
fn a_trace_tells_what_gates_decided_and_attributes_and_addresses_only_as_configured() {
    let otlp = port();
    let mut stage = Stage::new(&format!(
        "routes:\n  home: {{ match: 'GET /{{rest...}}', to: app, rate: {{ limit: 1/h, burst: 1 }} }}\n\
         traces: {{ share: 100%, client: drop, attributes: [app.plan] }}\notlp: {{ http: {otlp} }}\n"
    ));
    stage.start();
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let span = json!({ "traceId": ID, "spanId": "00000000000000aa", "name": "s",
        "attributes": [text("app.plan", "gold"), text("http.route", "/p")] });
    post(otlp, "/v1/traces", &spans(&[span]));
    request(stage.listen);
    let of = |trace: &Value, service: &str, key: &str| {
        let rows = trace["rows"].as_array().unwrap().iter();
        let told = rows.filter(|r| r["service"] == service);
        let told = told.flat_map(|r| r["attributes"].as_array().unwrap().clone());
        told.into_iter()
            .filter(|a| a[0] == key)
            .map(|a| a[1].clone())
            .collect::<Vec<Value>>()
    };
    let trace = stage.wait("the trace", |s| one(s).filter(of_service));
    assert_eq!(of(&trace, "stock", "app.plan"), ["gold"]);
    assert!(of(&trace, "stock", "http.route").is_empty(), "{trace}");
    assert!(
        of(&trace, "plimsoll", "client.address").is_empty(),
        "{trace}"
    );
    assert!(
        of(&trace, "plimsoll", "plimsoll.gates").is_empty(),
        "{trace}"
    );
    // The second is one too many.
    fresh(stage.listen, 7);
    let refused = stage.wait("the refused one", |s| {
        ask(s, &format!("/api/v1/traces/{:032x}", 7)).filter(|t| t["rows"].is_array())
    });
    assert_eq!(refused["status"], 429);
    assert_eq!(
        of(&refused, "plimsoll", "plimsoll.gates"),
        ["rate: refused"]
    );
    assert_eq!(of(&refused, "plimsoll", "plimsoll.reason"), ["rate-limit"]);
    assert_eq!(of(&refused, "plimsoll", "url.path"), ["/p"]);
}

fn of_service(trace: &Value) -> bool {
    of("stock", trace) == 1
}
