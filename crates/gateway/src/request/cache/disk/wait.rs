//! What a request waits for, and what it makes of a disk that does not answer.

use super::{Disk, SILENT};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::oneshot::Receiver;

/// Longest wait of a request for the disk; then it goes on without.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// So many in a row that waited so long, and the disk is given up: it would slow down each of them.
const TOO_LATE: u32 = 32;

/// A line that has to be on file before something happens.
pub struct Doubt(pub Arc<Disk>, pub Receiver<()>);

impl Doubt {
    /// A disk that does not answer is given up: what it holds may be out of date from now on.
    pub async fn noted(self) {
        if tokio::time::timeout(PATIENCE, self.1).await.is_err() {
            self.0.break_down(SILENT);
        }
    }
}

/// A record on its way into memory.
pub struct Awaited(pub Arc<Disk>, pub Receiver<()>);

impl Awaited {
    /// Ends when it is there, or cannot be, or takes too long.
    pub async fn over(self) {
        if tokio::time::timeout(PATIENCE, self.1).await.is_ok() {
            return;
        }
        self.0.counts.late.fetch_add(1, Relaxed);
        if self.0.late.fetch_add(1, Relaxed) + 1 >= TOO_LATE {
            self.0.break_down(SILENT);
        }
    }
}
