//! Two Plimsolls and one Redis: their limits are one, what `fail` says holds without it, one of them leads, each knows what
//! the other runs, and the doctor sees.

use crate::stage::{Stage, signal};
use peers::{Redis, there};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

pub const RATE: f64 = 200.0;
pub const BURST: f64 = 20.0;
/// Longest that what was leased is good for, with two leases of two turns each.
pub const LEASED_S: f64 = 0.2;
const SPAN: Duration = Duration::from_secs(2);

fn config(redis: &str) -> String {
    let route = |name: &str, rest: &str| {
        format!("  {name}: {{ match: GET /{name}, to: app, rate: {{ key: all, {rest} }} }}\n")
    };
    format!(
        "limits: {{ connections: 100 }}\nengines: {{ shared: \"{redis}\" }}\nroutes:\n{}{}{}{}",
        route("hot", "limit: 200/s, burst: 20"),
        route("cold", "limit: 2/s, burst: 3"),
        route("open", "limit: 1/s, burst: 1, fail: open"),
        route("closed", "limit: 100/s, burst: 100, fail: closed"),
    )
}

/// Two that stand in front of the same instance.
pub fn two(redis: [&str; 2]) -> [Stage; 2] {
    let first = Stage::new(&config(redis[0]));
    let mut second = Stage::new("");
    second.instance = first.instance;
    second.write(&second.config(&config(redis[1])));
    [first, second]
}

pub struct Client(BufReader<TcpStream>);

impl Client {
    pub fn new(at: SocketAddr) -> Client {
        let stream = TcpStream::connect(at).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Client(BufReader::new(stream))
    }

    /// Status and body.
    pub fn get(&mut self, path: &str) -> (u16, String) {
        let ask = format!("GET {path} HTTP/1.1\r\nHost: app\r\n\r\n");
        self.0.get_mut().write_all(ask.as_bytes()).unwrap();
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let lower = line.to_lowercase();
            if let Some(rest) = lower.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(rest) = lower.strip_prefix("content-length:") {
                length = rest.trim().parse().unwrap();
            } else if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (status, String::from_utf8(body).unwrap())
    }
}

