//! A new binary takes over the listening sockets of the running one, without a connection lost.
//!
//! ```text
//!   old process                           new process
//!   starts it, sends all sockets    ───►  reads the config, tries the data path on a port of its own
//!   (serves on)                     ◄───  ready
//!   closes ledger and console
//!   (serves on)                     ───►  yours: opens the ledger, starts everything, takes connections
//!                                   ◄───  serving
//!   takes no more, lets its own end
//! ```
//! Until `serving` the old process can always go on as before, and does: when the new one says that it failed, ends, or
//! says nothing for too long. Both accept from the very same sockets, so none is ever closed with connections in it.

mod channel;
mod child;
mod parent;
mod state;
mod try_out;

pub use channel::Channel;
pub use child::Successor;
pub use parent::{Candidate, Program};
pub use state::{Outcome, Upgrading};

/// Processes of earlier upgrades that may still have connections when another upgrade begins.
pub const OLDER: usize = 1;
