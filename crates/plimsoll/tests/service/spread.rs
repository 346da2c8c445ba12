//! Two Plimsolls and one Redis: an overlay of one is in service at both within a second, and gone from both within a second;
//! and whoever dies, is away or has another file takes nothing from the others. A third one speaks by the test's own hand.

use crate::stage::{Stage, signal};
use config::{Op, Overlay};
use control::ledger::{Event, Ledger, LedgerError, Note};
use control::ports::{SystemWall, Wall};
use control::spread::{Gone, Word};
use peers::{Redis, there};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Embedded, Kv, Put};

const SECOND: Duration = Duration::from_secs(1);

fn config(redis: &str, more: &str) -> String {
    format!(
        "engines: {{ shared: \"{redis}\" }}\nroutes:\n  p: {{ match: GET /p, to: app }}\n{more}"
    )
}

fn two(redis: &str) -> [Stage; 2] {
    let first = Stage::new(&config(redis, ""));
    let mut second = Stage::new("");
    second.instance = first.instance;
    second.write(&second.config(&config(redis, "")));
    [first, second]
}

fn now_s() -> u64 {
    SystemWall.now_ms() / 1000
}

/// Who is on it gets a 418.
fn overlay(id: &str, share: Option<f64>) -> Overlay {
    Overlay {
        id: id.into(),
        owner: "ann".into(),
        reason: format!("because of {id}"),
        evidence: String::new(),
        ops: vec![Op {
            path: ["routes", "p", "fault"].map(String::from).to_vec(),
            value: Some(json!({ "until": "2100-01-01T00:00:00Z", "abort": "418" })),
            base: None,
        }],
        created_at: now_s(),
        expires_at: share.map(|_| now_s() + 600),
        share,
    }
}

/// Writes an overlay into the ledger of a node that does not run.
fn seed(stage: &Stage, overlay: Overlay) {
    std::fs::create_dir_all(stage.path("data")).unwrap();
    let log = Embedded::open(stage.path("data/control.db")).unwrap();
    let ledger = Ledger::open(Arc::new(log)).unwrap();
    let added = Note::new("ann", "by hand", Event::OverlayAdded { overlay });
    ledger
        .transact(SystemWall.now_ms(), |_| {
            Ok::<_, LedgerError>(vec![added.clone()])
        })
        .unwrap();
}

