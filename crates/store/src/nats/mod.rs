//! The engine `nats`: `Kv`, `Lease`, `Queue`, `Log` and `Topics` for several nodes, on the JetStream of a nats-server of 2.11 or later (jobs: 2.12).
//!
//! Values and leases are two buckets, as `nats kv` knows them. A change is acknowledged when JetStream has stored it; what must hold for it is
//! checked there. Nothing waits for longer than [`link::PATIENCE`] and a connection attempt; while the server is away everything
//! fails at once, and its return is noticed without a restart. How durable it is, is a matter of the server's settings: `plimsoll
//! doctor` looks at them.
//!
//! Jobs are a stream of their own ([`Jobs`], ADR 360), and so are events, which each node applies to a file of its own ([`Events`],
//! ADR 365), as it does with what is done to [`Topics`] (ADR 369). Each has a connection of its own, so that nothing waits for what waits
//! there. Not `Counter`: ADR 330.

mod bucket;
mod conn;
mod fault;
mod follow;
mod kv;
mod lease;
mod link;
mod log;
mod message;
mod queue;
mod settings;
mod stream;
mod subject;
mod target;
mod topics;

use crate::Error;
use bucket::Bucket;
use link::Link;
pub use log::{Events, Following, News};
pub use queue::Jobs;
pub use settings::{Settings, Stored};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use target::Target;
pub use topics::Topics;

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
    /// Most bytes of all values, when their bucket is made.
    pub size: u64,
    /// The same of all jobs, of all events, and of what is done to topics; `None`: they are not there.
    pub jobs: Option<u64>,
    pub events: Option<u64>,
    pub topics: Option<u64>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Options");
        shown.field("url", &"***").field("ca", &self.ca);
        shown.field("prefix", &self.prefix);
        shown.field("replicas", &self.replicas);
        shown.field("size", &self.size);
        shown.field("jobs", &self.jobs);
        shown.field("events", &self.events);
        shown.field("topics", &self.topics).finish()
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
    /// Where the next look for what has expired begins.
    swept: Arc<AtomicU64>,
    prefix: String,
    /// All that is there, jobs, events and topics too.
    all: Vec<Bucket>,
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
        Nats::start(options, Target::new(options, bucket::of(options).into())?)
    }

    /// The same for whoever only wants to know its [`settings`](Nats::settings): makes nothing.
    pub fn open_to_look(options: &Options) -> Result<Nats, Error> {
        Nats::start(options, Target::new(options, Vec::new())?)
    }

    fn start(options: &Options, target: Target) -> Result<Nats, Error> {
        let [values, leases] = bucket::of(options);
        let others = [
            bucket::of_jobs(options),
            bucket::of_events(options),
            bucket::of_topics(options),
        ];
        let all = [&values, &leases]
            .into_iter()
            .chain(others.iter().flatten());
        Ok(Nats {
            all: all.cloned().collect(),
            link: Link::start(target, None)?,
            values,
            leases,
            swept: Arc::default(),
            prefix: options.prefix.clone(),
        })
    }

    /// Whether the URL and the CA's file can be used; connects to nothing.
    pub fn check(options: &Options) -> Result<(), Error> {
        Target::new(options, Vec::new()).map(drop)
    }

    pub fn standing(&self) -> Standing {
        (self.link.stander())()
    }

    /// What it says of itself and of all streams, for whoever checks a deployment.
    pub fn settings(&self) -> Result<Settings, Error> {
        let all = self.all.clone();
        let asked = self.link.ask("", 0, move |conn| async move {
            settings::ask(&conn, &all).await
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
