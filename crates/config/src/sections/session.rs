//! Sessions of clients, kept by the gateway for services.

use crate::Secret;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One kind of session; routes that name it share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    pub name: String,
    /// Name of the cookie, without `__Host-`.
    pub cookie: String,
    pub secure: Secure,
    pub same_site: SameSite,
    /// Without a request for so long, it ends.
    pub idle: Duration,
    /// It ends then anyway.
    pub absolute: Duration,
    /// How long an id is good that was replaced by another.
    pub grace: Duration,
    /// Most bytes of its data.
    pub size: u64,
    /// Changes outlast a power cut.
    pub durable: bool,
    /// In what all nodes have together and may lose: `engines.shared`.
    pub shared: bool,
    pub conflict: Conflict,
    /// Seals the copies that clients have for when the store is away; `None`: they have none.
    pub secret: Option<Secret>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secure {
    /// Where the client speaks TLS with this gateway.
    Auto,
    /// Somebody in front does.
    Always,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SameSite {
    Lax,
    Strict,
    None,
}

/// What happens to a change when another request has changed the session meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Conflict {
    Refuse,
    /// The last one holds.
    Last,
}

impl Session {
    pub fn named(name: &str) -> Session {
        Session {
            name: name.to_owned(),
            cookie: "session".into(),
            secure: Secure::Auto,
            same_site: SameSite::Lax,
            idle: Duration::from_secs(30 * 60),
            absolute: Duration::from_secs(12 * 3600),
            grace: Duration::from_secs(30),
            size: 4 << 10,
            durable: false,
            shared: false,
            conflict: Conflict::Refuse,
            secret: None,
        }
    }
}
