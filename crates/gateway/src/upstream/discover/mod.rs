//! Instances that are given by name: DNS says where they are, and is asked again before its answer runs out.
//!
//! What was found last stays when DNS fails or has nothing to say. An address that is gone from the answer gets no more
//! requests, and those under way end; a new one starts as any new instance does.

pub mod core;
mod hosts;
mod lookup;
mod run;

pub(crate) use run::start;

use config::sections::HostName;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Where names are, as far as it is known.
pub(crate) type Found = BTreeMap<HostName, Vec<SocketAddr>>;
