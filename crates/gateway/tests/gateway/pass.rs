//! What passes through unharmed: bodies of every framing, many requests on one connection, interim responses, upgrades.

use crate::common::*;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

#[test]
fn a_request_and_its_response_with_the_headers_of_a_hop() {
    let upstream = Upstream::echo();
    let running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    let a = client
        .send("GET /a?b=c HTTP/1.1\r\nHost: shop:80\r\nX-Forwarded-For: 9.9.9.9\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-Keep: 2\r\n\r\n")
        .answer();
    let seen = a.text();
    assert_eq!(a.status, 200);
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{seen}");
    assert_eq!(header(&seen, "host"), Some("shop:80"));
    assert_eq!(header(&seen, "x-forwarded-for"), Some("9.9.9.9, 127.0.0.1"));
    assert_eq!(header(&seen, "x-forwarded-host"), Some("shop:80"));
    assert_eq!(header(&seen, "x-forwarded-proto"), Some("http"));
    assert_eq!(header(&seen, "x-keep"), Some("2"));
    assert_eq!(header(&seen, "x-hop"), None);
    assert_eq!(header(&seen, "connection"), None);
    let trace = header(&seen, "traceparent").expect("an identity");
    assert!(base::trace::TraceParent::parse(trace.as_bytes()).is_some());
}

#[test]
fn connections_are_kept_on_both_sides() {
    let upstream = Upstream::echo();
    let running = Running::of(generation(1, config(&[upstream.address])), 1);
    let mut client = running.client();
    for i in 0..20 {
        assert_eq!(client.get(&format!("/{i}")).status, 200);
    }
    assert_eq!(
        upstream
            .connections
            .load(std::sync::atomic::Ordering::SeqCst),
        1
    );
}

#[test]
fn requests_in_one_write_are_answered_in_order() {
    let upstream = Upstream::echo();
    let running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    let all: String = (0..10)
        .map(|i| match i % 2 {
            0 => format!("GET /{i} HTTP/1.1\r\nHost: t\r\n\r\n"),
            _ => format!("POST /{i} HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody"),
        })
        .collect();
    client.send(all);
    for i in 0..10 {
        let text = client.answer().text();
        assert!(text.contains(&format!(" /{i} ")), "{i}: {text}");
        assert_eq!(text.ends_with("body"), i % 2 == 1);
    }
}