fn status(stage: &Stage, user: u32) -> Option<u16> {
    let mut stream = TcpStream::connect(stage.listen).ok()?;
    let ask =
        format!("GET /p HTTP/1.1\r\nHost: app\r\nX-User-Id: u{user}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// Waits until all users get this answer, and tells how long that took.
fn until(stage: &Stage, expected: u16) -> Duration {
    let begun = Instant::now();
    stage.wait("an answer", |s| {
        (status(s, 1) == Some(expected)).then_some(())
    });
    begun.elapsed()
}

fn overlays(stage: &Stage) -> Option<Value> {
    Some(stage.console_json("/api/v1/engines")?["shared"]["overlays"].clone())
}

/// The third node: it says what the test wants, on the file of the others.
struct Hand {
    kv: store::redis::Redis,
    rings: u64,
}

impl Hand {
    fn new(url: &str) -> Hand {
        let options = store::redis::Options {
            url: url.into(),
            ca: None,
            prefix: "plimsoll".into(),
        };
        Hand {
            kv: store::redis::Redis::open(&options).unwrap(),
            rings: 0,
        }
    }

    /// What all nodes say.
    fn words(&self) -> Vec<Word> {
        let all = self.kv.scan("overlays/", None, 9, SystemWall.now_ms());
        let all = all.unwrap_or_default();
        all.iter().map(|e| Word::read(&e.value)).collect()
    }

    fn say(&mut self, overlays: &[Overlay], gone: &[Overlay]) {
        let gone = gone
            .iter()
            .map(|o| Gone::new(o, "eve", "enough", SystemWall.now_ms()));
        let word = Word {
            overlays: overlays.iter().map(|o| json!(o)).collect(),
            gone: gone.collect(),
            ..self.words().remove(0)
        };
        self.rings += 1;
        let put = |key: &str, value: Vec<u8>| {
            let put = Put::new(key, value);
            self.kv.put(put, SystemWall.now_ms()).wait().unwrap();
        };
        put("overlays/hand-1", serde_json::to_vec(&word).unwrap());
        put("bell/overlays", self.rings.to_string().into_bytes());
    }
}

#[test]
fn what_one_node_has_is_in_service_at_the_others_within_a_second_and_gone_within_a_second() {
    let Some(mut redis) = there(Redis::start(&[])) else {
        return;
    };
    let mut stages = two(&redis.url());
    stages[1].start();
    assert_eq!(status(&stages[1], 1), Some(200));
    seed(&stages[0], overlay("x", None));
    let pid = stages[0].start();
    let (took, [a, b]) = (until(&stages[1], 418), &stages);
    assert!(took < SECOND, "in service after {took:?}");
    println!("in service at the other node after {took:?}");
    let history = b.ask_console(&["history", "--json"]);
    assert!(
        history.contains(&format!("-{pid}")) && history.contains("overlay x added"),
        "{history}"
    );

    // Asked at the one that did not make it.
    let out = b.ask_console(&["rollback", "x"]);
    assert!(out.contains("rolled back x"), "{out}");
    let took = until(a, 200);
    assert!(took < SECOND, "gone after {took:?}");
    println!("gone from the other node after {took:?}");
    assert_eq!(status(b, 1), Some(200));

    // A canary: the same users are on it at both.
    let mut hand = Hand::new(&redis.url());
    a.wait("both words", |_| (hand.words().len() == 2).then_some(()));
    let canary = overlay("y", Some(0.5));
    hand.say(std::slice::from_ref(&canary), &[]);
    let side = |s: &Stage| (0..40).map(|u| status(s, u)).collect::<Vec<_>>();
    let on = |s: &Stage| (0..40).any(|u| status(s, u) == Some(418)).then_some(());
    let begun = Instant::now();
    for s in [a, b] {
        s.wait("the canary", on);
    }
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    let sides = [a, b].map(side);
    assert_eq!(sides[0], sides[1]);
    assert!(sides[0].contains(&Some(200)));

    // The engine is away, and comes back empty: nothing is taken back, and all say again what they have.
    redis.stop();
    for s in [a, b] {
        s.wait("what is wrong", |s| {
            overlays(s)?["wrong"].as_str().map(drop)
        });
    }
    assert_eq!([a, b].map(side), sides);
    let said = a.ask_console(&["status"]);
    assert!(said.contains("NOT FOLLOWED between nodes"), "{said}");
    // What is taken back meanwhile is gone from the other one when it is there again.
    let out = a.ask_console(&["rollback", "y"]);
    assert!(out.contains("rolled back y"), "{out}");
    assert_eq!((side(a), side(b)), (vec![Some(200); 40], sides[1].clone()));
    redis.start_again().unwrap();
    b.wait("the end of the canary", |s| {
        (side(s) == vec![Some(200); 40]).then_some(())
    });
    for s in [a, b] {
        s.wait("the engine", |s| {
            overlays(s)?["wrong"].is_null().then_some(())
        });
    }
    // Who is late does not bring it back.
    a.wait("the hand's engine", |_| {
        (!hand.words().is_empty()).then_some(())
    });
    hand.say(&[canary], &[]);
    let third = overlay("z", None);
    hand.say(std::slice::from_ref(&third), &[]);
    for s in [a, b] {
        until(s, 418);
        let there = s.console_json("/api/v1/overlays").unwrap();
        assert_eq!(there.as_array().unwrap().len(), 1, "{there}");
    }
    hand.say(&[], &[third]);
    for s in [a, b] {
        until(s, 200);
    }
}

#[test]
fn a_node_that_joins_has_what_the_others_have_before_it_serves_and_the_dead_take_nothing_along() {
    let Some(redis) = there(Redis::start(&[])) else {
        return;
    };
    let mut stages = two(&redis.url());
    seed(&stages[0], overlay("x", None));
    let pid = stages[0].start();
    // The service is ready with it: no request has gone the other way.
    stages[1].start();
    assert_eq!(status(&stages[1], 1), Some(418));
    signal(pid, "KILL");
    stages[0].ended(pid);
    std::fs::remove_dir_all(stages[0].path("data")).unwrap();
    assert_eq!(status(&stages[1], 1), Some(418));
    // With an empty ledger, from the one that had it from it.
    let pid = stages[0].start();
    assert_eq!(status(&stages[0], 1), Some(418));
    // It is taken back while one is dead: that one hears it before it serves.
    signal(pid, "KILL");
    stages[0].ended(pid);
    let out = stages[1].ask_console(&["rollback", "x"]);
    assert!(out.contains("rolled back x"), "{out}");
    let hand = Hand::new(&redis.url());
    stages[1].wait("the word of it", |_| {
        let told = hand.words().iter().any(|w| !w.gone.is_empty());
        told.then_some(())
    });
    stages[0].start();
    assert_eq!(status(&stages[0], 1), Some(200));
}

#[test]
fn a_node_with_another_file_takes_nothing_new_and_says_in_what_it_differs() {
    let Some(redis) = there(Redis::start(&[])) else {
        return;
    };
    let mut stages = two(&redis.url());
    let other = stages[1].config(&config(&redis.url(), "  q: { match: GET /q, to: app }\n"));
    stages[1].write(&other);
    let pid = stages[1].start();
    seed(&stages[0], overlay("x", None));
    stages[0].start();
    until(&stages[0], 418);
    let refused = |s: &Stage| {
        let refused = overlays(s)?["refused"].as_array()?.first()?.clone();
        (refused["overlays"] == json!(["x"])).then_some(refused)
    };
    let said = stages[1].wait("what is refused", refused);
    assert_eq!(
        said["why"],
        "its file differs in routes: give both the same"
    );
    assert_eq!(status(&stages[1], 1), Some(200));
    let text = stages[1].ask_console(&["status"]);
    assert!(
        text.contains("IS NOT IN SERVICE HERE: its file differs in routes"),
        "{text}"
    );
    let page = stages[1].console_get("/metrics").unwrap();
    assert!(page.contains("plimsoll_overlays_refused 1"), "{page}");
    // The same file, and it comes.
    stages[1].write(&stages[1].config(&config(&redis.url(), "")));
    signal(pid, "HUP");
    until(&stages[1], 418);
    stages[1].wait("nothing refused", |s| {
        let none = overlays(s)?["refused"].as_array()?.is_empty();
        none.then_some(())
    });
}
