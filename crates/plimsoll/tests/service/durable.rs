//! Two Plimsolls and one NATS: keys, sessions and values are the same at both, one of them leads, without it what is durable is
//! refused and the rest goes on, and the doctor calls nothing durable that is not.

use crate::keys::{ask, send, state};
use crate::messages::{message, service, session};
use crate::stage::{Stage, port, signal};
use crate::streams::{self, event};
use peers::{Nats, NatsOptions, there};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use store::nats::{Jobs, Options};
use store::{Bounds, Marked, Put};

pub const SYNCED: &str = "sync_interval: always";

/// Tells what it is told of the session, sets it when asked to log in, and writes down the bodies that it gets. What is `held` is
/// answered when `go` is written there.
fn serve(stream: TcpStream, got: &Mutex<Vec<String>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (head, body) = message(&mut stream)?;
        let set = match head.starts_with("POST /login") {
            true => "Plimsoll-Session-Set: ann\r\n",
            false => "",
        };
        let told = session(&head);
        let is_held = body == "held";
        got.lock().unwrap().push(body);
        while is_held && !got.lock().unwrap().iter().any(|b| b == "go") {
            std::thread::sleep(Duration::from_millis(5));
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\n{set}Content-Length: {}\r\n\r\n{told}",
            told.len()
        );
        stream.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

/// Head and body.
fn request(at: SocketAddr, line: &str, cookie: &str) -> (String, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    let text = format!(
        "{line} HTTP/1.1\r\nHost: t\r\n{cookie}Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(text.as_bytes()).unwrap();
    message(&mut BufReader::new(stream)).expect("an answer")
}

pub struct Node {
    pub stage: Stage,
    /// Where services keep values.
    values: SocketAddr,
    pid: u32,
}

fn node(nats: &Nats, service: SocketAddr) -> Node {
    node_with(nats, service, "jobs: embedded", "", "")
}

/// `more`: further sections.
fn node_with(nats: &Nats, service: SocketAddr, jobs: &str, route: &str, more: &str) -> Node {
    node_at(&nats.url(), &nats.monitor(), service, jobs, route, more)
}

/// One that reaches NATS at this place.
pub fn node_at(
    nats: &str,
    monitor: &str,
    service: SocketAddr,
    jobs: &str,
    route: &str,
    more: &str,
) -> Node {
    let values = port();
    let mut stage = Stage::new("");
    stage.instance = service;
    std::fs::write(stage.path("token"), "secret").unwrap();
    std::fs::write(stage.path("nats"), nats).unwrap();
    let config = format!(
        "limits: {{ connections: 100 }}\n\
         engines: {{ durable: {{ file: nats }}, size: 64MiB, {jobs}, monitors: ['{monitor}'] }}\n\
         sessions: {{ shop: {{ idle: 30m }} }}\n\
         state: {{ listen: {values}, token: {{ file: token }}, stores: {{ carts: {{ ttl: 1h }} }} }}\n\
         routes:\n{route}  now: {{ match: POST /now, to: app, idempotency: true }}\n\
         \x20 shop: {{ match: '/{{rest...}}', to: app, session: shop }}"
    );
    stage.write(&format!("{}\n{more}", stage.config(&config)));
    let pid = stage.start();
    Node { stage, values, pid }
}

pub fn engine(stage: &Stage) -> Option<Value> {
    let told = stage.console_get("/api/v1/engines")?;
    let body: Value = serde_json::from_str(told.split("\r\n\r\n").nth(1)?).ok()?;
    Some(body["durable"].clone())
}

pub fn is_up(stage: &Stage) {
    stage.wait("the engine", |s| engine(s).filter(|e| e["wrong"].is_null()));
}

/// Asks again as a client does that is told so: for other nodes a request is under way until its answer has come to the engine,
/// which its client does not wait for.
fn ask_again(stage: &Stage, body: &str) -> (String, String) {
    stage.wait("the end of what is under way", |s| {
        let told = ask(s.listen, "/now", body);
        let under_way = told.0.contains("idempotency-in-progress");
        (!under_way).then_some(told)
    })
}

pub fn start(jetstream: &str) -> Option<Nats> {
    there(Nats::start(NatsOptions {
        jetstream,
        ..NatsOptions::default()
    }))
}

#[test]
fn what_one_was_told_the_other_knows_and_without_the_engine_only_that_is_refused() {
    let Some(mut nats) = start(SYNCED) else {
        return;
    };
    let (at, got) = service(serve);
    let mut nodes = [node(&nats, at), node(&nats, at)];
    for n in &nodes {
        is_up(&n.stage);
    }
    let [a, b] = &nodes;
    let count = |what: &str| got.lock().unwrap().iter().filter(|b| *b == what).count();

    // A request with a key is done once, whoever is asked again.
    assert!(
        ask(a.stage.listen, "/now", "one")
            .0
            .starts_with("HTTP/1.1 200")
    );
    let (head, _) = ask_again(&b.stage, "one");
    let replayed = head.to_lowercase().contains("idempotency-replayed: true");
    assert!(replayed && count("one") == 1, "{head}");

    // A session that began here goes on there.
    let (head, _) = request(a.stage.listen, "POST /login", "");
    let cookie = head
        .lines()
        .find(|l| l.to_lowercase().starts_with("set-cookie:"))
        .and_then(|l| l.split_once(": ")?.1.split(';').next());
    let cookie = format!("Cookie: {}\r\n", cookie.expect("a cookie"));
    let seen = |n: &Node| request(n.stage.listen, "GET /me", &cookie);
    assert_eq!([&seen(a).1, &seen(b).1], ["live ann", "live ann"]);

    // A value is changed by what was read at the other.
    let (put, etag, ..) = state(a.values, "PUT /v1/state/carts/x", "", "1");
    assert_eq!(put, 204);
    let is = format!("If-Match: {etag}\r\n");
    assert_eq!(state(b.values, "PUT /v1/state/carts/x", &is, "2").0, 204);
    assert_eq!(state(a.values, "PUT /v1/state/carts/x", &is, "3").0, 412);
    assert_eq!(state(a.values, "GET /v1/state/carts/x", "", "").3, "2");
    assert!(!a.stage.path("data/state.db").exists());

    nats.stop();
    for n in &nodes {
        n.stage.wait("what is wrong", |s| {
            let wrong = engine(s)?["wrong"].as_str()?.to_owned();
            wrong.contains("is it running").then_some(())
        });
        let (head, body) = ask(n.stage.listen, "/now", "two");
        assert!(
            head.starts_with("HTTP/1.1 503") && body.contains("idempotency-store"),
            "{head}{body}"
        );
        let (status, _, _, body) = state(n.values, "PUT /v1/state/carts/x", "", "4");
        assert!(status == 503 && body.contains("is it running"), "{body}");
        // Nobody is logged out.
        let (head, body) = seen(n);
        let cleared = head.to_lowercase().contains("set-cookie");
        assert!(head.starts_with("HTTP/1.1 200") && !cleared, "{head}");
        assert!(body.starts_with("unknown"), "{body}");
    }
    assert_eq!(count("two"), 0);
    let page = a.stage.console_get("/metrics").unwrap();
    assert!(
        page.contains("plimsoll_engine_up{engine=\"durable\"} 0"),
        "{page}"
    );
    let status = a.stage.ask_console(&["status"]);
    assert!(
        status.contains("durable: nats at") && status.contains("is it running"),
        "{status}"
    );

    nats.start_again().unwrap();
    for n in &nodes {
        is_up(&n.stage);
    }
    // Everything that was acknowledged is there.
    assert!(
        ask(a.stage.listen, "/now", "two")
            .0
            .starts_with("HTTP/1.1 200")
    );
    let (head, _) = ask(b.stage.listen, "/now", "one");
    assert!(head.to_lowercase().contains("idempotency-replayed: true"));
    assert_eq!([count("one"), count("two")], [1, 1]);
    assert_eq!(seen(b).1, "live ann");
    assert_eq!(state(b.values, "GET /v1/state/carts/x", "", "").3, "2");

    // A request that is under way during an upgrade ends in the old process, and its key knows.
    let held = send(a.stage.listen, "/now", "held");
    a.stage
        .wait("it at the service", |_| (count("held") == 1).then_some(()));
    let (said, _) = nodes[0].stage.upgrade();
    assert!(said.status.success(), "{said:?}");
    got.lock().unwrap().push("go".into());
    let (head, _) = message(&mut BufReader::new(held)).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    for n in &nodes {
        let (head, _) = ask_again(&n.stage, "held");
        assert!(
            head.to_lowercase().contains("idempotency-replayed: true"),
            "{head}"
        );
    }
    assert_eq!(count("held"), 1);
}

const ORDERS: &str = "  orders: { match: POST /orders, to: app, async: { when: always } }\n";

/// Where the job is that this became.
fn accepted(stage: &Stage, body: &str) -> String {
    let (head, told) = ask(stage.listen, "/orders", body);
    assert!(head.starts_with("HTTP/1.1 202"), "{head}{told}");
    let place = head.lines().find_map(|l| l.strip_prefix("Location: "));
    place.expect("a place").to_owned()
}

#[test]
fn a_job_is_done_by_another_node_than_the_one_that_accepted_it_and_died() {
    let Some(mut nats) = start(SYNCED) else {
        return;
    };
    let (at, got) = service(serve);
    let count = |what: &str| got.lock().unwrap().iter().filter(|b| *b == what).count();
    let nodes = [(); 2].map(|()| node_with(&nats, at, "jobs: durable", ORDERS, ""));
    let [a, b] = &nodes;
    for n in &nodes {
        is_up(&n.stage);
    }
    // Whoever pauses them at one node pauses them at all.
    let said = a.stage.ask_console(&["jobs", "pause", "orders"]);
    assert!(said.contains("orders"), "{said}");
    let paused = "plimsoll_jobs_paced_by{route=\"orders\",reason=\"paused\"} 1";
    b.stage.wait("the pause at the other node", |s| {
        s.console_get("/metrics")?.contains(paused).then_some(())
    });
    let place = accepted(&a.stage, "kept");
    signal(a.pid, "KILL");
    // Whoever asks another node finds it there.
    let (head, told) = request(b.stage.listen, &format!("GET {place}"), "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}{told}");
    assert!(told.contains("\"state\":\"waiting\""), "{told}");
    assert_eq!(count("kept"), 0);
    b.stage.ask_console(&["jobs", "resume", "orders"]);
    b.stage
        .wait("the job", |_| (count("kept") == 1).then_some(()));
    let result = format!("GET {place}/result");
    b.stage.wait("its result", |s| {
        let (head, _) = request(s.listen, &result, "");
        head.starts_with("HTTP/1.1 200").then_some(())
    });

    // Without the engine nothing is accepted; what is under way ends when it is back.
    let held = accepted(&b.stage, "held");
    b.stage
        .wait("it at the service", |_| (count("held") == 1).then_some(()));
    nats.stop();
    b.stage.wait("what is wrong", |s| {
        let wrong = engine(s)?["wrong"].as_str()?.to_owned();
        wrong.contains("is it running").then_some(())
    });
    // The connection of jobs gives the reason for which it broke until another one was tried for.
    b.stage.wait("what clients are told", |s| {
        let (head, told) = ask(s.listen, "/orders", "lost");
        let refused = head.starts_with("HTTP/1.1 503") && told.contains("job-refused");
        assert!(refused, "{head}{told}");
        told.contains("is it running").then_some(())
    });
    got.lock().unwrap().push("go".into());
    nats.start_again().unwrap();
    let result = format!("GET {held}/result");
    b.stage.wait("its end", |s| {
        let (head, _) = request(s.listen, &result, "");
        head.starts_with("HTTP/1.1 200").then_some(())
    });
    assert_eq!([count("kept"), count("held"), count("lost")], [1, 1, 0]);
    let shown = b.stage.ask_console(&["jobs", "status"]);
    assert!(shown.contains("orders: 0 waiting"), "{shown}");
}

/// A node whose streams are those of all.
fn with_streams(nats: &Nats, service: SocketAddr, more: &str) -> Node {
    node_with(nats, service, "jobs: embedded", "", more)
}

#[test]
fn events_are_the_same_at_all_nodes_whichever_dies() {
    let Some(mut nats) = start(SYNCED) else {
        return;
    };
    let (at, got) = service(serve);
    let config = format!(
        "streams: {{}}\nprojections: {{ view: {{ to: 'http://{at}/events', stream: orders }} }}"
    );
    let mut nodes = [(); 2].map(|()| with_streams(&nats, at, &config));
    let append = |n: &Node, id: &str, expected: &str| {
        let line = format!("Plimsoll-Expected-Version: {expected}\r\n");
        streams::ask(n.values, "POST /v1/streams/orders", &line, &event(id))
    };
    let read = |n: &Node, many: usize| {
        n.stage.wait("the events of the other", |_| {
            let said = streams::ask(n.values, "GET /v1/streams?after=0", "", "");
            (said.ids().len() == many).then_some(said.body)
        })
    };
    for n in &nodes {
        n.stage.wait("that it follows", |s| {
            let said = s.ask_console(&["streams", "status"]);
            said.contains("the same at all nodes").then_some(())
        });
    }
    let [a, b] = &nodes;
    assert_eq!(append(a, "1", "none").status, 201);
    // The other one is told what holds, whether it has heard of it or not; and what is there already is not stored again.
    let said = append(b, "2", "none");
    assert_eq!((said.status, &said.body["actual"]), (409, &json!(1)));
    assert_eq!(append(b, "1", "none").status, 200);
    assert_eq!(append(b, "2", "1").status, 201);
    // A subscription goes on where it was acknowledged, at any node; what one told of is waited for by the other.
    let made = streams::ask(b.values, "PUT /v1/subscriptions/mailer", "", "{}");
    assert_eq!(made.status, 201);
    let third = append(a, "3", "2");
    let position = third.body["position"].as_u64().unwrap();
    let ack = json!({ "position": position - 1 }).to_string();
    let said = streams::ask(b.values, "POST /v1/subscriptions/mailer/ack", "", &ack);
    assert_eq!(said.status, 200);
    let next = streams::ask(a.values, "GET /v1/subscriptions/mailer/events", "", "");
    assert_eq!(next.ids(), ["3"]);
    assert_eq!(read(a, 3), read(b, 3));
    // One of them pushes, and the other knows how far it is.
    let pushed = || got.lock().unwrap().join("\n");
    a.stage.wait("the projection", |_| {
        pushed().contains("\"id\":\"3\"").then_some(())
    });
    for n in &nodes {
        n.stage.wait("how far it is", |s| {
            let said = s.ask_console(&["streams", "status"]);
            let is = said.contains("projection view: 0 behind, at position 3");
            (is && said.contains("the same at all nodes")).then_some(())
        });
    }
    assert_eq!(pushed().matches("\"id\":\"1\"").count(), 1);

    // One dies; the other goes on, and it has all of it when it is back.
    signal(nodes[0].pid, "KILL");
    let pid = nodes[0].pid;
    nodes[0].stage.ended(pid);
    for i in 4..20 {
        assert_eq!(append(&nodes[1], &i.to_string(), "any").status, 201);
    }
    nodes[1].stage.wait("the projection", |_| {
        pushed().contains("\"id\":\"19\"").then_some(())
    });
    nodes[0].pid = nodes[0].stage.start();
    let [a, b] = &nodes;
    assert_eq!(read(a, 19), read(b, 19));
    // So does one that joins.
    let late = with_streams(&nats, at, &config);
    assert_eq!(read(&late, 19), read(b, 19));

    // Each alone nothing is appended to what all have, and what one had alone is not mixed in.
    let mut late = late;
    signal(late.pid, "KILL");
    let pid = late.pid;
    late.stage.ended(pid);
    let text = std::fs::read_to_string(late.stage.path("plimsoll.yaml")).unwrap();
    late.stage
        .write(&text.replace("streams: {}", "streams: { shared: false }"));
    let mut command = late.stage.command();
    let pid = late.stage.spawn(&mut command);
    late.stage.ended(pid);
    let said = std::fs::read_to_string(late.stage.path("log")).unwrap();
    assert!(
        said.contains("is a copy of the events of all nodes"),
        "{said}"
    );

    // Without the engine nothing is appended, and what is there is read.
    nats.stop();
    b.stage.wait("what is wrong", |_| {
        let said = append(b, "no", "any");
        (said.status == 503 && said.body["detail"].as_str()?.contains("is it running"))
            .then_some(())
    });
    assert_eq!(read(b, 19).as_array().unwrap().len(), 19);
    let status = b.stage.ask_console(&["streams", "status"]);
    assert!(status.contains("NOT FOLLOWED"), "{status}");
    nats.start_again().unwrap();
    b.stage.wait("appends", |_| {
        (append(b, "20", "any").status < 300).then_some(())
    });
    assert_eq!(read(a, 20), read(b, 20));
    let doctor = b.stage.ask_console(&["doctor"]);
    assert!(doctor.contains("events.db has"), "{doctor}");

    // Another one in its place is not followed, and nothing is mixed.
    nats.stop();
    nats.start_empty().unwrap();
    b.stage.wait("what is wrong", |s| {
        let said = s.ask_console(&["streams", "status"]);
        said.contains("NOT FOLLOWED: this node's copy")
            .then_some(())
    });
    assert_eq!(append(b, "no", "any").status, 503);
    assert_eq!(read(b, 20).as_array().unwrap().len(), 20);
    let doctor = b.stage.ask_console(&["doctor"]);
    assert!(doctor.contains("copy of another stream"), "{doctor}");
}

/// A topic whose events are pushed to the service, and pulled.
const TOPICS: &str = "topics: { t: { subscriptions: { push: { to: app, path: /events, timeout: 10s, concurrency: 2 }, \
    audit: { pull: true, timeout: 60s } } } }";

fn with_topics(nats: &Nats, service: SocketAddr) -> Node {
    let node = node_with(nats, service, "topics: durable", "", TOPICS);
    follows(&node);
    node
}

fn topics(n: &Node) -> String {
    n.stage.ask_console(&["topics", "status"])
}

fn follows(n: &Node) {
    n.stage.wait("that it follows", |_| {
        topics(n).contains("the same at all nodes").then_some(())
    });
}

/// Its data is its id.
fn publish(n: &Node, id: &str) -> streams::Said {
    let event = format!("ce-specversion: 1.0\r\nce-id: {id}\r\nce-source: /t\r\nce-type: t\r\n");
    streams::ask(n.values, "POST /v1/topics/t", &event, id)
}

#[test]
fn topics_are_the_same_at_all_nodes_whichever_dies() {
    let Some(mut nats) = start(SYNCED) else {
        return;
    };
    let (at, got) = service(serve);
    let count = |what: &str| got.lock().unwrap().iter().filter(|b| *b == what).count();
    let mut a = with_topics(&nats, at);
    // What one has under way when it is killed, as many as it takes at once.
    for id in ["held", "held2"] {
        assert_eq!(publish(&a, id).status, 202);
    }
    a.stage
        .wait("it at the service", |_| (count("held") == 1).then_some(()));
    let b = with_topics(&nats, at);
    let events: Vec<String> = (0..20).map(|i| format!("e{i}")).collect();
    for (i, id) in events.iter().enumerate() {
        let at = [&a, &b][i % 2];
        let said = publish(at, id);
        assert_eq!(
            (said.status, &said.body["events"][0]["position"]),
            (202, &json!(i + 3))
        );
    }
    // Known at the other, too.
    let said = publish(&b, "e0");
    assert_eq!(
        (said.status, &said.body["events"][0]["position"]),
        (200, &json!(3))
    );
    signal(a.pid, "KILL");
    let pid = a.pid;
    a.stage.ended(pid);
    got.lock().unwrap().push("go".into());
    assert_eq!(publish(&b, "last").status, 202);
    // A lease is half a minute longer than its attempt.
    let end = Instant::now() + Duration::from_secs(90);
    while !topics(&b).contains("/events): 0 waiting") {
        assert!(Instant::now() < end, "{}", topics(&b));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!((count("held"), count("last")), (2, 1));
    for id in &events {
        // It may have had one more of them.
        assert!((1..=2).contains(&count(id)), "{id}");
    }
    let twice = events.iter().filter(|id| count(id) == 2).count();
    assert!(twice + usize::from(count("held2") == 2) <= 1);

    // It comes back with what the other did, and pulls what nobody took; it is acknowledged there.
    a.pid = a.stage.start();
    follows(&a);
    let ask = json!({ "max": 100 }).to_string();
    let pulled = a.stage.wait("all events", |_| {
        let said = streams::ask(a.values, "POST /v1/topics/t/audit/pull", "", &ask);
        let all = said.body["events"].as_array()?.clone();
        (!all.is_empty()).then_some(all)
    });
    assert_eq!(pulled.len(), 23);
    let none = streams::ask(b.values, "POST /v1/topics/t/audit/pull", "", &ask);
    assert_eq!(none.body["events"], json!([]));
    let receipts: Vec<&Value> = pulled.iter().map(|e| &e["receipt"]).collect();
    let ack = json!({ "receipts": receipts }).to_string();
    let said = streams::ask(b.values, "POST /v1/topics/t/audit/ack", "", &ack);
    assert_eq!(
        (&said.body["done"], &said.body["lost"]),
        (&json!(23), &json!([]))
    );

    // A pause holds everywhere, over a restart too, until somebody resumes.
    b.stage.ask_console(&["topics", "pause", "t", "push"]);
    let paused = |n: &Node| topics(n).contains("paused");
    a.stage.wait("the pause", |_| paused(&a).then_some(()));
    signal(a.pid, "TERM");
    let pid = a.pid;
    a.stage.ended(pid);
    a.pid = a.stage.start();
    follows(&a);
    assert_eq!(publish(&a, "paused").status, 202);
    for n in [&a, &b] {
        n.stage.wait("what is held", |_| {
            let said = topics(n);
            (said.contains("/events): 1 waiting") && said.contains("paused")).then_some(())
        });
    }
    assert_eq!(count("paused"), 0);
    a.stage.ask_console(&["topics", "resume", "t", "push"]);
    b.stage.wait("that it goes on", |_| {
        (count("paused") == 1 && !paused(&b)).then_some(())
    });

    // Without the engine nothing is taken, and it says why; nothing needs a restart.
    nats.stop();
    b.stage.wait("what is wrong", |_| {
        let said = publish(&b, "lost");
        (said.status == 503 && said.body["detail"].as_str()?.contains("is it running"))
            .then_some(())
    });
    assert!(topics(&b).contains("NOT FOLLOWED"), "{}", topics(&b));
    nats.start_again().unwrap();
    for (n, id) in [(&a, "back"), (&b, "again")] {
        n.stage.wait("that it is taken", |_| {
            (publish(n, id).status < 300).then_some(())
        });
        n.stage
            .wait("it at the service", |_| (count(id) == 1).then_some(()));
    }
    let doctor = b.stage.ask_console(&["doctor"]);
    assert!(doctor.contains("topics.db has"), "{doctor}");
    assert!(!b.stage.path("data/queue.db").exists());
}

/// Takes a moment for each event, so that some are always under way.
fn work(stream: TcpStream, got: &Mutex<Vec<String>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (_, body) = message(&mut stream)?;
        got.lock().unwrap().push(body);
        std::thread::sleep(Duration::from_millis(5));
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        stream.get_mut().write_all(answer).ok()?;
    }
}

/// Most events that each node delivers at once.
const AT_ONCE: usize = 2;
/// Events are in order for each of them.
const SUBJECTS: usize = 5;

/// The number of events that came more than once; those of a subject came in order, and only the one under way comes again.
fn again(got: &[String]) -> usize {
    let mut last = [None; SUBJECTS];
    let mut again = 0;
    for body in got {
        let (subject, n) = body.split_once(' ').unwrap();
        let (subject, n) = (subject.parse::<usize>().unwrap(), n.parse::<u32>().unwrap());
        match last[subject] {
            Some(before) if before == n => again += 1,
            before => assert_eq!(n, before.map_or(0, |b: u32| b + 1), "{subject} in {got:?}"),
        }
        last[subject] = Some(n);
    }
    again
}

#[test]
fn whoever_ends_or_dies_while_events_come_at_the_other_each_is_delivered_in_order() {
    let Some(nats) = start(SYNCED) else {
        return;
    };
    let (at, got) = service(work);
    let config = format!(
        "topics: {{ t: {{ subscriptions: {{ push: {{ to: app, path: /events, timeout: 1s, concurrency: {AT_ONCE}, \
         order_by: subject }} }} }} }}"
    );
    let mut nodes = [(); 2].map(|()| node_with(&nats, at, "topics: durable", "", &config));
    nodes.iter().for_each(follows);
    let values = nodes[1].values;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let publisher = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let mut all = Vec::new();
            for n in 0.. {
                for subject in 0..SUBJECTS {
                    let id = format!("{subject} {n}");
                    let event = format!(
                        "ce-specversion: 1.0\r\nce-id: {subject}-{n}\r\nce-source: /t\r\nce-type: t\r\nce-subject: {subject}\r\n"
                    );
                    let said = streams::ask(values, "POST /v1/topics/t", &event, &id);
                    assert_eq!(said.status, 202, "{}", said.body);
                    all.push(id);
                }
                if stop.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
            }
            all
        }
    });
    let [a, b] = &mut nodes;
    let count = || got.lock().unwrap().len();
    let more = |stage: &Stage, n: usize| {
        let before = count();
        stage.wait("more events", |_| (count() >= before + n).then_some(()));
    };
    for round in 0..3 {
        more(&b.stage, 100);
        // Both deliver: what the one has under way is not for the other.
        signal(a.pid, "TERM");
        a.stage.ended(a.pid);
        more(&b.stage, 100);
        assert_eq!(again(&got.lock().unwrap()), 0, "in round {round}");
        a.pid = a.stage.start();
        follows(a);
    }
    more(&b.stage, 100);
    signal(a.pid, "KILL");
    a.stage.ended(a.pid);
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let published: BTreeSet<String> = publisher.join().unwrap().into_iter().collect();
    // A lease is half a minute longer than its attempt, and a subject waits for it.
    let end = Instant::now() + Duration::from_secs(90);
    while !topics(b).contains("/events): 0 waiting") {
        assert!(Instant::now() < end, "{}", topics(b));
        std::thread::sleep(Duration::from_millis(50));
    }
    let got = got.lock().unwrap();
    assert!(again(&got) <= AT_ONCE, "{} came twice", again(&got));
    let delivered: BTreeSet<String> = got.iter().cloned().collect();
    assert_eq!(delivered, published);
}

