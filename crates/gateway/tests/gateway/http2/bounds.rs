//! The bounds of HTTP/2 connections: each is reached, and each can be changed.

use crate::common::{Running, Upstream, config, ok, read_request};
use crate::http2::client::{self, ask, patient, soon};
use crate::http2::raw::{self, *};
use config::sections::Http2;
use h2::Reason;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

fn with(upstream: &Upstream, change: impl FnOnce(&mut Http2)) -> Running {
    let mut c = config(&[upstream.address]);
    change(&mut c.http2);
    Running::with(c)
}

/// `:status: 431` in HPACK, by Huffman's code.
const STATUS_431: &[u8] = &[0x48, 0x83, 0x69, 0x90, 0xff];

/// An instance that reads and never answers.
fn silent() -> Upstream {
    Upstream::start(|mut stream| {
        let mut chunk = [0; 4096];
        while let Ok(1..) = stream.read(&mut chunk) {}
    })
}

fn cancel(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())
}

fn odd(n: u32) -> impl Iterator<Item = u32> {
    (0..n).map(|i| 2 * i + 1)
}

#[test]
fn requests_taken_back_before_their_answer() {
    let upstream = silent();
    let running = with(&upstream, |h| h.resets = 20);
    // Each with a ping between, so that no two are seen at once.
    let mut raw = Raw::to(running.gateway.address());
    let mut survived = 0;
    for stream in odd(60) {
        raw.send(&get(stream));
        if !raw.lives() {
            break;
        }
        raw.send(&cancel(stream));
        survived += 1;
    }
    assert!((18..=23).contains(&survived), "{survived}");
    // All at once.
    let mut raw = Raw::to(running.gateway.address());
    let all: Vec<u8> = odd(60).flat_map(|s| [get(s), cancel(s)].concat()).collect();
    raw.send(&all);
    assert!(raw.goodbye().is_none_or(|c| c == ENHANCE_YOUR_CALM));
}

#[test]
fn who_takes_some_back_and_is_answered_otherwise_stays() {
    let upstream = Upstream::echo();
    let running = with(&upstream, |h| h.resets = 3);
    let mut raw = Raw::to(running.gateway.address());
    for pair in 0..20 {
        let (first, second) = (4 * pair + 1, 4 * pair + 3);
        raw.send(&[get(first), cancel(first), get(second)].concat());
        let ended =
            |f: &raw::Frame| f.stream == second && f.kind == DATA && f.flags & END_STREAM != 0;
        assert!(raw.until(ended).is_some(), "{pair}");
    }
}

#[test]
fn resets_over_the_life_of_a_connection() {
    let upstream = Upstream::echo();
    let running = with(&upstream, |h| {
        h.resets = 1000;
        h.resets_total = 10;
    });
    let mut raw = Raw::to(running.gateway.address());
    for stream in odd(10) {
        raw.send(&[get(stream), cancel(stream)].concat());
        assert!(raw.lives(), "{stream}");
    }
    raw.send(&[get(21), cancel(21)].concat());
    assert!(raw.goodbye().is_none_or(|c| c == ENHANCE_YOUR_CALM));
}

#[test]
fn resets_that_a_client_causes() {
    let upstream = silent();
    let running = with(&upstream, |h| h.local_resets = 10);
    let mut raw = Raw::to(running.gateway.address());
    let no_path = block(&GET[..3]);
    let wrong = |s| frame(HEADERS, END_STREAM | END_HEADERS, s, &no_path);
    let all: Vec<u8> = odd(40).flat_map(wrong).collect();
    raw.send(&all);
    assert!(raw.goodbye().is_none_or(|c| c == ENHANCE_YOUR_CALM));
}

#[test]
fn frames_that_move_nothing() {
    let upstream = Upstream::echo();
    let running = with(&upstream, |h| h.idle_frames = 50);
    for (what, flood) in [
        ("pings", ping(b"whatever")),
        ("settings", frame(SETTINGS, 0, 0, &[])),
        ("priorities", frame(PRIORITY, 0, 9, &[0, 0, 0, 3, 1])),
        ("unknown frames", frame(0x16, 0, 0, b"")),
    ] {
        let mut raw = Raw::to(running.gateway.address());
        raw.send(&flood.repeat(20));
        assert!(raw.lives(), "{what}");
        raw.send(&flood.repeat(200));
        assert!(
            raw.goodbye().is_none_or(|c| c == ENHANCE_YOUR_CALM),
            "{what}"
        );
    }
    let mut raw = Raw::to(running.gateway.address());
    raw.send(&[post(1), frame(DATA, 0, 1, b"").repeat(200)].concat());
    assert!(raw.goodbye().is_none_or(|c| c == ENHANCE_YOUR_CALM));
}

