//! HTTP/2 towards clients, over real sockets: what passes, and how it ends.

mod bounds;
mod calls;
pub mod client;
mod frames;
mod instances;
mod raw;
mod web;

use crate::common::{Running, Upstream, config, generation, header, ok, read_request, route};
use crate::tls::certs;
use bytes::Bytes;
use client::*;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Method, Request};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::Duration;

fn before(upstream: &Upstream) -> Running {
    Running::of(generation(1, config(&[upstream.address])), 1)
}

#[tokio::test]
async fn many_requests_at_once_on_one_connection() {
    let upstream = Upstream::echo();
    let mut running = before(&upstream);
    let (sender, _) = connect(running.gateway.address()).await;
    let all: Vec<_> = (0..40)
        .map(|i| {
            let sender = sender.clone();
            tokio::spawn(async move { ask(&sender, get(&format!("/{i}?q"))).await.unwrap() })
        })
        .collect();
    for (i, answer) in all.into_iter().enumerate() {
        let answer = answer.await.unwrap();
        let text = answer.text();
        assert_eq!(answer.status(), 200);
        assert!(
            text.starts_with(&format!("GET /{i}?q HTTP/1.1\r\n")),
            "{text}"
        );
        assert!(text.contains("host: shop.example\r\n"), "{text}");
        assert!(text.contains("X-Forwarded-For: 127.0.0.1\r\n"), "{text}");
        assert!(text.contains("X-Forwarded-Proto: http\r\n"), "{text}");
    }
    assert_eq!(
        running.samples(80).len(),
        80,
        "a request and an attempt each"
    );
}

#[tokio::test]
async fn over_tls_by_alpn() {
    let authority = certs::Authority::new();
    let upstream = Upstream::echo();
    let section = authority.section(vec![authority.sign("shop", &["shop.example"])]);
    let running = Running::with(certs::over_tls(config(&[upstream.address]), section));
    let (sender, _) = over_tls(&authority, &running, "shop.example").await;
    let answer = ask(&sender, get("/")).await.unwrap();
    assert!(
        answer.text().contains("X-Forwarded-Proto: https"),
        "{}",
        answer.text()
    );
}

/// A connection to a host by its name.
async fn over_tls(
    authority: &certs::Authority,
    to: &Running,
    name: &'static str,
) -> (Sender, Ended) {
    let mut tls = Arc::unwrap_or_clone(authority.client(None));
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tcp = tokio::net::TcpStream::connect(to.gateway.address())
        .await
        .unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
    let io = soon(connector.connect(name.try_into().unwrap(), tcp))
        .await
        .unwrap();
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    over(io, h2::client::Builder::new()).await
}

#[tokio::test]
async fn bodies_pass_both_ways_with_and_without_a_length() {
    let upstream = Upstream::echo();
    let running = before(&upstream);
    let (sender, _) = connect(running.gateway.address()).await;
    let body: Vec<u8> = (0..1_500_000).map(|i| (i % 251) as u8).collect();
    let post = || Request::post("http://shop.example/");
    let plain = post().body(()).unwrap();
    let sized = post()
        .header("content-length", body.len())
        .body(())
        .unwrap();
    for request in [plain, sized] {
        let answer = send(&sender, request, &body, None).await.unwrap();
        assert!(answer.body.ends_with(&body));
    }
    let empty = send(&sender, post().body(()).unwrap(), b"", None)
        .await
        .unwrap();
    assert_eq!(empty.status(), 200);
}

