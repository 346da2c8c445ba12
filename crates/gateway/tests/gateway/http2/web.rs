//! Other languages towards instances of HTTP/2: gRPC-Web is translated, a WebSocket becomes an extended CONNECT.

use crate::common::{Client, Running, config, generation, header};
use crate::http2::instances::{Asked, Instance, pour};
use bytes::Bytes;
use config::sections::Speaks;
use http::{HeaderMap, Response};
use std::io::{Read, Write};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Echoes messages; `/down` is not available.
async fn echo((request, mut respond): Asked) {
    assert_eq!(request.headers()["content-type"], "application/grpc+proto");
    assert_eq!(request.headers()["te"], "trailers");
    let status = match request.uri().path() {
        "/down" => "14",
        _ => "0",
    };
    let response = Response::builder().header("content-type", "application/grpc+proto");
    if request.uri().path() == "/only" {
        let only = response.header("grpc-status", "5").body(()).unwrap();
        return drop(respond.send_response(only, true));
    }
    let sent = respond.send_response(response.body(()).unwrap(), false);
    let mut send = sent.unwrap();
    pour(request.into_body(), &mut send).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    send.send_trailers(trailers).unwrap();
}

fn behind(address: SocketAddr) -> Running {
    let mut c = config(&[address]);
    c.services[0].protocol = Speaks::Http2;
    c.routes[0].grpc_web = true;
    Running::of(generation(1, c), 1)
}

fn post(path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn grpc_web_is_translated_both_ways() {
    let instance = Instance::start(None, echo);
    let mut running = behind(instance.address);
    let mut client = running.client();
    let message = b"\0\0\0\0\x02ok";
    let binary = "application/grpc-web+proto";
    let answer = client.send(post("/echo", binary, message)).answer();
    assert_eq!(answer.header("content-type"), Some(binary));
    let expected = [&message[..], b"\x80\0\0\0\x10grpc-status: 0\r\n"].concat();
    // What reads a chunked body here puts the trailers of HTTP behind it; a browser does not show them.
    assert!(answer.body.starts_with(&expected), "{}", answer.text());
    let text = "application/grpc-web-text+proto";
    // Two messages, each padded on its own.
    let answer = client
        .send(post("/echo", text, b"AAAAAAJvaw==AAAAAAJvaw=="))
        .answer();
    assert_eq!(answer.header("content-type"), Some(text));
    let body = answer.text();
    assert!(body.contains("gAAAABBncnBjLXN0YXR1czogMA0K"), "{body}");
    let only = client.send(post("/only", binary, message)).answer();
    assert_eq!(
        (only.header("grpc-status"), only.body.len()),
        (Some("5"), 0)
    );
    let down = client.send(post("/down", binary, message)).answer();
    assert!(
        down.text().contains("grpc-status: 14\r\n"),
        "{}",
        down.text()
    );
    let statuses = running.samples(8);
    let failed = statuses.iter().filter(|s| s.status == 503).count();
    assert_eq!(failed, 2, "what the trailers say is learned");
}

#[test]
fn what_is_no_base64_ends_the_call() {
    let instance = Instance::start(None, echo);
    let running = behind(instance.address);
    let mut client = running.client();
    let wrong = post("/echo", "application/grpc-web-text+proto", b"!!!!");
    assert_eq!(client.send(wrong).answer().reason(), "upstream-reset");
    let next = post("/only", "application/grpc-web+proto", b"");
    assert_eq!(running.client().send(next).answer().status, 200);
}

/// Takes extended CONNECT, if `knows`, and echoes.
async fn websockets(knows: bool) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut builder = h2::server::Builder::new();
            if knows {
                builder.enable_connect_protocol();
            }
            let mut connection = builder.handshake::<_, Bytes>(stream).await.unwrap();
            tokio::spawn(async move {
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let protocol = request.extensions().get::<h2::ext::Protocol>();
                    assert_eq!(protocol.map(|p| p.as_str()), Some("websocket"));
                    assert_eq!(request.method(), http::Method::CONNECT);
                    assert_eq!(request.uri().path(), "/chat");
                    assert!(!request.headers().contains_key("sec-websocket-key"));
                    let response = Response::builder().header("sec-websocket-protocol", "v1");
                    let sent = respond.send_response(response.body(()).unwrap(), false);
                    let mut send = sent.unwrap();
                    tokio::spawn(async move {
                        pour(request.into_body(), &mut send).await;
                        let _ = send.send_data(Bytes::new(), true);
                    });
                }
            });
        }
    });
    (address, serve)
}

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_of_http1_is_an_extended_connect_to_the_instance() {
    let (address, serve) = websockets(true).await;
    let running = behind(address);
    let chat = move || {
        let mut client: Client = running.client();
        let answer = client.send(UPGRADE).try_answer(false).unwrap();
        assert_eq!(answer.status, 101, "{}", answer.head);
        let accept = header(&answer.head, "sec-websocket-accept");
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(header(&answer.head, "sec-websocket-protocol"), Some("v1"));
        for text in [&b"hello"[..], b"again"] {
            client.stream.write_all(text).unwrap();
            let mut back = [0; 5];
            client.stream.read_exact(&mut back).unwrap();
            assert_eq!(&back, text);
        }
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(client.is_closed(), "the end passes, and comes back");
    };
    tokio::task::spawn_blocking(chat).await.unwrap();
    serve.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_takes_no_websockets_says_so() {
    let (address, serve) = websockets(false).await;
    let running = behind(address);
    let ask = move || {
        let answer = running.client().send(UPGRADE).answer();
        assert_eq!(answer.status, 502);
        assert!(answer.text().contains("RFC 8441"), "{}", answer.text());
    };
    tokio::task::spawn_blocking(ask).await.unwrap();
    serve.abort();
}
