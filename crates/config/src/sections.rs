//! The sections of a checked configuration, as plain data. Every name in it resolves;
//! who holds a `Config` need not check it again.

mod agents;
mod alerts;
mod asynchronous;
mod balance;
mod business;
mod console;
mod cron;
mod engines;
mod error_budget;
mod export;
mod gates;
mod hedge;
mod history;
mod http2;
mod idempotency;
mod identity;
mod incidents;
mod listen;
mod mirror;
mod operate;
mod otlp;
mod publish;
mod purge_hook;
mod quota;
mod replication;
mod scrape;
mod session;
mod slo;
mod state;
mod stateful;
mod streams;
mod tls;
mod topics;
mod traces;

use crate::Address;
pub use agents::*;
pub use alerts::*;
pub use asynchronous::*;
pub use balance::*;
pub use business::*;
pub use console::*;
pub use cron::*;
pub use engines::*;
pub use error_budget::*;
pub use export::*;
pub use gates::*;
pub use hedge::*;
pub use history::*;
pub use http2::*;
pub use idempotency::*;
pub use identity::*;
pub use incidents::*;
pub use listen::*;
pub use mirror::*;
pub use operate::*;
pub use otlp::*;
pub use publish::*;
pub use purge_hook::*;
pub use quota::*;
pub use replication::*;
pub use scrape::*;
use serde::{Deserialize, Serialize};
pub use session::*;
pub use slo::*;
pub use state::*;
pub use stateful::*;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
pub use streams::*;
pub use tls::*;
pub use topics::*;
pub use traces::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub listen: Address,
    /// Permissions of the file, when `listen` is a Unix socket.
    pub socket_mode: u32,
    /// Console, API and metrics.
    pub console: Console,
    /// Where the ledger and other state live.
    pub data_dir: PathBuf,
    /// Where teams, services, on-call, runbooks and incidents are written down, seen from the file's folder.
    pub catalog: Option<PathBuf>,
    /// Traffic threads; `None`: one per core.
    pub threads: Option<usize>,
    /// Probes that are not run, by their names.
    pub probes_off: Vec<String>,
    /// `None`: no peer speaks the PROXY protocol.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// `None`: clients speak plain.
    pub tls: Option<Tls>,
    pub http2: Http2,
    pub limits: Limits,
    /// Who resolves names; `None`: whom /etc/resolv.conf names.
    pub nameserver: Option<SocketAddr>,
    /// Where this gateway runs: instances in the same zone are preferred.
    pub zone: Option<String>,
    pub access_log: Option<AccessLog>,
    pub upgrade: Upgrade,
    pub identity: Option<Identity>,
    /// What Plimsoll calls itself in `Via`; `None`: it does not.
    pub via: Option<String>,
    pub purge_hook: Option<PurgeHook>,
    /// `None`: no spans are taken.
    pub otlp: Option<Otlp>,
    /// `None`: there are no agents on other hosts.
    pub agents: Option<Agents>,
    pub alerts: Alerts,
    /// Where metrics and traces are sent.
    #[serde(default)]
    pub export: Export,
    /// Which requests are kept as traces.
    #[serde(default)]
    pub traces: Traces,
    /// What is remembered of counts and latencies.
    #[serde(default)]
    pub history: History,
    /// What several nodes share.
    #[serde(default)]
    pub engines: Engines,
    #[serde(default)]
    pub sessions: Vec<Session>,
    /// Databases with replicas, by name.
    #[serde(default)]
    pub replications: Vec<Replication>,
    /// `None`: services keep no values here.
    #[serde(default)]
    pub state: Option<StateApi>,
    #[serde(default)]
    pub topics: Vec<Topic>,
    /// `None`: nothing asks for streams, unless something below does.
    #[serde(default)]
    pub streams: Option<Streams>,
    #[serde(default)]
    pub outboxes: Vec<Outbox>,
    #[serde(default)]
    pub projections: Vec<Projection>,
    #[serde(default)]
    pub crons: Vec<Cron>,
    /// `None`: changes are tried whatever is left.
    pub error_budget: Option<ErrorBudget>,
    #[serde(default)]
    pub incidents: Incidents,
    /// Sorted by name, as are `routes` before `priority` orders them.
    pub services: Vec<Service>,
    pub routes: Vec<Route>,
    pub resources: Vec<Resource>,
    /// Named request mixes for `plimsoll load`.
    pub loads: Vec<LoadMix>,
}

