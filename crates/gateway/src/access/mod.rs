//! The access log: one line of JSON per request, off by default.
//!
//! While it is on, an exchange carries [`Notes`]: what its head said, what gates did, which attempts it took. At its
//! end `core` decides whether it is written; then notes and sample go through a bounded ring per thread to one thread
//! of the log's own, which makes a line of them. A full ring, a slow disk or a stuck pipe costs lines, which are
//! counted, and never a wait.
//!
//! Where requests are kept as traces the notes are less (no query, host and agent), and `keeping` hands those of requests that
//! are kept to telemetry.

pub mod core;
mod file;
mod keeping;
mod line;
mod notes;
mod tap;
mod writer;

pub use keeping::Keeping;
pub(crate) use keeping::hasher;
pub use notes::Notes;
pub use tap::{AccessTap, End, Taken};
pub use writer::Lines;
pub(crate) use writer::{Access, start};

use config::sections::AccessLog;
use std::hash::RandomState;

/// What a snapshot holds of it.
#[derive(Debug)]
pub struct Rules {
    pub config: AccessLog,
    /// Names clients, when their addresses shall not be written. Keyed, and new with every process.
    pub hasher: std::sync::Arc<RandomState>,
}
