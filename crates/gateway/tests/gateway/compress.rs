//! Answers that get smaller, through sockets: what clients read is what the service sent, however it came.

use crate::common::*;
use config::sections::{Cache, Compress, CompressWhen};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// A page of JSON that no window holds, with a tag, and news of it.
fn page() -> Vec<u8> {
    (0..40_000u32)
        .flat_map(|i| format!("{{\"id\":{i},\"name\":\"n{}\"}},", i % 31).into_bytes())
        .collect()
}

fn answer(head: &str, framing: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"v1\"\r\n{head}{framing}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn with_length(head: &str, body: &[u8]) -> Vec<u8> {
    answer(head, &format!("Content-Length: {}\r\n", body.len()), body)
}

fn compressing(instance: SocketAddr) -> config::Config {
    let mut c = config(&[instance]);
    c.routes[0].compress = Some(Compress::default());
    c
}

fn ask(client: &mut Client, lines: &str) -> Answer {
    client
        .send(format!("GET / HTTP/1.1\r\nHost: t\r\n{lines}\r\n"))
        .answer()
}

fn decode(a: &Answer) -> Vec<u8> {
    let mut out = Vec::new();
    let body = &a.body[..];
    match a.header("content-encoding") {
        Some("gzip") => flate2::read::MultiGzDecoder::new(body).read_to_end(&mut out),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_end(&mut out),
        Some("zstd") => zstd::Decoder::new(body).unwrap().read_to_end(&mut out),
        other => panic!("not compressed: {other:?}"),
    }
    .unwrap();
    out
}

#[test]
fn every_coding_and_every_framing_brings_the_same_body() {
    let body = page();
    let sent = body.clone();
    let upstream = Upstream::http(move |head, _| match header(head, "x-framing") {
        Some("chunks") => {
            let mut out = answer("", "Transfer-Encoding: chunked\r\n", b"");
            for piece in sent.chunks(7001) {
                out.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                out.extend_from_slice(piece);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"0\r\n\r\n");
            out
        }
        _ => with_length("Accept-Ranges: bytes\r\n", &sent),
    });
    let running = Running::of(generation(1, compressing(upstream.address)), 1);
    let mut client = running.client();
    for framing in ["length", "chunks"] {
        for coding in ["gzip", "br", "zstd"] {
            let a = ask(
                &mut client,
                &format!("Accept-Encoding: {coding}\r\nX-Framing: {framing}\r\n"),
            );
            assert_eq!(
                (a.status, a.header("content-encoding")),
                (200, Some(coding)),
                "{}",
                a.head
            );
            assert_eq!(decode(&a), body, "{coding} {framing}");
            assert!(a.body.len() * 5 < body.len(), "{}", a.body.len());
            assert_eq!(a.header("etag"), Some("W/\"v1\""));
            assert_eq!(a.header("vary"), Some("Accept-Encoding"));
            assert_eq!(
                (a.header("content-length"), a.header("accept-ranges")),
                (None, None)
            );
        }
        let plain = ask(&mut client, &format!("X-Framing: {framing}\r\n"));
        assert_eq!(
            (plain.header("content-encoding"), plain.header("vary")),
            (None, Some("Accept-Encoding"))
        );
        assert_eq!(
            (plain.header("etag"), plain.body == body),
            (Some("\"v1\""), true)
        );
    }
    // HTTP/1.0 knows no chunks.
    let mut old = running.client();
    let a = old
        .send("GET / HTTP/1.0\r\nHost: t\r\nAccept-Encoding: gzip\r\n\r\n")
        .answer();
    assert_eq!((a.header("content-encoding"), a.body == body), (None, true));
    client.send("HEAD / HTTP/1.1\r\nHost: t\r\nAccept-Encoding: br\r\n\r\n");
    let head = client.try_answer(false).unwrap();
    assert_eq!(
        (
            head.header("content-encoding"),
            head.header("content-length")
        ),
        (Some("br"), None)
    );
    let bytes = &running.gateway.gauges().compressed[0];
    assert_eq!(bytes.came, 6 * body.len() as u64);
    assert!(bytes.sent * 5 < bytes.came && bytes.left == 0);
    assert_eq!(upstream.connections.load(SeqCst), 1, "connections are kept");
}

