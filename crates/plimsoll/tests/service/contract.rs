//! The API against its own document, where there is something of everything: each reading call, and those that change little.

use crate::schema;
use crate::stage::{Clients, Stage, port};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

const RULES: &str = "identity: { tenant: host, costs: true }
traces: { share: 100% }
routes:
  page: { match: GET /p, to: app, slo: { latency: 250ms, target: 99.9% }, cache: { ttl: 10s }, business: { visits: { status: 200 } } }
  reports: { match: POST /reports, to: app, async: { when: always } }
  out: { match: POST /events, to: app, publish: orders, slo: { availability: 99% } }
cron: { nightly: { schedule: '0 3 * * *', route: reports, path: /reports } }
topics: { orders: { subscriptions: { billing: { to: app, path: /billing }, audit: { pull: true } } } }
streams: {}
resources: { db.unseen: { price: $0.37/h } }
";

/// What stands in the place of a parameter, where that is asked for.
const VALUES: [(&str, &str); 12] = [
    ("name", "page"),
    ("number", "1"),
    ("query", "sum(plimsoll_requests_total)"),
    ("start", "0"),
    ("end", "60"),
    ("step", "10"),
    ("match[]", "plimsoll_requests_total"),
    ("window", "1h"),
    ("url", "http://app/p"),
    ("route", "reports"),
    ("topic", "orders"),
    ("subscription", "audit"),
];

struct Api<'a> {
    stage: &'a Stage,
    document: Value,
}

impl Api<'_> {
    /// Status and answer, which are what the document says.
    fn ask(&self, method: &str, target: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.stage.console).unwrap();
        let kind = match target {
            t if t.starts_with("/api/v1/query") => "application/x-www-form-urlencoded",
            _ => "application/json",
        };
        write!(
            stream,
            "{} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nplimsoll-api: 1\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            method.to_uppercase(),
            self.stage.console,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let text = head.contains("content-type: text/plain");
        let body = match text {
            true => Value::from(body),
            false => {
                serde_json::from_str(body).unwrap_or_else(|e| panic!("{target}: {e}: {answer}"))
            }
        };
        schema::check(&self.document, method, target, status, &body).unwrap();
        (status, body)
    }

    /// With what it asks for, and nothing that may be left out.
    fn target(&self, path: &str, told: &Value) -> String {
        let (mut target, mut query) = (path.to_owned(), String::new());
        for p in told["parameters"].as_array().unwrap() {
            let name = p["name"].as_str().unwrap();
            let known = VALUES.iter().find(|v| v.0 == name);
            let value = known.map_or("none", |v| v.1);
            match p["in"].as_str() {
                Some("path") => target = target.replace(&format!("{{{name}}}"), value),
                _ if p["required"] == true => {
                    let sign = if query.is_empty() { '?' } else { '&' };
                    query += &format!("{sign}{name}={value}");
                }
                _ => {}
            }
        }
        target + &query
    }
}

