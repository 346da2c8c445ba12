//! What is remembered over a kill -9, and what a real Prometheus that scrapes meanwhile says of the same time.

mod prometheus;

use crate::stage::{Stage, signal};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub const ROUTE: &str = "routes:\n  home:\n    match: GET /{rest...}\n    to: app\n";
/// The sampled flag is set: an exemplar for each bucket.
const ASK: &[u8] = b"GET /p HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\
    traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\r\n\r\n";
const SLOT_MS: u64 = 10_000;

pub fn request(at: SocketAddr) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(ASK).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64
}

pub fn ask(stage: &Stage, target: &str) -> Option<Value> {
    let told = stage.console_get(target)?;
    serde_json::from_str(told.split_once("\r\n\r\n")?.1).ok()
}

/// What is remembered of the route's good answers.
fn counted(stage: &Stage) -> Option<f64> {
    let query = "sum(plimsoll_requests_total%7Broute%3D%22home%22%7D)";
    let told = ask(stage, &format!("/api/v1/query?query={query}"))?;
    let value = told["data"]["result"][0]["value"][1].as_str()?;
    value.parse().ok()
}

#[test]
fn a_kill_loses_no_more_than_the_slot_under_way_and_a_stop_nothing() {
    let mut stage = Stage::new(ROUTE);
    let first = stage.start();
    (0..30).for_each(|_| request(stage.listen));
    // Its slot ends, and is stored.
    let end = (now_ms() / SLOT_MS + 1) * SLOT_MS;
    stage.wait("the slot's end", |s| {
        counted(s).filter(|n| *n == 30.0 && now_ms() > end)
    });
    // Stored a moment after it can be asked for.
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        request(stage.listen);
        std::thread::sleep(Duration::from_millis(50));
    }
    signal(first, "KILL");
    stage.ended(first);
    let second = stage.start();
    assert_eq!(
        counted(&stage),
        Some(30.0),
        "what came before the slot under way"
    );
    (0..5).for_each(|_| request(stage.listen));
    signal(second, "TERM");
    stage.ended(second);
    stage.start();
    stage.wait("all of it", |s| counted(s).filter(|n| *n == 35.0));
    let standing = ask(&stage, "/api/v1/past").unwrap();
    assert!(standing["not_stored"].is_null(), "{standing}");
}
