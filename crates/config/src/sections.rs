//! The sections of a checked configuration, as plain data. Every name in it resolves;
//! who holds a `Config` need not check it again.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub listen: SocketAddr,
    /// Console, API and metrics.
    pub console: SocketAddr,
    /// Where the ledger and other state live.
    pub data_dir: PathBuf,
    /// Traffic threads; `None`: one per core.
    pub threads: Option<usize>,
    /// Probes that are not run, by their names.
    pub probes_off: Vec<String>,
    pub limits: Limits,
    pub identity: Option<Identity>,
    /// Sorted by name, as are `routes` before `priority` orders them.
    pub services: Vec<Service>,
    pub routes: Vec<Route>,
    pub resources: Vec<Resource>,
    /// Named request mixes for `plimsoll load`.
    pub loads: Vec<LoadMix>,
}

/// Names (lower case) of the headers that say who asks and how much it matters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    pub user: Option<String>,
    /// `critical`, `normal` or `sheddable`; it can lower what the route says, not raise it.
    pub criticality: Option<String>,
}

/// Bounds of the data path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Request line and headers, bytes.
    pub head: usize,
    pub headers: usize,
    pub connections: usize,
    /// Largest request body, bytes.
    pub body: u64,
    /// Idle client connections are closed after this.
    pub idle: Duration,
    /// Time to receive a whole head.
    pub head_timeout: Duration,
    /// Time for requests in flight at shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head: 32 * 1024,
            headers: 100,
            connections: 20_000,
            body: 1 << 30,
            idle: Duration::from_secs(75),
            head_timeout: Duration::from_secs(15),
            drain: Duration::from_secs(30),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    pub name: String,
    pub owner: Option<String>,
    pub runbook: Option<String>,
    pub instances: Vec<SocketAddr>,
    /// Dollars per hour of one instance.
    pub price_per_hour: Option<f64>,
    pub depends_on: Vec<String>,
    pub health: Health,
    pub pool: Pool,
    /// How to start one more instance on this machine; `{port}` is replaced.
    pub start: Option<Start>,
    /// Requests in flight that the service may hold; `None`: learned, and observed only until confident.
    pub limit: Option<u32>,
    pub breaker: Option<Breaker>,
    pub shed: Option<Shed>,
}

/// Keeps work from a service that fails. Its accounts go over ten seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breaker {
    /// Share of good answers (0 to 1) below which work is refused, in proportion to what is missing.
    pub threshold: f64,
    /// An answer that begins later than this counts as failed.
    pub slow: Option<Duration>,
    /// Fewer attempts than this in ten seconds decide nothing.
    pub at_least: u32,
    /// Never a larger share than this is refused while the service can be reached.
    pub most: f64,
    /// Connects that fail in a row, over a second or more, after which only probes are let through.
    pub dead_after: u32,
    /// Time between probes.
    pub probe: Duration,
    /// Time in which all of the work comes back.
    pub ramp: Duration,
    /// Count what would have been refused, refuse nothing.
    pub observe: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker {
            threshold: 0.5,
            slow: None,
            at_least: 20,
            most: 0.9,
            dead_after: 10,
            probe: Duration::from_millis(500),
            ramp: Duration::from_secs(5),
            observe: false,
        }
    }
}

/// Refuses who matters least when the limit is full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shed {
    /// Count what would have been refused, refuse nothing.
    pub observe: bool,
}

