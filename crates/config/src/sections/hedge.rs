//! A second attempt of a safe request that is late.

use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hedge {
    /// When the second attempt starts.
    pub after: After,
    /// Second attempts as a share of requests, at most (0 to 0.5).
    pub extra: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum After {
    /// Once the first has taken longer than this share of them (0.95 for `p95`).
    Percentile(f64),
    Time(Duration),
}

impl Default for Hedge {
    fn default() -> Self {
        Hedge {
            after: After::Percentile(0.95),
            extra: 0.05,
        }
    }
}
