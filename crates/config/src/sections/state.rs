//! Values that services keep in the gateway's store.

use crate::Secret;
use crate::sections::Certificate;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// Where services reach them; there only when complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateApi {
    pub listen: SocketAddr,
    /// What a service must show.
    pub token: Secret,
    /// What the listener shows them; `None`: it speaks plain HTTP.
    pub tls: Option<Certificate>,
    pub stores: Vec<StateStore>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateStore {
    pub name: String,
    /// How long a value lives when nothing is said, and at most; `None`: for ever.
    pub ttl: Option<Duration>,
    /// Largest value, bytes.
    pub size: u64,
    /// Most values at once.
    pub keys: u64,
    /// What is acknowledged outlasts a power cut.
    pub durable: bool,
    /// A write that says nothing of what it saw only makes new values.
    pub first_write_wins: bool,
}

impl StateStore {
    pub fn named(name: &str) -> StateStore {
        StateStore {
            name: name.to_owned(),
            ttl: None,
            size: 64 << 10,
            keys: 1_000_000,
            durable: true,
            first_write_wins: false,
        }
    }
}
