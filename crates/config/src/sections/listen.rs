//! The sections of how connections come in.

use crate::Cidr;
use serde::{Deserialize, Serialize};

/// Load balancers in front that tell who their clients are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProxyProtocol {
    /// Peers whose connections begin with a PROXY header; those of others never do.
    pub from: Vec<Cidr>,
    /// The same of whoever connects to a Unix socket.
    pub unix: bool,
}
