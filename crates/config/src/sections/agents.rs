//! The section about agents on other hosts.

use crate::Secret;
use crate::sections::Certificate;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Where they send what their probes read; there only when complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agents {
    pub listen: SocketAddr,
    /// What an agent must show.
    pub token: Secret,
    /// What the listener shows them; `None`: it speaks plain HTTP.
    pub tls: Option<Certificate>,
}
