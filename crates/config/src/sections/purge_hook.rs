//! The section about the cache further out.

use crate::Secret;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is purged here is purged there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PurgeHook {
    /// For a purge of one address, of all below a path, and of a group.
    pub address: Option<PurgeCall>,
    pub prefix: Option<PurgeCall>,
    pub group: Option<PurgeCall>,
    /// Names and templates.
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub token: Option<Secret>,
    /// Lower case; in `authorization` it stands behind `Bearer`.
    pub token_header: String,
    /// Unsafe requests that change something are passed on, too.
    pub on_change: bool,
    pub attempts: u32,
    /// Of one attempt.
    pub timeout: Duration,
}

impl Default for PurgeHook {
    fn default() -> Self {
        PurgeHook {
            address: None,
            prefix: None,
            group: None,
            headers: Vec::new(),
            body: None,
            token: None,
            token_header: "authorization".into(),
            on_change: false,
            attempts: 4,
            timeout: Duration::from_secs(5),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeCall {
    pub method: String,
    /// A template.
    pub url: String,
}