/// Bounds of the data path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Request line and headers, bytes.
    pub head: usize,
    pub headers: usize,
    pub connections: usize,
    /// Of them, of one client. `None`: four fifths.
    pub connections_per_client: Option<usize>,
    /// Largest request body, bytes.
    pub body: u64,
    /// Idle client connections are closed after this.
    pub idle: Duration,
    /// Time to receive a whole head.
    pub head_timeout: Duration,
    /// Longest time without any of a request's body.
    pub body_timeout: Duration,
    /// At shutdown, how long `/readyz` says so before connections are refused.
    pub notice: Duration,
    /// Time for requests in flight at shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head: 32 * 1024,
            headers: 100,
            connections: 20_000,
            connections_per_client: None,
            body: 1 << 30,
            idle: Duration::from_secs(75),
            head_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(15),
            notice: Duration::ZERO,
            drain: Duration::from_secs(30),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    pub name: String,
    pub owner: Option<String>,
    pub runbook: Option<String>,
    /// Of all its routes together.
    pub slo: Option<Slo>,
    pub instances: Vec<SocketAddr>,
    /// More of them, at Unix sockets of this machine.
    pub sockets: Vec<PathBuf>,
    /// More of them, which DNS knows.
    pub names: Vec<HostName>,
    /// Zones of instances, by their address or name as it is written out.
    pub zones: Vec<(String, String)>,
    /// The databases that it reads from, by name.
    #[serde(default)]
    pub replication: Option<String>,
    /// Which of them an instance reads from, by its address or name as it is written out; empty: every instance is told by
    /// request. Those left out read from the primary.
    #[serde(default)]
    pub reads_from: Vec<(String, String)>,
    /// `None`: the better of two at random.
    pub balance: Option<Balance>,
    /// Dollars per hour of one instance.
    pub price_per_hour: Option<f64>,
    pub depends_on: Vec<String>,
    pub health: Health,
    pub pool: Pool,
    /// How to start one more instance on this machine; `{port}` is replaced.
    pub start: Option<Start>,
    /// Requests in flight that the service may hold; `None`: learned, and observed only until confident.
    pub limit: Option<u32>,
    /// Where there is neither, latency limits what may be in flight; false: it only counts.
    #[serde(default)]
    pub latency_limit: bool,
    /// `None`: switched off, as for `shed`; both only count where nothing is said of them.
    pub breaker: Option<Breaker>,
    pub shed: Option<Shed>,
    pub bulkhead: Option<Bulkhead>,
    /// `None`: nobody looks whether its instances keep state.
    #[serde(default)]
    pub stateful: Option<Stateful>,
    /// `None`: plain.
    pub tls: Option<ServiceTls>,
    pub protocol: Speaks,
    /// Instances are told who the client is, by a PROXY header (version 2) on every connection.
    pub proxy_protocol: bool,
}

/// Active checks and passive ejection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// `None`: a TCP connect is the check.
    pub path: Option<String>,
    /// The service that gRPC's health protocol is asked for, `*` for the server as a whole; `None`: it is not asked.
    pub grpc: Option<String>,
    pub interval: Duration,
    pub timeout: Duration,
    /// Checks in a row that must agree before the state changes.
    pub rise: u32,
    pub fall: u32,
    /// Consecutive failures of real requests that eject an instance.
    pub eject_after: u32,
    pub eject_for: Duration,
    pub outliers: Outliers,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            path: None,
            grpc: None,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            eject_after: 5,
            eject_for: Duration::from_secs(10),
            outliers: Outliers::default(),
        }
    }
}

