//! The receiver over real sockets: both protocols, what is refused, and what whoever is refused is told.

use base::clock::Clock;
use base::trace::SpanIds;
use base::{Arm, RouteIx};
use flate2::Compression;
use flate2::write::GzEncoder;
use otlp::decode::Writer;
use otlp::{Options, Receiver};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

struct Stage {
    runtime: Runtime,
    receiver: Receiver,
    at: SocketAddr,
    ids: SpanIds,
}

fn stage(token: Option<&str>) -> Stage {
    let runtime = Runtime::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let ids = SpanIds::new(9);
    let options = Options {
        listeners: vec![listener],
        token: token.map(str::to_owned),
        ids: Arc::new(ids.clone()),
        clock: Clock::start(),
        keeper: None,
    };
    Stage {
        receiver: Receiver::start(runtime.handle(), options).unwrap(),
        runtime,
        at,
        ids,
    }
}

/// Sends one request with these header lines; status line and headers, and the body.
fn post(at: SocketAddr, path: &str, headers: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut s = TcpStream::connect(at).unwrap();
    s.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
    );
    s.write_all(head.as_bytes()).unwrap();
    // It may have been refused already.
    let _ = s.write_all(body);
    let mut all = Vec::new();
    let _ = s.read_to_end(&mut all);
    let end = all
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {all:?}"));
    (
        String::from_utf8(all[..end].to_vec()).unwrap(),
        all[end + 4..].to_vec(),
    )
}

const PROTO: &str = "content-type: application/x-protobuf\r\n";
const JSON: &str = "content-type: application/json\r\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut e = GzEncoder::new(Vec::new(), Compression::fast());
    e.write_all(bytes).unwrap();
    e.finish().unwrap()
}

fn span(trace: u128, id: u64, parent: u64) -> Vec<u8> {
    let ids = Writer::default()
        .bytes(1, &trace.to_be_bytes())
        .bytes(2, &id.to_be_bytes());
    ids.bytes(4, &parent.to_be_bytes())
        .fixed(7, 1)
        .fixed(8, 1_000_001)
        .out
}

fn request(spans: &[Vec<u8>]) -> Vec<u8> {
    let scope = spans.iter().fold(Writer::default(), |w, s| w.bytes(2, s));
    let all = Writer::default().bytes(2, &scope.out);
    Writer::default().bytes(1, &all.out).out
}

fn counts(s: &Stage) -> otlp::Counts {
    s.receiver.evidence().lock().unwrap().counts
}

#[test]
fn spans_are_taken_in_every_form_and_joined_to_their_request() {
    let s = stage(None);
    let parent = s.ids.give(RouteIx(3), Arm::BASE, 4);
    let plain = request(&[span(1, 2, parent)]);
    let (head, body) = post(s.at, "/v1/traces", PROTO, &plain);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf") && body.is_empty(),
        "{head}"
    );
    let packed = format!("{PROTO}content-encoding: gzip\r\n");
    let (head, _) = post(
        s.at,
        "/v1/traces",
        &packed,
        &gzip(&request(&[span(2, 2, parent)])),
    );
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let json =
        br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"03","spanId":"02"}]}]}]}"#;
    let (head, body) = post(s.at, "/v1/traces", JSON, json);
    assert!(head.contains("content-type: application/json"), "{head}");
    let body = String::from_utf8(body).unwrap();
    assert!(
        body.contains(r#""rejectedSpans":"1""#) && body.contains("16 bytes"),
        "{body}"
    );
    let c = counts(&s);
    assert_eq!((c.spans, c.rejected), (2, 1));
    let until = Instant::now() + Duration::from_secs(30);
    while counts(&s).joined < 2 {
        assert!(Instant::now() < until, "the traces are not settled");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_not_used_is_said_to_be_dropped() {
    let s = stage(None);
    let w = |field, inner: &[u8]| Writer::default().bytes(field, inner).out;
    let logs = w(1, &w(2, &w(2, b"\x08\x01")));
    let (head, body) = post(s.at, "/v1/logs", PROTO, &logs);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(
        body.contains("dropped these logs") && body.contains("OTEL_LOGS_EXPORTER=none"),
        "{body}"
    );
    let json = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{},{}]}}]}]}]}"#;
    let (_, body) = post(s.at, "/v1/metrics", JSON, json);
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains(r#""rejectedDataPoints":"2""#), "{body}");
}

