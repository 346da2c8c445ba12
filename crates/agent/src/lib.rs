//! The probes of another host. `host` runs beside the instances there: it reads the same probes as the gateway,
//! adds up what they say, and sends that once a second. `gateway` takes it, places it in the windows of its own
//! clock, and is one more probe of telemetry. `message` is what goes between them.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod gateway;
pub mod host;
pub mod message;

use std::hash::{BuildHasher, RandomState};

/// A number that nobody can foresee, and another one each time.
pub fn draw() -> u64 {
    RandomState::new().hash_one(0)
}