#[tokio::test]
async fn a_compressed_answer_and_the_line_of_the_proxy_pass_as_over_http1() {
    let body = "{\"id\": 1}".repeat(20_000);
    let sent = body.clone();
    let upstream = Upstream::http(move |head, _| {
        let via = header(head, "via").unwrap_or("none");
        let (n, head) = (
            sent.len(),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
        );
        format!("{head}x-via: {via}\r\nContent-Length: {n}\r\n\r\n{sent}").into_bytes()
    });
    let mut c = config(&[upstream.address]);
    c.routes[0].compress = Some(config::sections::Compress::default());
    c.via = Some("edge".into());
    let running = Running::with(c);
    let (sender, _) = connect(running.gateway.address()).await;
    let mut request = get("/");
    let accepts = "br, gzip;q=0.5".parse().unwrap();
    request.headers_mut().insert("accept-encoding", accepts);
    let answer = ask(&sender, request).await.unwrap();
    assert_eq!(
        [
            answer.header("content-encoding"),
            answer.header("x-via"),
            answer.header("via")
        ],
        ["br", "2.0 edge", "1.1 edge"]
    );
    let mut out = Vec::new();
    brotli::Decompressor::new(&answer.body[..], 4096)
        .read_to_end(&mut out)
        .unwrap();
    assert!(out == body.as_bytes() && answer.body.len() * 10 < out.len());
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let upstream = Upstream::http(|head, body| {
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        let text = String::from_utf8_lossy(body);
        assert_eq!(
            text, "hellox-sum: 5\r\n",
            "the trailers come behind the body"
        );
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbye\r\n0\r\nGrpc-Status: 7\r\n\r\n".to_vec()
    });
    let running = before(&upstream);
    let (sender, _) = connect(running.gateway.address()).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("5"));
    let request = Request::post("http://shop.example/").body(()).unwrap();
    let answer = send(&sender, request, b"hello", Some(trailers))
        .await
        .unwrap();
    assert_eq!(answer.text(), "bye");
    assert_eq!(answer.trailers.unwrap()["grpc-status"], "7");
}

#[tokio::test]
async fn answers_without_a_body_and_interim_ones() {
    let upstream = Upstream::http(|head, _| {
        if head.starts_with("GET /hints") {
            return [
                &b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"[..],
                &ok(b"x"),
            ]
            .concat();
        }
        match head.split(' ').next() {
            Some("HEAD") => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec(),
            _ => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        }
    });
    let running = before(&upstream);
    let (sender, _) = connect(running.gateway.address()).await;
    let with = |method| {
        Request::builder()
            .method(method)
            .uri("http://shop.example/")
            .body(())
            .unwrap()
    };
    let head = ask(&sender, with(Method::HEAD)).await.unwrap();
    assert_eq!((head.header("content-length"), head.body.len()), ("9", 0));
    let none = ask(&sender, with(Method::DELETE)).await.unwrap();
    assert_eq!((none.status(), none.body.len()), (204, 0));

    let mut sender = sender.ready().await.unwrap();
    let (mut response, _) = sender.send_request(get("/hints"), true).unwrap();
    let hint = soon(std::future::poll_fn(|cx| response.poll_informational(cx))).await;
    let hint = hint.unwrap().unwrap();
    assert_eq!(
        (hint.status().as_u16(), &hint.headers()["link"]),
        (103, &HeaderValue::from_static("</a>"))
    );
    assert_eq!(
        whole(soon(response).await.unwrap()).await.unwrap().text(),
        "x"
    );
}

