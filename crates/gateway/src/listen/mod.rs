//! Accepts connections: one listener per thread on the same port (or all on one Unix socket), and a fresh connection goes to the thread that has
//! least to do when the kernel's choice is uneven.

mod accept;
mod bind;
mod clients;
mod open;
mod place;
mod socket_file;

pub(crate) use accept::{Accepting, Counted, Fresh, Port, accept};
use bind::bind;
pub(crate) use clients::{Clients, TOO_MANY};
pub(crate) use open::{Opened, open};
pub use socket_file::SocketFile;
