//! What gates answer instead of the instance, through the socket.

use crate::common::*;
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

/// A route that counts orders, sums a header and a number in JSON.
fn worth(max_body: u64) -> Vec<config::sections::Measure> {
    use config::sections::{Measure, Term};
    let orders = Measure::named("orders");
    let revenue = Measure {
        term: Term::Header("x-total".into()),
        unit: "usd".into(),
        ..Measure::named("revenue")
    };
    let items = Measure {
        term: Term::Json("/items/0/qty".into()),
        max_body,
        ..Measure::named("items")
    };
    vec![orders, revenue, items]
}

/// Sum, and the answers that told it, were without it, had something else there, and were not read.
fn told(running: &Running, name: &str) -> (i64, [u64; 4]) {
    let all = running.gateway.business();
    let b = all.iter().find(|b| b.name == name).unwrap();
    let sum = b.added_micro as i64 - b.taken_micro as i64;
    (sum, [b.counted, b.absent, b.malformed, b.unread])
}

#[test]
fn numbers_of_the_business_are_read_as_answers_pass() {
    let upstream = Upstream::http(|head, _| {
        let path = head.split(' ').nth(1).unwrap();
        let json = |total: &str, body: &str| {
            let n = body.len();
            format!(
                "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nX-Total: {total}\r\nContent-Length: {n}\r\n\r\n{body}"
            )
        };
        let answer = match path {
            "/order" => json("19.99", r#"{"items":[{"qty":3}]}"#),
            "/refund" => json("-5", r#"{"items":[{"qty":"-1"}]}"#),
            "/strange" => json("dear", r#"{"items":[{"qty":[]}]}"#),
            "/without" => json("", "{}"),
            "/long" => json("1", &format!("{{\"pad\":\"{}\"}}", "x".repeat(2000))),
            "/chunks" => {
                let pad = format!("{{\"pad\":\"{}\",", "x".repeat(300));
                let end = r#""items":[{"qty":0.5}]}"#;
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{pad}\r\n{:x}\r\n{end}\r\n0\r\n\r\n",
                    pad.len(),
                    end.len()
                )
            }
            "/packed" => "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nxx".into(),
            _ => "HTTP/1.1 402 Payment Required\r\nX-Total: 7\r\nContent-Length: 0\r\n\r\n".into(),
        };
        answer.into_bytes()
    });
    let mut c = config(&[upstream.address]);
    c.routes[0].business = worth(1024);
    // What goes to the client compressed was plain when it came.
    c.routes[0].compress = Some(config::sections::Compress {
        when: config::sections::CompressWhen::Always,
        min: 0,
        ..Default::default()
    });
    let running = Running::with(c);
    let mut client = running.client();
    client.send("GET /order HTTP/1.1\r\nHost: t\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(client.answer().header("content-encoding"), Some("gzip"));
    let order = client.get("/order");
    assert_eq!(
        order.text(),
        r#"{"items":[{"qty":3}]}"#,
        "nothing is changed"
    );
    for path in [
        "/refund", "/strange", "/without", "/long", "/chunks", "/packed", "/refused",
    ] {
        client.get(path);
    }
    // The last answer is counted when it has ended, which the next one on its connection shows.
    client.get("/refused");
    assert_eq!(told(&running, "orders"), (8_000_000, [8, 0, 0, 0]));
    assert_eq!(told(&running, "revenue"), (35_980_000, [4, 2, 2, 0]));
    assert_eq!(told(&running, "items"), (5_500_000, [4, 1, 1, 2]));
}

#[test]
fn an_answer_from_the_cache_is_no_business_and_an_answer_cut_short_is_not_read() {
    let upstream = Upstream::http(|head, _| {
        match head.contains("/cut") {
        true => b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{\"items\":".to_vec(),
        false => b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Total: 2\r\nContent-Length: 2\r\n\r\n{}".to_vec(),
    }
    });
    let mut c = config(&[upstream.address]);
    c.routes[0].business = worth(1024);
    c.routes[0].cache = Some(config::sections::Cache {
        ttl: Some(Duration::from_secs(60)),
        size: 1 << 20,
        max_body: 1 << 16,
        ..Default::default()
    });
    let running = Running::with(c);
    let mut client = running.client();
    (0..3).for_each(|_| drop(client.get("/p")));
    assert_eq!(told(&running, "revenue"), (2_000_000, [1, 0, 0, 0]));
    client.send("GET /cut HTTP/1.1\r\nHost: t\r\n\r\n");
    assert!(client.try_answer(true).is_none_or(|a| a.body.len() < 100));
    until("the end of it", || {
        told(&running, "items").1 == [0, 1, 0, 1]
    });
}
