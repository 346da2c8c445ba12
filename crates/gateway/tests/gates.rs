//! What gates answer instead of the instance, through the socket.

mod common;

use common::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn rate_limit_and_cache_answer_for_the_instance() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let upstream = Upstream::http(move |_, _| {
        let n = count.fetch_add(1, SeqCst);
        format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Type: text/plain\r\n\r\n{n}")
            .into_bytes()
    });
    let mut c = config(&[upstream.address]);
    c.routes[0].cache = Some(config::sections::Cache {
        ttl: Some(Duration::from_secs(60)),
        stale_while_revalidate: None,
        size: 1 << 20,
        max_body: 1 << 16,
        ..Default::default()
    });
    let mut limited = route("limited", "s", &["limited"]);
    limited.rate = Some(config::sections::Rate {
        burst: 2,
        ..config::sections::Rate::of(0.001)
    });
    c.routes.push(limited);
    let mut running = Running::with(c);
    let mut client = running.client();
    let texts: Vec<_> = (0..5).map(|_| client.get("/p").text()).collect();
    assert_eq!(texts, ["0"; 5]);
    assert_eq!(asked.load(SeqCst), 1);
    client.send("HEAD /p HTTP/1.1\r\nHost: t\r\n\r\n");
    let a = client.try_answer(false).unwrap();
    assert_eq!(a.header("content-length"), Some("1"));
    let states: Vec<_> = running
        .samples(7)
        .iter()
        .map(|s| (s.kind, s.cache))
        .collect();
    let hits = states
        .iter()
        .filter(|s| s.1 == base::CacheState::Hit)
        .count();
    assert_eq!(hits, 5, "{states:?}");
    let statuses: Vec<_> = (0..3).map(|_| client.get("/limited").status).collect();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(running.gateway.gauges().rates[0].refused, 1);
}

#[test]
fn a_stale_answer_is_fetched_anew_behind_the_client() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let upstream = Upstream::http(move |head, _| {
        assert_eq!(header(head, "if-none-match"), None, "all of it is wanted");
        let n = count.fetch_add(1, SeqCst);
        format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nCache-Control: max-age=1, stale-while-revalidate=60\r\n\r\n{n}").into_bytes()
    });
    let mut c = config(&[upstream.address]);
    c.routes[0].cache = Some(config::sections::Cache {
        ttl: None,
        stale_while_revalidate: None,
        size: 1 << 20,
        max_body: 1 << 16,
        ..Default::default()
    });
    let mut running = Running::with(c);
    let mut client = running.client();
    assert_eq!(client.get("/p").text(), "0");
    let mut fetched = 0;
    until("the answer of the second fetch", || {
        let a = client
            .send("GET /p HTTP/1.1\r\nHost: t\r\nIf-None-Match: \"other\"\r\n\r\n")
            .answer();
        fetched = asked.load(SeqCst);
        a.text() == "1"
    });
    assert!(fetched >= 2);
    let samples = running.samples(4);
    assert!(samples.iter().all(|s| s.outcome == base::Outcome::Done));
}
