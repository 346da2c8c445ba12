//! The sections of running it: access log, upgrade, and instances that are given by name.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// One line of JSON per request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessLog {
    pub to: LogTo,
    /// Share (0 to 1) of the requests that neither failed nor were slow.
    pub share: f64,
    /// A request that takes longer is always logged.
    pub slow: Duration,
    /// Whether queries are written, or `REDACTED` in their stead.
    pub query: bool,
    pub client: ClientAddress,
}

impl Default for AccessLog {
    fn default() -> Self {
        AccessLog {
            to: LogTo::Stdout,
            share: 1.0,
            slow: Duration::from_secs(1),
            query: false,
            client: ClientAddress::Keep,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogTo {
    Stdout,
    File(PathBuf),
}

/// What is written of the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAddress {
    Keep,
    /// A keyed hash that is the same for one client until the next start.
    Hash,
    Drop,
}

/// Instances by the name that DNS knows them by, and their port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostName {
    /// Lower case, without a dot at the end.
    pub host: String,
    pub port: u16,
}

impl std::str::FromStr for HostName {
    type Err = ();

    fn from_str(text: &str) -> Result<HostName, ()> {
        let (host, port) = text.rsplit_once(':').ok_or(())?;
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let label = |l: &str| {
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            (1..=63).contains(&l.len()) && l.bytes().all(good)
        };
        // Numbers alone are an address, and here one that is none.
        let last = host.rsplit('.').next().unwrap_or("");
        let named = last.bytes().any(|b| b.is_ascii_alphabetic());
        let port = port.parse().ok().filter(|p| *p > 0).ok_or(())?;
        let good = host.len() <= 253 && named && host.split('.').all(label);
        good.then_some(HostName { host, port }).ok_or(())
    }
}

impl std::fmt::Display for HostName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A new binary takes over from the running one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upgrade {
    /// The new process must have proved itself by then, or the old one goes on.
    pub ready: Duration,
    /// Time for the connections of the old process to end by themselves.
    pub drain: Duration,
}

impl Default for Upgrade {
    fn default() -> Self {
        Upgrade {
            ready: Duration::from_secs(30),
            drain: Duration::from_secs(3600),
        }
    }
}
