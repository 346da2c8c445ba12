//! The PROXY protocol over real sockets: who is let in, what is known of the client then, and what instances are told.

mod haproxy;
mod outward;

use crate::common::*;
use crate::http2::client;
use crate::tls::certs;
use config::Cidr;
use config::sections::{AccessLog, LogTo, ProxyProtocol, Rate};
use std::io::Write;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n";

/// Version 2, with a record behind the addresses.
fn v2(last: u8) -> Vec<u8> {
    let rest = [
        0x21, 0x11, 0, 16, 192, 0, 2, last, 198, 51, 100, 1, 0xc7, 0x38, 1, 0xbb, 0x04, 0, 1, 0,
    ];
    [SIGNATURE, &rest].concat()
}

/// A gateway that expects headers from `from`, before an echo.
fn behind(from: &str, change: impl FnOnce(&mut config::Config)) -> (Upstream, Running) {
    let upstream = Upstream::echo();
    let mut config = config(&[upstream.address]);
    config.proxy_protocol = Some(ProxyProtocol {
        from: vec![Cidr::parse(from).unwrap()],
        unix: false,
    });
    change(&mut config);
    let running = Running::of(generation(1, config), 1);
    (upstream, running)
}

fn refused(running: &Running, why: &str) -> u64 {
    let all = running.gateway.gauges().decisions;
    let mine = |d: &&gateway::Decision| d.gate == "proxy_protocol" && d.what == why;
    all.iter().find(mine).unwrap().count
}

#[test]
fn the_client_is_who_the_header_names() {
    let (_upstream, running) = behind("127.0.0.0/8", |_| {});
    for header in [V1, &v2(7)] {
        let mut client = running.client();
        client.send(header);
        for _ in 0..2 {
            let seen = client.get("/").text();
            assert!(seen.contains("X-Forwarded-For: 192.0.2.7\r\n"), "{seen}");
        }
    }
    // The balancer speaks for itself, or of a client without an address.
    let local = [SIGNATURE, &[0x20, 0, 0, 0]].concat();
    for header in [&local[..], b"PROXY UNKNOWN\r\n"] {
        let mut client = running.client();
        let seen = client.send(header).get("/").text();
        assert!(seen.contains("X-Forwarded-For: 127.0.0.1\r\n"), "{seen}");
    }
}

#[test]
fn connections_count_for_the_client_and_not_for_the_balancer() {
    let (_upstream, running) = behind("127.0.0.0/8", |c| {
        c.limits.connections_per_client = Some(1);
    });
    let come = |header: &[u8]| {
        let mut client = running.client();
        client.send(header);
        let answer = client.try_get("/");
        (answer.map(|a| a.status), client)
    };
    let (first, held) = come(&v2(7));
    assert_eq!(first, Some(200));
    assert_eq!(come(V1).0, None, "the same client");
    let (other, _held) = come(&v2(8));
    assert_eq!(other, Some(200));
    let local = [SIGNATURE, &[0x20, 0, 0, 0]].concat();
    let own: Vec<_> = (0..3).map(|_| come(&local)).collect();
    assert!(own.iter().all(|(status, _)| *status == Some(200)));
    drop(held);
    until("its place to be free", || come(V1).0 == Some(200));
}