#[test]
fn a_time_that_has_come_is_one_job_whichever_nodes_see_it() {
    const MINUTE: u64 = 60_000;
    const MISSED: u64 = 30;
    let Some(nats) = start(SYNCED) else {
        return;
    };
    let (at, got) = service(serve);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let began = (now.as_millis() as u64 / MINUTE - MISSED) * MINUTE;
    let options = Options {
        url: nats.url(),
        ca: None,
        prefix: "plimsoll".into(),
        replicas: 1,
        size: 64 << 20,
        jobs: Some(64 << 20),
        events: None,
        topics: None,
    };
    // As if nobody had been there for half an hour.
    let jobs = Jobs::open(&options).unwrap();
    let mark = Put::new("cron/report", began.to_string().into_bytes());
    let marked = jobs.enqueue_marked(Vec::new(), Bounds::NONE, mark, began);
    marked.wait().unwrap();
    drop(jobs);
    let cron =
        "cron: { report: { schedule: '* * * * *', route: orders, path: /orders, missed: all } }";
    let nodes = [(); 2].map(|()| node_with(&nats, at, "jobs: durable", ORDERS, cron));
    let list = [
        "jobs", "list", "orders", "--state", "done", "--limit", "1000", "--json",
    ];
    let titles = nodes[1].stage.wait("all of them", |s| {
        let jobs: Value = serde_json::from_slice(&s.ask(&list).stdout).ok()?;
        let titles = jobs.as_array()?.iter().map(|j| j["request"].to_string());
        let titles: Vec<String> = titles.collect();
        (titles.len() as u64 >= MISSED).then_some(titles)
    });
    let unique: BTreeSet<&String> = titles.iter().collect();
    assert_eq!(unique.len(), titles.len(), "{titles:?}");
    // A minute may have begun meanwhile.
    assert!(titles.len() as u64 <= MISSED + 3, "{titles:?}");
    assert!(got.lock().unwrap().len() as u64 <= MISSED + 3);
}

