//! Which requests are kept as traces.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Beside those that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traces {
    /// Of those that neither failed nor were slow, 0 to 1.
    pub share: f64,
    /// Longer is slow; `None`: than the route's objective allows, or a second.
    pub slow: Option<Duration>,
    /// Bytes of the file that they are kept in; 0: none are.
    pub size: u64,
}

impl Default for Traces {
    fn default() -> Traces {
        Traces {
            share: 0.01,
            slow: None,
            size: 256 << 20,
        }
    }
}
