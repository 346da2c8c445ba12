//! The ladder through sockets: what readers get while the service fails, rung by rung, and what they are told of it.

use crate::common::*;
use config::sections::{Breaker, Cache, Degrade, Fixed};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Answers well until `broken`, then with 500.
fn upstream(control: &'static str) -> (Upstream, Arc<AtomicBool>) {
    let broken = Arc::new(AtomicBool::new(false));
    let is = broken.clone();
    let upstream = Upstream::http(move |_, _| match is.load(SeqCst) {
        true => b"HTTP/1.1 500 X\r\nContent-Length: 3\r\n\r\nbad".to_vec(),
        false => {
            format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: {control}\r\n\r\ngood")
                .into_bytes()
        }
    });
    (upstream, broken)
}

fn config_of(upstream: &Upstream, degrade: Degrade) -> config::Config {
    let mut c = config(&[upstream.address]);
    c.routes[0].cache = Some(Cache {
        ttl: None,
        stale_while_revalidate: None,
        size: 1 << 20,
        max_body: 1 << 16,
        ..Default::default()
    });
    c.routes[0].degrade = Some(degrade);
    c.routes[0].retry.attempts = 1;
    c
}

fn fixed() -> Option<Fixed> {
    Some(Fixed {
        body: "[]".into(),
        ..Fixed::default()
    })
}

fn minute() -> Option<Duration> {
    Some(Duration::from_secs(60))
}

/// Asks until the stored answer is past its lifetime: the service is broken, so what comes is from the ladder.
fn stale(client: &mut Client) -> Answer {
    let mut last = None;
    until("the end of its life", || {
        let a = client.get("/p");
        let degraded = a.header("plimsoll-degraded").is_some();
        last = Some(a);
        degraded
    });
    last.unwrap()
}

#[test]
fn an_answer_of_500_is_replaced_by_the_best_rung_there_is() {
    let (up, broken) = upstream("max-age=1");
    let mut c = config_of(
        &up,
        Degrade {
            stale_if_error: minute(),
            fixed: fixed(),
            ..Degrade::default()
        },
    );
    c.routes.push(route("bare", "s", &["bare"]));
    let mut running = Running::with(c);
    let mut client = running.client();
    assert_eq!(client.get("/p").header("plimsoll-degraded"), None);
    broken.store(true, SeqCst);
    let a = stale(&mut client);
    assert_eq!((a.status, a.text().as_str()), (200, "good"));
    assert_eq!(
        a.header("plimsoll-degraded"),
        Some("stale-if-error; because=status-500")
    );
    let status = a.header("cache-status").unwrap();
    assert!(
        status.contains("hit; ttl=") && status.contains("; detail=stale-if-error"),
        "{status}"
    );
    // Nothing is stored for another key.
    let a = client.get("/q");
    assert_eq!((a.status, a.text().as_str()), (200, "[]"));
    assert_eq!(
        a.header("plimsoll-degraded"),
        Some("static; because=status-500")
    );
    assert_eq!(a.header("content-type"), Some("application/json"));
    // A write is told the truth, and so is a route without a ladder.
    let post = "POST /p HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx";
    let a = client.send(post).answer();
    assert_eq!((a.status, a.text().as_str()), (500, "bad"));
    assert_eq!(client.get("/bare").status, 500);
    let samples = running.samples(8);
    assert!(
        samples
            .iter()
            .any(|s| s.kind == base::SampleKind::Attempt && s.status == 500)
    );
    broken.store(false, SeqCst);
    assert_eq!(client.get("/r").text(), "good");
}

#[test]
fn what_must_not_be_stale_is_not_and_the_last_rung_says_when_to_come_back() {
    let (up, broken) = upstream("max-age=1, must-revalidate");
    let degrade = Degrade {
        stale_if_error: minute(),
        last_good: minute(),
        ..Degrade::default()
    };
    let running = Running::with(config_of(&up, degrade));
    let mut client = running.client();
    assert_eq!(client.get("/p").text(), "good");
    broken.store(true, SeqCst);
    let a = stale(&mut client);
    assert_eq!((a.status, a.reason()), (503, "degraded"));
    assert_eq!(a.header("retry-after"), Some("5"));
    assert_eq!(
        a.header("plimsoll-degraded"),
        Some("refused; because=status-500")
    );
}

#[test]
fn a_dead_service_and_a_breaker_that_refuses_are_both_softened() {
    let (up, _) = upstream("max-age=1");
    let address = up.address;
    let degrade = Degrade {
        last_good: minute(),
        ..Degrade::default()
    };
    let mut c = config_of(&up, degrade);
    c.services[0].breaker = Some(Breaker::default());
    let running = Running::with(c.clone());
    let mut client = running.client();
    assert_eq!(client.get("/p").text(), "good");
    // The same service at an address where nobody listens.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    c.services[0].instances = vec![nobody];
    running.gateway.apply(generation(2, c));
    let mut why = std::collections::BTreeSet::new();
    until("the breaker", || {
        let a = client.get("/p");
        assert_eq!((a.status, a.text().as_str()), (200, "good"), "{:?}", a.head);
        if let Some(degraded) = a.header("plimsoll-degraded") {
            assert!(degraded.starts_with("last-good; because="), "{degraded}");
            why.insert(degraded.to_owned());
        }
        why.iter().any(|w| w.ends_with("breaker"))
    });
    assert!(
        why.iter().any(|w| w.ends_with("upstream-connect")),
        "{why:?}"
    );
    assert_ne!(address, nobody);
}

#[test]
fn a_slow_service_is_asked_for_less_and_for_all_again_when_it_is_fast() {
    let (slow, asked_less) = (
        Arc::new(AtomicBool::new(true)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (is, count) = (slow.clone(), asked_less.clone());
    let upstream = Upstream::http(move |head, _| {
        if header(head, "plimsoll-brownout") == Some("1") {
            count.fetch_add(1, SeqCst);
        } else if is.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(25));
        }
        ok(b"x")
    });
    let mut c = config(&[upstream.address]);
    c.routes[0].degrade = Some(Degrade {
        brownout: Some(Duration::from_millis(10)),
        ..Degrade::default()
    });
    let running = Running::with(c);
    let mut client = running.client();
    until("a request for less", || {
        assert_eq!(client.get("/").status, 200);
        asked_less.load(SeqCst) >= 3
    });
    slow.store(false, SeqCst);
    let mut full = 0;
    until("two hundred for all", || {
        let before = asked_less.load(SeqCst);
        assert_eq!(client.get("/").status, 200);
        full = if asked_less.load(SeqCst) == before {
            full + 1
        } else {
            0
        };
        full >= 200
    });
}