#[tokio::test]
async fn refusals_look_as_they_do_over_http1() {
    let upstream = Upstream::echo();
    let mut c = config(&[upstream.address]);
    c.routes = vec![route("only", "s", &["only"])];
    let running = Running::with(c);
    let (sender, _) = connect(running.gateway.address()).await;
    let none = ask(&sender, get("/other")).await.unwrap();
    assert_eq!(
        (none.status(), none.header("plimsoll-reason")),
        (404, "no-route")
    );
    assert!(
        none.text()
            .contains("no route takes GET /other for host shop.example")
    );
    let connect = Request::builder()
        .method("CONNECT")
        .uri("shop.example:443")
        .body(())
        .unwrap();
    let proxy = ask(&sender, connect).await.unwrap();
    assert_eq!(
        (proxy.status(), proxy.header("plimsoll-reason")),
        (501, "connect-unsupported")
    );
    let underscore = get("/only");
    assert_eq!(ask(&sender, underscore).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_reset_by_the_client_cancels_the_work_upstream() {
    let (seen, gone) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let (s, g) = (seen.clone(), gone.clone());
    let upstream = Upstream::start(move |mut stream| {
        read_request(&mut stream, &mut Vec::new()).unwrap();
        s.store(true, SeqCst);
        g.store(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), SeqCst);
    });
    let mut running = before(&upstream);
    let (sender, _) = connect(running.gateway.address()).await;
    let mut ready = sender.clone().ready().await.unwrap();
    let (response, mut stream) = ready.send_request(get("/"), true).unwrap();
    wait_for(&seen).await;
    stream.send_reset(Reason::CANCEL);
    drop((response, stream));
    wait_for(&gone).await;
    let outcomes: Vec<_> = running.samples(2).iter().map(|s| s.outcome).collect();
    assert!(
        outcomes.contains(&base::Outcome::ClientGone),
        "{outcomes:?}"
    );
}

/// Lets the runtime work while something on another thread comes about.
async fn wait_for(flag: &AtomicBool) {
    soon(async {
        while !flag.load(SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_reset_and_the_others_live_on() {
    let upstream = Upstream::start(|mut stream| {
        let mut buffer = Vec::new();
        while let Some((head, _)) = read_request(&mut stream, &mut buffer) {
            if head.starts_with("GET /cut") {
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.");
                return;
            }
            let _ = stream.write_all(&ok(b"fine"));
        }
    });
    let running = before(&upstream);
    let (sender, _) = connect(running.gateway.address()).await;
    let cut = ask(&sender, get("/cut"))
        .await
        .err()
        .expect("it breaks off");
    assert_eq!(cut.reason(), Some(Reason::INTERNAL_ERROR));
    assert_eq!(ask(&sender, get("/")).await.unwrap().text(), "fine");
}

#[tokio::test]
async fn a_slow_reader_holds_the_instance_back_and_no_one_else() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let upstream = Upstream::start(move |mut stream| {
        let mut buffer = Vec::new();
        while let Some((head, _)) = read_request(&mut stream, &mut buffer) {
            if !head.starts_with("GET /much") {
                stream.write_all(&ok(b"fine")).unwrap();
                continue;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
            let part = [7; 10_000];
            while stream.write_all(&part).is_ok() {
                count.fetch_add(part.len(), SeqCst);
            }
        }
    });
    let running = before(&upstream);
    let (sender, _) = patient(running.gateway.address()).await;
    let mut ready = sender.clone().ready().await.unwrap();
    let (response, _) = ready.send_request(get("/much"), true).unwrap();
    let mut slow = soon(response).await.unwrap();
    assert_eq!(ask(&sender, get("/")).await.unwrap().text(), "fine");
    // Nothing is taken, so what was sent comes to rest: windows, our buffer, and the system's.
    let mut rest = 0;
    while sent.load(SeqCst) != rest || rest == 0 {
        rest = sent.load(SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(rest < 20_000_000, "{rest}");
    assert_eq!(ask(&sender, get("/")).await.unwrap().text(), "fine");
    let mut taken = 0;
    while taken < rest + 1_000_000 {
        let data = soon(slow.body_mut().data()).await.unwrap().unwrap();
        taken += data.len();
        slow.body_mut()
            .flow_control()
            .release_capacity(data.len())
            .unwrap();
    }
}

#[tokio::test]
async fn an_upload_is_no_faster_than_the_instance() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |mut stream| {
        wait.lock().unwrap().recv().unwrap();
        let (_, body) = read_request(&mut stream, &mut Vec::new()).unwrap();
        let _ = stream.write_all(&ok(body.len().to_string().as_bytes()));
    });
    let running = before(&upstream);
    let (sender, _) = connect(running.gateway.address()).await;
    let mut ready = sender.clone().ready().await.unwrap();
    let post = Request::post("http://shop.example/").body(()).unwrap();
    let (response, mut stream) = ready.send_request(post, false).unwrap();
    let mut sent = 0;
    loop {
        stream.reserve_capacity(100_000);
        let more = std::future::poll_fn(|cx| stream.poll_capacity(cx));
        let Ok(more) = tokio::time::timeout(Duration::from_millis(300), more).await else {
            break;
        };
        let n = more.unwrap().unwrap();
        stream.send_data(Bytes::from(vec![1; n]), false).unwrap();
        sent += n;
        assert!(sent < 30_000_000, "the instance reads nothing");
    }
    go.send(()).unwrap();
    stream.send_data(Bytes::new(), true).unwrap();
    let answer = whole(soon(response).await.unwrap()).await.unwrap();
    assert_eq!(answer.text(), sent.to_string());
}

#[tokio::test]
async fn a_websocket_passes_to_an_instance_of_http1() {
    let upstream = Upstream::start(|mut stream| {
        let (head, _) = read_request(&mut stream, &mut Vec::new()).unwrap();
        let lower = head.to_lowercase();
        assert!(head.starts_with("GET /chat HTTP/1.1\r\n"), "{head}");
        assert!(
            lower.contains("upgrade: websocket\r\n") && lower.contains("sec-websocket-key: "),
            "{head}"
        );
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        let mut chunk = [0; 1024];
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            stream.write_all(&chunk[..n]).unwrap();
        }
    });
    let running = before(&upstream);
    let (sender, _) = connect(running.gateway.address()).await;
    let mut ready = sender.clone().ready().await.unwrap();
    // The settings that allow it come first.
    while !ready.is_extended_connect_protocol_enabled() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut request = Request::builder()
        .method("CONNECT")
        .uri("http://shop.example/chat")
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap();
    request
        .extensions_mut()
        .insert(h2::ext::Protocol::from_static("websocket"));
    let (response, mut send) = ready.send_request(request, false).unwrap();
    let mut response = soon(response).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().get("sec-websocket-accept").is_none());
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    for word in ["one", "two"] {
        send.send_data(Bytes::from_static(word.as_bytes()), false)
            .unwrap();
        assert_eq!(
            soon(response.body_mut().data()).await.unwrap().unwrap(),
            word
        );
    }
    send.send_data(Bytes::new(), true).unwrap();
    let rest = whole(response).await.unwrap();
    assert!(rest.body.is_empty(), "both ends have ended");
}

#[tokio::test]
async fn a_shutdown_lets_requests_end_and_says_goodbye() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let seen = Arc::new(AtomicBool::new(false));
    let s = seen.clone();
    let upstream = Upstream::http(move |_, _| {
        s.store(true, SeqCst);
        wait.lock().unwrap().recv().unwrap();
        ok(b"at last")
    });
    let running = before(&upstream);
    let (sender, ended) = connect(running.gateway.address()).await;
    let mut ready = sender.clone().ready().await.unwrap();
    let (response, _) = ready.send_request(get("/"), true).unwrap();
    wait_for(&seen).await;
    let stopping = std::thread::spawn(move || running.gateway.shutdown());
    // The goodbye refuses what comes after it.
    soon(async {
        while let Ok(mut ready) = sender.clone().ready().await {
            match ready.send_request(get("/late"), true) {
                Ok((late, _)) => drop(tokio::time::timeout(Duration::from_millis(20), late).await),
                Err(_) => break,
            }
        }
    })
    .await;
    go.send(()).unwrap();
    let _ = go.send(());
    assert_eq!(
        whole(soon(response).await.unwrap()).await.unwrap().text(),
        "at last"
    );
    drop((sender, ready));
    soon(ended).await.unwrap().unwrap();
    let drained = stopping.join().unwrap();
    assert_eq!(drained.cut, 0);
}