/// How many requests of each one's client passed in a span, and how long it was, seconds.
pub fn passed(stages: &[Stage; 2]) -> ([f64; 2], f64) {
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let clients = stages.each_ref().map(|stage| {
        let (at, stop) = (stage.listen, stop.clone());
        std::thread::spawn(move || {
            let (mut client, mut passed) = (Client::new(at), 0u32);
            while !stop.load(SeqCst) {
                match client.get("/hot") {
                    (200, _) => passed += 1,
                    (429, _) => {}
                    other => panic!("{other:?}"),
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            f64::from(passed)
        })
    });
    std::thread::sleep(SPAN);
    stop.store(true, SeqCst);
    let passed = clients.map(|c| c.join().unwrap());
    (passed, begun.elapsed().as_secs_f64())
}

pub fn engine(stage: &Stage) -> Option<Value> {
    let told = stage.console_get("/api/v1/engines")?;
    let body: Value = serde_json::from_str(told.split("\r\n\r\n").nth(1)?).ok()?;
    Some(body["shared"].clone())
}

#[test]
fn two_share_a_limit_and_each_does_what_fail_says_while_the_engine_is_away() {
    let Some(mut redis) = there(Redis::start(&[])) else {
        return;
    };
    let mut stages = two([&redis.url(); 2]);
    for s in &mut stages {
        s.start();
    }
    for s in &stages {
        s.wait("the engine", |s| engine(s).filter(|e| e["wrong"].is_null()));
    }
    let [mut a, mut first] = stages.each_ref().map(|s| Client::new(s.listen));

    // Seldom asked for: exact, whoever is asked.
    let begun = Instant::now();
    let answers = [(); 5].map(|()| [a.get("/cold").0, first.get("/cold").0]);
    let cold = answers.iter().flatten().filter(|s| **s == 200).count();
    let most = 3.0 + 2.0 * begun.elapsed().as_secs_f64();
    assert!((3..=most as usize).contains(&cold), "{answers:?}");

    let within = |(passed, span): ([f64; 2], f64), bursts: f64| {
        let passed = passed[0] + passed[1];
        let most = RATE * (span + LEASED_S) + bursts * BURST;
        assert!(passed <= most, "{passed} in {span} s, at most {most}");
        assert!(passed >= 0.7 * RATE * span, "{passed} in {span} s");
    };
    within(passed(&stages), 1.0);

    redis.stop();
    for s in &stages {
        s.wait("what is wrong", |s| {
            engine(s).filter(|e| !e["wrong"].is_null())
        });
    }
    // A share each: half, as both were asked alike.
    within(passed(&stages), 2.0);
    drop(first);
    // One that is started again meanwhile remembers its share: both together still pass one limit.
    let pid = stages[1].pid();
    signal(pid, "TERM");
    stages[1].ended(pid);
    stages[1].start();
    let mut b = Client::new(stages[1].listen);
    within(passed(&stages), 2.0);
    for client in [&mut a, &mut b] {
        assert!((0..20).all(|_| client.get("/open").0 == 200));
        let (status, why) = client.get("/closed");
        assert!(
            status == 503 && why.contains("rate-unknown"),
            "{status} {why}"
        );
    }
    let page = stages[0].console_get("/metrics").unwrap();
    assert!(
        page.contains("plimsoll_engine_up{engine=\"shared\"} 0"),
        "{page}"
    );
    let status = stages[0].ask_console(&["status"]);
    assert!(
        status.contains("AWAY") && status.contains("is it running"),
        "{status}"
    );

    redis.start_again().unwrap();
    for s in &stages {
        s.wait("the engine", |s| engine(s).filter(|e| e["wrong"].is_null()));
        let mut client = Client::new(s.listen);
        s.wait("an answer", |_| {
            (client.get("/closed").0 == 200).then_some(())
        });
    }
    // It forgot everything: one more burst.
    within(passed(&stages), 2.0);
}

#[test]
fn one_leads_until_it_dies_and_who_runs_another_config_is_named() {
    let Some(redis) = there(Redis::start(&[])) else {
        return;
    };
    let mut stages = two([&redis.url(); 2]);
    let pids = stages.each_mut().map(Stage::start);
    let differs = |s: &Stage| {
        let nodes = engine(s)?["nodes"].as_array()?.clone();
        let [node] = &nodes[..] else { return None };
        Some(node["differs"].clone())
    };
    let same = |s: &Stage| differs(s).filter(|d| *d == serde_json::json!([]));
    for s in &stages {
        s.wait("the other node", same);
    }
    let text = config(&redis.url()).replace("200/s", "100/s");
    stages[1].write(&stages[1].config(&text));
    signal(pids[1], "HUP");
    let other = |s: &Stage| differs(s).filter(|d| *d == serde_json::json!(["routes"]));
    for s in &stages {
        s.wait("what differs", other);
    }
    let status = stages[0].ask_console(&["status"]);
    let named = format!("-{}: RUNS ANOTHER CONFIG since 20", pids[1]);
    assert!(status.contains(&named), "{status}");
    let page = stages[0].console_get("/metrics").unwrap();
    assert!(
        page.contains("plimsoll_nodes{config=\"other\"} 1"),
        "{page}"
    );
    stages[1].write(&stages[1].config(&config(&redis.url())));
    signal(pids[1], "HUP");
    stages[0].wait("the same config again", same);
    let leads = |s: &Stage| engine(s).is_some_and(|e| e["loops"]["trial"] == "here");
    let leader = stages[0].wait("a leader", |_| (0..2).find(|i| leads(&stages[*i])));
    let other = &stages[1 - leader];
    let named = engine(other).unwrap()["loops"]["driver"].clone();
    let pid = pids[leader].to_string();
    assert!(named.as_str().unwrap().ends_with(&pid), "{named}");
    assert!(!leads(other));
    signal(pids[leader], "KILL");
    other.wait("the other one", |s| leads(s).then_some(()));
}

#[test]
fn the_doctor_calls_nothing_durable_that_is_not() {
    let settings = [
        ["appendonly", "yes"],
        ["appendfsync", "everysec"],
        ["maxmemory", "64mb"],
    ];
    let Some(mut redis) = there(Redis::start(&settings)) else {
        return;
    };
    let stage = Stage::new(&config(&redis.url()));
    let ask = |more: &[&str]| {
        let out = stage.ask(&[&["doctor", "--json"], more].concat());
        let said: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(
            out.status.code(),
            Some(if said["ok"] == true { 0 } else { 3 }),
            "{said}"
        );
        said
    };
    let graded = |said: &Value, about: &str| {
        let all = said["checks"].as_array().unwrap();
        let found = all.iter().find(|c| c["about"] == about).unwrap();
        (
            found["grade"].as_str().unwrap().to_owned(),
            found["text"].as_str().unwrap().to_owned(),
        )
    };
    let (grade, text) = graded(&ask(&[]), "durability");
    assert!(
        grade == "note" && text.contains("not durable"),
        "{grade} {text}"
    );
    let said = ask(&["--durable"]);
    assert_eq!(graded(&said, "durability").0, "wrong");
    for about in ["engine", "memory", "clock", "files"] {
        assert_eq!(graded(&said, about).0, "good", "{said}");
    }
    redis.commands("CONFIG SET appendfsync always").unwrap();
    assert_eq!(graded(&ask(&["--durable"]), "durability").0, "good");
    redis.stop();
    let (grade, text) = graded(&ask(&[]), "engine");
    assert!(grade == "wrong" && text.contains("is it running"), "{text}");
}
