//! What telemetry is told: one sample per request and attempt, with route, parent, time, bytes and uses.

use crate::common::*;
use base::{CacheState, Outcome, SampleKind};
use gateway::Options;
use std::io::{Read, Write};
use std::time::Duration;

#[test]
fn routes_beyond_those_that_are_told_apart_are_served_and_have_no_number() {
    let upstream = Upstream::echo();
    let mut c = config(&[upstream.address]);
    let more = base::names::ROUTES + 10;
    for i in 0..more {
        let name = format!("r{i}");
        c.routes.push(route(&name, "s", &[&name]));
    }
    let mut running = Running::with(c);
    let mut client = running.client();
    assert_eq!(client.get("/r0/x").status, 200);
    assert_eq!(client.get(&format!("/r{}/x", more - 1)).status, 200);
    let samples = running.samples(4);
    let of = |s: &base::Sample| s.kind == SampleKind::Request;
    let routes: Vec<bool> = (samples.iter().filter(|s| of(s)))
        .map(|s| s.route.is_none())
        .collect();
    assert_eq!(routes, [false, true]);
    assert_eq!(running.names.routes.all().len(), base::names::ROUTES);
}

#[test]
fn a_request_and_its_attempt() {
    let upstream = Upstream::http(|_, body| {
        let mut out = b"HTTP/1.1 200 OK\r\nServer-Timing: cpu;dur=3.5, lock.stock;dur=2;wait=1\r\nServer-Timing: pool.db;dur=4;size=8, db;dur=1;calls=2;rows=30;returned=3\r\n".to_vec();
        out.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
        out.extend_from_slice(body);
        std::thread::sleep(Duration::from_millis(5));
        out
    });
    let mut running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    let body = "b".repeat(1000);
    client
        .send(format!(
            "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n{body}"
        ))
        .answer();
    client.get("/b");
    let samples = running.samples(4);
    let kinds: Vec<_> = samples.iter().map(|s| s.kind).collect();
    use SampleKind::{Attempt, Request};
    assert_eq!(
        kinds,
        [Attempt, Request, Attempt, Request],
        "an attempt before its request"
    );
    let (attempt, request) = (&samples[0], &samples[1]);
    let all = running.names.routes.find("all").unwrap();
    for s in [attempt, request] {
        assert_eq!(
            (s.route, s.status, s.outcome, s.attempt),
            (all, 200, Outcome::Done, 1)
        );
        assert!(s.seconds() >= 0.005 && s.first_byte_us >= 5000, "{s:?}");
        assert!(s.bytes_in > 1000 && s.bytes_out > 1000, "{s:?}");
        assert_eq!((s.cache, s.key_hash), (CacheState::Off, 0));
    }
    let name = format!("s/{}", upstream.address);
    assert_eq!(Some(attempt.instance), running.names.instances.find(&name));
    assert!(request.instance.is_none());
    assert!(request.start <= attempt.start && attempt.end <= request.end);
    let used: Vec<_> = attempt
        .uses
        .iter()
        .map(|u| {
            (
                running
                    .names
                    .resources
                    .name(u.resource)
                    .unwrap()
                    .to_string(),
                u.busy_us,
                u.wait_us,
            )
        })
        .collect();
    assert_eq!(
        used,
        [
            ("cpu.s".into(), 3500, u32::MAX),
            ("lock.s.stock".into(), 2000, 1000),
            ("pool.s.db".into(), 4000, u32::MAX),
            ("db.s".into(), 1000, u32::MAX),
        ]
    );
    assert_eq!(
        (attempt.db_calls, attempt.db_rows, attempt.db_returned),
        (2, 30, 3)
    );
    let sizes = running.gateway.told_sizes();
    assert_eq!(
        sizes,
        [(
            running.names.resources.find("pool.s.db").unwrap(),
            attempt.instance,
            8.0
        )]
    );
    assert!(samples[3].key_hash != 0 && samples[3].key_hash == samples[2].key_hash);
}

