//! The section about the console: where it listens, and who may do what there.

use crate::address::Address;
use crate::secret::Secret;
use crate::sections::Certificate;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Console, API and metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Console {
    pub listen: Address,
    /// Permissions of the file, when `listen` is a Unix socket.
    pub socket_mode: u32,
    /// Names by which it may be asked for, beside addresses and `localhost`.
    pub names: Vec<String>,
    /// `None`: it speaks plain.
    pub tls: Option<ConsoleTls>,
    /// Empty: whoever reaches it may do everything.
    pub users: Vec<ConsoleUser>,
}

impl Default for Console {
    fn default() -> Self {
        Console {
            listen: SocketAddr::from(([127, 0, 0, 1], 9400)).into(),
            socket_mode: 0o600,
            names: Vec::new(),
            tls: None,
            users: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleTls {
    pub own: Certificate,
    /// Who may have signed the certificates of users (PEM); `None`: they are not asked for.
    pub clients: Option<PathBuf>,
}

/// Somebody, or something, that asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsoleUser {
    pub name: String,
    pub role: Role,
    /// What they show; `None`: a certificate.
    pub token: Option<Secret>,
    /// The name in their certificate; `None`: a token.
    pub certificate: Option<String>,
}

impl ConsoleUser {
    pub fn named(name: &str) -> ConsoleUser {
        ConsoleUser {
            name: name.to_owned(),
            role: Role::Read,
            token: None,
            certificate: None,
        }
    }
}

/// What somebody may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything.
    Read,
    /// Try and roll back changes, purge caches.
    Operate,
    /// Also what reaches beyond the gateway: recordings on the host's disk, another binary.
    Admin,
}
