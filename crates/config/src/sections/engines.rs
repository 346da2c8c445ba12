//! The section about engines beyond the embedded one: where several nodes keep what they share.

use crate::Secret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What every key begins with when nothing else is said.
pub const ENGINE_PREFIX: &str = "plimsoll";

/// Where the jobs of routes are, and where topics are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptIn {
    /// In `data_dir` of the node that accepted them.
    #[default]
    Embedded,
    /// In the engine `durable`: they are those of all nodes, and every node delivers them.
    Durable,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Engines {
    /// The URL of a Redis; `None`: this node shares no limits.
    pub shared: Option<Secret>,
    /// The URL of a NATS with JetStream; `None`: what must not be lost is in `data_dir`.
    pub durable: Option<Secret>,
    pub jobs: KeptIn,
    pub topics: KeptIn,
    /// A PEM file of those who may sign their certificates.
    pub ca: Option<PathBuf>,
    /// What all keys begin with, and the names of buckets.
    pub prefix: String,
    /// On how many servers of its cluster `durable` keeps things, and at most how many bytes of values, and as many of jobs and of topics: when it begins.
    pub replicas: u32,
    pub size: u64,
    /// Where the servers of `durable` tell their settings.
    pub monitors: Vec<String>,
}

impl Default for Engines {
    fn default() -> Engines {
        Engines {
            shared: None,
            durable: None,
            jobs: KeptIn::Embedded,
            topics: KeptIn::Embedded,
            ca: None,
            prefix: ENGINE_PREFIX.into(),
            replicas: 1,
            size: 1 << 30,
            monitors: Vec::new(),
        }
    }
}