#[test]
fn a_call_of_an_upstream_knows_its_parent() {
    let inner = Upstream::echo();
    let gate: std::sync::Arc<std::sync::OnceLock<std::net::SocketAddr>> = Default::default();
    let through = gate.clone();
    let outer = Upstream::http(move |head, _| {
        let trace = header(head, "traceparent").unwrap();
        let request = format!("GET /inner HTTP/1.1\r\nHost: t\r\ntraceparent: {trace}\r\n\r\n");
        ok(&Client::to(*through.get().unwrap())
            .send(request)
            .answer()
            .body)
    });
    let mut c = config(&[outer.address]);
    c.services.push(service("inner", &[inner.address]));
    c.routes.push(route("inner", "inner", &["inner"]));
    let mut running = Running::with(c);
    gate.set(running.gateway.address()).unwrap();
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let a = running
        .client()
        .send(format!(
            "GET /outer HTTP/1.1\r\nHost: t\r\ntraceparent: 00-{id}-00f067aa0ba902b7-01\r\n\r\n"
        ))
        .answer();
    assert!(a.text().contains(id), "the trace goes on");
    let (all, inner) = (
        running.names.routes.find("all").unwrap(),
        running.names.routes.find("inner").unwrap(),
    );
    for s in running.samples(4) {
        let parent = if s.route == inner {
            all
        } else {
            base::RouteIx::NONE
        };
        assert_eq!(s.parent, parent, "{s:?}");
    }
}

#[test]
fn what_no_route_takes_and_what_is_no_request_is_told_too() {
    let mut c = config(&[]);
    c.routes[0].matcher.method = Some("POST".into());
    let mut running = Running::with(c);
    assert_eq!(running.client().get("/").status, 404);
    assert_eq!(
        running.client().send("nonsense\r\n\r\n").answer().status,
        400
    );
    let samples = running.samples(2);
    for s in samples {
        assert!(
            s.route.is_none() && s.outcome == Outcome::Refused && s.attempt == 0,
            "{s:?}"
        );
    }
}

#[test]
fn what_is_open_for_long_is_told_and_streams_are_not() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |mut stream| {
        let (head, _) = read_request(&mut stream, &mut Vec::new()).unwrap();
        if head.contains("/events") {
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
            stream.write_all(head).unwrap();
            // Until the client leaves.
            let _ = stream.read(&mut [0; 1]);
        } else {
            wait.lock().unwrap().recv().unwrap();
            stream.write_all(&ok(b"late")).unwrap();
        }
    });
    let options = Options {
        threads: Some(2),
        long: Duration::from_millis(20),
        ..Options::default()
    };
    let running = Running::options(generation(1, config(&[upstream.address])), options);
    let mut events = running.client();
    let request = "GET /events HTTP/1.1\r\nHost: t\r\n\r\n";
    let answer = events.send(request).try_answer(false).unwrap();
    assert_eq!(answer.status, 200);
    let mut slow = running.client();
    slow.send("GET /slow HTTP/1.1\r\nHost: t\r\n\r\n");
    let all = running.names.routes.find("all").unwrap();
    until("the slow one", || running.gateway.long_open() == [(all, 1)]);
    assert_eq!(running.gateway.open_requests(), [(all, 2)]);
    go.send(()).unwrap();
    assert_eq!(slow.answer().text(), "late");
    until("nothing", || running.gateway.long_open().is_empty());
    assert_eq!(running.gateway.open_requests(), [(all, 1)]);
}

#[test]
fn a_full_ring_loses_samples_and_nothing_else() {
    let upstream = Upstream::echo();
    let options = Options {
        threads: Some(1),
        ring: 4,
        ..Options::default()
    };
    let running = Running::options(generation(1, config(&[upstream.address])), options);
    let mut client = running.client();
    for _ in 0..10 {
        assert_eq!(client.get("/").status, 200);
    }
    until("the count", || running.gateway.gauges().dropped == 16);
}
