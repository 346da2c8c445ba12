//! The web console, the HTTP API and the metrics at the console address.
//!
//! `pages` has a folder for each page, `api` a line for each call, `live` the one stream of values, `serve` the connections,
//! `guard` what is asked of whoever comes, and `access` who that is.
//! Pages show what `control` says, in the words of the commands; nothing is computed here.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod access;
mod api;
mod assets;
mod books;
mod guard;
mod jobs;
mod live;
mod pages;
mod serve;
mod streams;
mod topics;
mod turns;
mod units;
mod why;
mod worth;

pub use jobs::{Dead, Deed, JobList, Jobs};
pub use serve::{Listener, Tls};
pub use streams::{NewEvent, StreamAsk, Streams};
pub use topics::{EventList, TopicDeed, Topics};
pub use why::Decision;

use access::{Access, Who};
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base::Finding;
use control::Control;
use cost::anomaly::Anomaly;
use cost::{By, Report, Slot, Span};
use past::{Past, Worth};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slo::{Alert, SloStatus};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLockReadGuard};

/// Writes what happens to a folder of this host; one recording at a time. The answers are JSON as
/// `GET /api/v1/recording` gives it.
pub trait Recordings: Send + Sync {
    /// Refuses a folder that holds a recording or cannot be written, and a second recording.
    fn start(&self, ask: &StartRecording) -> Result<Value, Vec<Finding>>;
    /// Asks for the end; it comes when the windows of the last second have closed.
    fn stop(&self) -> Result<Value, Vec<Finding>>;
    /// The recording under way, else the last one.
    fn progress(&self) -> Option<Value>;
}

/// When requests were in a service, so that a profile of its processor can tell whose work it was. One is taken at a time.
pub trait Flights: Send + Sync {
    /// Begins to take them down; tells where the service's instances are.
    fn start(&self, ask: &AskFlights) -> Result<Value, Vec<Finding>>;
    /// Ends the one with this id before its time, or forgets it where it is whole.
    fn stop(&self, id: u64) -> Result<Value, Vec<Finding>>;
    /// What was taken last, once it is whole, each as route, instance, start and end; `None`: nothing yet.
    fn taken(&self) -> Option<Value>;
}

/// What to take down.
#[derive(Clone, Debug, Deserialize)]
pub struct AskFlights {
    pub service: String,
    #[serde(deserialize_with = "crate::streams::whole")]
    pub seconds: u64,
}

/// Which taking to end.
#[derive(Clone, Debug, Deserialize)]
pub struct StopFlights {
    #[serde(deserialize_with = "crate::streams::whole")]
    pub id: u64,
}

/// Hands the work over to a new binary. The answers are JSON as `GET /api/v1/upgrade` gives it.
pub trait Upgrades: Send + Sync {
    /// Only begins; refuses while one is under way.
    fn start(&self) -> Result<Value, Vec<Finding>>;
    /// Which process this is, and how the last upgrade that it tried went.
    fn progress(&self) -> Value;
}

/// What to record.
#[derive(Clone, Debug, Deserialize)]
pub struct StartRecording {
    /// An absolute path on the host where Plimsoll runs.
    pub folder: PathBuf,
    /// It ends by itself after so many seconds, or when it is about so large.
    pub seconds: Option<u64>,
    pub bytes: Option<u64>,
}

/// The caches of the running gateway.
pub trait Caches: Send + Sync {
    /// How many stored answers the purge reached.
    fn purge(&self, ask: &AskPurge) -> Result<Value, Vec<Finding>>;
    /// What a cache would do with a request for this address, and why.
    fn why(&self, ask: &AskWhy) -> Result<Value, Vec<Finding>>;
    /// How the parts of caches stand that are on disk, by route.
    fn disks(&self) -> Result<Value, Vec<Finding>>;
    /// How the caches stand that several nodes have together, by route.
    fn shared(&self) -> Result<Value, Vec<Finding>>;
}

/// What to purge: exactly one of the first three.
#[derive(Clone, Debug, Deserialize)]
pub struct AskPurge {
    /// Path and query, or a whole address, which then is about its host alone.
    pub url: Option<String>,
    pub prefix: Option<String>,
    pub group: Option<String>,
    pub host: Option<String>,
    /// Take it out, instead of making it stale.
    #[serde(default)]
    pub hard: bool,
}