#[test]
fn bodies_of_every_framing_and_cut() {
    let upstream = Upstream::http(|head, body| match header(head, "x-chunks") {
        None => ok(body),
        Some(_) => {
            let mut out = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for part in body.chunks(1000) {
                out.extend(format!("{:x}\r\n", part.len()).bytes());
                out.extend_from_slice(part);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"0\r\nX-Sum: 7\r\n\r\n");
            out
        }
    });
    let running = Running::with(config(&[upstream.address]));
    let body: Vec<u8> = (0..300_000u32).map(|i| ((i * 7) >> 3) as u8).collect();
    for size in [0, 1, 100, 5_000, 65_536, 300_000] {
        for chunked in [false, true] {
            let mut client = running.client();
            let body = &body[..size];
            let mut request = b"POST /x HTTP/1.1\r\nHost: t\r\n".to_vec();
            if chunked {
                request.extend_from_slice(b"X-Chunks: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
                for part in body.chunks(777) {
                    request.extend(format!("{:x}\r\n", part.len()).bytes());
                    request.extend_from_slice(part);
                    request.extend_from_slice(b"\r\n");
                }
                request.extend_from_slice(b"0\r\n\r\n");
            } else {
                request.extend(format!("Content-Length: {size}\r\n\r\n").bytes());
                request.extend_from_slice(body);
            }
            let mut writer = client.stream.try_clone().unwrap();
            let sender = std::thread::spawn(move || {
                for part in request.chunks(10_007) {
                    writer.write_all(part).unwrap();
                }
            });
            let a = client.answer();
            sender.join().unwrap();
            let expected = match chunked {
                true => [body, b"X-Sum: 7\r\n"].concat(),
                false => body.to_vec(),
            };
            assert!(a.status == 200 && a.body == expected, "{size} {chunked}");
            assert_eq!(client.get("/again").status, 200);
        }
    }
}

#[test]
fn a_slow_reader_holds_the_sender_back() {
    const ALL: usize = 64 << 20;
    let (progress, sent) = mpsc::channel();
    let upstream = Upstream::start(move |mut stream| {
        let mut buffer = Vec::new();
        read_request(&mut stream, &mut buffer);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {ALL}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream
            .set_write_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let (block, mut total) = (vec![7u8; 1 << 16], 0);
        while total < ALL {
            match stream.write(&block[..block.len().min(ALL - total)]) {
                Ok(n) => total += n,
                // Nobody takes any more: how far did it come?
                Err(_) => progress.send(total).unwrap(),
            }
        }
    });
    let running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    let held = sent
        .recv_timeout(PATIENCE)
        .expect("the sender stands still");
    assert!(held < ALL / 2, "{held} bytes are somewhere on the way");
    let a = client.answer();
    assert!(a.body.len() == ALL && a.body.iter().all(|b| *b == 7));
}

#[test]
fn a_body_until_close_becomes_chunks_and_the_client_stays() {
    let upstream = Upstream::start(|mut stream| {
        let mut buffer = Vec::new();
        if read_request(&mut stream, &mut buffer).is_some() {
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello ");
            let _ = stream.write_all(b"world");
        }
    });
    let running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    for _ in 0..3 {
        let a = client.get("/");
        assert_eq!(a.text(), "hello world");
        assert_eq!(a.header("transfer-encoding"), Some("chunked"));
    }
}

#[test]
fn an_old_client_gets_no_chunks() {
    let upstream = Upstream::http(|_, _| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec()
    });
    let running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    let a = client.send("GET / HTTP/1.0\r\nHost: t\r\n\r\n").answer();
    assert_eq!(a.text(), "hello");
    assert_eq!(a.header("transfer-encoding"), None);
    assert!(client.is_closed());
    let upstream = Upstream::echo();
    let running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    for _ in 0..2 {
        let a = client
            .send("GET / HTTP/1.0\r\nHost: t\r\nConnection: keep-alive\r\n\r\n")
            .answer();
        assert_eq!(a.header("connection"), Some("keep-alive"));
    }
}

#[test]
fn head_and_bodiless_statuses() {
    let upstream = Upstream::http(|head, _| match head.split(' ').nth(1) {
        Some("/204") => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        Some("/304") => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n".to_vec(),
    });
    let running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    client.send("HEAD /x HTTP/1.1\r\nHost: t\r\n\r\n");
    let a = client.try_answer(false).unwrap();
    assert_eq!(a.header("content-length"), Some("1234"));
    assert_eq!(client.get("/204").status, 204);
    assert_eq!(client.get("/304").status, 304);
    assert_eq!(client.get("/204").status, 204);
}

