//! The engine `nats`: `Kv`, `Lease` and `Log` for several nodes, on the JetStream of a nats-server of 2.11 or later.
//!
//! Values and leases are two buckets, as `nats kv` knows them. A change is acknowledged when JetStream has stored it; what must hold for it is
//! checked there. Nothing waits for longer than [`link::PATIENCE`] and a connection attempt; while the server is away everything
//! fails at once, and its return is noticed without a restart. How durable it is, is a matter of the server's settings: `plimsoll
//! doctor` looks at them.
//!
//! Events are a stream that each node applies to a file of its own ([`log`]). Not `Queue`, `Topics` and `Counter`: ADR 330.

mod bucket;
mod conn;
mod fault;
mod follow;
mod kv;
mod lease;
mod link;
pub mod log;
mod message;
mod settings;
mod stream;
mod subject;
mod target;

use crate::Error;
use bucket::Bucket;
use link::Link;
pub use settings::{Settings, Stored};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use target::Target;

/// Where it is, and whose data is whose.
#[derive(Clone)]
pub struct Options {
    /// `nats://USER:PASSWORD@HOST:PORT` or `nats://TOKEN@HOST:PORT`, `tls://` for TLS; several of one cluster with commas. Never shown.
    pub url: String,
    /// A PEM file of those who may sign its certificate; `None`: whom the system trusts.
    pub ca: Option<PathBuf>,
    /// What the names of its buckets begin with: deployments that share a server have different ones.
    pub prefix: String,
    /// On how many servers of a cluster a bucket is, when it is made.
    pub replicas: u32,
    /// Most bytes of all values, when the bucket is made.
    pub size: u64,
    /// Most bytes of all events, when their stream is made; `None`: they are not here.
    pub events: Option<u64>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Options");
        shown.field("url", &"***").field("ca", &self.ca);
        shown.field("prefix", &self.prefix);
        shown.field("replicas", &self.replicas);
        shown.field("size", &self.size);
        shown.field("events", &self.events).finish()
    }
}

/// How the engine is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// Hosts and ports.
    pub place: String,
    /// Why it cannot be used, or not be written to; `None`: it can.
    pub wrong: Option<String>,
    /// Calls that failed since the start, those refused while it was away among them.
    pub failed: u64,
}

/// Share it behind an `Arc`. Opening it connects in the background: it may be away.
pub struct Nats {
    link: Link,
    values: Bucket,
    leases: Bucket,
    events: Option<Bucket>,
    /// Where the next look for what has expired begins.
    swept: Arc<AtomicU64>,
    prefix: String,
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Nats").field(&self.link.place()).finish()
    }
}

impl Nats {
    /// # Errors
    /// When the URL or the CA's file cannot be used, or there is no thread.
    pub fn open(options: &Options) -> Result<Nats, Error> {
        Nats::start(options, Target::new(options)?)
    }

    /// The same for whoever only wants to know its [`settings`](Nats::settings): makes nothing.
    pub fn open_to_look(options: &Options) -> Result<Nats, Error> {
        let mut target = Target::new(options)?;
        target.buckets.clear();
        Nats::start(options, target)
    }

    fn start(options: &Options, target: Target) -> Result<Nats, Error> {
        let [values, leases] = bucket::of(options);
        Ok(Nats {
            link: Link::start(target)?,
            values,
            leases,
            events: bucket::events(options),
            swept: Arc::default(),
            prefix: options.prefix.clone(),
        })
    }

    /// Whether the URL and the CA's file can be used; connects to nothing.
    pub fn check(options: &Options) -> Result<(), Error> {
        Target::new(options).map(drop)
    }

    pub fn standing(&self) -> Standing {
        Standing {
            place: self.link.place().to_owned(),
            wrong: self.link.wrong(),
            failed: self.link.failed(),
        }
    }

    /// What it says of itself and the buckets, for whoever checks a deployment.
    pub fn settings(&self) -> Result<Settings, Error> {
        let streams = [&self.values, &self.leases].into_iter().chain(&self.events);
        let streams: Vec<String> = streams.map(Bucket::stream).collect();
        let asked = self.link.ask("", 0, move |conn| async move {
            settings::ask(&conn, &streams).await
        });
        asked.wait()
    }

    /// What the names of its buckets begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The bucket of values, and where in it a key is: for whoever reads it with a client of NATS.
    pub fn place_of(&self, key: &str) -> (String, String) {
        let subject = self.values.subject(key);
        let name = &self.values.name;
        let within = subject.strip_prefix(&format!("$KV.{name}."));
        (name.clone(), within.unwrap_or_default().to_owned())
    }
}