/// Active checks and passive ejection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// `None`: a TCP connect is the check.
    pub path: Option<String>,
    pub interval: Duration,
    pub timeout: Duration,
    /// Checks in a row that must agree before the state changes.
    pub rise: u32,
    pub fall: u32,
    /// Consecutive failures of real requests that eject an instance.
    pub eject_after: u32,
    pub eject_for: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            path: None,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            eject_after: 5,
            eject_for: Duration::from_secs(10),
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
    pub slo: Option<Slo>,
    pub cache: Option<Cache>,
    pub rate: Option<Rate>,
    pub deadline: Deadline,
    pub retry: Retry,
    /// `critical`, `normal` (default) or `sheddable`.
    pub criticality: Criticality,
    pub coalesce: Coalesce,
    pub degrade: Option<Degrade>,
    pub fault: Option<Fault>,
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    pub latency: Duration,
    /// 0.999 for 99.9 %.
    pub target: f64,
    pub window: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cache {
    /// Lifetime when the response says nothing about it; `None`: only what responses allow.
    pub ttl: Option<Duration>,
    pub stale_while_revalidate: Option<Duration>,
    /// Bytes of this route's cache.
    pub size: u64,
    /// Largest body stored, bytes.
    pub max_body: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub per_second: f64,
    pub burst: u32,
    /// `client` (address), `all`, or `header:name`.
    pub key: RateKey,
    /// Count what would have been refused, refuse nothing.
    pub observe: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RateKey {
    All,
    Client,
    Header(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deadline {
    /// To the first byte of the response; never on upgrades or event streams. `None`: none.
    pub first_byte: Option<Duration>,
}

impl Default for Deadline {
    fn default() -> Self {
        Deadline {
            first_byte: Some(Duration::from_secs(60)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// Tries in total; 1 = no retry. Only safe or idempotent requests are retried.
    pub attempts: u8,
    /// Retries allowed as a share of requests, over 10 s.
    pub budget: f64,
    /// Also allowed, per second, so that a quiet route can retry at all.
    pub floor_per_s: f64,
    /// First back-off; doubles, with full jitter.
    pub backoff: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 2,
            budget: 0.2,
            floor_per_s: 1.0,
            backoff: Duration::from_millis(25),
        }
    }
}

/// Equal requests at once become one, on routes with a cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coalesce {
    /// Longest wait for the answer to another's request; zero: nobody waits.
    pub wait: Duration,
}

impl Default for Coalesce {
    fn default() -> Self {
        Coalesce {
            wait: Duration::from_secs(5),
        }
    }
}

/// What a route answers to reads when its service fails or must not be asked, best first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Degrade {
    /// What the cache holds, so long past its lifetime; what the answer itself says of this goes first.
    pub stale_if_error: Option<Duration>,
    /// What the cache holds, so long past its lifetime.
    pub last_good: Option<Duration>,
    pub fixed: Option<Fixed>,
    /// What 503 says at the end.
    pub retry_after: Duration,
    /// When more than a twentieth of the answers begin later than this, some requests ask the service to leave out what
    /// is optional.
    pub brownout: Option<Duration>,
}

impl Default for Degrade {
    fn default() -> Self {
        Degrade {
            stale_if_error: None,
            last_good: None,
            fixed: None,
            retry_after: Duration::from_secs(5),
            brownout: None,
        }
    }
}

/// An answer written in the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fixed {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

impl Default for Fixed {
    fn default() -> Self {
        Fixed {
            status: 200,
            content_type: "application/json".into(),
            body: String::new(),
        }
    }
}

/// Failures made on purpose, in attempts for which all of `share`, `first`, `every`, `headers` and `instance` hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Seconds since the Unix epoch; from then on nothing fails any more.
    pub until: u64,
    pub delay: Option<Duration>,
    /// The status that is answered in the instance's stead.
    pub abort: Option<u16>,
    /// The connection breaks before a response.
    pub reset: bool,
    /// Bytes per second at which the response comes.
    pub rate: Option<u64>,
    /// Bytes of the body after which the response breaks off.
    pub cut: Option<u64>,
    /// 0 to 1.
    pub share: f64,
    /// Only the first so many attempts.
    pub first: Option<u64>,
    /// Only every so-manieth attempt.
    pub every: Option<u64>,
    /// Name (lower case) and exact value; an empty value: present.
    pub headers: Vec<(String, String)>,
    pub instance: Option<SocketAddr>,
}

impl Fault {
    /// One that does nothing yet.
    pub fn until(until: u64) -> Fault {
        Fault {
            until,
            delay: None,
            abort: None,
            reset: false,
            rate: None,
            cut: None,
            share: 1.0,
            first: None,
            every: None,
            headers: Vec::new(),
            instance: None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Criticality {
    Critical,
    #[default]
    Normal,
    Sheddable,
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
    /// Where this database is; not looked up yet.
    pub postgres: Option<crate::Secret>,
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
            instances: Vec::new(),
            price_per_hour: None,
            depends_on: Vec::new(),
            health: Health::default(),
            pool: Pool::default(),
            start: None,
            limit: None,
            breaker: None,
            shed: None,
        }
    }
}

impl Route {
    pub fn named(name: &str) -> Route {
        Route {
            name: name.to_owned(),
            matcher: Match::default(),
            to: String::new(),
            slo: None,
            cache: None,
            rate: None,
            deadline: Deadline::default(),
            retry: Retry::default(),
            criticality: Criticality::default(),
            coalesce: Coalesce::default(),
            degrade: None,
            fault: None,
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
        }
    }
}

impl Config {
    /// Nothing but where to listen.
    pub fn empty() -> Config {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Config {
            listen: local(8080),
            console: local(9400),
            data_dir: PathBuf::from("./plimsoll-data"),
            threads: None,
            limits: Limits::default(),
            identity: None,
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
