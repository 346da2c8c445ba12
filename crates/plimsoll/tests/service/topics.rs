//! Topics in the real binary: kill -9 while events fan out and are delivered loses none of them; webhooks are signed, guarded and
//! disabled; commands say and do what they promise.

use crate::messages::{message, service};
use crate::stage::{Stage, port, signal};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

const KILLS: usize = 3;
/// Deliveries at once, of each subscription.
const IN_FLIGHT: usize = 4;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A receiver: writes down what it gets, and answers what its path says (`/410`), else 204.
fn receive(stream: TcpStream, got: &Mutex<Vec<(String, String)>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (head, body) = message(&mut stream)?;
        let path = head.split(' ').nth(1)?.to_owned();
        got.lock().unwrap().push((head, body));
        let status = path[1..].parse().unwrap_or(204);
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nLocation: /204\r\n\r\n");
        stream.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

type Got = Arc<Mutex<Vec<(String, String)>>>;

/// Plimsoll with one topic `t`, its receiver, and where events are published.
struct Topics {
    stage: Stage,
    at: SocketAddr,
    api: SocketAddr,
    got: Got,
}

fn topics(rules: impl Fn(SocketAddr) -> String) -> Topics {
    let (at, got) = service(receive);
    let mut stage = Stage::new("");
    stage.instance = at;
    let api = port();
    std::fs::write(stage.path("token"), "token").unwrap();
    std::fs::write(stage.path("secret"), SECRET).unwrap();
    let extra = format!(
        "state: {{ listen: {api}, token: {{ file: token }} }}\ntopics: {{ t: {} }}\n\
         routes: {{ out: {{ match: POST /events, to: app, publish: t }} }}\n",
        rules(at)
    );
    stage.write(&stage.config(&extra));
    Topics {
        stage,
        at,
        api,
        got,
    }
}

/// Status and body.
fn ask(at: SocketAddr, request: &str, headers: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(at).ok()?;
    let request = format!(
        "{request} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer token\r\nContent-Length: {}\r\n{headers}\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let (head, body) = message(&mut BufReader::new(stream))?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body))
}

fn publish(at: SocketAddr, n: u64) -> Option<u16> {
    let headers = format!(
        "ce-specversion: 1.0\r\nce-id: {n}\r\nce-source: /test\r\nce-type: number\r\nContent-Type: application/json\r\n"
    );
    Some(ask(at, "POST /v1/topics/t", &headers, &n.to_string())?.0)
}

/// The same by a route, as a client does who knows nothing of topics.
fn publish_by_route(front: SocketAddr, n: u64) -> Option<u16> {
    let headers = format!("Content-Type: application/json\r\nIdempotency-Key: \"{n}\"\r\n");
    Some(ask(front, "POST /events", &headers, &n.to_string())?.0)
}

fn said(stage: &Stage, args: &[&str]) -> String {
    let out = stage.ask(args);
    String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
}

fn pull(at: SocketAddr, what: &str, body: &Value) -> Option<Value> {
    let path = format!("POST /v1/topics/t/{what}");
    let (status, body) = ask(at, &path, "", &body.to_string())?;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).ok()
}

fn numbers(got: &Got, path: &str) -> Vec<u64> {
    let begin = format!("POST {path} ");
    let got = got.lock().unwrap();
    let of_path = got.iter().filter(|(head, _)| head.starts_with(&begin));
    of_path.map(|(_, body)| body.parse().unwrap()).collect()
}

#[test]
fn kill_9_during_fan_out_and_delivery_loses_no_event() {
    let mut t = topics(|at| {
        format!(
            "{{ subscriptions: {{ a: {{ to: app, path: /a, concurrency: {IN_FLIGHT} }}, \
             b: {{ to: app, path: /b, concurrency: {IN_FLIGHT} }}, audit: {{ pull: true }}, \
             hook: {{ concurrency: {IN_FLIGHT}, webhook: {{ url: 'http://{at}/hook', secrets: [{{ file: secret }}], \
             allow: [127.0.0.1], retry: [0s, 0s, 0s, 0s, 0s, 0s] }} }} }} }}"
        )
    });
    let mut pid = t.stage.start();
    let (stop, count, api) = (
        Arc::<AtomicBool>::default(),
        Arc::<AtomicUsize>::default(),
        t.api,
    );
    let front = t.stage.listen;
    let clients = [0, 1].map(|first| {
        let (stop, count) = (stop.clone(), count.clone());
        std::thread::spawn(move || {
            let mut accepted = BTreeSet::new();
            for n in (first..).step_by(2) {
                if stop.load(SeqCst) {
                    break;
                }
                let answered = match first {
                    0 => publish(api, n),
                    _ => publish_by_route(front, n),
                };
                match answered {
                    Some(202) => {
                        accepted.insert(n);
                        count.fetch_add(1, SeqCst);
                    }
                    // Killed: whether it was accepted nobody knows.
                    _ => std::thread::sleep(std::time::Duration::from_millis(5)),
                }
            }
            accepted
        })
    });
    for kill in 0..=KILLS {
        let enough = count.load(SeqCst) + 40;
        t.stage.wait("more events", |_| {
            (count.load(SeqCst) >= enough).then_some(())
        });
        if kill < KILLS {
            signal(pid, "KILL");
            t.stage.ended(pid);
            pid = t.stage.start();
        }
    }
    stop.store(true, SeqCst);
    let accepted: BTreeSet<u64> = clients
        .into_iter()
        .flat_map(|c| c.join().unwrap())
        .collect();
    assert!(accepted.len() >= 40 * KILLS);
    for path in ["/a", "/b", "/hook"] {
        t.stage.wait("all deliveries", |_| {
            let once: BTreeSet<u64> = numbers(&t.got, path).into_iter().collect();
            accepted.is_subset(&once).then_some(())
        });
        let all = numbers(&t.got, path);
        let once: BTreeSet<u64> = all.iter().copied().collect();
        let twice = all.len() - once.len();
        assert!(
            twice <= KILLS * IN_FLIGHT,
            "{path}: {twice} were delivered twice"
        );
    }
    // By a route or as a webhook, each says which delivery it is.
    for (head, _) in t.got.lock().unwrap().iter() {
        let which = header(head, "plimsoll-attempt").map(str::parse::<u32>);
        assert!(matches!(which, Some(Ok(1..))), "{head}");
    }
    // What is pulled is there, too, each once.
    let mut pulled = BTreeSet::new();
    loop {
        let leased = pull(api, "audit/pull", &json!({ "max": 100 })).unwrap();
        let events = leased["events"].as_array().unwrap();
        let receipts: Vec<&Value> = events.iter().map(|e| &e["receipt"]).collect();
        if receipts.is_empty() {
            break;
        }
        for e in events {
            assert!(pulled.insert(e["event"]["data"].as_u64().unwrap()), "{e}");
        }
        let done = pull(api, "audit/ack", &json!({ "receipts": receipts })).unwrap();
        assert_eq!(done["done"], receipts.len());
    }
    assert!(accepted.is_subset(&pulled));
    let status = said(&t.stage, &["topics", "status"]);
    assert!(
        status.contains("audit (pull): 0 waiting, 0 dead"),
        "{status}"
    );
}

/// The value of a header.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let line = |l: &'a str| {
        let (n, v) = l.split_once(": ")?;
        n.eq_ignore_ascii_case(name).then_some(v.trim())
    };
    head.lines().find_map(line)
}

