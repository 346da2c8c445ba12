//! The sections of the gates.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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

impl Breaker {
    /// Where nothing is said of it.
    pub fn observing() -> Breaker {
        Breaker {
            observe: true,
            ..Breaker::default()
        }
    }
}

/// Refuses who matters least when the limit is full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shed {
    /// Count what would have been refused, refuse nothing.
    pub observe: bool,
}

impl Shed {
    /// Where nothing is said of it.
    pub fn observing() -> Shed {
        Shed { observe: true }
    }
}

/// Divides the limit among the routes; what is idle is lent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bulkhead {
    /// By name of the route; those left out weigh 1.
    pub weights: Vec<(String, u32)>,
    /// Each route's part is divided among the tenants of `identity`.
    pub tenants: bool,
}

/// Answers reads from memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cache {
    /// Lifetime when the response says nothing about it; `None`: only what responses allow, or `heuristic` guesses.
    pub ttl: Option<Duration>,
    pub stale_while_revalidate: Option<Duration>,
    /// Share (0 to 1) of the time since `Last-Modified` for which a response without a lifetime counts as fresh.
    pub heuristic: f64,
    /// Answers that set cookies are stored too, when they say for how long.
    pub set_cookie: bool,
    /// Bytes of this route's cache.
    pub size: u64,
    /// Largest body stored, bytes.
    pub max_body: u64,
    /// Where what memory has no room for goes; `None`: nowhere.
    pub disk: Option<CacheDisk>,
    /// What other nodes have is asked for, and given to them; `None`: each node has its own.
    pub shared: Option<CacheShared>,
}

/// The part of a route's cache that all nodes have together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheShared {
    /// Longest that a request waits for it.
    pub wait: Duration,
    /// Largest body, bytes.
    pub max_body: u64,
}

impl Default for CacheShared {
    fn default() -> Self {
        CacheShared {
            wait: Duration::from_millis(20),
            max_body: 256 << 10,
        }
    }
}

/// The part of a route's cache that is on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheDisk {
    /// The route's folder is made below it.
    pub path: PathBuf,
    /// Bytes of its files.
    pub size: u64,
}

impl Default for CacheDisk {
    fn default() -> Self {
        CacheDisk {
            path: PathBuf::new(),
            size: 1 << 30,
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Cache {
            ttl: None,
            stale_while_revalidate: None,
            heuristic: 0.1,
            set_cookie: false,
            size: 64 << 20,
            max_body: 1 << 20,
            disk: None,
            shared: None,
        }
    }
}

/// What others are told about keeping answers that are for everybody, in place of what the service says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CacheControl {
    /// `Cache-Control`.
    pub browsers: Option<String>,
    /// `CDN-Cache-Control` (RFC 9213).
    pub cdns: Option<String>,
}

/// Answers get smaller on their way to clients that accept it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compress {
    pub when: CompressWhen,
    /// Offered, best first.
    pub codings: Vec<Coding>,
    /// Smaller answers are left as they are, bytes.
    pub min: u64,
    /// Content types in lower case, `*` for anything; empty: what is text.
    pub types: Vec<String>,
}

impl Default for Compress {
    fn default() -> Self {
        Compress {
            when: CompressWhen::Always,
            codings: vec![Coding::Zstd, Coding::Br, Coding::Gzip],
            min: 1024,
            types: Vec::new(),
        }
    }
}

impl Compress {
    /// Where nothing is said of it.
    pub fn observing() -> Compress {
        Compress {
            when: CompressWhen::Observe,
            ..Compress::default()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompressWhen {
    Always,
    /// Once the link is what the service fills first.
    Link,
    /// Count what would have been compressed.
    Observe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    Zstd,
    Br,
    Gzip,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Units.
    pub per_second: f64,
    pub burst: u32,
    pub key: RateKey,
    /// Routes with the same name have one limit together; `None`: the route's own.
    pub name: Option<String>,
    pub cost: RateCost,
    /// Answers of the service say what is left.
    pub announce: bool,
    /// Count what would have been refused, refuse nothing.
    pub observe: bool,
    /// All nodes together have it. Only where there is an engine for that.
    #[serde(default)]
    pub shared: bool,
    #[serde(default)]
    pub fail: RateFail,
}

/// What a shared limit does while its engine is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RateFail {
    /// Goes on with this node's last known share.
    #[default]
    LocalShare,
    Open,
    Closed,
}

impl Rate {
    /// So many requests of each address; at once, one second's worth.
    pub fn of(per_second: f64) -> Rate {
        Rate {
            per_second,
            burst: per_second.ceil().max(1.0) as u32,
            key: RateKey::Client,
            name: None,
            cost: RateCost::Units(1),
            announce: false,
            observe: false,
            shared: false,
            fail: RateFail::LocalShare,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RateKey {
    All,
    /// By address.
    Client,
    User,
    Tenant,
    Header(String),
}

/// Units that one request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RateCost {
    Units(u32),
    /// What the route costs on the constraint, in average requests of its service.
    Learned,
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
    pub tenant: Option<String>,
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
            tenant: None,
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
