//! Whether instances keep state in their memory: some answers are asked of another instance, too.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Asks again what was answered well, of the same instance and of another one of the same service, and compares. Never
/// changes an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stateful {
    /// Of requests with a session, 0 to 1; 0: none.
    pub share: f64,
    /// Probes per second.
    pub rate: f64,
    /// Nothing is asked while the service has more than this (0 to 1) of its limit in flight.
    pub load: f64,
    /// Probes under way at once.
    pub in_flight: u32,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Headers that carry a session, in lower case.
    pub headers: Vec<String>,
}

impl Default for Stateful {
    fn default() -> Self {
        Stateful {
            share: 0.001,
            rate: 10.0,
            load: 0.7,
            in_flight: 4,
            timeout: Duration::from_secs(5),
            headers: vec!["cookie".into(), "authorization".into()],
        }
    }
}

impl Stateful {
    /// Nothing is asked.
    pub fn off() -> Stateful {
        Stateful {
            share: 0.0,
            ..Stateful::default()
        }
    }
}
