//! The listener: as many connections as may be open, a token, bounded bodies, and one request after another on each.

use crate::ask::Ask;
use crate::say::{self, Answer};
use crate::table::{Table, Turn};
use base::secret::same;
use config::sections::StateStore;
use http::request::Parts;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use intake::Intake;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::Kv;
use streams::Place;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Connections open at once; those beyond wait to be taken.
const CONNECTIONS: usize = 1024;
/// Bytes of one head.
const HEAD: usize = 16 << 10;
/// A connection without a request for so long is closed.
const IDLE: Duration = Duration::from_secs(75);
/// Longest time for all of a body, or a handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often values are counted anew.
const COUNT: Duration = Duration::from_secs(10);

/// The store: what is durable, and what a power cut may undo. `None`: it is not there now.
pub type Lent = Arc<dyn Fn() -> Option<(Arc<dyn Kv>, Arc<dyn Kv>)> + Send + Sync>;

/// What the receiver gets from its surroundings.
pub struct Options {
    pub listener: TcpListener,
    pub token: String,
    /// `None`: services speak plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
    pub stores: Vec<StateStore>,
    pub lent: Lent,
    /// What answers below `topics::PATH`.
    pub topics: Arc<topics::Api>,
    /// Streams of events; `None`: nothing in the config asks for them.
    pub streams: Option<Arc<Place>>,
}

struct Shared {
    token: String,
    tls: Option<TlsAcceptor>,
    tables: BTreeMap<String, Arc<Table>>,
    lent: Lent,
    topics: Arc<topics::Api>,
    streams: Option<Arc<Place>>,
}

/// Answers services; it stops when dropped.
pub struct Receiver {
    shared: Arc<Shared>,
    intake: Intake,
}

impl Receiver {
    /// # Errors
    /// When the listener is not one.
    pub fn start(runtime: &Handle, options: Options) -> io::Result<Receiver> {
        let table = |rules: StateStore| {
            let name = rules.name.clone();
            let count = Default::default();
            (name, Arc::new(Table { rules, count }))
        };
        let mut receiver = Receiver {
            shared: Arc::new(Shared {
                token: options.token,
                tls: options.tls.map(TlsAcceptor::from),
                tables: options.stores.into_iter().map(table).collect(),
                lent: options.lent,
                topics: options.topics,
                streams: options.streams,
            }),
            intake: Intake::new(runtime, options.listener),
        };
        receiver.open()?;
        Ok(receiver)
    }

    /// Takes connections (again).
    ///
    /// # Errors
    /// When the listener is not one.
    pub fn open(&mut self) -> io::Result<()> {
        let shared = self.shared.clone();
        self.intake.open(|listener| async move {
            tokio::join!(serve(listener, shared.clone()), count(shared));
        })
    }

    /// Takes no more connections, and ends those that are open; the socket still listens, for whoever has it too.
    pub fn close(&mut self) {
        self.intake.close();
    }

    pub fn listener(&self) -> &TcpListener {
        self.intake.listener()
    }
}

fn now_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    unix.unwrap_or_default().as_millis() as u64
}

async fn count(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(COUNT);
    loop {
        tick.tick().await;
        for table in shared.tables.values() {
            let Some((kv, _)) = (shared.lent)() else {
                break;
            };
            let prefix = table.prefix();
            let counted = tokio::task::spawn_blocking(move || kv.count(&prefix, now_ms())).await;
            match counted {
                Ok(Ok(n)) => table.count.store(n, Relaxed),
                Ok(Err(e)) => tracing::error!("values cannot be counted: {e}"),
                Err(_) => {}
            }
        }
    }
}

async fn serve(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD);
    intake::connections(listener, CONNECTIONS, "state", |stream, _| {
        connection(stream, builder.clone(), shared.clone())
    })
    .await;
}

/// How a service ends its connection is its own affair.
async fn connection(stream: TcpStream, builder: Builder, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let tls = shared.tls.clone();
    let service = service_fn(move |r| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(handle(r, &shared).await) }
    });
    match tls {
        None => drop(
            builder
                .serve_connection(TokioIo::new(stream), service)
                .await,
        ),
        Some(tls) => match tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                drop(
                    builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await,
                );
            }
            Ok(Err(e)) => tracing::debug!("state: no TLS with a service: {e}"),
            Err(_) => {}
        },
    }
}

async fn handle(request: Request<Incoming>, shared: &Shared) -> Response<topics::Payload> {
    let (head, body) = request.into_parts();
    if let Err(refused) = allowed(&head, shared) {
        return refused.map(BodyExt::boxed_unsync);
    }
    if head.uri.path().starts_with(topics::PATH) {
        return shared.topics.answer(head, body).await;
    }
    if let Some(place) = (shared.streams.as_ref()).filter(|_| streams::api::is_followed(&head)) {
        return streams::api::follow(place, &head).await;
    }
    let (Ok(answer) | Err(answer)) = answer(head, body, shared).await;
    answer.map(BodyExt::boxed_unsync)
}

fn allowed(head: &Parts, shared: &Shared) -> Result<(), Answer> {
    let shown = head.headers.get(header::AUTHORIZATION);
    let shown = shown.and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
    match same(shown.unwrap_or(b""), shared.token.as_bytes()) {
        true => Ok(()),
        false => {
            let what = "send `Authorization: Bearer TOKEN` with the token of `state.token`";
            Err(say::problem(401, "state-token", what))
        }
    }
}

async fn answer(head: Parts, body: Incoming, shared: &Shared) -> Result<Answer, Answer> {
    if let (true, Some(place)) = (streams::api::is_ours(head.uri.path()), &shared.streams) {
        let body = read(body, streams::api::MAX_BODY).await?;
        return Ok(streams::api::answer(place, &head, body).await);
    }
    let ask = Ask::of(&head.method, head.uri.path(), &head.headers)?;
    let Some(table) = shared.tables.get(&ask.store).cloned() else {
        let what = format!(
            "`{}` is no store of `state.stores`",
            ask.store.escape_debug()
        );
        return Err(say::problem(404, "state-store-unknown", &what));
    };
    let body = read(body, table.rules.size).await?;
    let Some((durable, relaxed)) = (shared.lent)() else {
        return Err(say::problem(
            503,
            "state-store",
            "the store is not open; try again",
        ));
    };
    let turn = Turn {
        kv: if table.rules.durable {
            durable
        } else {
            relaxed
        },
        table,
        now_ms: now_ms(),
    };
    Ok(turn.answer(ask, body).await)
}

async fn read(body: Incoming, most: u64) -> Result<Vec<u8>, Answer> {
    let all = Limited::new(body, usize::try_from(most).unwrap_or(usize::MAX)).collect();
    match tokio::time::timeout(PATIENCE, all).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => {
            let what = format!("a body has at most {most} bytes here");
            Err(say::problem(
                StatusCode::PAYLOAD_TOO_LARGE.as_u16(),
                "state-size",
                &what,
            ))
        }
        Ok(Err(e)) => Err(say::problem(
            400,
            "state-request",
            &format!("the body broke off: {e}"),
        )),
        Err(_) => Err(say::problem(
            408,
            "state-request",
            "the body came too slowly",
        )),
    }
}
