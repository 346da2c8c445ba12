//! Certificates that Plimsoll gets by itself from an authority that speaks ACME (RFC 8555), and renews.
//!
//! `run` looks when one is due (`core`), `order` asks for it, `challenge` holds what the authority wants to see meanwhile,
//! at the plain port (http-01) or in a handshake (tls-alpn-01). What comes is a file (`files`) that is served like any
//! other: when nothing comes, the old one goes on.

mod challenge;
mod core;
pub(crate) mod files;
mod order;
mod run;
#[cfg(test)]
mod tests;
mod validity;

pub(crate) use challenge::{ALPN, Challenges};
pub(crate) use run::run;
use serde::Serialize;

/// How it stands, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub names: Vec<String>,
    /// End of the certificate in service, seconds since the Unix epoch; `None`: there is none.
    pub until: Option<u64>,
    /// When the next one is asked for.
    pub next: u64,
    /// Why the last try brought none.
    pub wrong: Option<String>,
}
