//! The section about spans of instrumented services.

use crate::Secret;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Where OTLP is taken; at least one of the addresses is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Otlp {
    pub http: Option<SocketAddr>,
    pub grpc: Option<SocketAddr>,
    /// What a sender must show; there when an address is not loopback.
    pub token: Option<Secret>,
    /// Share (0 to 1) of the traces begun here that services are asked to record.
    pub sample: f64,
}

impl Default for Otlp {
    fn default() -> Self {
        Otlp {
            http: None,
            grpc: None,
            token: None,
            sample: 0.1,
        }
    }
}