#[test]
fn a_flood_of_continuations() {
    let upstream = Upstream::echo();
    let running = with(&upstream, |_| {});
    let mut raw = Raw::to(running.gateway.address());
    raw.send(&frame(HEADERS, END_STREAM, 1, &block(GET)));
    raw.send(&frame(CONTINUATION, 0, 1, &field("x", "y")).repeat(2000));
    assert!(raw.goodbye().is_none_or(|c| c == ENHANCE_YOUR_CALM));
}

#[test]
fn a_list_of_headers_that_is_too_long() {
    let upstream = Upstream::echo();
    let mut c = config(&[upstream.address]);
    c.limits.head = 4096;
    let running = Running::with(c);
    let mut raw = Raw::to(running.gateway.address());
    let long: Vec<u8> = (0..60)
        .flat_map(|_| field("x-filler", &"y".repeat(100)))
        .collect();
    raw.send(&frame(
        HEADERS,
        END_STREAM | END_HEADERS,
        1,
        &[block(GET), long].concat(),
    ));
    let head = raw
        .until(|f| matches!(f.kind, HEADERS | RST_STREAM))
        .expect("a refusal");
    assert!(
        head.kind == RST_STREAM || head.payload == STATUS_431,
        "{head:?}"
    );
    assert!(raw.lives());
}

#[test]
fn more_streams_than_allowed() {
    let upstream = silent();
    let running = with(&upstream, |h| h.streams = 3);
    let mut raw = Raw::to(running.gateway.address());
    let all: Vec<u8> = odd(4).flat_map(get).collect();
    raw.send(&all);
    let refused = raw.until(|f| f.kind == RST_STREAM).expect("one too many");
    assert_eq!((refused.stream, refused.number(0)), (7, REFUSED_STREAM));
}

#[test]
fn a_client_that_answers_no_ping_is_gone() {
    let upstream = silent();
    let running = with(&upstream, |h| {
        h.ping = Duration::from_millis(100);
        h.ping_timeout = Duration::from_millis(100);
    });
    let mut raw = Raw::to(running.gateway.address());
    raw.send(&get(1));
    let asked = raw
        .until(|f| f.kind == PING && f.flags == 0)
        .expect("a question");
    raw.send(&frame(PING, ACK, 0, &asked.payload));
    let again = raw.until(|f| f.kind == PING && f.flags == 0);
    assert!(again.is_some(), "who answers stays");
    assert!(raw.until(|_| false).is_none(), "who does not is cut off");
}

#[test]
fn a_connection_without_requests_ends() {
    let upstream = Upstream::echo();
    let mut c = config(&[upstream.address]);
    c.limits.idle = Duration::from_millis(200);
    let running = Running::with(c);
    let mut raw = Raw::to(running.gateway.address());
    raw.send(&get(1));
    let began = Instant::now();
    assert!(raw.until(|f| f.kind == HEADERS).is_some());
    assert_eq!(raw.goodbye(), Some(0));
    assert!(began.elapsed() >= Duration::from_millis(150));
    assert!(raw.until(|_| false).is_none());
}

#[test]
fn a_preface_that_does_not_end() {
    let upstream = Upstream::echo();
    let mut c = config(&[upstream.address]);
    c.limits.head_timeout = Duration::from_millis(100);
    let running = Running::with(c);
    let mut raw = Raw::bare(running.gateway.address());
    raw.send(&PREFACE[..20]);
    assert!(raw.until(|_| false).is_none());
}

#[test]
fn plain_http2_can_be_refused() {
    let upstream = Upstream::echo();
    let running = with(&upstream, |h| h.plain = false);
    let mut client = running.client();
    let answer = client.send(PREFACE).answer();
    assert_eq!((answer.status, answer.reason()), (505, "version"));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off() {
    let upstream = Upstream::start(|mut stream| {
        let mut buffer = Vec::new();
        while let Some((head, _)) = read_request(&mut stream, &mut buffer) {
            let much = vec![
                1;
                if head.starts_with("GET /much") {
                    8 << 20
                } else {
                    1
                }
            ];
            if stream.write_all(&ok(&much)).is_err() {
                return;
            }
        }
    });
    let mut c = config(&[upstream.address]);
    c.limits.idle = Duration::from_millis(300);
    let running = Running::with(c);
    let (sender, _) = patient(running.gateway.address()).await;
    let mut ready = sender.clone().ready().await.unwrap();
    let (response, _) = ready.send_request(client::get("/much"), true).unwrap();
    let mut response = soon(response).await.unwrap();
    // What is here already can be read; none is given back.
    let cut = loop {
        match soon(response.body_mut().data()).await {
            Some(Ok(_)) => {}
            Some(Err(e)) => break e,
            None => panic!("all of it has come"),
        }
    };
    assert_eq!(cut.reason(), Some(Reason::INTERNAL_ERROR));
    assert!(
        ask(&sender, client::get("/")).await.is_ok(),
        "the connection lives on"
    );
}
