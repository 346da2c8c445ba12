//! Second attempts of late requests, over sockets: who wins, what becomes of the other, and when there is none.

use crate::common::*;
use base::Outcome;
use config::Config;
use config::sections::{AccessLog, After, Balance, Fault, HashBy, HashMethod, Hedge, LogTo};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

/// What an instance does with a request: it gets the number that the request has among all.
type Serve = fn(usize, &mut TcpStream);

/// Instances that share their count of requests.
struct Origin {
    all: Vec<Upstream>,
    seen: Arc<AtomicUsize>,
    /// Connections that the gateway has closed while an answer was awaited.
    closed: Arc<AtomicUsize>,
}

impl Origin {
    fn start(n: usize, serve: Serve) -> Origin {
        let (seen, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let one = |_| {
            let (seen, closed) = (seen.clone(), closed.clone());
            Upstream::start(move |mut stream| {
                let mut buffer = Vec::new();
                while read_request(&mut stream, &mut buffer).is_some() {
                    serve(seen.fetch_add(1, SeqCst), &mut stream);
                }
                closed.fetch_add(1, SeqCst);
            })
        };
        let all = (0..n).map(one).collect();
        Origin { all, seen, closed }
    }

    fn seen(&self) -> usize {
        self.seen.load(SeqCst)
    }

    /// Hedged after this time.
    fn config(&self, after: Duration) -> Config {
        let addresses: Vec<_> = self.all.iter().map(|u| u.address).collect();
        let mut c = config(&addresses);
        c.routes[0].hedge = Some(Hedge {
            after: After::Time(after),
            extra: 0.5,
        });
        c
    }
}

fn answer(stream: &mut TcpStream, body: &str) {
    let _ = stream.write_all(&ok(body.as_bytes()));
}

/// Answers all but the third request, whose connection it watches until the other side closes it.
fn hold_the_third(n: usize, stream: &mut TcpStream) {
    match n {
        2 => drop(stream.read(&mut [0])),
        _ => answer(stream, &n.to_string()),
    }
}

/// One gateway thread, with two requests that have paid for a second attempt.
fn paid(c: Config) -> Running {
    // Nothing is late while they pay.
    let mut calm = c.clone();
    calm.routes[0].hedge.as_mut().unwrap().after = After::Time(5000 * MS);
    let running = Running::of(generation(1, calm), 1);
    let mut client = running.client();
    for _ in 0..2 {
        assert_eq!(client.get("/").status, 200);
    }
    running.gateway.apply(generation(2, c));
    running
}

fn decided(running: &Running, what: &str) -> u64 {
    let all = running.gateway.gauges().decisions;
    let of = all.iter().find(|d| d.gate == "hedge" && d.what == what);
    of.map_or(0, |d| d.count)
}

/// In milliseconds.
fn p99(client: &mut Client, requests: usize) -> u128 {
    let mut all: Vec<_> = (0..requests)
        .map(|user| {
            let began = Instant::now();
            let head = format!("GET / HTTP/1.1\r\nHost: t\r\nX-User: {user}\r\n\r\n");
            assert_eq!(client.send(head).answer().status, 200);
            began.elapsed().as_millis()
        })
        .collect();
    all.sort();
    all[requests * 99 / 100]
}

/// By key, so that the slow one is not simply avoided.
fn by_user() -> Balance {
    Balance {
        by: HashBy::Header("x-user".into()),
        method: HashMethod::Maglev,
        ..Balance::default()
    }
}

#[test]
fn one_slow_instance_of_three_is_no_longer_the_p99_within_the_cap() {
    let seen = Arc::new(AtomicUsize::new(0));
    let all: Vec<_> = (0..3)
        .map(|i| {
            let seen = seen.clone();
            Upstream::http(move |_, _| {
                seen.fetch_add(1, SeqCst);
                if i == 0 {
                    std::thread::sleep(150 * MS);
                }
                ok(b"x")
            })
        })
        .collect();
    let addresses: Vec<_> = all.iter().map(|u| u.address).collect();
    let mut c = config(&addresses);
    c.services[0].balance = Some(by_user());
    let plain = Running::of(generation(1, c.clone()), 1);
    let without = p99(&mut plain.client(), 60);
    assert!(without >= 150, "{without} ms");
    drop(plain);
    c.routes[0].hedge = Some(Hedge {
        after: After::Time(20 * MS),
        extra: 0.5,
    });
    // A third of the users are the slow one's, by a hash of its port, more or less: the cap is what is looked at here.
    c.routes[0].retry.budget = 1.0;
    let running = Running::of(generation(1, c), 1);
    let mut client = running.client();
    p99(&mut client, 20);
    let before = seen.swap(0, SeqCst);
    let with = p99(&mut client, 200);
    assert!(with < 120, "{with} ms with, {without} ms without");
    let extra = seen.load(SeqCst) - 200;
    assert!((20..=100).contains(&extra), "{extra} of 200, {before}");
}

#[test]
fn the_loser_is_cancelled_and_frees_what_it_held() {
    let origin = Origin::start(2, hold_the_third);
    let mut c = origin.config(20 * MS);
    c.services[0].limit = Some(4);
    let mut running = paid(c);
    running.samples(4);
    let mut client = running.client();
    assert_eq!(client.get("/").text(), "3", "of the second attempt");
    until("the first to be cancelled", || {
        origin.closed.load(SeqCst) == 1
    });
    let samples = running.samples(3);
    let lost: Vec<_> = samples
        .iter()
        .filter(|s| s.outcome == Outcome::Lost)
        .collect();
    assert_eq!((lost.len(), lost[0].attempt, lost[0].status), (1, 1, 0));
    assert!(lost[0].seconds() >= 0.02, "the time that it has used");
    let request = samples.iter().find(|s| s.instance.is_none()).unwrap();
    assert_eq!((request.status, request.attempt), (200, 2));
    let gauges = running.gateway.gauges();
    assert!(gauges.pools.iter().all(|p| p.busy == 0 && p.usable));
    assert_eq!(gauges.limits[0].counts.in_flight, 0);
    assert_eq!(
        (decided(&running, "sent"), decided(&running, "won")),
        (1, 1)
    );
    assert_eq!(client.get("/").status, 200, "the connection lives on");
}

#[test]
fn a_first_that_answers_after_all_cancels_the_second() {
    let origin = Origin::start(2, |n, stream| match n {
        2 => {
            std::thread::sleep(80 * MS);
            answer(stream, "first");
        }
        3 => drop(stream.read(&mut [0])),
        _ => answer(stream, "x"),
    });
    let mut running = paid(origin.config(20 * MS));
    running.samples(4);
    let mut client = running.client();
    assert_eq!(client.get("/").text(), "first");
    until("the second to be cancelled", || {
        origin.closed.load(SeqCst) == 1
    });
    let samples = running.samples(3);
    let lost = samples.iter().find(|s| s.outcome == Outcome::Lost).unwrap();
    assert_eq!(lost.attempt, 2);
    assert_eq!(
        (decided(&running, "sent"), decided(&running, "won")),
        (1, 0)
    );
}

#[test]
fn what_is_not_safe_has_a_large_body_or_is_in_time_goes_once() {
    let origin = Origin::start(2, |_, stream| {
        std::thread::sleep(60 * MS);
        answer(stream, "x");
    });
    let running = Running::of(generation(1, origin.config(15 * MS)), 1);
    let mut client = running.client();
    for head in ["POST / HTTP/1.1", "PUT / HTTP/1.1", "DELETE / HTTP/1.1"] {
        let head = format!("{head}\r\nHost: t\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(client.send(head).answer().status, 200);
    }
    let large = format!(
        "GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 16385\r\n\r\n{}",
        "x".repeat(16385)
    );
    let chunked = "GET / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
    for _ in 0..2 {
        assert_eq!(client.send(&large).answer().status, 200);
        client.send(chunked);
        std::thread::sleep(5 * MS);
        assert_eq!(client.send("2\r\nhi\r\n0\r\n\r\n").answer().status, 200);
    }
    assert_eq!(origin.seen(), 7);
    running
        .gateway
        .apply(generation(2, origin.config(5000 * MS)));
    assert_eq!(running.client().get("/").status, 200);
    assert_eq!((origin.seen(), decided(&running, "sent")), (8, 0));
}

/// Searches by POST, sent in two parts, to two instances that answer with what they were asked. `kept_back`: attempts at the first
/// one wait before they connect, so that nothing of a body has left when the other answers; else it answers late.
fn bodies_are_whole(kept_back: bool) {
    let all: Vec<_> = (0..2)
        .map(|i| {
            Upstream::http(move |head, body| {
                assert!(head.starts_with("POST /search "), "{head}");
                if i == 0 && !kept_back {
                    std::thread::sleep(150 * MS);
                }
                ok(body)
            })
        })
        .collect();
    let addresses: Vec<_> = all.iter().map(|u| u.address).collect();
    let mut c = config(&addresses);
    c.services[0].balance = Some(by_user());
    c.routes[0].writes = Some(false);
    c.routes[0].fault = kept_back.then(|| Fault {
        delay: Some(150 * MS),
        instance: Some(addresses[0]),
        ..Fault::until(u64::MAX)
    });
    c.routes[0].hedge = Some(Hedge {
        after: After::Time(20 * MS),
        extra: 0.5,
    });
    let running = Running::of(generation(1, c), 1);
    let mut client = running.client();
    for user in 0..60 {
        let body = format!("search {user} ").repeat(1 + user * 20);
        let head = format!(
            "POST /search HTTP/1.1\r\nHost: t\r\nX-User: {user}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        client.send(head);
        if user % 2 == 0 {
            std::thread::sleep(2 * MS);
        }
        let answer = client.send(&body).answer();
        assert_eq!((answer.status, answer.text()), (200, body));
    }
    let (sent, won) = (decided(&running, "sent"), decided(&running, "won"));
    assert!(won >= 10, "{won} won of {sent}");
}

#[test]
fn a_late_search_by_post_is_asked_elsewhere_with_all_of_its_body() {
    bodies_are_whole(false);
}

#[test]
fn a_body_that_has_not_left_with_the_first_goes_with_the_second_only() {
    bodies_are_whole(true);
}

#[test]
fn no_more_than_the_cap_whatever_is_late() {
    let origin = Origin::start(3, |_, stream| {
        std::thread::sleep(20 * MS);
        answer(stream, "x");
    });
    let mut c = origin.config(5 * MS);
    c.routes[0].hedge.as_mut().unwrap().extra = 0.1;
    let running = Running::of(generation(1, c), 1);
    let mut client = running.client();
    for _ in 0..45 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(decided(&running, "sent"), 4);
    assert_eq!(decided(&running, "capped"), 41);
    until("the last", || origin.seen() == 49);
}

#[test]
fn never_where_the_service_holds_all_that_it_may() {
    let origin = Origin::start(2, |_, stream| {
        std::thread::sleep(60 * MS);
        answer(stream, "x");
    });
    let mut c = origin.config(10 * MS);
    c.services[0].limit = Some(1);
    let running = paid(c);
    assert_eq!(running.client().get("/").status, 200);
    assert_eq!((origin.seen(), decided(&running, "sent")), (3, 0));
    assert!(decided(&running, "full") >= 1);
}

#[test]
fn bodies_never_mix() {
    let origin = Origin::start(2, |n, stream| {
        let body = n.to_string().repeat(50_000);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        // Both begin at about the same time, and tell their bodies in parts.
        if n % 2 == 0 {
            std::thread::sleep(22 * MS);
        }
        let _ = stream.write_all(head.as_bytes());
        for part in body.as_bytes().chunks(20_000) {
            let _ = stream.write_all(part);
            std::thread::sleep(MS);
        }
    });
    let running = Running::of(generation(1, origin.config(20 * MS)), 1);
    let mut client = running.client();
    for _ in 0..20 {
        let body = client.get("/").text();
        let one = body.len() / 50_000;
        assert_eq!(body, body[..one].repeat(50_000));
    }
}

#[test]
fn a_second_is_the_retry_of_a_first_that_fails_and_two_failures_are_one_error() {
    let origin = Origin::start(2, |n, stream| match n {
        0 | 1 | 3 => {
            std::thread::sleep(if n == 3 { 80 * MS } else { Duration::ZERO });
            answer(stream, &n.to_string());
        }
        _ => {
            std::thread::sleep(if n % 2 == 0 { 50 * MS } else { 10 * MS });
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    });
    let mut c = origin.config(20 * MS);
    c.routes[0].retry.attempts = 1;
    let running = paid(c);
    let mut client = running.client();
    assert_eq!(client.get("/").text(), "3");
    assert_eq!(client.get("/").status, 502, "in time, and closed");
    let failed = client.get("/");
    assert_eq!((failed.status, failed.reason()), (502, "upstream-reset"));
    assert_eq!(decided(&running, "won"), 1);
}

#[test]
fn the_deadline_ends_both() {
    let origin = Origin::start(2, |n, stream| match n {
        0 | 1 => answer(stream, "x"),
        _ => drop(stream.read(&mut [0])),
    });
    let mut c = origin.config(20 * MS);
    c.routes[0].deadline.first_byte = Some(150 * MS);
    let running = paid(c);
    let late = running.client().get("/");
    assert_eq!((late.status, late.reason()), (504, "deadline"));
    until("both to be cancelled", || origin.closed.load(SeqCst) == 2);
    assert_eq!(origin.seen(), 4);
}

#[test]
fn a_client_that_leaves_cancels_both() {
    let origin = Origin::start(2, |n, stream| match n {
        0 | 1 => answer(stream, "x"),
        _ => drop(stream.read(&mut [0])),
    });
    let running = paid(origin.config(20 * MS));
    let mut client = running.client();
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    until("the second", || origin.seen() == 4);
    client.hang_up();
    until("both to be cancelled", || origin.closed.load(SeqCst) == 2);
}

#[test]
fn what_is_late_is_learned() {
    let origin = Origin::start(2, |n, stream| {
        // Most answers take 2 ms; from the hundredth on each thirtieth never comes.
        match n > 100 && n % 30 == 0 {
            true => drop(stream.read(&mut [0])),
            false => {
                std::thread::sleep(2 * MS);
                answer(stream, "x");
            }
        }
    });
    let mut c = origin.config(MS);
    c.routes[0].hedge = Some(Hedge {
        extra: 0.5,
        ..Hedge::default()
    });
    c.routes[0].deadline.first_byte = Some(8000 * MS);
    let running = Running::of(generation(1, c), 1);
    let mut client = running.client();
    for _ in 0..240 {
        assert_eq!(client.get("/").status, 200, "before the deadline");
    }
    assert!(decided(&running, "won") >= 1);
}

#[test]
fn the_access_log_tells_both_attempts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let origin = Origin::start(2, hold_the_third);
    let mut c = origin.config(20 * MS);
    c.access_log = Some(AccessLog {
        to: LogTo::File(path.clone()),
        ..AccessLog::default()
    });
    let running = paid(c);
    assert_eq!(running.client().get("/").status, 200);
    let text = || std::fs::read_to_string(&path).unwrap_or_default();
    until("three lines", || text().matches('\n').count() >= 3);
    let text = text();
    let line: serde_json::Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    let outcomes: Vec<_> = (line["plimsoll.attempts"].as_array().unwrap().iter())
        .map(|a| a["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["lost", "done"]);
    let decisions: Vec<_> = (line["plimsoll.gates"].as_array().unwrap().iter())
        .map(|g| g["decision"].as_str().unwrap())
        .collect();
    assert_eq!(decisions, ["sent", "won"]);
}