#[test]
fn webhooks_are_signed_guarded_and_disabled() {
    let hook = |at: SocketAddr, path: &str, more: &str| {
        format!(
            "{{ webhook: {{ url: 'http://{at}{path}', secrets: [{{ file: secret }}], {more} }} }}"
        )
    };
    let mut t = topics(|at| {
        let (good, gone) = (
            hook(at, "/hook", "allow: [127.0.0.1]"),
            hook(at, "/410", "allow: [127.0.0.1]"),
        );
        let once = "allow: [127.0.0.1], retry: [0s]";
        let (moved, inner) = (hook(at, "/302", once), hook(at, "/inner", "retry: [0s]"));
        format!(
            "{{ subscriptions: {{ good: {good}, gone: {gone}, moved: {moved}, inner: {inner} }} }}"
        )
    });
    let pid = t.stage.start();
    assert_eq!(publish(t.api, 7), Some(202));
    assert_eq!(publish(t.api, 7), Some(200), "the same event");
    let wait_for = |t: &Topics, args: &'static [&str], part: &str| {
        t.stage.wait(part, |s| {
            let all = said(s, args);
            all.contains(part).then_some(all)
        })
    };
    let head = t.stage.wait("the webhook", |_| {
        let got = t.got.lock().unwrap();
        got.iter()
            .find(|(h, _)| h.starts_with("POST /hook "))
            .map(|(h, _)| h.clone())
    });
    assert_eq!(header(&head, "ce-id"), Some("7"));
    assert!(header(&head, "webhook-id").is_some_and(|id| id.starts_with("msg_")));
    assert!(header(&head, "webhook-signature").is_some_and(|s| s.starts_with("v1,")));
    // 410 disables it, and the event waits.
    let disabled = wait_for(&t, &["topics", "status"], "DISABLED: it answered 410");
    assert!(disabled.contains("gone (webhook): 1 waiting"), "{disabled}");
    // A redirect is a failure and is not followed; an address of this host is not called unless it is allowed.
    let moved = wait_for(&t, &["topics", "list", "t", "moved"], "status 302");
    assert!(
        moved.contains("dead") && moved.contains("number 7"),
        "{moved}"
    );
    wait_for(
        &t,
        &["topics", "list", "t", "inner"],
        "an address of this host, and is not called",
    );
    let paths = |t: &Topics| -> Vec<String> {
        let got = t.got.lock().unwrap();
        got.iter()
            .map(|(h, _)| h.split(' ').nth(1).unwrap().to_owned())
            .collect()
    };
    assert!(!paths(&t).iter().any(|p| p == "/204" || p == "/inner"));
    let metrics = t.stage.console_get("/metrics").unwrap();
    for line in [
        "plimsoll_topics_dead{topic=\"t\",subscription=\"moved\"} 1",
        "plimsoll_topics_disabled{topic=\"t\",subscription=\"gone\"} 1",
        "plimsoll_topics_events{topic=\"t\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    // It stays disabled over a restart, until somebody resumes it.
    signal(pid, "KILL");
    t.stage.ended(pid);
    t.stage.start();
    wait_for(&t, &["topics", "status"], "DISABLED: it answered 410");
    let asked = |t: &Topics| paths(t).iter().filter(|p| *p == "/410").count();
    let before = asked(&t);
    assert!(said(&t.stage, &["topics", "resume", "t", "gone"]).contains("paused: false"));
    t.stage
        .wait("another try", |_| (asked(&t) > before).then_some(()));
    assert!(said(&t.stage, &["topics", "redrive", "t", "moved"]).contains("redriven: 1"));
    t.stage.wait("the redriven event", |_| {
        (paths(&t).iter().filter(|p| *p == "/302").count() == 2).then_some(())
    });
    assert!(
        said(&t.stage, &["topics", "pause", "t", "nobody"]).contains("no subscription `nobody`")
    );
    assert_ne!(t.at.port(), 0);
}

