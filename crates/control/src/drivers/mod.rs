//! Drivers: they do scaling actions. One line per driver:
//! `process` starts and stops instances on this machine.

mod child;
pub mod process;

pub use process::Process;

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Extra instances that accept connections, by service.
pub type Instances = BTreeMap<String, Vec<SocketAddr>>;
