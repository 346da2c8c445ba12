//! The section about engines beyond the embedded one: where several nodes keep what they share.

use crate::Secret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What every key begins with when nothing else is said.
pub const ENGINE_PREFIX: &str = "plimsoll";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Engines {
    /// The URL of a Redis; `None`: this node shares nothing.
    pub shared: Option<Secret>,
    /// A PEM file of those who may sign its certificate.
    pub ca: Option<PathBuf>,
    /// What all keys begin with.
    pub prefix: String,
}

impl Default for Engines {
    fn default() -> Engines {
        Engines {
            shared: None,
            ca: None,
            prefix: ENGINE_PREFIX.into(),
        }
    }
}
