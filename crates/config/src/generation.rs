//! Generations and overlays: the one thing that control gives to the gateway.

use crate::Config;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One change to the document: set `path` to `value`, or remove it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// Keys by name, such as `["routes", "product", "cache"]`.
    pub path: Vec<String>,
    /// `None` removes. As it would be written in the file: `{"ttl": "10s"}`.
    pub value: Option<serde_json::Value>,
    /// The value it replaced when it was made (`None`: there was none). When the file later differs from it, the file wins.
    pub base: Option<serde_json::Value>,
}

/// A named change on top of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overlay {
    pub id: String,
    pub owner: String,
    pub reason: String,
    pub evidence: String,
    pub ops: Vec<Op>,
    /// Seconds since the Unix epoch.
    pub created_at: u64,
    /// Seconds since the Unix epoch; `None`: until removed.
    pub expires_at: Option<u64>,
    /// `Some`: a canary that only this share of users sees (0 to 1).
    pub share: Option<f64>,
}

/// A numbered, immutable configuration: what the gateway compiles into its snapshot.
#[derive(Clone, Debug)]
pub struct Generation {
    pub number: u64,
    /// SHA-256 of the file and its overlays, hexadecimal.
    pub hash: String,
    /// The file with every overlay that has no share.
    pub base: Arc<Config>,
    /// The same with the canary overlay too.
    pub canary: Option<Canary>,
    /// When the gateway must go on with `next` on its own clock (the nearest expiry of an overlay), and what that is.
    pub expiry: Option<Expiry>,
}

#[derive(Clone, Debug)]
pub struct Canary {
    pub overlay: String,
    pub share: f64,
    pub config: Arc<Config>,
}

#[derive(Clone, Debug)]
pub struct Expiry {
    /// Seconds since the Unix epoch.
    pub at: u64,
    pub next: Arc<Generation>,
}
