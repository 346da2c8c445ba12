//! Copies of requests for another service.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Copies safe requests off the path, and compares what two services answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mirror {
    /// Name of the service that gets the copies.
    pub to: String,
    /// Of requests, 0 to 1.
    pub share: f64,
    /// Copies under way at once.
    pub in_flight: u32,
    /// Copies per second.
    pub rate: f64,
    /// A service that has more than this (0 to 1) of its limit in flight gets no copies, and none are made of its requests.
    pub load: f64,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Headers that are compared, in lower case.
    pub headers: Vec<String>,
}

impl Default for Mirror {
    fn default() -> Self {
        Mirror {
            to: String::new(),
            share: 0.05,
            in_flight: 16,
            rate: 50.0,
            load: 0.7,
            timeout: Duration::from_secs(5),
            headers: vec!["content-type".into()],
        }
    }
}