impl AskPurge {
    /// For people.
    fn said(&self) -> String {
        let kinds = [
            ("address", &self.url),
            ("prefix", &self.prefix),
            ("group", &self.group),
            ("host", &self.host),
        ];
        let named = kinds
            .iter()
            .find_map(|(kind, v)| Some(format!("{kind} {}", v.as_ref()?)));
        let how = if self.hard { "taken out" } else { "made stale" };
        format!("caches: {} {how}", named.unwrap_or_default())
    }
}

/// Which request to explain.
#[derive(Clone, Debug, Deserialize)]
pub struct AskWhy {
    pub url: String,
    /// A line `name: value` for each field, separated by newlines.
    #[serde(default)]
    pub headers: String,
}

/// One instance, as the gateway sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Instance {
    pub service: String,
    pub address: String,
    /// Gets requests.
    pub usable: bool,
    /// For people: `up`, `down: its check fails`, `ejected`.
    pub state: String,
    /// Connections that carry a request, and requests that wait for one.
    pub busy: u32,
    pub waiting: u32,
}

/// What the running gateway tells of itself.
pub trait DataPath: Send + Sync {
    fn instances(&self) -> Vec<Instance>;
    fn decisions(&self) -> Vec<Decision>;
    /// Numbers of the business since the start, as the config names them; by route and name.
    fn business(&self) -> Vec<Worth>;
}

/// How objectives stand.
pub trait Slos: Send + Sync {
    /// In the order of the configuration.
    fn slos(&self) -> Vec<SloStatus>;
    /// Those that fire, pages and the earliest first, then the last ones that ended, newest first.
    fn alerts(&self) -> Vec<Alert>;
}

/// What requests cost.
pub trait Costs: Send + Sync {
    /// Seconds since the Unix epoch.
    fn now_s(&self) -> u64;
    /// What was spent in each step of a time.
    fn slots(&self, span: Span, step_s: u64) -> Vec<Slot>;
    /// To whom a route goes.
    fn service(&self, route: &str) -> Option<String>;
    /// Hours in which a request cost something unusual, newest first.
    fn anomalies(&self) -> Vec<Anomaly>;
    /// An error when nothing has a price.
    fn report(&self, by: By, span: Span) -> Result<Report, Vec<Finding>>;
}

/// What is remembered of counts and latencies.
pub trait Remembers: Send + Sync {
    /// Whether what is stored has been read; at the start it takes a second for a month of history.
    fn known(&self) -> bool;
    /// Waits until it has been.
    fn read(&self) -> RwLockReadGuard<'_, Past>;
    /// How much there is, whether more is being read, and why it is not stored, if it is not: JSON as `GET /api/v1/past` gives it.
    fn standing(&self) -> Value;
}

/// Traces that are kept.
pub trait Traces: Send + Sync {
    /// The newest first; refuses what cannot be asked.
    fn list(&self, ask: &traces::Ask) -> Result<traces::Found, Vec<Finding>>;
    /// By its id in hexadecimal.
    fn one(&self, id: &str) -> Result<traces::View, Vec<Finding>>;
    /// How many there are, what is not kept, and why; null: none are kept here.
    fn standing(&self) -> Value;
}

/// How the metrics page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text, version 0.0.4.
    Text,
    /// Version 1.0.0: with traces as exemplars.
    OpenMetrics,
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What an `Accept` asks for.
    fn asked(accept: &str) -> Format {
        let named = |range: &str| {
            range.split(';').next().map(str::trim) == Some("application/openmetrics-text")
        };
        match accept.split(',').any(named) {
            true => Format::OpenMetrics,
            false => Format::Text,
        }
    }
}

