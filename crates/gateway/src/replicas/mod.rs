//! What is known of databases with replicas: how far each of them is, and who asks for more.
//!
//! Whoever owns the gateway asks the databases, beside the path, and tells it here. Gates read it without a lock:
//! `request/consistency` knows what a session has seen, `attempt/replica` chooses the database. `position` and `seen` are
//! pure, `group` is one replication as all threads share it, `sampler` gathers those who want to know where the primary is.

mod group;
mod position;
mod sampler;
mod seen;
mod tracker;

use crate::exchange::Head;
pub use group::{Group, Groups, Known};
pub use position::Position;
pub use sampler::Sampler;
pub use seen::{From, Seen};
pub use tracker::Tracker;

/// Whether a request changes data; `writes` is what its route says.
pub(crate) fn changes(writes: Option<bool>, head: &Head<'_>) -> bool {
    writes.unwrap_or_else(|| !head.method().is_safe())
}