#[test]
fn one_leads_by_the_durable_engine_until_it_dies() {
    let Some(nats) = start("") else {
        return;
    };
    let (at, _got) = service(serve);
    let nodes = [node(&nats, at), node(&nats, at)];
    let leads = |n: &Node| engine(&n.stage).is_some_and(|e| e["loops"]["trial"] == "here");
    let leader = nodes[0]
        .stage
        .wait("a leader", |_| (0..2).find(|i| leads(&nodes[*i])));
    let other = &nodes[1 - leader];
    assert!(!leads(other));
    signal(nodes[leader].pid, "KILL");
    other
        .stage
        .wait("the other one", |_| leads(other).then_some(()));
}

#[test]
fn the_doctor_calls_no_lazy_jetstream_durable() {
    let graded = |stage: &Stage, more: &[&str], about: &str| {
        let out = stage.ask(&[&["doctor", "--json"], more].concat());
        let said: Value = serde_json::from_slice(&out.stdout).unwrap();
        let code = if said["ok"] == true { 0 } else { 3 };
        assert_eq!(out.status.code(), Some(code), "{said}");
        let all = said["checks"].as_array().unwrap();
        let found = all.iter().find(|c| c["about"] == about);
        let found = found.unwrap_or_else(|| panic!("{about}: {said}"));
        let text = |key: &str| found[key].as_str().unwrap().to_owned();
        (text("grade"), text("text"))
    };
    let (at, _got) = service(serve);
    // Of jobs and events as of values.
    for (jetstream, grade, says, jobs, more) in [
        ("", "wrong", "`sync_interval: always`", "jobs: durable", ""),
        (
            SYNCED,
            "good",
            "durable: stored on 1 server",
            "jobs: embedded",
            "",
        ),
        (
            SYNCED,
            "good",
            "durable: stored on 1 server",
            "jobs: durable",
            "streams: {}",
        ),
    ] {
        let Some(mut nats) = start(jetstream) else {
            return;
        };
        let node = node_with(&nats, at, jobs, ORDERS, more);
        // Until each part has made its own.
        node.stage.wait("that all is made", |s| {
            let said = s.ask(&["doctor", "--json"]).stdout;
            (!String::from_utf8_lossy(&said).contains("not made yet")).then_some(())
        });
        is_up(&node.stage);
        let buckets = 2 + usize::from(jobs == "jobs: durable") + usize::from(!more.is_empty());
        let said = node.stage.ask_console(&["doctor"]);
        assert_eq!(said.matches(" bucket ").count(), buckets, "{said}");
        let (is, text) = graded(&node.stage, &["--durable"], "durability");
        assert!(is == grade && text.contains(says), "{is} {text}");
        for about in ["engine", "bucket", "clock"] {
            let (is, text) = graded(&node.stage, &[], about);
            assert_eq!(is, "good", "{about}: {text}");
        }
        // What cannot be asked for is not called durable.
        let config = std::fs::read_to_string(node.stage.path("plimsoll.yaml")).unwrap();
        node.stage
            .write(&config.replace(&nats.monitor(), "http://127.0.0.1:9"));
        let (is, text) = graded(&node.stage, &["--durable"], "durability");
        assert!(is == "wrong" && text.contains("unknown"), "{is} {text}");
        nats.stop();
        let (is, text) = graded(&node.stage, &[], "engine");
        assert!(is == "wrong" && text.contains("is it running"), "{text}");
    }
}
