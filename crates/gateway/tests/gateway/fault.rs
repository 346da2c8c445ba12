//! Failures made on purpose, through sockets: each way of failing looks to the client as the real one does.

use crate::common::*;
use config::sections::Fault;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn unix() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn fault() -> Fault {
    Fault::until(unix() + 3600)
}

/// An upstream with a body of 1000 bytes behind a route with this fault, and how often it was asked.
fn start(fault: Fault) -> (Upstream, Running, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let upstream = Upstream::http(move |_, _| {
        count.fetch_add(1, SeqCst);
        ok(&[b'x'; 1000])
    });
    let mut c = config(&[upstream.address]);
    c.routes[0].fault = Some(fault);
    c.routes[0].deadline.first_byte = Some(Duration::from_secs(2));
    let running = Running::with(c);
    (upstream, running, asked)
}

fn post(client: &mut Client) -> Answer {
    let request = "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nab";
    client.send(request).answer()
}

#[test]
fn an_abort_answers_for_the_instance_and_is_retried_like_a_real_one() {
    let (_up, mut running, asked) = start(Fault {
        abort: Some(503),
        first: Some(3),
        ..fault()
    });
    let mut client = running.client();
    let a = post(&mut client);
    assert_eq!((a.status, a.reason()), (503, "fault"));
    assert!(a.text().contains("on purpose"), "{}", a.text());
    assert_eq!(post(&mut client).status, 503);
    assert_eq!(asked.load(SeqCst), 0);
    assert_eq!(
        client.get("/").status,
        200,
        "the second try of a safe request"
    );
    assert_eq!(post(&mut client).status, 200, "three were meant to fail");
    assert_eq!(asked.load(SeqCst), 2);
    let samples = running.samples(9);
    let attempts = samples
        .iter()
        .filter(|s| s.kind == base::SampleKind::Attempt);
    assert_eq!(attempts.filter(|s| s.status == 503).count(), 3);
    let gauges = running.gateway.gauges();
    let struck = gauges.decisions.iter().find(|d| d.gate == "fault").unwrap();
    assert_eq!(
        (struck.gate, struck.what, struck.count),
        ("fault", "struck", 3)
    );
}

#[test]
fn a_reset_looks_like_one() {
    let (_up, running, asked) = start(Fault {
        reset: true,
        every: Some(2),
        ..fault()
    });
    let mut client = running.client();
    assert_eq!(post(&mut client).status, 200);
    let a = post(&mut client);
    assert_eq!((a.status, a.reason()), (502, "upstream-reset"));
    assert_eq!(asked.load(SeqCst), 1);
    assert_eq!(post(&mut client).status, 200, "the connection lives on");
}

#[test]
fn a_delay_takes_its_time_and_no_longer_than_the_deadline() {
    let delay = Some(Duration::from_millis(80));
    let headers = vec![("x-tenant".to_owned(), "acme".to_owned())];
    let (_up, running, _) = start(Fault {
        delay,
        headers,
        ..fault()
    });
    let mut client = running.client();
    assert_eq!(client.get("/").header("plimsoll-fault"), None);
    let began = Instant::now();
    let a = client
        .send("GET / HTTP/1.1\r\nHost: t\r\nX-Tenant: acme\r\n\r\n")
        .answer();
    assert_eq!((a.status, a.header("plimsoll-fault")), (200, Some("delay")));
    assert!(began.elapsed() >= Duration::from_millis(80));
    let late = "POST / HTTP/1.1\r\nHost: t\r\nX-Tenant: acme\r\nplimsoll-deadline: 30\r\nContent-Length: 0\r\n\r\n";
    let a = client.send(late).answer();
    assert_eq!((a.status, a.reason()), (504, "deadline"), "{}", a.text());
}

#[test]
fn a_slow_response_is_whole_and_slow() {
    let (_up, running, _) = start(Fault {
        rate: Some(5000),
        ..fault()
    });
    let began = Instant::now();
    let a = running.client().get("/");
    assert_eq!((a.status, a.body.len()), (200, 1000));
    assert_eq!(a.header("plimsoll-fault"), Some("slow"));
    assert!(
        began.elapsed() >= Duration::from_millis(190),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_cut_response_breaks_off_where_it_should() {
    let (_up, running, _) = start(Fault {
        cut: Some(100),
        ..fault()
    });
    let mut client = running.client();
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    let mut all = Vec::new();
    client.stream.read_to_end(&mut all).unwrap();
    let text = String::from_utf8(all).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Length: 1000"), "{head}");
    assert_eq!(body.len(), 100);
}

#[test]
fn a_fault_ends_without_anybody_doing_anything() {
    let (_up, running, _) = start(Fault {
        abort: Some(500),
        ..Fault::until(unix() + 2)
    });
    let mut client = running.client();
    assert_eq!(client.get("/").status, 500);
    until("the end of the fault", || client.get("/").status == 200);
}