#[test]
fn events_are_filtered_pulled_streamed_and_bad_ones_refused() {
    let mut t = topics(|_| {
        "{ size: 64B, events: 3, subscriptions: { \
         odd: { pull: true, attempts: 2, filter: { any: [{ suffix: { id: '1' } }, { suffix: { id: '3' } }] } }, \
         live: { sse: true, filter: { not: { exact: { id: '2' } } } } } }"
            .into()
    });
    t.stage.start();
    let api = t.api;
    let structured = |body: &str| {
        let kind = "Content-Type: application/cloudevents+json\r\n";
        ask(api, "POST /v1/topics/t", kind, body).unwrap()
    };
    for (body, status, part) in [
        ("{", 400, "no JSON object"),
        (
            r#"{"specversion":"1.0","id":"1","source":"/s"}"#,
            400,
            "there is no `type`",
        ),
        (
            r#"{"specversion":"0.3","id":"1","source":"/s","type":"a"}"#,
            400,
            "1.0 is read here",
        ),
    ] {
        let (got, said) = structured(body);
        assert!(got == status && said.contains(part), "{got} {said}");
    }
    let large = format!(
        r#"{{"specversion":"1.0","id":"1","source":"/s","type":"a","data":"{}"}}"#,
        "x".repeat(100)
    );
    assert_eq!(structured(&large).0, 413);
    let none = ask(api, "POST /v1/topics/none", "", "").unwrap();
    assert!(
        none.0 == 404 && none.1.contains("no topic `none`"),
        "{none:?}"
    );
    for n in 1..=3 {
        assert_eq!(publish(api, n), Some(202));
    }
    let leased = pull(api, "odd/pull", &json!({ "lease_s": 60 })).unwrap();
    let events = leased["events"].as_array().unwrap();
    let ids: Vec<&str> = events
        .iter()
        .map(|e| e["event"]["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["1", "3"]);
    // Full: two are waited for, one gives way, and then there is none that may.
    assert_eq!(publish(api, 4), Some(202));
    assert_eq!(publish(api, 5), Some(202));
    assert_eq!(publish(api, 11), Some(202));
    assert_eq!(publish(api, 6), Some(503));
    let receipt = |i: usize| events[i]["receipt"].clone();
    let held = pull(
        api,
        "odd/extend",
        &json!({ "receipts": [receipt(0)], "lease_s": 90 }),
    );
    assert_eq!(held.unwrap()["done"], 1);
    let acked = pull(api, "odd/ack", &json!({ "receipts": [receipt(0)] })).unwrap();
    assert_eq!(acked, json!({ "done": 1, "lost": [] }));
    let late = pull(api, "odd/ack", &json!({ "receipts": [receipt(0)] })).unwrap();
    assert_eq!(late, json!({ "done": 0, "lost": [receipt(0)] }));
    // Given back twice it is dead.
    let back = json!({ "receipts": [receipt(1)], "delay_s": 0, "reason": "too odd" });
    assert_eq!(pull(api, "odd/nack", &back).unwrap()["done"], 1);
    let again = pull(api, "odd/pull", &json!({ "wait_s": 10 })).unwrap();
    let again = again["events"].as_array().unwrap();
    let again = again.iter().find(|e| e["event"]["id"] == "3").unwrap();
    assert_eq!(again["attempt"], 2);
    let back = json!({ "receipts": [again["receipt"]], "reason": "too odd" });
    pull(api, "odd/nack", &back);
    let dead = said(&t.stage, &["topics", "list", "t", "odd", "--json"]);
    assert!(dead.contains("too odd at the last of 2 attempts"), "{dead}");
    // A stream begins where its client was, says what is gone, and goes on with what comes.
    let mut stream = TcpStream::connect(api).unwrap();
    let request = "GET /v1/topics/t/live/events HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer token\r\nLast-Event-ID: 1\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut until = |part: &str| {
        let (mut all, mut line) = (String::new(), String::new());
        while !all.contains(part) {
            line.clear();
            assert_ne!(stream.read_line(&mut line).unwrap(), 0, "{all}");
            all += &line;
        }
        all
    };
    let first = until("\"id\":\"11\"");
    assert!(
        first.contains("event: gap\n") && first.contains("text/event-stream"),
        "{first}"
    );
    assert!(
        first.contains("id: 6\n") && !first.contains("\"id\":\"2\""),
        "{first}"
    );
    assert_eq!(publish(api, 21), Some(202));
    until("\"id\":\"21\"");
    let refused = ask(api, "POST /v1/topics/t/live/pull", "", "").unwrap();
    assert_eq!(refused.0, 409);
    let mut stranger = TcpStream::connect(api).unwrap();
    stranger
        .write_all(b"POST /v1/topics/t HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stranger.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}
