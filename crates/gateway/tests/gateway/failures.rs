//! What goes wrong ends with a clear answer: a status, a reason, and a sentence that names what happened and to whom.

use crate::common::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Closes with what is unread, so that the peer sees a reset.
fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

#[test]
fn every_way_an_instance_can_fail_has_its_answer() {
    type Handle = fn(TcpStream);
    let cases: [(&str, u16, &str, Handle); 8] = [
        ("closes", 502, "upstream-reset", |mut s| {
            let _ = s.read(&mut [0; 4096]);
        }),
        ("resets", 502, "upstream-reset", |mut s| {
            let _ = s.read(&mut [0; 4096]);
            reset(s);
        }),
        ("talks garbage", 502, "upstream-garbage", |mut s| {
            let _ = s.read(&mut [0; 4096]);
            let _ = s.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n");
        }),
        ("frames twice", 502, "upstream-garbage", |mut s| {
            let _ = s.read(&mut [0; 4096]);
            let _ = s.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
        }),
        ("never stops its head", 502, "upstream-garbage", |mut s| {
            let _ = s.read(&mut [0; 4096]);
            let _ = s.write_all(b"HTTP/1.1 200 OK\r\n");
            while s.write_all(&[b'a'; 1024]).is_ok() {}
        }),
        ("closes within its head", 502, "upstream-reset", |mut s| {
            let _ = s.read(&mut [0; 4096]);
            let _ = s.write_all(b"HTTP/1.1 200 OK\r\nContent-");
        }),
        ("never answers", 504, "deadline", |mut s| {
            while matches!(s.read(&mut [0; 4096]), Ok(n) if n > 0) {}
        }),
        (
            "changes the protocol unasked",
            502,
            "upstream-garbage",
            |mut s| {
                let _ = s.read(&mut [0; 4096]);
                let _ = s.write_all(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
            },
        ),
    ];
    for (name, status, reason, handle) in cases {
        let upstream = Upstream::start(handle);
        let mut c = config(&[upstream.address]);
        let soon = reason == "deadline";
        c.routes[0].deadline.first_byte =
            Some(Duration::from_millis(if soon { 150 } else { 30_000 }));
        let mut running = Running::with(c);
        let mut client = running.client();
        let a = client.get("/x");
        assert_eq!(
            (a.status, a.reason()),
            (status, reason),
            "{name}: {}",
            a.text()
        );
        assert!(
            a.text().contains(&format!("s/{}", upstream.address)),
            "{name}: {}",
            a.text()
        );
        assert_eq!(a.header("content-type"), Some("application/problem+json"));
        let again = client
            .try_get("/y")
            .expect("the client's connection lives on");
        assert_eq!(again.status, status, "{name}");
        let samples = running.samples(4);
        assert!(
            samples
                .iter()
                .all(|s| s.outcome == base::Outcome::UpstreamFailed),
            "{samples:?}"
        );
        until("the end of all", || {
            running.gateway.open_requests().is_empty()
        });
    }
}

#[test]
fn nobody_listens_and_nobody_is_there() {
    let running = Running::with(config(&[nobody()]));
    let a = running.client().get("/");
    assert_eq!((a.status, a.reason()), (502, "upstream-connect"));
    let running = Running::with(config(&[]));
    let a = running.client().get("/");
    assert_eq!((a.status, a.reason()), (503, "no-instance"));
    let mut c = config(&[]);
    c.routes[0].matcher.method = Some("POST".into());
    let running = Running::with(c);
    let a = running.client().get("/lost");
    assert_eq!((a.status, a.reason()), (404, "no-route"));
    assert!(a.text().contains("GET /lost"));
}

#[test]
fn when_one_of_two_is_down_nobody_notices() {
    let upstream = Upstream::echo();
    let running = Running::with(config(&[nobody(), upstream.address]));
    let mut client = running.client();
    for _ in 0..50 {
        assert_eq!(client.get("/").status, 200);
    }
    let down = &running.gateway.gauges().pools[0];
    assert!(down.connect_failures < 10, "{down:?}");
}

#[test]
fn a_connection_that_died_idle_is_replaced_without_a_word() {
    // Answers one request per connection, says that it stays open, and closes.
    let (closed, wait) = mpsc::channel();
    let closed = std::sync::Mutex::new(closed);
    let upstream = Upstream::start(move |mut stream| {
        let mut buffer = Vec::new();
        if read_request(&mut stream, &mut buffer).is_some() {
            let _ = stream.write_all(&ok(b"x"));
        }
        drop(stream);
        let _ = closed.lock().unwrap().send(());
    });
    let mut c = config(&[upstream.address]);
    c.routes[0].retry.budget = 0.0;
    c.routes[0].retry.floor_per_s = 0.0;
    let running = Running::of(generation(1, c), 1);
    let mut client = running.client();
    for i in 0..20 {
        assert_eq!(client.get("/").status, 200, "{i}");
        wait.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_connection_that_dies_under_the_request_is_retried_without_the_budget() {
    // The second request of each connection is read and not answered.
    let upstream = Upstream::start(|mut stream| {
        let mut buffer = Vec::new();
        if read_request(&mut stream, &mut buffer).is_some() {
            let _ = stream.write_all(&ok(b"x"));
            read_request(&mut stream, &mut buffer);
        }
    });
    let mut c = config(&[upstream.address]);
    c.routes[0].retry.budget = 0.0;
    c.routes[0].retry.floor_per_s = 0.0;
    let mut running = Running::of(generation(1, c), 1);
    let mut client = running.client();
    for i in 0..10 {
        let a = client.get("/");
        assert_eq!(a.status, 200, "{i}: {}", a.text());
    }
    let first = running.samples(10);
    assert!(first.iter().any(|s| s.attempt == 2));
    client.get("/");
    // What is not idempotent is not tried again.
    let a = client
        .send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx")
        .answer();
    let fresh = a.status == 200;
    let a = client
        .send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx")
        .answer();
    assert!(fresh || a.status == 200, "every other connection is new");
    assert!(!fresh || a.reason() == "upstream-reset");
}

#[test]
fn a_retried_request_carries_its_body_again_and_one_identity() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = tries.clone();
    let upstream = Upstream::http(move |head, body| match count.fetch_add(1, SeqCst) {
        0 => b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n".to_vec(),
        _ => ok(&[head.as_bytes(), body].concat()),
    });
    let running = Running::with(config(&[upstream.address]));
    let body = "b".repeat(20_000);
    let request = format!(
        "PUT / HTTP/1.1\r\nHost: t\r\nplimsoll-deadline: 5000\r\nPlimsoll-Attempt: 7\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let a = running.client().send(&request).answer();
    assert_eq!((a.status, tries.load(SeqCst)), (200, 2));
    let text = a.text();
    assert!(text.ends_with(&body));
    assert_eq!(header(&text, "plimsoll-attempt"), Some("2"));
    for name in [
        "traceparent",
        "plimsoll-deadline",
        "plimsoll-attempt",
        "x-forwarded-for",
    ] {
        let n = text
            .lines()
            .filter(|l| l.to_ascii_lowercase().starts_with(name))
            .count();
        assert_eq!(n, 1, "{name}");
    }
    let first = running.client().send(request).answer().text();
    assert_eq!(
        header(&first, "plimsoll-attempt"),
        None,
        "a client's word is not passed on"
    );
}

#[test]
fn an_instance_that_names_a_date_is_left_alone_until_then() {
    for asked in ["Fri, 31 Dec 2099 23:59:59 GMT", "soon", "99999999"] {
        let tries = Arc::new(AtomicUsize::new(0));
        let count = tries.clone();
        let upstream = Upstream::http(move |_, _| {
            count.fetch_add(1, SeqCst);
            let head = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After:";
            format!("{head} {asked}\r\n\r\n").into_bytes()
        });
        let running = Running::with(config(&[upstream.address]));
        let a = running.client().get("/");
        assert_eq!((a.status, a.header("retry-after")), (503, Some(asked)));
        assert_eq!(tries.load(SeqCst), 1, "{asked}");
    }
}

#[test]
fn who_asks_for_a_second_is_given_it() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = tries.clone();
    let upstream = Upstream::http(move |_, _| match count.fetch_add(1, SeqCst) {
        0 => b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n".to_vec(),
        _ => ok(b"x"),
    });
    let running = Running::with(config(&[upstream.address]));
    let began = Instant::now();
    assert_eq!(running.client().get("/").status, 200);
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(tries.load(SeqCst), 2);
}

#[test]
fn a_response_that_breaks_off_is_seen_to_break_off() {
    let upstream = Upstream::start(|mut s| {
        let _ = s.read(&mut [0; 4096]);
        let _ = s.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    });
    let mut running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    assert!(client.try_get("/").is_none());
    assert_eq!(client.buffer, b"half");
    assert!(
        running
            .samples(2)
            .iter()
            .all(|s| s.outcome == base::Outcome::UpstreamFailed)
    );
}

#[test]
fn a_client_that_leaves_ends_the_work_upstream() {
    let (told, heard) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let upstream = Upstream::start(move |mut s| {
        let mut buffer = Vec::new();
        read_request(&mut s, &mut buffer);
        let _ = told.lock().unwrap().send("asked");
        let end = s.read(&mut [0; 16]);
        assert!(!matches!(end, Ok(n) if n > 0));
        let _ = told.lock().unwrap().send("cancelled");
    });
    let mut running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(heard.recv_timeout(PATIENCE), Ok("asked"));
    client.hang_up();
    assert_eq!(heard.recv_timeout(PATIENCE), Ok("cancelled"));
    assert!(
        running
            .samples(2)
            .iter()
            .all(|s| s.outcome == base::Outcome::ClientGone)
    );
}

#[test]
fn a_full_pool_lets_wait_and_then_refuses() {
    let (free, hold) = mpsc::channel::<()>();
    let hold = std::sync::Mutex::new(hold);
    let upstream = Upstream::http(move |_, _| {
        let _ = hold.lock().unwrap().recv_timeout(PATIENCE);
        ok(b"x")
    });
    let mut c = config(&[upstream.address]);
    c.services[0].pool.size = Some(1);
    c.services[0].pool.wait = Duration::from_millis(100);
    let mut running = Running::with(c.clone());
    let mut first = running.client();
    first.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    let pool = |running: &Running| running.gateway.gauges().pools[0].clone();
    until("the first to be under way", || pool(&running).busy == 1);
    let a = running.client().get("/");
    assert_eq!((a.status, a.reason()), (503, "pool-wait"));
    assert_eq!(a.header("retry-after"), Some("1"));
    assert!(pool(&running).waited_s >= 0.09, "{:?}", pool(&running));
    c.services[0].pool.wait = PATIENCE;
    running.gateway.apply(generation(2, c));
    let mut third = running.client();
    third.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    until("the third to wait", || pool(&running).waiting == 1);
    free.send(()).unwrap();
    assert_eq!(first.answer().status, 200);
    free.send(()).unwrap();
    assert_eq!(third.answer().status, 200);
    let waited = running.samples(6).iter().filter(|s| s.wait_us > 0).count();
    assert!(waited >= 4, "requests and attempts that waited: {waited}");
}

#[test]
fn what_is_no_request_is_refused_by_name_and_the_connection_ends() {
    let asked = Arc::new(AtomicBool::new(false));
    let seen = asked.clone();
    let upstream = Upstream::http(move |_, _| {
        seen.store(true, SeqCst);
        ok(b"x")
    });
    let running = Running::with(config(&[upstream.address]));
    for (request, status, reason) in [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "framing-cl-te",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
            400,
            "framing-cl-duplicate",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            501,
            "framing-te-unsupported",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            400,
            "host-duplicate",
        ),
        ("GET / HTTP/1.1\r\n\r\n", 400, "host-missing"),
        (
            "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            "host-mismatch",
        ),
        ("GET / HTTP/1.1\nHost: a\n\n", 400, "head-bare-lf"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\nContent-Length: 2\r\n\r\nab",
            400,
            "connection-names-framing",
        ),
        (
            "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
            400,
            "head-syntax",
        ),
        (
            "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
            501,
            "connect-unsupported",
        ),
        (
            "GET /a/%2e%2e/b HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            "bad-path",
        ),
    ] {
        let a = running.client().send(request).answer();
        assert_eq!((a.status, a.reason()), (status, reason), "{request:?}");
    }
    let mut big = running.client();
    big.send(format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(40_000)
    ));
    let a = big.answer();
    assert_eq!((a.status, a.reason()), (431, "head-too-large"));
    assert!(big.is_closed());
    assert!(!asked.load(SeqCst), "none of it reached the instance");
    // The body is looked at while it passes: this one has been under way.
    let a = running
        .client()
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")
        .answer();
    assert_eq!((a.status, a.reason()), (400, "chunk-size"));
}

