//! Streams of events in the real binary: appends with what is expected, subscriptions, kill -9, projections that requests wait for,
//! and rows of a PostgreSQL that become events exactly once whoever is killed.

use crate::messages::{message, service};
use crate::stage::{Stage, port, signal};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// What services are answered.
pub struct Said {
    pub status: u16,
    head: String,
    pub body: Value,
}

impl Said {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|l| l.split_once(": "));
        lines
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    }

    pub fn ids(&self) -> Vec<String> {
        let all = self.body.as_array().cloned().unwrap_or_default();
        all.iter()
            .map(|e| e["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// One request, on a connection of its own; `None`: nobody answers.
pub fn tried(at: SocketAddr, request: &str, lines: &str, body: &str) -> Option<Said> {
    let mut stream = TcpStream::connect(at).ok()?;
    let text = format!(
        "{request} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer secret\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/json\r\n{lines}\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).ok()?;
    let (head, body) = message(&mut BufReader::new(stream))?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = serde_json::from_str(&body).unwrap_or_default();
    Some(Said { status, head, body })
}

pub fn ask(at: SocketAddr, request: &str, lines: &str, body: &str) -> Said {
    tried(at, request, lines, body).expect("an answer")
}

pub fn event(id: &str) -> String {
    json!({ "type": "t", "id": id, "data": { "n": id } }).to_string()
}

/// A stage whose services reach streams at the address.
fn stage(extra: &str) -> (Stage, SocketAddr) {
    let at = port();
    let stage = Stage::new("");
    std::fs::write(stage.path("token"), "secret").unwrap();
    let state =
        format!("state: {{ listen: \"{at}\", token: {{ file: token }}, stores: {{}} }}\n{extra}");
    stage.write(&stage.config(&state));
    (stage, at)
}

#[test]
fn services_append_read_and_subscribe() {
    let (mut stage, at) = stage("streams: {}");
    let pid = stage.start();
    assert_eq!(ask(at, "GET /v1/streams/orders", "", "").status, 404);
    let batch = format!("[{},{}]", event("1"), event("2"));
    let none = "Plimsoll-Expected-Version: none\r\n";
    let said = ask(at, "POST /v1/streams/orders", none, &batch);
    assert_eq!(
        (said.status, said.header("plimsoll-position")),
        (201, Some("2"))
    );
    // The same again is the same answer; another with the same expectation is refused and told the version.
    let said = ask(at, "POST /v1/streams/orders", none, &batch);
    assert_eq!(
        (said.status, &said.body["version"], &said.body["added"]),
        (200, &json!(2), &json!(0))
    );
    let said = ask(at, "POST /v1/streams/orders", none, &event("3"));
    assert_eq!((said.status, &said.body["actual"]), (409, &json!(2)));
    assert_eq!(
        ask(at, "POST /v1/streams/mail", "", &event("m")).status,
        201
    );
    assert_eq!(
        ask(
            at,
            "POST /v1/streams/orders",
            "Plimsoll-Expected-Version: 2\r\n",
            &event("3")
        )
        .status,
        201
    );
    assert_eq!(ask(at, "POST /v1/streams/orders", "", "{}").status, 400);
    assert_eq!(
        ask(at, "GET /v1/streams/orders", "", "").ids(),
        ["1", "2", "3"]
    );
    assert_eq!(
        ask(at, "GET /v1/streams/orders?order=backward&limit=2", "", "").ids(),
        ["3", "2"]
    );
    let all = ask(at, "GET /v1/streams?after=1", "", "");
    assert_eq!(
        (all.ids(), all.header("plimsoll-position")),
        (vec!["2".into(), "m".into(), "3".into()], Some("4"))
    );
    // A subscription goes on where it was acknowledged, and waits for what comes.
    let made = ask(
        at,
        "PUT /v1/subscriptions/mailer",
        "",
        r#"{"stream":"orders"}"#,
    );
    assert_eq!((made.status, &made.body["lag"]), (201, &json!(4)));
    assert_eq!(
        ask(
            at,
            "PUT /v1/subscriptions/mailer",
            "",
            r#"{"stream":"orders"}"#
        )
        .status,
        200
    );
    assert_eq!(
        ask(at, "PUT /v1/subscriptions/mailer", "", "{}").status,
        409
    );
    for _ in 0..2 {
        let next = ask(at, "GET /v1/subscriptions/mailer/events?limit=2", "", "");
        assert_eq!(
            (next.ids(), next.header("plimsoll-position")),
            (vec!["1".into(), "2".into()], Some("2"))
        );
    }
    let ack = |n: u64| {
        ask(
            at,
            "POST /v1/subscriptions/mailer/ack",
            "",
            &json!({ "position": n }).to_string(),
        )
    };
    assert_eq!(ack(2).status, 200);
    assert_eq!(ack(1).body["position"], 2, "it never goes back");
    assert_eq!(ack(99).status, 400);
    assert_eq!(
        ask(at, "GET /v1/subscriptions/mailer/events", "", "").ids(),
        ["3"]
    );
    assert_eq!(ack(4).status, 200);
    let late = std::thread::spawn(move || {
        ask(at, "GET /v1/subscriptions/mailer/events?wait=30", "", "").ids()
    });
    assert_eq!(
        ask(at, "POST /v1/streams/mail", "", &event("n")).status,
        201
    );
    assert_eq!(
        ask(at, "POST /v1/streams/orders", "", &event("4")).status,
        201
    );
    assert_eq!(late.join().unwrap(), ["4"]);
    // kill -9 takes nothing back, and commands say what there is.
    signal(pid, "KILL");
    stage.ended(pid);
    stage.start();
    assert_eq!(
        ask(at, "GET /v1/subscriptions/mailer/events", "", "").ids(),
        ["4"]
    );
    let said = |args: &[&str]| String::from_utf8(stage.ask(args).stdout).unwrap();
    assert_eq!(
        said(&["streams", "list"]),
        "mail: 2 events\norders: 4 events\n"
    );
    let status = said(&["streams", "status"]);
    assert!(
        status.contains("6 events") && status.contains("subscription mailer: 2 behind"),
        "{status}"
    );
    let appended = said(&[
        "streams",
        "append",
        "orders",
        "--type",
        "by.hand",
        "--data",
        "{\"a\":1}",
        "--expect",
        "4",
    ]);
    assert!(appended.contains("version: 5"), "{appended}");
    let read: Value = serde_json::from_str(&said(&[
        "streams", "read", "orders", "--back", "--limit", "1", "--json",
    ]))
    .unwrap();
    assert_eq!(
        (&read[0]["type"], &read[0]["data"]["a"]),
        (&json!("by.hand"), &json!(1))
    );
    assert!(said(&["backup", "--to", "copy"]).contains("events.db"));
    // Another binary goes on with the file.
    let (out, _) = stage.upgrade();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    stage.wait("the streams in it", |_| {
        let said = tried(at, "GET /v1/streams/mail", "", "")?;
        (said.ids() == ["m", "n"]).then_some(())
    });
    assert_eq!(
        ask(at, "POST /v1/streams/mail", "", &event("o")).status,
        201
    );
    assert_eq!(
        ask(at, "DELETE /v1/subscriptions/mailer", "", "").status,
        204
    );
    assert_eq!(ask(at, "GET /v1/subscriptions/mailer", "", "").status, 404);
}

/// Reads along: what comes until a part is there, or until the end.
struct Along(BufReader<TcpStream>);

impl Along {
    fn new(at: SocketAddr, target: &str, lines: &str) -> Along {
        let mut stream = TcpStream::connect(at).unwrap();
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer secret\r\nAccept: text/event-stream\r\n{lines}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        Along(BufReader::new(stream))
    }

    /// `None`: it ended before.
    fn until(&mut self, part: &str) -> Option<String> {
        let (mut all, mut line) = (String::new(), String::new());
        while !all.contains(part) {
            line.clear();
            match self.0.read_line(&mut line) {
                Ok(n) if n > 0 => all += &line,
                _ => return None,
            }
        }
        Some(all)
    }
}

#[test]
fn clients_read_along_over_an_upgrade() {
    let (mut stage, at) = stage("streams: {}");
    stage.start();
    let append = |id: &str| ask(at, "POST /v1/streams/orders", "", &event(id)).status;
    assert_eq!((append("1"), append("2")), (201, 201));
    let mut along = Along::new(at, "/v1/streams/orders?after=1", "");
    let first = along.until("\"id\":\"2\"").unwrap();
    assert!(
        first.contains("text/event-stream") && !first.contains("\"id\":\"1\""),
        "{first}"
    );
    assert_eq!(append("3"), 201);
    assert!(along.until("\"id\":\"3\"").unwrap().contains("id: 3\n"));
    // Another binary: what was read along ends, and goes on there where it was.
    let (out, _) = stage.upgrade();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert_eq!(along.until("\"id\":\"4\""), None);
    stage.wait("the streams in it", |_| {
        let said = tried(at, "GET /v1/streams/orders", "", "")?;
        (said.status == 200).then_some(())
    });
    assert_eq!(append("4"), 201);
    let mut again = Along::new(at, "/v1/streams", "Last-Event-ID: 3\r\n");
    assert!(again.until("\"id\":\"4\"").is_some());
    let mut stranger = TcpStream::connect(at).unwrap();
    let request = "GET /v1/streams HTTP/1.1\r\nHost: s\r\nAccept: text/event-stream\r\n\r\n";
    stranger.write_all(request.as_bytes()).unwrap();
    let (head, _) = message(&mut BufReader::new(stranger)).unwrap();
    assert!(head.starts_with("HTTP/1.1 401"), "{head}");
}

#[test]
fn what_was_acknowledged_outlives_kill_9_and_what_is_full_is_refused() {
    let (mut stage, at) = stage("streams: { size: 1MiB }");
    let (mut n, mut pid) = (0, stage.start());
    let sent =
        |n: u32| tried(at, "POST /v1/streams/s", "", &event(&n.to_string())).map(|s| s.status);
    for kill_at in [40, 90, 130] {
        std::thread::scope(|scope| {
            // In the middle of an append or between two: the one that nobody answered is asked again afterwards.
            let killer = scope.spawn(|| {
                stage.wait("events", |_| {
                    let read = tried(at, "GET /v1/streams/s?order=backward&limit=1", "", "")?;
                    (read.body[0]["version"].as_u64()? >= kill_at).then_some(())
                });
                signal(pid, "KILL");
            });
            while let Some(status) = sent(n) {
                assert!(status == 201 || status == 200, "{status}");
                n += 1;
            }
            killer.join().unwrap();
        });
        stage.ended(pid);
        pid = stage.start();
    }
    let mut ids = Vec::new();
    loop {
        let page = ask(
            at,
            &format!("GET /v1/streams/s?from={}&limit=1000", ids.len() + 1),
            "",
            "",
        )
        .ids();
        if page.is_empty() {
            break;
        }
        ids.extend(page);
    }
    assert!(ids.len() as u32 >= n, "{} of {n}", ids.len());
    for (i, id) in ids.iter().enumerate() {
        assert_eq!(*id, i.to_string());
    }
    // Beyond its size nothing is accepted, and what is there can be read.
    let text = json!({ "type": "t", "data": "x".repeat(100_000) }).to_string();
    let mut taken = 0;
    let full = loop {
        let said = ask(at, "POST /v1/streams/large", "", &text);
        match said.status {
            201 => taken += 1,
            _ => break said,
        }
    };
    assert_eq!(full.status, 503);
    assert!(
        full.body["type"] == "urn:plimsoll:stream-full" && full.header("retry-after").is_some()
    );
    assert!(taken < 20);
    assert_eq!(ask(at, "GET /v1/streams/large", "", "").ids().len(), taken);
}

/// A projection: takes batches while it is `open`, and remembers their ids.
static OPEN: AtomicBool = AtomicBool::new(false);

fn project(stream: TcpStream, got: &Mutex<Vec<String>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (head, body) = message(&mut stream)?;
        let taken = OPEN.load(SeqCst);
        let batch: Vec<Value> = serde_json::from_str(&body).ok()?;
        if taken && head.contains("cloudevents-batch+json") {
            let ids = batch.iter().map(|e| e["id"].as_str().unwrap().to_owned());
            got.lock().unwrap().extend(ids);
        }
        let status = if taken { "204 ok" } else { "503 no" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        stream.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

#[test]
fn a_request_waits_for_what_its_projection_has_not_seen() {
    let (view, got) = service(project);
    let (mut stage, at) = stage(&format!(
        "projections: {{ view: {{ to: 'http://{view}/events', stream: orders, batch: 2 }} }}\n\
         routes:\n  strict: {{ match: GET /strict, to: app, projection: {{ of: view, max_wait: 30s }} }}\n  \
         short: {{ match: GET /short, to: app, projection: {{ of: view, max_wait: 50ms }} }}\n  \
         lax: {{ match: GET /lax, to: app, projection: {{ of: view, max_wait: 50ms, stale: pass }} }}"
    ));
    let pid = stage.start();
    let front = stage.listen;
    let get = |path: &str, position: u64| {
        ask(
            front,
            &format!("GET {path}"),
            &format!("Plimsoll-Position: {position}\r\n"),
            "",
        )
    };
    for n in 1..=5 {
        assert_eq!(
            ask(at, "POST /v1/streams/orders", "", &event(&n.to_string())).status,
            201
        );
    }
    // Nobody takes them yet.
    assert_eq!(ask(front, "GET /short", "", "").status, 200);
    let refused = get("/short", 5);
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("1"))
    );
    assert!(
        refused.body["type"] == "urn:plimsoll:projection-behind",
        "{}",
        refused.body
    );
    let passed = get("/lax", 5);
    assert_eq!(
        (passed.status, passed.header("plimsoll-stale")),
        (200, Some("5"))
    );
    stage.wait("its refusal to be said", |s| {
        let said = String::from_utf8(s.ask(&["streams", "status"]).stdout).unwrap();
        (said.contains("projection view: 5 behind") && said.contains("it answered 503"))
            .then_some(())
    });
    let waiting = std::thread::spawn(move || {
        ask(front, "GET /strict", "Plimsoll-Position: 5\r\n", "").status
    });
    OPEN.store(true, SeqCst);
    assert_eq!(waiting.join().unwrap(), 200);
    let seen = || got.lock().unwrap().clone();
    assert_eq!(seen(), ["1", "2", "3", "4", "5"]);
    // Events of other streams are seen too, in that there is nothing to see.
    assert_eq!(
        ask(at, "POST /v1/streams/mail", "", &event("m")).status,
        201
    );
    assert_eq!(get("/strict", 6).status, 200);
    assert_eq!(get("/lax", 6).header("plimsoll-stale"), None);
    // After kill -9 it goes on where it was.
    signal(pid, "KILL");
    stage.ended(pid);
    stage.start();
    let said = ask(at, "POST /v1/streams/orders", "", &event("6"));
    assert_eq!(said.header("plimsoll-position"), Some("7"));
    assert_eq!(get("/strict", 7).status, 200);
    assert_eq!(seen(), ["1", "2", "3", "4", "5", "6"]);
    // And is built again when somebody says so.
    let done = stage.ask(&["streams", "replay", "view", "--from", "2", "--rate", "1000"]);
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    stage.wait("the events again", |_| (seen().len() == 10).then_some(()));
    assert_eq!(seen()[6..], ["3", "4", "5", "6"]);
    assert!(!stage.ask(&["streams", "replay", "none"]).status.success());
    let metrics = stage.console_get("/metrics").unwrap();
    assert!(
        metrics.contains("plimsoll_projection_lag{projection=\"view\"}"),
        "{metrics}"
    );
}

#[test]
fn each_row_becomes_one_event_whoever_is_killed() {
    let Some(mut postgres) = peers::there(peers::Postgres::start(&[])) else {
        return;
    };
    // In two parts, whose rows have the same places.
    let tables = "CREATE TABLE outbox(id bigserial PRIMARY KEY, type text, payload jsonb, owner text) PARTITION BY HASH (id); \
                  CREATE TABLE even PARTITION OF outbox FOR VALUES WITH (MODULUS 2, REMAINDER 0); \
                  CREATE TABLE odd PARTITION OF outbox FOR VALUES WITH (MODULUS 2, REMAINDER 1); CREATE TABLE written(id bigint)";
    postgres.sql(tables).unwrap();
    let (mut stage, at) = stage("");
    std::fs::write(stage.path("url"), postgres.url()).unwrap();
    let config = std::fs::read_to_string(stage.path("plimsoll.yaml")).unwrap();
    stage.write(&format!(
        "{config}outbox: {{ shop: {{ postgres: {{ file: url }}, to: stream orders, subject: owner, batch: 7, poll: 20ms }} }}\n"
    ));
    let mut pid = stage.start();
    let write = "WITH new AS (INSERT INTO outbox(type, payload, owner) SELECT 'placed', jsonb_build_object('n', g), 'a' || g \
                 FROM generate_series(1, 50) g RETURNING id) INSERT INTO written SELECT id FROM new";
    let events = |at| {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let page = tried(
                at,
                &format!("GET /v1/streams/orders?from={}&limit=1000", all.len() + 1),
                "",
                "",
            )?;
            match page.body.as_array().filter(|p| !p.is_empty()) {
                Some(page) => all.extend(page.iter().cloned()),
                None => return Some(all),
            }
        }
    };
    for round in 0..3 {
        for _ in 0..4 {
            postgres.sql(write).unwrap();
        }
        let before = round * 250;
        stage.wait("some of them", |_| {
            (events(at)?.len() > before + 20).then_some(())
        });
        // First the one that relays, then the database, then both.
        if round != 1 {
            signal(pid, "KILL");
            stage.ended(pid);
        }
        if round != 0 {
            postgres.stop();
        }
        if round == 1 {
            stage.wait("its absence to be said", |s| {
                let said =
                    String::from_utf8(s.ask(&["streams", "status", "--json"]).stdout).unwrap();
                let said: Value = serde_json::from_str(&said).ok()?;
                said["outboxes"][0]["error"].as_str().map(drop)
            });
        }
        if round != 0 {
            postgres.run().unwrap();
        }
        if round != 1 {
            pid = stage.start();
        }
        postgres.sql(write).unwrap();
        stage.wait("an empty table", |_| {
            (postgres.sql("SELECT count(*) FROM outbox").ok()? == "0").then_some(())
        });
    }
    // One that can never go is told of and holds up nobody.
    postgres
        .sql("INSERT INTO outbox(type, payload) VALUES (NULL, '{}'), ('late', '{}')")
        .unwrap();
    stage.wait("the row that cannot go", |s| {
        let metrics = s.console_get("/metrics")?;
        (metrics.contains("plimsoll_outbox_refused{outbox=\"shop\"} 1")
            && metrics.contains("plimsoll_outbox_waiting{outbox=\"shop\"} 1"))
        .then_some(())
    });
    let all = events(at).unwrap();
    let written = postgres.sql("SELECT id FROM written").unwrap();
    let mut written: BTreeSet<String> = written.lines().map(str::to_owned).collect();
    let placed: Vec<String> = all
        .iter()
        .map(|e| e["id"].as_str().unwrap().to_owned())
        .collect();
    let unique: BTreeSet<String> = placed.iter().cloned().collect();
    assert_eq!(unique.len(), placed.len(), "a row was there twice");
    written.extend(placed.last().cloned());
    assert_eq!(unique, written);
    assert_eq!(written.len(), 751);
    assert!(
        all.iter()
            .take(750)
            .all(|e| e["subject"] == format!("a{}", e["data"]["n"]))
    );
}

/// Takes jobs: the id of each delivery, and what it says.
fn work(stream: TcpStream, got: &Mutex<Vec<(String, String)>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (head, body) = message(&mut stream)?;
        let line = |name: &str| {
            let mut lines = head.lines().filter_map(|l| l.split_once(": "));
            lines
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|l| l.1)
        };
        let job = line("plimsoll-job-id")?.to_owned();
        let body: Value = serde_json::from_str(&body).ok()?;
        let told = [line("ce-type")?, line("ce-source")?, line("ce-subject")?];
        assert_eq!(told[..2], ["mail", "/outbox/mails"]);
        assert_eq!(told[2], format!("a{}", body["n"]));
        assert!(head.starts_with("POST /send "), "{head}");
        got.lock().unwrap().push((line("ce-id")?.to_owned(), job));
        let answer = "HTTP/1.1 204 ok\r\nContent-Length: 0\r\n\r\n";
        stream.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

#[test]
fn each_row_becomes_one_job_whoever_is_killed() {
    let Some(mut postgres) = peers::there(peers::Postgres::start(&[])) else {
        return;
    };
    postgres
        .sql("CREATE TABLE outbox(id bigserial PRIMARY KEY, type text, payload jsonb, owner text)")
        .unwrap();
    let (service, got) = service(work);
    let (mut stage, _) = stage("");
    stage.instance = service;
    std::fs::write(stage.path("url"), postgres.url()).unwrap();
    stage.write(&stage.config(
        "routes: { mails: { match: POST /send, to: app, async: { when: always } } }\n\
         outbox: { mails: { postgres: { file: url }, to: job mails, path: /send, subject: owner, batch: 7, poll: 20ms } }",
    ));
    let mut pid = stage.start();
    let write = "INSERT INTO outbox(type, payload, owner) SELECT 'mail', jsonb_build_object('n', g), 'a' || g \
                 FROM generate_series(1, 100) g";
    let rows = || {
        got.lock()
            .unwrap()
            .iter()
            .map(|g| g.0.clone())
            .collect::<BTreeSet<_>>()
    };
    for round in 0..3 {
        postgres.sql(write).unwrap();
        let before = round * 100;
        stage.wait("some of them", |_| {
            (rows().len() > before + 10).then_some(())
        });
        // First the one that relays, then the database, then both.
        if round != 1 {
            signal(pid, "KILL");
            stage.ended(pid);
        }
        if round != 0 {
            postgres.stop();
            postgres.run().unwrap();
        }
        if round != 1 {
            pid = stage.start();
        }
        stage.wait("an empty table", |_| {
            (postgres.sql("SELECT count(*) FROM outbox").ok()? == "0").then_some(())
        });
        stage.wait("all of them", |_| {
            (rows().len() == before + 100).then_some(())
        });
    }
    // A delivery may come twice; a row is one job all the same.
    let jobs: BTreeSet<(String, String)> = got.lock().unwrap().iter().cloned().collect();
    assert_eq!(
        (jobs.len(), rows().len()),
        (300, 300),
        "a row became two jobs"
    );
    let status = String::from_utf8(stage.ask(&["streams", "status"]).stdout).unwrap();
    assert!(status.contains("became jobs of mails"), "{status}");
}