/// Plimsoll's own connections to one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// Open at once per instance, all threads together; `None`: not limited.
    pub size: Option<u32>,
    /// Longest wait for a connection or permit.
    pub wait: Duration,
    pub connect_timeout: Duration,
    pub idle: Duration,
}

impl Default for Pool {
    fn default() -> Self {
        Pool {
            size: None,
            wait: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            idle: Duration::from_secs(60),
        }
    }
}

/// The `process` driver's recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    pub command: Vec<String>,
    pub max_instances: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    pub name: String,
    pub matcher: Match,
    /// Name of a service.
    pub to: String,
    /// Services that share the route's users, `to` among them, with their shares (0 to 1); empty: `to` has all.
    pub split: Vec<(String, f64)>,
    pub mirror: Option<Mirror>,
    /// `None`: as its service has it.
    #[serde(default)]
    pub stateful: Option<Stateful>,
    /// Clients may speak gRPC-Web; it is translated.
    pub grpc_web: bool,
    pub slo: Option<Slo>,
    pub cache: Option<Cache>,
    pub cache_control: Option<CacheControl>,
    /// `None`: switched off; it only counts where nothing is said of it.
    pub compress: Option<Compress>,
    pub rate: Option<Rate>,
    /// `None`: as much as anybody likes.
    #[serde(default)]
    pub quota: Option<Quota>,
    pub deadline: Deadline,
    pub retry: Retry,
    pub hedge: Option<Hedge>,
    /// `critical`, `normal` (default) or `sheddable`.
    pub criticality: Criticality,
    pub coalesce: Coalesce,
    pub degrade: Option<Degrade>,
    pub fault: Option<Fault>,
    /// `None`: every client waits for its answer.
    pub asynchronous: Option<Async>,
    /// `None`: its requests go to the service.
    #[serde(default)]
    pub publish: Option<Publish>,
    /// Numbers of the business that its answers tell.
    #[serde(default)]
    pub business: Vec<Measure>,
    /// `None`: keys of clients mean nothing here.
    #[serde(default)]
    pub idempotency: Option<Idempotency>,
    /// Name of its kind of session.
    #[serde(default)]
    pub session: Option<String>,
    /// What requests wait for that say what they must see.
    #[serde(default)]
    pub projection: Option<Awaited>,
    /// `None`: `strong` where its service has a `replication`, else nothing is promised.
    #[serde(default)]
    pub consistency: Option<Consistency>,
    /// Whether its requests change data; `None`: the method says so.
    #[serde(default)]
    pub writes: Option<bool>,
    /// `None`: `to` answers all.
    #[serde(default)]
    pub reads: Option<Reads>,
}

/// All given parts must match. More specific routes win: method before none, longer literal prefix first,
/// headers before none, host before none; ties by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// `None`: any.
    pub method: Option<String>,
    /// Exact host, or `*.example.com`.
    pub host: Option<String>,
    pub path: PathTemplate,
    /// Name (lower case) and exact value; an empty value: present.
    pub headers: Vec<(String, String)>,
}

/// `/products/{id}` (one segment) and `/static/{rest...}` (the rest, also empty).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathTemplate {
    pub segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Segment {
    Literal(String),
    One(String),
    Rest(String),
}

/// Something that can run out, declared by hand: for what probes cannot see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    pub name: String,
    pub class: Option<base::Class>,
    pub discipline: Option<base::Discipline>,
    /// Slots, servers, cores or bytes per second.
    pub capacity: Option<f64>,
    /// Service whose requests use it.
    pub service: Option<String>,
    pub within: Option<String>,
    pub price_per_hour: Option<f64>,
    pub shared: bool,
    /// Where this database or this store is.
    pub postgres: Option<crate::Secret>,
    pub redis: Option<crate::Secret>,
    /// Who may have signed its certificate.
    pub ca: Option<std::path::PathBuf>,
    pub prometheus: Option<Scrape>,
}

/// What `plimsoll load` sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadMix {
    pub name: String,
    pub requests: Vec<LoadRequest>,
}

