//! Connections: an address, a Unix socket or TLS; bounded in number and in how long they may say nothing.

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// Connections open at once; the others wait.
const CONNECTIONS: usize = 1024;
/// From a connection, or the end of an answer, to a whole head; handshakes have the same.
const HEAD: Duration = Duration::from_secs(30);
/// When the system is short of something, such as open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Where connections come in.
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
    Tls(TcpListener, Tls),
}

/// What handshakes go by.
#[derive(Clone)]
pub struct Tls {
    pub config: Arc<ServerConfig>,
    /// The name in a verified certificate.
    pub name: fn(&CertificateDer<'_>) -> Option<String>,
}

/// Who is at the other end.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The name in the certificate that was shown and verified.
    pub certificate: Option<Arc<str>>,
}

enum Fresh {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    async fn accept(&self) -> io::Result<Fresh> {
        match self {
            Listener::Tcp(socket) | Listener::Tls(socket, _) => {
                let (stream, _) = socket.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Fresh::Tcp(stream))
            }
            Listener::Unix(socket) => Ok(Fresh::Unix(socket.accept().await?.0)),
        }
    }

    fn tls(&self) -> Option<Tls> {
        match self {
            Listener::Tls(_, tls) => Some(tls.clone()),
            _ => None,
        }
    }
}

/// Serves until `stopping` says so, then lets answers under way end.
pub async fn serve(listener: Listener, router: Router, mut stopping: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    while !*stopping.borrow() {
        let accepted = tokio::select! {
            accepted = place_and(&places, &listener) => accepted,
            // Takes away those that have ended.
            Some(_) = connections.join_next() => continue,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let Ok((place, fresh)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (router, tls, stopping) = (router.clone(), listener.tls(), stopping.clone());
        connections.spawn(async move {
            converse(fresh, tls, router, stopping).await;
            drop(place);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn place_and(
    places: &Arc<Semaphore>,
    listener: &Listener,
) -> io::Result<(tokio::sync::OwnedSemaphorePermit, Fresh)> {
    let place = places.clone().acquire_owned().await;
    let place = place.map_err(io::Error::other)?;
    Ok((place, listener.accept().await?))
}

/// Whatever goes wrong here is the client's affair: it sees its connection end.
async fn converse(fresh: Fresh, tls: Option<Tls>, router: Router, stopping: watch::Receiver<bool>) {
    match (fresh, tls) {
        (Fresh::Unix(stream), _) => answer(stream, router, Peer::default(), stopping).await,
        (Fresh::Tcp(stream), None) => answer(stream, router, Peer::default(), stopping).await,
        (Fresh::Tcp(stream), Some(tls)) => {
            let shake = TlsAcceptor::from(tls.config).accept(stream);
            if let Ok(Ok(stream)) = tokio::time::timeout(HEAD, shake).await {
                let shown = stream.get_ref().1.peer_certificates();
                let certificate = shown.and_then(|c| (tls.name)(c.first()?));
                let certificate = certificate.map(Arc::from);
                answer(stream, router, Peer { certificate }, stopping).await;
            }
        }
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    peer: Peer,
    mut stopping: watch::Receiver<bool>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopping.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
