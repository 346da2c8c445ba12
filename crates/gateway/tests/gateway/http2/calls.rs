//! What an instance of HTTP/2 has not looked at, and what gRPC says beside an answer: when to try again, how well it is.

use crate::common::{Running, config, generation, until};
use crate::http2::client::{connect, get, send};
use crate::http2::instances::{Asked, Instance};
use crate::tls::certs::Authority;
use bytes::Bytes;
use config::sections::Speaks;
use h2::Reason;
use http::{HeaderMap, Request, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

fn post(path: &str) -> Request<()> {
    let uri = format!("http://shop.example{path}");
    Request::post(uri).body(()).unwrap()
}

fn behind(address: std::net::SocketAddr) -> Running {
    let mut c = config(&[address]);
    c.services[0].protocol = Speaks::Http2;
    Running::of(generation(1, c), 1)
}

#[tokio::test]
async fn a_stream_that_was_refused_is_sent_again_whatever_it_is() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let instance = Instance::start(None, move |(request, mut respond): Asked| {
        let first = counted.fetch_add(1, SeqCst) == 0;
        async move {
            if first {
                return respond.send_reset(Reason::REFUSED_STREAM);
            }
            let mut body = request.into_body();
            let mut all = Vec::new();
            while let Some(Ok(data)) = body.data().await {
                all.extend_from_slice(&data);
            }
            let mut send = respond.send_response(Response::new(()), false).unwrap();
            send.send_data(all.into(), true).unwrap();
        }
    });
    let running = behind(instance.address);
    let (sender, _) = connect(running.gateway.address()).await;
    let answer = send(&sender, post("/pay"), b"once", None).await.unwrap();
    assert_eq!((answer.status(), answer.text()), (200, "once".into()));
    assert_eq!(count.load(SeqCst), 2);
}

#[tokio::test]
async fn another_reset_is_not_for_a_request_that_may_have_been_done() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let instance = Instance::start(None, move |(_, mut respond): Asked| {
        counted.fetch_add(1, SeqCst);
        async move { respond.send_reset(Reason::INTERNAL_ERROR) }
    });
    let running = behind(instance.address);
    let (sender, _) = connect(running.gateway.address()).await;
    let answer = send(&sender, post("/pay"), b"once", None).await.unwrap();
    assert_eq!(answer.status(), 502);
    assert_eq!(count.load(SeqCst), 1);
}

/// Each connection answers one request, and says goodbye to what comes after it.
async fn short_connections() -> (std::net::SocketAddr, Arc<AtomicUsize>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answered = Arc::new(AtomicUsize::new(0));
    let count = answered.clone();
    let serve = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                if let Some(Ok((_, mut respond))) = connection.accept().await {
                    count.fetch_add(1, SeqCst);
                    let mut send = respond.send_response(Response::new(()), false).unwrap();
                    send.send_data(Bytes::from_static(b"well"), true).unwrap();
                }
                connection.graceful_shutdown();
                while connection.accept().await.is_some() {}
            });
        }
    });
    (address, answered, serve)
}

#[tokio::test]
async fn goodbyes_of_connections_are_no_failures() {
    let (address, answered, serve) = short_connections().await;
    let running = behind(address);
    let (sender, _) = connect(running.gateway.address()).await;
    for _ in 0..30 {
        let answer = send(&sender, post("/pay"), b"once", None).await.unwrap();
        assert_eq!((answer.status(), answer.text()), (200, "well".into()));
    }
    assert!(answered.load(SeqCst) >= 30);
    serve.abort();
}

#[tokio::test]
async fn a_server_that_says_when_or_never_is_obeyed() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let instance = Instance::start(None, move |(request, mut respond): Asked| {
        let turn = counted.fetch_add(1, SeqCst);
        async move {
            let pushback = match request.uri().path() {
                "/never" => "-1",
                _ => "30",
            };
            let response = Response::builder().header("content-type", "application/grpc");
            let response = match turn {
                0 => (response.header("grpc-status", "14"))
                    .header("grpc-retry-pushback-ms", pushback),
                _ => response.header("grpc-status", "0"),
            };
            respond
                .send_response(response.body(()).unwrap(), true)
                .unwrap();
        }
    });
    let running = behind(instance.address);
    let (sender, _) = connect(running.gateway.address()).await;
    // Only what is idempotent is tried again at all.
    let call = |path: &str| {
        let mut call = post(path);
        call.headers_mut()
            .insert("idempotency-key", "k".parse().unwrap());
        call
    };
    let never = send(&sender, call("/never"), b"", None).await.unwrap();
    assert_eq!((never.header("grpc-status"), count.load(SeqCst)), ("14", 1));
    count.store(0, SeqCst);
    let began = std::time::Instant::now();
    let soon = send(&sender, call("/soon"), b"", None).await.unwrap();
    assert_eq!((soon.header("grpc-status"), count.load(SeqCst)), ("0", 2));
    assert!(began.elapsed() >= std::time::Duration::from_millis(30));
}

