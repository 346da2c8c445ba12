//! TLS towards clients: certificate files into what a handshake needs, which certificate a name gets, and who a
//! client is by its own. Files that change are read again; connections stay as they are.

mod certificate;
mod files;
mod handshake;
mod names;
mod place;
mod server;

pub use certificate::ClientCert;
pub(crate) use handshake::handshake;
pub(crate) use place::{Place, watch};
pub use server::check;
