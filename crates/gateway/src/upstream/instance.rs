//! An instance and its service as all threads share them. Instances survive generations by name;
//! their load and health are kept beside them, under the same name.

use base::InstanceIx;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// One address that answers requests. Its name is `service/address`.
#[derive(Debug)]
pub struct Instance {
    pub ix: InstanceIx,
    pub service: Arc<str>,
    pub address: SocketAddr,
    pub pool: PoolCounts,
}

/// Plimsoll's connections to one instance, all threads together.
#[derive(Debug, Default)]
pub struct PoolCounts {
    /// Open: in use or idle.
    pub open: AtomicU32,
    /// Carrying an attempt.
    pub busy: AtomicU32,
    /// Attempts that wait for one of them now.
    pub waiting: AtomicU32,
    /// Time waited so far, nanoseconds.
    pub waited_ns: AtomicU64,
    /// Connections made, and attempts to make one that failed.
    pub connects: AtomicU64,
    pub connect_failures: AtomicU64,
}

impl Instance {
    pub fn new(ix: InstanceIx, service: Arc<str>, address: SocketAddr) -> Instance {
        Instance {
            ix,
            service,
            address,
            pool: PoolCounts::default(),
        }
    }
}

/// A service as one generation sees it.
#[derive(Debug)]
pub struct Service {
    pub name: Arc<str>,
    /// In the order of the configuration.
    pub instances: Vec<Arc<Instance>>,
    pub config: config::Service,
}