/// `GET /products/{1..500}`: ranges in braces are drawn per request (Zipf with exponent 1 when `zipf`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadRequest {
    pub method: String,
    pub path: String,
    pub weight: f64,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub zipf: bool,
}

impl Service {
    pub fn named(name: &str) -> Service {
        Service {
            name: name.to_owned(),
            owner: None,
            runbook: None,
            slo: None,
            instances: Vec::new(),
            sockets: Vec::new(),
            names: Vec::new(),
            zones: Vec::new(),
            replication: None,
            reads_from: Vec::new(),
            balance: None,
            price_per_hour: None,
            depends_on: Vec::new(),
            health: Health::default(),
            pool: Pool::default(),
            start: None,
            limit: None,
            latency_limit: false,
            breaker: Some(Breaker::observing()),
            shed: Some(Shed::observing()),
            bulkhead: None,
            stateful: None,
            tls: None,
            protocol: Speaks::Auto,
            proxy_protocol: false,
        }
    }
}

impl Route {
    pub fn named(name: &str) -> Route {
        Route {
            name: name.to_owned(),
            matcher: Match::default(),
            to: String::new(),
            split: Vec::new(),
            mirror: None,
            stateful: None,
            grpc_web: false,
            slo: None,
            cache: None,
            cache_control: None,
            compress: Some(Compress::observing()),
            rate: None,
            quota: None,
            deadline: Deadline::default(),
            retry: Retry::default(),
            hedge: None,
            criticality: Criticality::default(),
            coalesce: Coalesce::default(),
            degrade: None,
            fault: None,
            asynchronous: None,
            publish: None,
            business: Vec::new(),
            idempotency: None,
            session: None,
            projection: None,
            consistency: None,
            writes: None,
            reads: None,
        }
    }
}

impl Resource {
    pub fn named(name: &str) -> Resource {
        Resource {
            name: name.to_owned(),
            class: None,
            discipline: None,
            capacity: None,
            service: None,
            within: None,
            price_per_hour: None,
            shared: false,
            postgres: None,
            redis: None,
            ca: None,
            prometheus: None,
        }
    }
}

impl Config {
    /// Whether anything asks for streams of events.
    pub fn has_streams(&self) -> bool {
        self.streams.is_some() || !self.outboxes.is_empty() || !self.projections.is_empty()
    }

    /// Whether topics are those of all nodes on the durable engine.
    pub fn shares_topics(&self) -> bool {
        self.engines.topics == KeptIn::Durable && self.engines.durable.is_some()
    }

    /// Whether they are those of all nodes on the durable engine.
    pub fn shares_streams(&self) -> bool {
        let shared = self.streams.as_ref().is_none_or(|s| s.shared);
        self.has_streams() && shared && self.engines.durable.is_some()
    }

    /// Nothing but where to listen.
    pub fn empty() -> Config {
        Config {
            listen: ([127, 0, 0, 1], 8080).into(),
            socket_mode: 0o660,
            console: Console::default(),
            data_dir: PathBuf::from("./plimsoll-data"),
            catalog: None,
            threads: None,
            proxy_protocol: None,
            tls: None,
            http2: Http2::default(),
            limits: Limits::default(),
            nameserver: None,
            zone: None,
            access_log: None,
            upgrade: Upgrade::default(),
            identity: None,
            via: None,
            purge_hook: None,
            otlp: None,
            agents: None,
            alerts: Alerts::default(),
            export: Export::default(),
            traces: Traces::default(),
            history: History::default(),
            engines: Engines::default(),
            sessions: Vec::new(),
            replications: Vec::new(),
            state: None,
            topics: Vec::new(),
            streams: None,
            outboxes: Vec::new(),
            projections: Vec::new(),
            crons: Vec::new(),
            error_budget: None,
            incidents: Incidents::default(),
            services: Vec::new(),
            routes: Vec::new(),
            resources: Vec::new(),
            loads: Vec::new(),
            probes_off: Vec::new(),
        }
    }
    pub fn route(&self, name: &str) -> Option<&Route> {
        self.routes.iter().find(|r| r.name == name)
    }
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.name == name)
    }
}
