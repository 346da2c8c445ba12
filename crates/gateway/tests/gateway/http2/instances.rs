//! HTTP/2 towards instances, with and without TLS; gRPC from end to end.

use crate::common::{Running, config, generation};
use crate::http2::client::{ask, connect, get, send, soon};
use crate::tls::certs::Authority;
use bytes::Bytes;
use config::sections::{ServiceTls, Speaks};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub type Asked = (Request<RecvStream>, SendResponse<Bytes>);

/// A server of HTTP/2 on a thread of its own.
pub struct Instance {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Instance {
    pub fn start<F: Future<Output = ()> + 'static>(
        tls: Option<ServerConfig>,
        answer: impl Fn(Asked) -> F + Clone + Send + 'static,
    ) -> Instance {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            let acceptor = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
            let serve = async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    // Else a head and a body are 40 ms apart.
                    stream.set_nodelay(true).unwrap();
                    count.fetch_add(1, SeqCst);
                    let (answer, acceptor) = (answer.clone(), acceptor.clone());
                    spawn_local(async move {
                        match acceptor {
                            None => connection(stream, answer).await,
                            Some(acceptor) => {
                                if let Ok(stream) = acceptor.accept(stream).await {
                                    connection(stream, answer).await;
                                }
                            }
                        }
                    });
                }
            };
            LocalSet::new().block_on(&runtime, serve);
        });
        Instance {
            address,
            connections,
        }
    }

    /// A gateway before it, on one thread.
    fn behind(&self, tls: Option<ServiceTls>, speaks: Speaks) -> Running {
        let mut c = config(&[self.address]);
        c.services[0].tls = tls;
        c.services[0].protocol = speaks;
        Running::of(generation(1, c), 1)
    }
}

async fn connection<F: Future<Output = ()> + 'static>(
    io: impl AsyncRead + AsyncWrite + Unpin,
    answer: impl Fn(Asked) -> F,
) {
    let Ok(mut connection) = h2::server::handshake(io).await else {
        return;
    };
    while let Some(Ok(asked)) = connection.accept().await {
        spawn_local(answer(asked));
    }
}

/// Answers with the head that it got, and the body behind it.
async fn echo((request, mut respond): Asked) {
    let (parts, body) = request.into_parts();
    let mut text = format!("{} {}\n", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        text += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    let mut send = respond.send_response(Response::new(()), false).unwrap();
    send.send_data(text.into(), false).unwrap();
    pour(body, &mut send).await;
    let _ = send.send_data(Bytes::new(), true);
}

/// The body, as fast as both sides are.
pub async fn pour(mut body: RecvStream, send: &mut h2::SendStream<Bytes>) {
    while let Some(Ok(mut data)) = body.data().await {
        let n = data.len();
        while !data.is_empty() {
            send.reserve_capacity(data.len());
            let mut room = send.capacity();
            while room == 0 {
                match std::future::poll_fn(|cx| send.poll_capacity(cx)).await {
                    Some(Ok(more)) => room = more,
                    _ => return,
                }
            }
            let part = data.split_to(room.min(data.len()));
            send.send_data(part, false).unwrap();
        }
        let _ = body.flow_control().release_capacity(n);
    }
}

fn server(authority: &Authority, names: &[&str], alpn: &[&str]) -> ServerConfig {
    let pair = authority.sign("instance", names);
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let mut server = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&pair.cert).unwrap()],
            PrivateKeyDer::from_pem_file(&pair.key).unwrap(),
        )
        .unwrap();
    server.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    server
}

fn trust(authority: &Authority, name: Option<&str>) -> Option<ServiceTls> {
    Some(ServiceTls {
        ca: authority.ca(),
        name: name.map(str::to_owned),
        certificate: None,
    })
}

#[test]
fn clients_of_http1_share_one_connection() {
    let instance = Instance::start(None, echo);
    let running = instance.behind(None, Speaks::Http2);
    let mut clients: Vec<_> = (0..10).map(|_| running.client()).collect();
    for round in 0..3 {
        for client in &mut clients {
            let answer = client.get(&format!("/{round}"));
            let text = answer.text();
            assert_eq!(answer.status, 200);
            assert!(
                text.starts_with(&format!("GET http://t/{round}\n")),
                "{text}"
            );
            assert!(text.contains("te: trailers\n"), "{text}");
            assert!(text.contains("x-forwarded-for: 127.0.0.1\n"), "{text}");
        }
    }
    assert_eq!(instance.connections.load(SeqCst), 1);
}

#[tokio::test]
async fn bodies_pass_both_ways() {
    let instance = Instance::start(None, echo);
    let running = instance.behind(None, Speaks::Http2);
    let (sender, _) = connect(running.gateway.address()).await;
    let body: Vec<u8> = (0..1_500_000).map(|i| (i % 251) as u8).collect();
    let post = Request::post("http://shop.example/").body(()).unwrap();
    let answer = send(&sender, post, &body, None).await.unwrap();
    assert!(answer.body.ends_with(&body));
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
    assert!(client.answer().body.ends_with(b"hello"));
}