/// RFC 9110 9.3.7; in absolute form it has no path (RFC 9112 3.2.4).
#[test]
fn a_question_to_the_server_itself_is_answered_by_it() {
    let upstream = Upstream::echo();
    let running = Running::with(config(&[upstream.address]));
    for target in ["*", "http://t"] {
        let mut client = running.client();
        let a = client
            .send(format!("OPTIONS {target} HTTP/1.1\r\nHost: t\r\n\r\n"))
            .answer();
        assert_eq!((a.status, a.reason()), (204, ""), "{target}");
        let allow = a.header("allow").unwrap_or_default();
        assert!(allow.contains("OPTIONS"), "{allow}");
        assert_eq!(client.get("/next").status, 200, "the connection is kept");
        let of_a_path = client.send("OPTIONS /x HTTP/1.1\r\nHost: t\r\n\r\n");
        assert!(of_a_path.answer().text().starts_with("OPTIONS /x"));
    }
}

#[test]
fn slow_heads_and_idle_connections_end() {
    let upstream = Upstream::echo();
    let mut c = config(&[upstream.address]);
    c.limits.head_timeout = Duration::from_millis(100);
    c.limits.idle = Duration::from_millis(200);
    let running = Running::with(c);
    let began = Instant::now();
    let mut slow = running.client();
    let a = slow.send("GET / HTTP/1.1\r\nHo").answer();
    assert_eq!((a.status, a.reason()), (408, "head-timeout"));
    assert!(began.elapsed() >= Duration::from_millis(100));
    let mut quiet = running.client();
    assert_eq!(quiet.get("/").status, 200);
    let began = Instant::now();
    assert!(quiet.is_closed());
    assert!(began.elapsed() >= Duration::from_millis(190));
    until("all connections to be counted out", || {
        running.gateway.gauges().connections.iter().sum::<u32>() == 0
    });
}

#[test]
fn a_body_that_does_not_come_gives_its_permit_back() {
    let upstream = Upstream::echo();
    let mut c = config(&[upstream.address]);
    c.limits.body_timeout = Duration::from_millis(100);
    c.services[0].limit = Some(1);
    let running = Running::with(c.clone());
    let mut slow = running.client();
    let a = slow
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        .answer();
    assert_eq!((a.status, a.reason()), (408, "body-timeout"));
    assert!(
        slow.is_closed(),
        "what comes late must not be read as a request"
    );
    assert_eq!(running.client().get("/").status, 200, "the only permit");
    c.limits.body_timeout = PATIENCE;
    running.gateway.apply(generation(2, c));
    let mut whole = running.client();
    whole.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    until("the first half to be inside", || {
        running.gateway.gauges().limits[0].counts.in_flight > 0
    });
    assert_eq!(whole.send("def").answer().status, 200);
}