#[test]
fn what_cannot_be_taken_is_refused_in_words() {
    let s = stage(None);
    let bomb = gzip(&vec![0; 70 << 20]);
    let packed = format!("{PROTO}content-encoding: gzip\r\n");
    for (path, headers, body, status, says) in [
        ("/v1/traces", PROTO, &b"\x0a\xff"[..], 400, "not protobuf"),
        ("/v1/traces", JSON, b"{", 400, "not JSON"),
        ("/v1/traces", &packed, &bomb, 413, "64 MiB"),
        ("/v1/traces", &packed, b"no gzip", 400, "gzip is broken"),
        (
            "/v1/traces",
            "content-type: application/json\r\ncontent-encoding: br\r\n",
            b"{}",
            415,
            "not `br`",
        ),
        (
            "/v1/traces",
            "content-type: text/plain\r\n",
            b"",
            415,
            "content type",
        ),
        ("/v1/traces", "", b"", 415, "content type"),
        ("/v1/other", JSON, b"{}", 404, "/v1/traces"),
    ] {
        let (head, body) = post(s.at, path, headers, body);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
        assert!(!head.contains("retry-after"), "{head}");
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(body.contains(says), "{says}: {body}");
    }
    let large = vec![0; (64 << 20) + 1];
    let (head, _) = post(s.at, "/v1/traces", PROTO, &large);
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    let mut get = TcpStream::connect(s.at).unwrap();
    get.write_all(b"GET /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut said = String::new();
    get.read_to_string(&mut said).unwrap();
    assert!(
        said.starts_with("HTTP/1.1 405") && said.contains("allow: POST"),
        "{said}"
    );
}

#[test]
fn without_the_token_nobody_sends() {
    let s = stage(Some("abc"));
    for (shown, status) in [
        ("", 401),
        ("authorization: Bearer abd\r\n", 401),
        ("authorization: Bearer ab\r\n", 401),
        ("authorization: Basic abc\r\n", 401),
        ("authorization: Bearer abc\r\n", 200),
    ] {
        let (head, _) = post(s.at, "/v1/traces", &format!("{shown}{PROTO}"), b"");
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{shown}{head}"
        );
    }
}

#[test]
fn when_it_is_full_senders_may_come_again() {
    let s = stage(None);
    let mut trace = 0u128;
    let mut batch = || {
        let spans: Vec<Vec<u8>> = (0..20_000)
            .map(|_| {
                trace += 1;
                span(trace, 1, 0)
            })
            .collect();
        request(&spans)
    };
    for _ in 0..40 {
        let (head, _) = post(s.at, "/v1/traces", PROTO, &batch());
        if head.starts_with("HTTP/1.1 429") {
            assert!(head.contains("retry-after: "), "{head}");
            let metrics = post(s.at, "/v1/metrics", PROTO, b"").0;
            assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
            return;
        }
    }
    panic!("it takes everything");
}

#[test]
fn grpc_is_answered_with_its_trailers() {
    let s = stage(None);
    let parent = s.ids.give(RouteIx(3), Arm::BASE, 4);
    let good = request(&[span(1, 2, parent)]);
    let framed = |flag: u8, message: &[u8]| {
        let mut all = vec![flag];
        all.extend_from_slice(&(message.len() as u32).to_be_bytes());
        all.extend_from_slice(message);
        all
    };
    let at = s.at;
    let ask = |encoding: Option<&'static str>, body: Vec<u8>| async move {
        let tcp = tokio::net::TcpStream::connect(at).await.unwrap();
        let (mut client, connection) = h2::client::handshake(tcp).await.unwrap();
        tokio::spawn(connection);
        let mut request = http::Request::post(format!(
            "http://{at}/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        ))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
        if let Some(e) = encoding {
            request = request.header("grpc-encoding", e);
        }
        let (answer, mut send) = client
            .send_request(request.body(()).unwrap(), false)
            .unwrap();
        send.send_data(body.into(), true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        let status = answer.headers().get("grpc-status").cloned();
        let mut body = answer.into_body();
        let mut data = Vec::new();
        while let Some(piece) = body.data().await {
            data.extend_from_slice(&piece.unwrap());
        }
        let trailers = body.trailers().await.unwrap();
        let status = status
            .or_else(|| trailers?.get("grpc-status").cloned())
            .unwrap();
        (status.to_str().unwrap().to_owned(), data)
    };
    let empty = vec![0, 0, 0, 0, 0];
    s.runtime.block_on(async {
        assert_eq!(
            ask(None, framed(0, &good)).await,
            ("0".to_owned(), empty.clone())
        );
        assert_eq!(
            ask(Some("gzip"), framed(1, &gzip(&good))).await,
            ("0".to_owned(), empty)
        );
        for (encoding, body, status) in [
            (None, framed(0, b"\x0a\xff"), "3"),
            (None, framed(1, &good), "12"),
            (Some("snappy"), framed(1, &good), "12"),
            (None, vec![0, 0], "3"),
            (None, vec![0, 0xff, 0xff, 0xff, 0xff], "3"),
        ] {
            assert_eq!(ask(encoding, body).await.0, status, "{encoding:?}");
        }
        let (status, data) = ask(None, framed(0, &request(&[span(0, 1, 0), span(9, 9, 0)]))).await;
        assert_eq!(status, "0");
        assert!(String::from_utf8_lossy(&data).contains("1 spans whose trace id"));
    });
    assert_eq!(counts(&s).spans, 3);
}