#[test]
fn an_instance_is_asked_how_it_is_in_its_own_words() {
    let well = Arc::new(AtomicBool::new(true));
    let state = well.clone();
    let instance = Instance::start(None, move |(request, mut respond): Asked| {
        let state = state.clone();
        async move {
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            assert_eq!(request.headers()["content-type"], "application/grpc");
            let asked = request.into_body().data().await.unwrap().unwrap();
            assert_eq!(&asked[..], b"\0\0\0\0\x0b\x0a\x09shop.Cart");
            let serving = if state.load(SeqCst) { 1 } else { 2 };
            let response = Response::builder().header("content-type", "application/grpc");
            let mut send = (respond.send_response(response.body(()).unwrap(), false)).unwrap();
            let message = Bytes::from(vec![0, 0, 0, 0, 2, 8, serving]);
            send.send_data(message, false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            send.send_trailers(trailers).unwrap();
        }
    });
    let mut c = config(&[instance.address]);
    c.services[0].protocol = Speaks::Http2;
    let health = &mut c.services[0].health;
    health.grpc = Some("shop.Cart".into());
    (health.rise, health.fall) = (1, 1);
    health.interval = std::time::Duration::from_millis(50);
    let control = tokio::runtime::Runtime::new().unwrap();
    let options = gateway::Options {
        threads: Some(1),
        control: Some(control.handle().clone()),
        ..gateway::Options::default()
    };
    let running = Running::options(generation(1, c), options);
    let usable = || running.gateway.gauges().pools[0].usable;
    let up = || format!("{:?}", running.gateway.gauges().pools[0].health.check);
    until("the first check", || up() == "Up");
    well.store(false, SeqCst);
    until("it to be down", || !usable());
    well.store(true, SeqCst);
    until("it to be up again", usable);
}

#[tokio::test]
async fn a_host_that_the_certificate_is_not_for_is_sent_elsewhere() {
    let authority = Authority::new();
    let upstream = crate::common::Upstream::echo();
    let shop = authority.sign("shop", &["shop.example", "*.cdn.example"]);
    let pay = authority.sign("pay", &["pay.example"]);
    let mut c = config(&[upstream.address]);
    c.tls = Some(authority.section(vec![shop, pay]));
    let running = Running::of(generation(1, c), 1);
    let (sender, _) = crate::http2::over_tls(&authority, &running, "shop.example").await;
    for (host, status) in [
        ("shop.example", 200),
        ("SHOP.example:443", 200),
        ("img.cdn.example", 200),
        ("pay.example", 421),
        ("a.b.cdn.example", 421),
    ] {
        let uri = format!("https://{host}/");
        let request = Request::builder().uri(uri).body(()).unwrap();
        let answer = crate::http2::client::ask(&sender, request).await.unwrap();
        assert_eq!(answer.status(), status, "{host}: {}", answer.text());
    }
    let again = crate::http2::client::ask(&sender, get("/")).await.unwrap();
    assert_eq!(again.status(), 200, "the connection goes on");
}

#[tokio::test]
async fn a_deadline_travels_and_what_is_refused_is_said_as_grpc_says_it() {
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let instance = Instance::start(None, move |(request, mut respond): Asked| {
        let timeout = request.headers()["grpc-timeout"]
            .to_str()
            .unwrap()
            .to_owned();
        told.send(timeout).unwrap();
        // It never answers, and is told that nobody waits any more.
        async move {
            let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
        }
    });
    let running = behind(instance.address);
    let (sender, _) = connect(running.gateway.address()).await;
    let mut call = post("/shop.Cart/Get");
    let headers = call.headers_mut();
    headers.insert("content-type", "application/grpc+proto".parse().unwrap());
    headers.insert("grpc-timeout", "80m".parse().unwrap());
    let late = send(&sender, call, b"\0\0\0\0\0", None).await.unwrap();
    let said =
        ["content-type", "grpc-status", "grpc-message"].map(|name| late.header(name).to_owned());
    assert_eq!(late.status(), 200);
    assert_eq!(said, ["application/grpc+proto", "4", "deadline"]);
    let left: u32 = hears
        .recv()
        .await
        .unwrap()
        .trim_end_matches('m')
        .parse()
        .unwrap();
    assert!((1..80).contains(&left), "{left} of 80 ms are left");
}
