//! What ties the process to the host's service manager: sockets that it was started with, and what it is told.

pub mod notify;
pub mod pulse;
pub mod sockets;
