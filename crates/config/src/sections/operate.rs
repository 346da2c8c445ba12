//! The sections of running it: access log and upgrade.

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