#[test]
fn a_client_that_expects_100_gets_it_from_the_instance() {
    let upstream = Upstream::start(|mut stream| {
        let mut got = [0; 4096];
        let n = stream.read(&mut got).unwrap();
        let head = String::from_utf8_lossy(&got[..n]).into_owned();
        assert!(
            head.ends_with("\r\n\r\n") && head.contains("100-continue"),
            "{head}"
        );
        let interim =
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
        stream.write_all(interim).unwrap();
        let mut body = [0; 5];
        stream.read_exact(&mut body).unwrap();
        stream.write_all(&ok(&body)).unwrap();
        let _ = stream.read(&mut got);
    });
    let running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    client.send("PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let hints = client.answer();
    assert_eq!((hints.status, hints.header("link")), (103, Some("</a>")));
    assert_eq!(client.answer().status, 100);
    assert_eq!(client.send("hello").answer().text(), "hello");
}

#[test]
fn an_early_refusal_reaches_a_client_that_still_sends() {
    let upstream = Upstream::start(|mut stream| {
        let mut got = [0; 1024];
        let _ = stream.read(&mut got);
        let _ = stream.write_all(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n",
        );
        while matches!(stream.read(&mut got), Ok(n) if n > 0) {}
    });
    let running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\nonly this");
    let a = client.answer();
    assert_eq!((a.status, a.text().as_str()), (413, "no\n"));
}

#[test]
fn an_upgrade_joins_the_two_sockets() {
    let upstream = Upstream::start(|mut stream| {
        let mut buffer = Vec::new();
        let Some((head, _)) = read_request(&mut stream, &mut buffer) else {
            return;
        };
        assert_eq!(header(&head, "upgrade"), Some("chat"));
        assert_eq!(header(&head, "connection"), Some("upgrade"));
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nwelcome");
        let mut got = buffer;
        let mut chunk = [0; 1024];
        while let Ok(n) = stream.read(&mut chunk) {
            got.extend_from_slice(&chunk[..n]);
            if n == 0 || got.ends_with(b".") {
                break;
            }
        }
        got.reverse();
        let _ = stream.write_all(&got);
    });
    let mut running = Running::with(config(&[upstream.address]));
    let mut client = running.client();
    client.send(
        "GET /chat HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nearly ",
    );
    let a = client.answer();
    assert_eq!((a.status, a.header("upgrade")), (101, Some("chat")));
    client.send("words.");
    let mut all = std::mem::take(&mut client.buffer);
    client.stream.read_to_end(&mut all).unwrap();
    assert_eq!(String::from_utf8_lossy(&all), "welcome.sdrow ylrae");
    client.hang_up();
    let samples = running.samples(2);
    assert!(
        samples.iter().all(|s| s.outcome == base::Outcome::Stream),
        "{samples:?}"
    );
    assert!(samples.iter().all(|s| s.status == 101));
}

#[test]
fn events_pass_one_by_one_and_have_no_deadline() {
    let (next, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |mut stream| {
        let mut buffer = Vec::new();
        read_request(&mut stream, &mut buffer);
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head);
        let wait = wait.lock().unwrap();
        while wait.recv_timeout(PATIENCE).is_ok() {
            let _ = stream.write_all(b"6\r\ndata\n\n\r\n");
        }
        let _ = stream.write_all(b"0\r\n\r\n");
    });
    let mut c = config(&[upstream.address]);
    c.limits.idle = Duration::from_millis(50);
    let mut running = Running::with(c);
    let mut client = running.client();
    client.send("GET /events HTTP/1.1\r\nHost: t\r\n\r\n");
    let mut got = Vec::new();
    let mut read = |until: &[u8]| {
        let mut chunk = [0; 1024];
        while !got.ends_with(until) {
            let n = client.stream.read(&mut chunk).unwrap();
            assert!(n > 0);
            got.extend_from_slice(&chunk[..n]);
        }
        got.clear();
    };
    read(b"\r\n\r\n");
    for _ in 0..3 {
        // Longer than the idle limit, which is not for streams.
        std::thread::sleep(Duration::from_millis(80));
        next.send(()).unwrap();
        read(b"data\n\n\r\n");
    }
    drop(next);
    read(b"0\r\n\r\n");
    assert!(
        running
            .samples(2)
            .iter()
            .all(|s| s.outcome == base::Outcome::Stream)
    );
}

#[test]
fn a_request_in_single_bytes_is_the_same_request() {
    let upstream = Upstream::echo();
    let running = Running::with(config(&[upstream.address]));
    let request = b"POST /slow HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
    let mut client = running.client();
    let mut text = |pieces: usize| {
        for piece in request.chunks(pieces) {
            client.send(piece);
            std::thread::yield_now();
        }
        let text = client.answer().text();
        let line = |l: &&str| !l.starts_with("traceparent");
        text.lines().filter(line).collect::<Vec<_>>().join("\n")
    };
    let whole = text(request.len());
    assert!(
        whole.contains("/slow") && whole.ends_with("abcd"),
        "{whole}"
    );
    for size in [1, 2, 7, 60] {
        assert_eq!(text(size), whole, "in pieces of {size}");
    }
}

/// An instance that answers with this head and then sends chunks without end; tells when it cannot any more.
fn endless(head: &'static str) -> (Upstream, mpsc::Receiver<()>) {
    let (end, ended) = mpsc::channel();
    let upstream = Upstream::start(move |mut stream| {
        let mut buffer = Vec::new();
        if read_request(&mut stream, &mut buffer).is_none() {
            return;
        }
        let _ = stream.write_all(head.as_bytes());
        let block = format!("4000\r\n{:16384}\r\n", "data");
        while stream.write_all(block.as_bytes()).is_ok() {}
        let _ = end.send(());
    });
    (upstream, ended)
}

