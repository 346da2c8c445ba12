//! The engine `redis`: `Kv`, `Counter` and `Lease` for several nodes, on one Redis (or Valkey) of version 6.2 or later.
//!
//! Every change is one script, so it happens whole or not at all. Two connections, each with a thread: values go over one,
//! counters and leases over the other, so that a large value holds up nobody's limit. Nothing waits for longer than
//! [`link::PATIENCE`] and a connection attempt; while the server is away everything fails at once, and its return is noticed
//! without a restart. How durable it is, is a matter of its own settings: `plimsoll doctor` looks at them.

mod answer;
mod counter;
mod kv;
mod lease;
mod link;
mod script;
mod second;

pub use second::Second;

use crate::Error;
use answer::Answer;
use link::Link;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where it is, and whose data is whose.
#[derive(Clone)]
pub struct Options {
    /// `redis://USER:PASSWORD@HOST:PORT/DB`, or `rediss://` for TLS. Never shown.
    pub url: String,
    /// A PEM file of those who may sign its certificate; `None`: whom the system trusts.
    pub ca: Option<PathBuf>,
    /// What all keys begin with: deployments that share a server have different ones.
    pub prefix: String,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Options");
        shown.field("url", &"***").field("ca", &self.ca);
        shown.field("prefix", &self.prefix).finish()
    }
}

/// How the engine is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// Host and port.
    pub place: String,
    /// Why it cannot be used, or not be written to; `None`: it can.
    pub wrong: Option<String>,
    /// Calls that failed since the start, those refused while it was away among them.
    pub failed: u64,
}

/// Share it behind an `Arc`. Opening it connects in the background: it may be away.
pub struct Redis {
    /// Of values.
    values: Link,
    /// Of counters and leases.
    quick: Link,
    prefix: String,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redis").field(&self.values.place()).finish()
    }
}

impl Redis {
    /// # Errors
    /// When the URL or the CA's file cannot be used, or there is no thread.
    pub fn open(options: &Options) -> Result<Redis, Error> {
        let target = link::Target::new(options)?;
        Ok(Redis {
            values: Link::start("redis-values", target.clone())?,
            quick: Link::start("redis-quick", target)?,
            prefix: options.prefix.clone(),
        })
    }

    /// Whether the URL and the CA's file can be used; connects to nothing.
    pub fn check(options: &Options) -> Result<(), Error> {
        link::Target::new(options).map(drop)
    }

    pub fn standing(&self) -> Standing {
        Standing {
            place: self.quick.place().to_owned(),
            wrong: self.quick.wrong().or_else(|| self.values.wrong()),
            failed: self.quick.failed() + self.values.failed(),
        }
    }

    /// What it says of itself, for whoever checks a deployment.
    pub fn settings(&self) -> Result<Settings, Error> {
        let text = |words: &[&str]| -> Result<String, Error> {
            let answer = self.quick.command(words).wait()?;
            Ok(answer.text().unwrap_or_default())
        };
        let info = text(&["INFO", "everything"])?;
        let field = |name: &str| {
            let line = info
                .lines()
                .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().trim().to_owned()
        };
        let config = |name: &str| -> Option<String> {
            let answer = self.quick.command(&["CONFIG", "GET", name]).wait().ok()?;
            answer.pair(name)
        };
        let asked = std::time::SystemTime::now();
        let time = self.quick.command(&["TIME"]).wait()?;
        let took = asked.elapsed().unwrap_or_default();
        let [s, us] = time
            .texts()
            .and_then(|t| t.try_into().ok())
            .unwrap_or_default();
        let number = |text: &String| text.parse::<u64>().unwrap_or(0);
        let theirs = Duration::from_secs(number(&s)) + Duration::from_micros(number(&us));
        let ours = (asked + took / 2)
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Settings {
            version: field("redis_version"),
            role: field("role"),
            is_cluster: field("cluster_enabled") == "1",
            append_only: config("appendonly"),
            append_fsync: config("appendfsync"),
            save: config("save"),
            eviction: config("maxmemory-policy").unwrap_or_else(|| field("maxmemory_policy")),
            memory_limit: field("maxmemory").parse().unwrap_or(0),
            memory_used: field("used_memory").parse().unwrap_or(0),
            ahead_s: theirs.as_secs_f64() - ours.as_secs_f64(),
            took,
        })
    }

    /// What all its keys begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    fn key(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.prefix)
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub version: String,
    pub role: String,
    pub is_cluster: bool,
    /// `None`: it does not let us ask.
    pub append_only: Option<String>,
    pub append_fsync: Option<String>,
    pub save: Option<String>,
    /// `maxmemory-policy`.
    pub eviction: String,
    /// Bytes; 0: none.
    pub memory_limit: u64,
    pub memory_used: u64,
    /// By how many seconds its clock is ahead of ours, exact to half of `took`.
    pub ahead_s: f64,
    pub took: Duration,
}

/// What a script says that answers something else than expected.
fn odd(script: &str) -> Error {
    Error::Invalid(format!(
        "redis answers `{script}` with something unexpected: is its version 6.2 or later?"
    ))
}

type Said = Result<Answer, Error>;
