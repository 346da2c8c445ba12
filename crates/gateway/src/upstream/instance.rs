//! An instance and its service as all threads share them. Instances survive generations by name;
//! their load and health are kept beside them, under the same name.

use super::link::Link;
use super::pool::PoolCounts;
use base::InstanceIx;
use config::Address;
use std::sync::Arc;

/// One address that answers requests. Its name is `service/address`.
#[derive(Debug)]
pub struct Instance {
    pub ix: InstanceIx,
    pub service: Arc<str>,
    pub address: Address,
    pub pool: PoolCounts,
}

impl Instance {
    pub fn new(ix: InstanceIx, service: Arc<str>, address: Address) -> Instance {
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
    /// Which of them are in the gateway's own zone; empty when zones make no difference.
    pub near: Vec<bool>,
    /// The database that each of them reads from; empty when they are told by request.
    pub reads_from: Vec<String>,
    pub config: config::Service,
    /// How its instances are spoken to; `None`: plain HTTP/1.
    pub link: Option<Arc<Link>>,
}
