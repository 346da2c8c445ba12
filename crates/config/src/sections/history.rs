//! The section about what is remembered of counts and latencies.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

const DAY: u64 = 86_400;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The file; `None`: `history.db` in `data_dir`.
    pub path: Option<PathBuf>,
    pub counts: Duration,
    pub histograms: Duration,
    /// Bytes of memory, and about as many on the disk.
    pub size: u64,
}

impl Default for History {
    fn default() -> History {
        History {
            path: None,
            counts: Duration::from_secs(35 * DAY),
            histograms: Duration::from_secs(3 * DAY),
            size: 64 << 20,
        }
    }
}
