//! TLS: certificate files into what a handshake needs, which certificate a name gets, and who a
//! client is by its own. Files that change are read again; connections stay as they are.

mod certificate;
mod client;
mod files;
mod handshake;
mod names;
mod place;
mod server;

pub use certificate::ClientCert;
pub use client::{client, name_of};
pub(crate) use files::chain;
pub(crate) use handshake::handshake;
pub(crate) use names::Shown;
pub(crate) use place::{Place, Stamp, stamps, watch};
pub(crate) use server::pair;
pub use server::{check, of_console, of_token_holders};