#[test]
fn a_body_that_ends_with_its_connection_ends_and_one_that_breaks_off_breaks_off() {
    let body = page();
    let sent = body.clone();
    let upstream = Upstream::start(move |mut stream| {
        let Some((head, _)) = read_request(&mut stream, &mut Vec::new()) else {
            return;
        };
        let out = match header(&head, "x-framing") {
            Some("close") => answer("", "Connection: close\r\n", &sent),
            _ => with_length("", &sent)[..100_000].to_vec(),
        };
        let _ = stream.write_all(&out);
    });
    let running = Running::with(compressing(upstream.address));
    let mut client = running.client();
    let a = ask(&mut client, "Accept-Encoding: zstd\r\nX-Framing: close\r\n");
    assert_eq!(decode(&a), body);
    assert_eq!(
        ask(&mut client, "Accept-Encoding: gzip\r\nX-Framing: close\r\n").status,
        200,
        "the client's connection lives on"
    );
    let mut broken = running.client();
    broken.send("GET / HTTP/1.1\r\nHost: t\r\nAccept-Encoding: gzip\r\n\r\n");
    assert!(broken.try_answer(true).is_none(), "no last chunk");
}

#[test]
fn what_drips_is_let_out_at_once() {
    let upstream = Upstream::start(|mut stream| {
        let mut buffer = Vec::new();
        let Some(_) = read_request(&mut stream, &mut buffer) else {
            return;
        };
        let head = answer("", "Transfer-Encoding: chunked\r\n", b"");
        let _ = stream.write_all(&[&head[..], b"6\r\nfirst\n\r\n"].concat());
        // The rest only when the client has read what came first.
        let mut told = TcpStream::connect(signal()).unwrap();
        let _ = told.read(&mut [0]);
        let _ = stream.write_all(b"5\r\nlast\n\r\n0\r\n\r\n");
    });
    static SIGNAL: std::sync::OnceLock<(SocketAddr, std::net::TcpListener)> =
        std::sync::OnceLock::new();
    fn signal() -> SocketAddr {
        SIGNAL.get().unwrap().0
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    SIGNAL
        .set((listener.local_addr().unwrap(), listener))
        .unwrap();
    let running = Running::with(compressing(upstream.address));
    for coding in ["gzip", "br", "zstd"] {
        let mut client = running.client();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: t\r\nAccept-Encoding: {coding}\r\n\r\n"
        ));
        let (mut told, _) = SIGNAL.get().unwrap().1.accept().unwrap();
        let seen = |client: &Client| {
            let text = &client.buffer;
            let at = text.windows(4).position(|w| w == b"\r\n\r\n")?;
            let chunk = &text[at + 4..];
            let line = chunk.windows(2).position(|w| w == b"\r\n")?;
            let size = usize::from_str_radix(std::str::from_utf8(&chunk[..line]).ok()?, 16).ok()?;
            Some(chunk.get(line + 2..)?.len() >= size + 2)
        };
        while seen(&client) != Some(true) {
            let mut more = [0; 4096];
            let n = client.stream.read(&mut more).unwrap();
            assert!(n > 0, "{coding}");
            client.buffer.extend_from_slice(&more[..n]);
        }
        told.write_all(b"!").unwrap();
        assert_eq!(decode(&client.answer()), b"first\nlast\n", "{coding}");
    }
}