fn send(stage: &Stage, path: &str, body: &str) {
    let mut stream = TcpStream::connect(stage.listen).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: app\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

fn stage() -> Stage {
    let at = port();
    let stage = Stage::new("");
    std::fs::write(stage.path("token"), "secret").unwrap();
    let state = format!("state: {{ listen: '{at}', token: {{ file: token }} }}\n{RULES}");
    let config = stage.config(&state);
    stage.write(&config.replace("app: {", "app: { price: $0.05/h,"));
    for (file, text) in [
        (
            "catalog/services/app.yaml",
            "owner: pay\nrunbooks: [slow]\n",
        ),
        (
            "catalog/teams/pay.yaml",
            "members: [ana]\ncontact: \"#pay\"\n",
        ),
        (
            "catalog/on-call/pay.yaml",
            "people: [ana]\nstarts: 2026-01-05T09:00\nturn: 1d\n",
        ),
        (
            "catalog/runbooks/slow.md",
            "---\nowner: pay\nservices: [app]\n---\n# Slow\n",
        ),
    ] {
        let path = stage.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    stage
}

#[test]
fn what_is_answered_is_what_the_document_says() {
    let mut stage = stage();
    stage.start();
    let clients = Clients::start(stage.listen, 1);
    clients.more(20);
    assert_eq!(clients.end(), Vec::<String>::new());
    send(&stage, "/reports", "{}");
    send(&stage, "/events", "{}");
    let opened = stage.ask(&["incident", "open", "slow", "--service", "app"]);
    assert!(
        opened.status.success(),
        "{}",
        String::from_utf8_lossy(&opened.stderr)
    );
    let document = stage.wait("the document", |s| s.console_json("/api/v1/openapi.json"));
    let api = Api {
        stage: &stage,
        document,
    };
    let told = |method: &str, target: &str, body: &Value| {
        let (status, said) = api.ask(method, target, &body.to_string());
        assert_eq!(status, 200, "{target}: {said}");
        said
    };
    for (deed, on) in [("pause", true), ("resume", false)] {
        let done = told(
            "post",
            &format!("/api/v1/jobs/{deed}"),
            &json!({ "route": "reports" }),
        );
        assert_eq!(done["paused"], on);
        let of = json!({ "topic": "orders", "subscription": "billing" });
        told("post", &format!("/api/v1/topics/{deed}"), &of);
    }
    told(
        "post",
        "/api/v1/jobs/redrive",
        &json!({ "route": "reports" }),
    );
    told("post", "/api/v1/cache/purge", &json!({ "prefix": "/" }));
    let event = json!({ "stream": "s", "event": { "type": "t", "data": { "n": 1 } } });
    told("post", "/api/v1/streams/append", &event);
    let (_, vector) = api.ask(
        "post",
        "/api/v1/query",
        "query=sum(plimsoll_requests_total)",
    );
    assert_eq!(vector["data"]["resultType"], "vector");

    let mut full = 0;
    for (path, methods) in api.document["paths"].as_object().unwrap() {
        if methods["get"].is_object() {
            let (status, said) = api.ask("get", &api.target(path, &methods["get"]), "");
            full += usize::from(
                status == 200 && !matches!(said.as_array(), Some(all) if all.is_empty()),
            );
        }
    }
    // Nothing was learned in so short a time, and there are neither agents nor engines nor trials.
    assert!(full >= 35, "only {full} calls had something to say");
    let id = stage.wait("a trace", |s| {
        let all = s.console_json("/api/v1/traces")?;
        all["traces"][0]["id"].as_str().map(str::to_owned)
    });
    assert_eq!(
        told("get", &format!("/api/v1/traces/{id}"), &Value::Null)["id"],
        id.as_str()
    );
    let incident = api.ask("get", "/api/v1/incidents", "").1["incidents"][0]["id"].clone();
    told(
        "get",
        &format!("/api/v1/incidents/{}", incident.as_str().unwrap()),
        &Value::Null,
    );
}

#[test]
fn what_the_document_does_not_say_is_found() {
    let document = json!({ "paths": { "/a/{id}": { "get": { "responses": { "200": { "content": { "x": { "schema": {
        "type": "object", "properties": { "n": { "type": "integer", "minimum": 0 }, "s": { "anyOf": [{ "type": "string" }, { "type": "null" }] } },
        "required": ["n"] } } } } } } } } });
    let is = |body: Value| schema::check(&document, "get", "/a/1?q", 200, &body);
    assert_eq!(is(json!({ "n": 1, "s": null })), Ok(()));
    for wrong in [
        json!({}),
        json!({ "n": -1 }),
        json!({ "n": "1" }),
        json!({ "n": 1, "s": 2 }),
        json!({ "n": 1, "more": 2 }),
        json!([]),
    ] {
        assert!(is(wrong.clone()).is_err(), "{wrong}");
    }
}