#[tokio::test]
async fn grpc_passes_with_its_trailers() {
    let instance = Instance::start(None, |(request, mut respond): Asked| async move {
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.headers()["content-type"], "application/grpc");
        let response = Response::builder().header("content-type", "application/grpc");
        if request.uri().path() == "/shop.Shop/Missing" {
            let only = response.header("grpc-status", "5").body(()).unwrap();
            respond.send_response(only, true).unwrap();
            return;
        }
        let mut send = respond
            .send_response(response.body(()).unwrap(), false)
            .unwrap();
        let status = match request.uri().path() {
            "/shop.Shop/Down" => "14",
            _ => "0",
        };
        pour(request.into_body(), &mut send).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        send.send_trailers(trailers).unwrap();
    });
    let mut running = instance.behind(None, Speaks::Http2);
    let (sender, _) = connect(running.gateway.address()).await;
    let call = |method: &str| {
        Request::post(format!("http://shop.example/shop.Shop/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap()
    };
    let message = b"\0\0\0\0\x02ok";
    let answer = send(&sender, call("Get"), message, None).await.unwrap();
    assert_eq!(answer.body, message);
    assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
    let missing = send(&sender, call("Missing"), message, None).await.unwrap();
    assert_eq!(
        (missing.status(), missing.header("grpc-status")),
        (200, "5")
    );
    let down = send(&sender, call("Down"), message, None).await.unwrap();
    assert_eq!(down.trailers.unwrap()["grpc-status"], "14");
    // What is learned of them: twice that it went well, once that it did not; by a request and an attempt each.
    let learned = running.samples(6).iter().map(|s| s.status).collect();
    let mut learned: Vec<u16> = learned;
    learned.sort_unstable();
    assert_eq!(learned, [200, 200, 200, 200, 503, 503]);
}

#[tokio::test]
async fn what_is_spoken_is_agreed_on_by_tls() {
    let authority = Authority::new();
    let both = server(&authority, &["shop.internal"], &["h2", "http/1.1"]);
    let instance = Instance::start(Some(both), echo);
    let running = instance.behind(trust(&authority, Some("shop.internal")), Speaks::Auto);
    let (sender, _) = connect(running.gateway.address()).await;
    for _ in 0..3 {
        let answer = ask(&sender, get("/")).await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
    assert_eq!(instance.connections.load(SeqCst), 1);
    // A name that its certificate is not for.
    let running = instance.behind(trust(&authority, Some("pay.internal")), Speaks::Auto);
    let refused = running.client().get("/");
    assert_eq!(
        (refused.status, refused.reason()),
        (502, "upstream-connect")
    );
    // A certificate that somebody else has signed.
    let running = instance.behind(
        trust(&Authority::new(), Some("shop.internal")),
        Speaks::Auto,
    );
    assert_eq!(running.client().get("/").reason(), "upstream-connect");
    // By its address: the certificate is for none.
    let running = instance.behind(trust(&authority, None), Speaks::Auto);
    assert_eq!(running.client().get("/").reason(), "upstream-connect");
}

#[tokio::test]
async fn a_reset_by_the_client_reaches_the_instance() {
    let (gone, mut told) = tokio::sync::mpsc::unbounded_channel();
    let instance = Instance::start(None, move |(_request, mut respond): Asked| {
        let gone = gone.clone();
        async move {
            gone.send(None).unwrap();
            let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            gone.send(reason.ok()).unwrap();
        }
    });
    let running = instance.behind(None, Speaks::Http2);
    let (sender, _) = connect(running.gateway.address()).await;
    let mut ready = sender.clone().ready().await.unwrap();
    let (response, mut stream) = ready.send_request(get("/"), true).unwrap();
    assert_eq!(soon(told.recv()).await, Some(None));
    stream.send_reset(h2::Reason::CANCEL);
    drop(response);
    assert_eq!(soon(told.recv()).await, Some(Some(h2::Reason::CANCEL)));
}

#[test]
fn a_new_generation_keeps_the_connections() {
    let instance = Instance::start(None, |(_, mut respond): Asked| async move {
        let _ = respond.send_response(Response::new(()), true);
    });
    let running = instance.behind(None, Speaks::Http2);
    assert_eq!(running.client().get("/").status, 200);
    let mut c = config(&[instance.address]);
    c.services[0].protocol = Speaks::Http2;
    c.services[0].health.eject_after = 7;
    running.gateway.apply(generation(2, c));
    assert_eq!(running.client().get("/").status, 200);
    assert_eq!(instance.connections.load(SeqCst), 1);
}

#[test]
fn a_late_call_gets_a_rival_and_the_loser_is_reset() {
    use config::sections::{After, Hedge};
    use std::time::Duration;
    let (seen, reset) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let answer = {
        let (seen, reset) = (seen.clone(), reset.clone());
        move |(request, mut respond): Asked| {
            let (n, reset) = (seen.fetch_add(1, SeqCst), reset.clone());
            async move {
                let which = request.headers().get("plimsoll-attempt");
                let which = which.map_or("first", |v| v.to_str().unwrap());
                if n == 2 {
                    let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
                    if reason.unwrap() == h2::Reason::CANCEL {
                        reset.fetch_add(1, SeqCst);
                    }
                    return;
                }
                let mut send = respond.send_response(Response::new(()), false).unwrap();
                let _ = send.send_data(format!("{n} {which}").into(), true);
            }
        }
    };
    let all = [0, 1].map(|_| Instance::start(None, answer.clone()));
    let mut c = config(&all.each_ref().map(|i| i.address));
    c.services[0].protocol = Speaks::Http2;
    c.routes[0].hedge = Some(Hedge {
        after: After::Time(Duration::from_millis(500)),
        extra: 0.5,
    });
    let running = Running::of(generation(1, c), 1);
    let mut client = running.client();
    let texts: Vec<_> = (0..4).map(|_| client.get("/").text()).collect();
    assert_eq!(texts, ["0 first", "1 first", "3 2", "4 first"]);
    crate::common::until("the reset", || reset.load(SeqCst) == 1);
    let opened: usize = all.iter().map(|i| i.connections.load(SeqCst)).sum();
    assert!(opened <= 2, "{opened}: the connections live on");
}