#[test]
fn the_cache_keeps_what_was_compressed_and_has_it_confirmed() {
    let (body, asked, confirmed) = (
        page(),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (sent, all, news) = (body.clone(), asked.clone(), confirmed.clone());
    let upstream = Upstream::http(move |head, _| {
        all.fetch_add(1, SeqCst);
        // As services compare: weakly.
        match header(head, "if-none-match").is_some_and(|t| t.trim_start_matches("W/") == "\"v1\"")
        {
            true => {
                news.fetch_add(1, SeqCst);
                b"HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nVary: Origin\r\nCache-Control: max-age=60\r\n\r\n".to_vec()
            }
            false => with_length("Vary: Origin\r\nCache-Control: max-age=60\r\n", &sent),
        }
    });
    let mut c = compressing(upstream.address);
    c.routes[0].cache = Some(Cache::default());
    let running = Running::with(c);
    let mut client = running.client();
    let sizes: Vec<usize> = ["gzip", "br", "gzip", "br", "", "gzip"]
        .iter()
        .map(|coding| match *coding {
            "" => ask(&mut client, "").body.len(),
            coding => {
                let a = ask(&mut client, &format!("Accept-Encoding: {coding}\r\n"));
                assert_eq!(
                    (a.header("content-encoding"), decode(&a)),
                    (Some(coding), body.clone())
                );
                a.body.len()
            }
        })
        .collect();
    assert_eq!(asked.load(SeqCst), 3, "one for each variant");
    assert_eq!(sizes[4], body.len());
    let came = running.gateway.gauges().compressed[0].came;
    assert_eq!(came, 2 * body.len() as u64, "hits are not compressed again");
    for _ in 0..2 {
        let a = ask(
            &mut client,
            "Accept-Encoding: gzip\r\nCache-Control: no-cache\r\n",
        );
        assert_eq!(
            (decode(&a) == body, a.header("etag")),
            (true, Some("W/\"v1\""))
        );
        assert!(
            a.header("vary").is_some_and(|v| v.contains("Origin")),
            "{}",
            a.head
        );
        let plain = ask(&mut client, "");
        assert!(plain.header("content-encoding").is_none() && plain.body == body);
    }
    assert_eq!((asked.load(SeqCst), confirmed.load(SeqCst)), (5, 2));
    let own = ask(
        &mut client,
        "Accept-Encoding: gzip\r\nIf-None-Match: W/\"v1\"\r\n",
    );
    assert_eq!((own.status, own.header("etag")), (304, Some("W/\"v1\"")));
}

#[test]
fn what_must_not_or_need_not_be_compressed_is_left_alone() {
    let upstream = Upstream::http(|head, _| {
        let line = header(head, "x-line").unwrap_or("x: y").to_owned();
        let size = header(head, "x-size").map_or(5000, |n| n.parse().unwrap());
        let body = vec![b'a'; size];
        let kind = if line.starts_with("Content-Type") {
            ""
        } else {
            "Content-Type: text/html\r\n"
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\n{kind}{line}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    });
    let mut c = compressing(upstream.address);
    let running = Running::with(c.clone());
    let mut client = running.client();
    for line in [
        "Cache-Control: no-transform",
        "Content-Encoding: br",
        "Content-Type: text/event-stream",
        "Content-Type: image/png",
    ] {
        let a = ask(
            &mut client,
            &format!("Accept-Encoding: gzip\r\nX-Line: {line}\r\n"),
        );
        assert_eq!((a.body.len(), a.header("vary")), (5000, None), "{line}");
    }
    assert_eq!(
        ask(&mut client, "Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n")
            .header("content-encoding"),
        None
    );
    c.routes[0].compress = Some(Compress {
        min: 0,
        ..Compress::default()
    });
    let all = Running::with(c.clone());
    let mut eager = all.client();
    let empty = ask(&mut eager, "Accept-Encoding: gzip\r\nX-Size: 0\r\n");
    assert_eq!(
        (empty.status, empty.header("content-length")),
        (200, Some("0"))
    );
    let tiny = ask(&mut eager, "Accept-Encoding: gzip\r\nX-Size: 3\r\n");
    assert_eq!(decode(&tiny), b"aaa");
    c.routes[0].compress = Some(Compress {
        when: CompressWhen::Observe,
        ..Compress::default()
    });
    running.gateway.apply(generation(2, c));
    until("the new generation", || {
        ask(&mut client, "Accept-Encoding: gzip\r\n")
            .header("content-encoding")
            .is_none()
    });
    until("one of them is looked at", || {
        ask(&mut client, "Accept-Encoding: gzip\r\n");
        running.gateway.gauges().compressed[0].left >= 16 * 5000
    });
}
