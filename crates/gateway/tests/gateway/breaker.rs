//! The breaker in front of a real service that fails, dies and comes back.

use crate::common::*;
use config::sections::Breaker;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

fn decided(running: &Running, what: &str) -> u64 {
    let all = running.gateway.gauges().decisions;
    let found = all.iter().find(|d| d.gate == "breaker" && d.what == what);
    found.expect("the breaker's tally").count
}

#[test]
fn a_service_that_fails_gets_less_work_and_its_other_routes_all_of_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let upstream = Upstream::http(move |head, _| match head.starts_with("GET /bad") {
        true => {
            count.fetch_add(1, SeqCst);
            b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".to_vec()
        }
        false => ok(b"x"),
    });
    let mut c = config(&[upstream.address]);
    c.services[0].breaker = Some(Breaker::default());
    c.routes.push(route("bad", "s", &["bad"]));
    let running = Running::with(c.clone());
    let mut client = running.client();
    let began = Instant::now();
    let answers: Vec<_> = (0..300).map(|_| client.get("/bad")).collect();
    let refused = answers.iter().filter(|a| a.reason() == "breaker").count();
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "all within one window"
    );
    assert_eq!(refused + asked.load(SeqCst), 300);
    assert!((190..280).contains(&refused), "{refused}");
    let one = answers.iter().find(|a| a.reason() == "breaker").unwrap();
    assert_eq!((one.status, one.header("retry-after")), (503, Some("1")));
    assert!(
        one.text().contains("answers to bad failed"),
        "{}",
        one.text()
    );
    assert_eq!(decided(&running, "refused"), refused as u64);
    assert!((0..50).all(|_| client.get("/good").status == 200));
    running.gateway.apply(generation(2, c));
    let after = (0..50).filter(|_| client.get("/bad").status == 503).count();
    assert!(after > 20, "a reload forgets nothing: {after}");
}

#[test]
fn a_dead_service_is_left_alone_but_for_probes_and_found_when_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut c = config(&[address]);
    c.services[0].breaker = Some(Breaker {
        probe: Duration::from_millis(100),
        ramp: Duration::from_millis(300),
        ..Breaker::default()
    });
    c.routes[0].retry.attempts = 1;
    let running = Running::with(c);
    let mut client = running.client();
    until("the breaker", || client.get("/").reason() == "breaker");
    assert_eq!(decided(&running, "opened"), 1);
    let began = Instant::now();
    let connects = || running.gateway.gauges().pools[0].connect_failures;
    let (before, mut asked) = (connects(), 0);
    while began.elapsed() < Duration::from_millis(500) {
        asked += 1;
        assert!(matches!(client.get("/").status, 502 | 503));
    }
    let tried = connects() - before;
    assert!((1..=6).contains(&tried), "{tried} of {asked} were probes");
    let alive = Arc::new(AtomicBool::new(false));
    let told = alive.clone();
    let _back = Upstream::on(TcpListener::bind(address).unwrap(), move |mut s| {
        told.store(true, SeqCst);
        let mut buffer = Vec::new();
        while read_request(&mut s, &mut buffer).is_some() {
            if std::io::Write::write_all(&mut s, &ok(b"x")).is_err() {
                return;
            }
        }
    });
    let began = Instant::now();
    until("the first answer", || client.get("/").status == 200);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "found within a second"
    );
    assert!(alive.load(SeqCst));
    let mut good = 0;
    until("fifty answers in a row", || {
        good = if client.get("/").status == 200 {
            good + 1
        } else {
            0
        };
        good >= 50
    });
    assert_eq!(decided(&running, "closed"), 1);
}

#[test]
fn left_out_the_gates_count_and_switched_off_there_are_none() {
    let upstream = Upstream::http(|_, _| b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".to_vec());
    let mut c = config(&[upstream.address]);
    let running = Running::with(c.clone());
    let mut client = running.client();
    assert!((0..100).all(|_| client.get("/").reason() != "breaker"));
    assert_eq!(decided(&running, "refused"), 0);
    let would = decided(&running, "would_refuse");
    assert!((50..90).contains(&would), "{would}");
    let gates = |r: &Running| -> Vec<&str> {
        let all = r.gateway.gauges().decisions;
        let of = |gate: &&str| all.iter().any(|d| d.gate == *gate);
        ["breaker", "shed", "compress"]
            .into_iter()
            .filter(of)
            .collect()
    };
    assert_eq!(gates(&running), ["breaker", "shed", "compress"]);
    (c.services[0].breaker, c.services[0].shed) = (None, None);
    c.routes[0].compress = None;
    let off = Running::with(c);
    assert_eq!(off.client().get("/").status, 500);
    assert_eq!(gates(&off), [""; 0]);
}
