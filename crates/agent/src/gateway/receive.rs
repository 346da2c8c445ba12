//! Takes connections of agents, as many as may be open, and one message after another on each.

use super::Shared;
use super::table::Refused;
use crate::message::{MESSAGE, Message, PATH, Reply};
use base::Nanos;
use base::secret::same;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Connections open at once; those beyond wait to be taken.
const CONNECTIONS: usize = 128;
/// Bytes of one head.
const HEAD: usize = 16 << 10;
/// A connection without a message for so long is closed: agents send one a second.
const IDLE: Duration = Duration::from_secs(15);
/// Longest time for all of a body, or a handshake.
const PATIENCE: Duration = Duration::from_secs(5);

type Answer = Response<Full<Bytes>>;

pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD);
    intake::connections(listener, CONNECTIONS, "agents", |stream, peer| {
        connection(stream, peer, builder.clone(), shared.clone())
    })
    .await;
}

/// How an agent ends its connection is its own affair.
async fn connection(stream: TcpStream, peer: SocketAddr, builder: Builder, shared: Arc<Shared>) {
    // A question for the time must not wait for the one before to be acknowledged.
    let _ = stream.set_nodelay(true);
    let told = shared.clone();
    let service = service_fn(move |r| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(handle(r, peer, &shared).await) }
    });
    match &told.tls {
        None => drop(
            builder
                .serve_connection(TokioIo::new(stream), service)
                .await,
        ),
        Some(tls) => {
            let shake = tokio::time::timeout(PATIENCE, tls.accept(stream)).await;
            match shake.map_err(io::Error::from).flatten() {
                Ok(stream) => {
                    drop(
                        builder
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                }
                Err(e) => {
                    let from = peer.ip().to_canonical().to_string();
                    let why = format!("no TLS with it: {e}");
                    told.table().refuse(&from, &why, told.clock.now());
                }
            }
        }
    }
}

async fn handle(request: Request<Incoming>, peer: SocketAddr, shared: &Shared) -> Answer {
    let received = shared.clock.now();
    match taken(request, peer, shared).await {
        Ok(problem) => {
            let mut reply = Reply {
                gateway: shared.run,
                received,
                sent: Nanos::ZERO,
                instances: shared.table().instances(),
                problem,
            };
            reply.sent = shared.clock.now();
            match serde_json::to_vec(&reply) {
                Ok(body) => answer(StatusCode::OK, body),
                Err(e) => answer(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()),
            }
        }
        Err((status, why)) => answer(status, why),
    }
}

fn answer(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
}

/// `Ok(Some)` says why a reading is not used.
async fn taken(
    request: Request<Incoming>,
    peer: SocketAddr,
    shared: &Shared,
) -> Result<Option<String>, (StatusCode, String)> {
    let (head, body) = request.into_parts();
    let refuse = |status, why: &str| Err((status, why.to_owned()));
    let from = peer.ip().to_canonical().to_string();
    if head.uri.path() != PATH || head.method != Method::POST {
        return refuse(
            StatusCode::NOT_FOUND,
            "agents POST to /agent/v1/reading: use the same version of plimsoll on both sides",
        );
    }
    let shown = head.headers.get(header::AUTHORIZATION);
    let shown = shown.and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
    if !same(shown.unwrap_or(b""), shared.token.as_bytes()) {
        shared
            .table()
            .refuse(&from, "its token is wrong", shared.clock.now());
        return refuse(StatusCode::UNAUTHORIZED, "the token is wrong");
    }
    let all = Limited::new(body, MESSAGE).collect();
    let body = match tokio::time::timeout(PATIENCE, all).await {
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the message came too slowly"),
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(e)) if e.is::<http_body_util::LengthLimitError>() => {
            return refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                "a message is at most 256 KiB",
            );
        }
        Ok(Err(e)) => return refuse(StatusCode::BAD_REQUEST, &format!("it broke off: {e}")),
    };
    let message: Message = serde_json::from_slice(&body)
        .map_err(|e| (StatusCode::BAD_REQUEST, format!("no message: {e}")))?;
    let used = shared.table().take(&from, message, shared.clock.now());
    used.map_err(|refused| {
        let status = match refused {
            Refused::Malformed(_) => StatusCode::BAD_REQUEST,
            Refused::Twin(_) => StatusCode::CONFLICT,
            Refused::Full => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, refused.to_string())
    })
}