/// A gateway with a short idle time.
fn impatient(upstream: &Upstream) -> Running {
    let mut c = config(&[upstream.address]);
    c.limits.idle = Duration::from_millis(200);
    Running::with(c)
}

const EVENTS: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const BODY: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn a_client_that_takes_nothing_is_let_go_and_the_work_for_it_ends() {
    let get = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";
    for (what, request, head, outcome) in [
        ("a body", get, BODY, base::Outcome::ClientGone),
        ("events", get, EVENTS, base::Outcome::Stream),
        ("a WebSocket", UPGRADE, SWITCHED, base::Outcome::Stream),
    ] {
        let (upstream, ended) = endless(head);
        let mut running = impatient(&upstream);
        let mut client = running.client();
        client.send(request);
        let end = ended.recv_timeout(PATIENCE);
        assert!(end.is_ok(), "{what}: the instance sends on");
        for s in running.samples(2) {
            assert_eq!(s.outcome, outcome, "{what}: {s:?}");
            assert!(s.status < 500, "{what}: no fault of the instance's: {s:?}");
        }
        drop(client);
    }
}

#[test]
fn a_websocket_whose_instance_takes_nothing_ends() {
    let (_hold, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let upstream = Upstream::start(move |mut stream| {
        let mut buffer = Vec::new();
        read_request(&mut stream, &mut buffer);
        let _ = stream.write_all(SWITCHED.as_bytes());
        let _ = held.lock().unwrap().recv();
    });
    let running = impatient(&upstream);
    let mut client = running.client();
    assert_eq!(client.send(UPGRADE).answer().status, 101);
    let patience = Some(PATIENCE);
    client.stream.set_write_timeout(patience).unwrap();
    let block = [7; 1 << 14];
    let end = loop {
        if let Err(e) = client.stream.write_all(&block) {
            break e;
        }
    };
    assert_ne!(end.kind(), std::io::ErrorKind::WouldBlock, "it is let wait");
}

/// Whether the system looks after a silent connection between these ports, of which the first is the gateway's:
/// timer 2 in the list of connections.
fn is_kept_alive(local: Option<u16>, remote: u16) -> bool {
    let list = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = |end: &str| u16::from_str_radix(end.rsplit(':').next()?, 16).ok();
    list.lines().skip(1).any(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        local.is_none_or(|local| port(columns[1]) == Some(local))
            && port(columns[2]) == Some(remote)
            && columns[3] == "01"
            && columns[5].starts_with("02:")
    })
}

#[test]
fn a_silent_stream_lives_and_both_its_sides_are_looked_after() {
    for (request, head) in [
        ("GET / HTTP/1.1\r\nHost: t\r\n\r\n", EVENTS),
        (UPGRADE, SWITCHED),
    ] {
        let (next, wait) = mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let upstream = Upstream::start(move |mut stream| {
            let mut buffer = Vec::new();
            read_request(&mut stream, &mut buffer);
            let _ = stream.write_all(head.as_bytes());
            let _ = wait.lock().unwrap().recv_timeout(PATIENCE);
            let _ = stream.write_all(b"6\r\nnoise!\r\n");
        });
        let running = impatient(&upstream);
        let mut client = running.client();
        client.send(request);
        let mut got = [0; 1024];
        assert!(client.stream.read(&mut got).unwrap() > 0);
        let own = client.stream.local_addr().unwrap().port();
        let gateway = running.gateway.address().port();
        until("a look after the client", || {
            is_kept_alive(Some(gateway), own)
        });
        until("a look after the instance", || {
            is_kept_alive(None, upstream.address.port())
        });
        // Longer than the idle time, which is for what is not taken.
        std::thread::sleep(Duration::from_millis(300));
        next.send(()).unwrap();
        let mut noise = Vec::new();
        while !noise.ends_with(b"noise!\r\n") {
            let n = client.stream.read(&mut got).unwrap();
            assert!(n > 0, "the silent stream was ended");
            noise.extend_from_slice(&got[..n]);
        }
    }
}