/// What the console shows and asks.
#[derive(Clone)]
pub struct State {
    pub control: Arc<Control>,
    /// The config's file: what belongs to it, such as the catalog, is found from there.
    pub file: Arc<Path>,
    pub access: Arc<ArcSwap<Access>>,
    pub recordings: Arc<dyn Recordings>,
    pub flights: Arc<dyn Flights>,
    pub caches: Arc<dyn Caches>,
    pub jobs: Arc<dyn Jobs>,
    pub topics: Arc<dyn Topics>,
    pub streams: Arc<dyn Streams>,
    pub path: Arc<dyn DataPath>,
    /// The metrics page.
    pub metrics: Arc<dyn Fn(Format) -> String + Send + Sync>,
    /// What the probes have to say, what they cannot see included: a list.
    pub probes: Arc<dyn Fn() -> Value + Send + Sync>,
    /// What came of comparing services by copies of requests: a list.
    pub mirrors: Arc<dyn Fn() -> Value + Send + Sync>,
    /// Whether instances keep sessions in their memory, by route where that is looked at: a list.
    pub stateful: Arc<dyn Fn() -> Value + Send + Sync>,
    /// The agents of other hosts: a list.
    pub agents: Arc<dyn Fn() -> Value + Send + Sync>,
    /// The engines that several nodes share.
    pub engines: Arc<dyn Fn() -> Value + Send + Sync>,
    /// How sending to a collector stands; null: nothing is sent.
    pub export: Arc<dyn Fn() -> Value + Send + Sync>,
    /// Whether a restart is needed: `Err` says what hangs.
    pub alive: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Whether traffic is served: `Err` says why not.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    pub upgrades: Arc<dyn Upgrades>,
    pub slos: Arc<dyn Slos>,
    pub costs: Arc<dyn Costs>,
    pub past: Arc<dyn Remembers>,
    /// What is counted in days and months.
    pub quotas: Arc<dyn Fn() -> Value + Send + Sync>,
    /// Databases with replicas, and who answers the reads of each route.
    pub replicas: Arc<dyn Fn() -> Value + Send + Sync>,
    pub traces: Arc<dyn Traces>,
    /// How the certificate stands that is got from an authority; null: none is.
    pub certificate: Arc<dyn Fn() -> Value + Send + Sync>,
}

/// What requests share: what is shown, and the stream of live values.
#[derive(Clone)]
struct Served {
    state: State,
    hub: Arc<live::Hub>,
    turns: Arc<turns::Turns>,
}

impl FromRef<Served> for State {
    fn from_ref(served: &Served) -> State {
        served.state.clone()
    }
}

impl FromRef<Served> for Arc<turns::Turns> {
    fn from_ref(served: &Served) -> Arc<turns::Turns> {
        served.turns.clone()
    }
}

/// What a page is made from: what is shared, and who asks.
#[derive(Clone)]
struct App {
    state: State,
    hub: Arc<live::Hub>,
    turns: Arc<turns::Turns>,
    who: Who,
}

impl FromRequestParts<Served> for App {
    type Rejection = api::Problem;

    async fn from_request_parts(parts: &mut Parts, served: &Served) -> Result<App, api::Problem> {
        let who = parts.extensions.get::<Who>().cloned();
        Ok(App {
            state: served.state.clone(),
            hub: served.hub.clone(),
            turns: served.turns.clone(),
            who: who.ok_or_else(api::Problem::unauthorized)?,
        })
    }
}

/// Serves until `stop` is done, then lets open answers finish.
pub async fn serve(
    listener: Listener,
    state: State,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let hub = Arc::new(live::Hub::default());
    let (stopping, told) = tokio::sync::watch::channel(false);
    let served = Served {
        state,
        hub: hub.clone(),
        turns: Arc::default(),
    };
    let ending = async move {
        stop.await;
        hub.end();
        stopping.send_replace(true);
    };
    tokio::join!(serve::serve(listener, router(served), told), ending);
}

fn router(served: Served) -> Router {
    let fixed = Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/live", get(live::stream))
        .route("/assets/{version}/{name}", get(assets::serve));
    api::router()
        .merge(api::prometheus::router())
        .merge(pages::router())
        .merge(pages::signin::router())
        .merge(fixed)
        .fallback(pages::not_found)
        .layer(middleware::from_fn_with_state(served.clone(), guard::check))
        .with_state(served)
}

async fn alive(axum::extract::State(s): axum::extract::State<State>) -> impl IntoResponse {
    say("alive", (s.alive)())
}

async fn ready(axum::extract::State(s): axum::extract::State<State>) -> impl IntoResponse {
    say("ready", (s.ready)())
}

fn say(what: &str, is: Result<(), String>) -> (StatusCode, String) {
    match is {
        Ok(()) => (StatusCode::OK, format!("{what}\n")),
        Err(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not {what}: {why}\n"),
        ),
    }
}

async fn metrics(
    axum::extract::State(s): axum::extract::State<State>,
    headers: HeaderMap,
) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok());
    let format = Format::asked(accept.unwrap_or(""));
    // Off the threads that serve everybody: it may wait until a question about the past is answered.
    match tokio::task::spawn_blocking(move || (s.metrics)(format)).await {
        Ok(page) => ([(header::CONTENT_TYPE, format.content_type())], page).into_response(),
        Err(_) => api::Problem::internal().into_response(),
    }
}
