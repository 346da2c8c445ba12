//! Which requests are kept as traces.

use super::ClientAddress;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Slow where nothing else is said.
const SLOW: Duration = Duration::from_secs(1);

/// Beside those that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traces {
    /// Of those that neither failed nor were slow, 0 to 1.
    pub share: f64,
    /// Longer is slow; `None`: than the route's objective allows, or a second.
    pub slow: Option<Duration>,
    /// Bytes of the file that they are kept in; 0: none are.
    pub size: u64,
    /// Bytes that are written in a second; what is more gives way, errors last.
    #[serde(default = "rate")]
    pub rate: u64,
    /// What is told of the client's address; `None`: as in the access log.
    #[serde(default)]
    pub client: Option<ClientAddress>,
    /// Attributes of services' spans that are kept; `None`: those that are known to hold nothing of users.
    #[serde(default)]
    pub attributes: Option<Vec<String>>,
}

impl Traces {
    /// Attributes that may be named, and the longest name, bytes.
    pub const ATTRIBUTES: usize = 32;
    pub const ATTRIBUTE: usize = 64;
}

impl crate::Config {
    /// What takes longer on this route is slow.
    pub fn slow(&self, route: Option<&crate::Route>) -> Duration {
        let slo = route.and_then(|r| r.slo.as_ref());
        let slo = slo.and_then(|s| s.latency).map(|l| l.within);
        self.traces.slow.or(slo).unwrap_or(SLOW)
    }

    /// What traces tell of a client's address.
    pub fn traced_client(&self) -> ClientAddress {
        let logged = self.access_log.as_ref().map(|a| a.client);
        (self.traces.client.or(logged)).unwrap_or(ClientAddress::Keep)
    }
}

fn rate() -> u64 {
    256 << 10
}

impl Default for Traces {
    fn default() -> Traces {
        Traces {
            share: 0.01,
            slow: None,
            size: 256 << 20,
            rate: rate(),
            client: None,
            attributes: None,
        }
    }
}