#[test]
fn a_header_in_pieces_with_a_request_right_behind_it() {
    let (_upstream, running) = behind("127.0.0.1", |_| {});
    for header in [V1, &v2(7)] {
        let mut client = running.client();
        let (pieces, last) = header.split_at(header.len() - 1);
        for byte in pieces {
            client.send([*byte]);
        }
        client.send([last, b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n"].concat());
        let seen = client.answer().text();
        assert!(seen.contains("X-Forwarded-For: 192.0.2.7\r\n"), "{seen}");
    }
}

#[test]
fn without_a_header_nothing_is_served_and_the_reason_is_counted() {
    let (upstream, running) = behind("127.0.0.0/8", |c| {
        c.limits.head_timeout = Duration::from_millis(100);
    });
    let request = "GET / HTTP/1.1\r\nHost: t\r\n\r\n".as_bytes();
    let bad_version = [SIGNATURE, &[0x11, 0x11, 0, 0]].concat();
    let endless = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
    for (sent, why) in [
        (request, "missing"),
        (b"PROXY TCP4 nobody\r\n", "malformed"),
        (&bad_version, "unknown"),
        (&endless, "too-long"),
        (b"PROXY TCP4 ", "late"),
    ] {
        let mut client = running.client();
        client.send(sent);
        assert!(client.try_answer(true).is_none(), "{why}");
        until(why, || refused(&running, why) == 1);
    }
    drop(running.client());
    until("gone", || refused(&running, "gone") == 1);
    assert_eq!(
        upstream
            .connections
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
    until("no connection is left", || {
        running.gateway.gauges().connections == [0]
    });
}

#[test]
fn who_is_not_named_cannot_say_to_be_somebody_else() {
    let (_upstream, running) = behind("10.0.0.0/8", |_| {});
    let seen = running.client().get("/").text();
    assert!(seen.contains("X-Forwarded-For: 127.0.0.1\r\n"), "{seen}");
    for (header, status) in [(V1, 505), (&v2(7), 400)] {
        let mut client = running.client();
        client.send([header, b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"].concat());
        assert_eq!(client.answer().status, status, "it is no request");
    }
}

#[test]
fn rates_and_the_access_log_go_by_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let (_upstream, running) = behind("127.0.0.0/8", |c| {
        c.access_log = Some(AccessLog {
            to: LogTo::File(path.clone()),
            ..AccessLog::default()
        });
        c.routes[0].rate = Some(Rate::of(0.001));
    });
    for (last, status) in [(1, 200), (2, 200), (1, 429)] {
        let mut client = running.client();
        assert_eq!(client.send(v2(last)).get("/").status, status);
    }
    let log = || std::fs::read_to_string(&path).unwrap_or_default();
    until("three lines", || log().lines().count() == 3);
    assert_eq!(
        log().matches("\"client.address\":\"192.0.2.1\"").count(),
        2,
        "{}",
        log()
    );
    assert_eq!(
        log().matches("\"client.address\":\"192.0.2.2\"").count(),
        1,
        "{}",
        log()
    );
}

#[test]
fn the_header_comes_before_the_handshake() {
    let authority = certs::Authority::new();
    let certificate = authority.sign("shop", &["shop.example"]);
    let section = authority.section(vec![certificate]);
    let (_upstream, running) = behind("127.0.0.0/8", |c| c.tls = Some(section));
    let at = running.gateway.address();
    let config = authority.client(None);
    for header in [V1, &v2(7)] {
        let mut c = certs::connect_after(&config, at, "shop.example", header).unwrap();
        let seen = certs::ask(&mut c, &certs::get("/")).unwrap();
        assert!(seen.contains("X-Forwarded-For: 192.0.2.7\r\n"), "{seen}");
        assert!(seen.contains("X-Forwarded-Proto: https\r\n"), "{seen}");
    }
    assert!(certs::connect(&config, at, "shop.example").is_err());
}

#[tokio::test]
async fn streams_of_http2_are_the_client_s() {
    let (_upstream, running) = behind("127.0.0.0/8", |_| {});
    let mut stream = tokio::net::TcpStream::connect(running.gateway.address())
        .await
        .unwrap();
    stream.write_all(&v2(7)).await.unwrap();
    let (sender, _) = client::over(stream, h2::client::Builder::new()).await;
    let seen = client::ask(&sender, client::get("/")).await.unwrap().text();
    assert!(seen.contains("X-Forwarded-For: 192.0.2.7\r\n"), "{seen}");
}

#[test]
fn a_change_of_the_peers_holds_for_the_next_connection() {
    let (upstream, running) = behind("10.0.0.0/8", |_| {});
    let mut old = running.client();
    assert_eq!(old.get("/").status, 200);
    let mut config = config(&[upstream.address]);
    config.proxy_protocol = Some(ProxyProtocol {
        from: vec![Cidr::parse("127.0.0.1").unwrap()],
        unix: false,
    });
    running.gateway.apply(generation(2, config));
    assert_eq!(old.get("/").status, 200);
    assert!(running.client().try_get("/").is_none());
    let mut new = running.client();
    new.stream.write_all(V1).unwrap();
    assert_eq!(new.get("/").status, 200);
}
