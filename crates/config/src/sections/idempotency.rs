//! Requests that are done once, however often they are sent.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a route does with `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Idempotency {
    /// A POST or PATCH without a key is refused.
    pub required: bool,
    /// How long a key is remembered.
    pub keep: Duration,
    /// Largest body of a request with a key, bytes.
    pub body: u64,
    /// Largest body of an answer that is kept, bytes.
    pub answer: u64,
    /// Most keys that are remembered at once.
    pub keys: u64,
    pub replay: Replay,
    pub store_down: StoreDown,
}

/// What happens to a request of which nobody knows whether the service has done it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Replay {
    /// It is refused.
    Unsafe,
    /// It is sent again.
    Safe,
}

/// What happens to requests with a key while keys cannot be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreDown {
    Refuse,
    /// They go on as if they had none.
    Pass,
}

impl Default for Idempotency {
    fn default() -> Self {
        Idempotency {
            required: false,
            keep: Duration::from_secs(24 * 3600),
            body: 1 << 20,
            answer: 256 << 10,
            keys: 100_000,
            replay: Replay::Unsafe,
            store_down: StoreDown::Refuse,
        }
    }
}
