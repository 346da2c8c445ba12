//! The calendar on a clock that does not jump while the process lives.

use base::Nanos;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Default)]
pub struct Calendar(OnceLock<(Nanos, u64)>);

impl Calendar {
    /// Milliseconds since the Unix epoch. The first call looks at the system's clock.
    pub fn now_ms(&self, now: Nanos) -> u64 {
        let (began, unix_ms) = self.0.get_or_init(|| {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH);
            (now, unix.unwrap_or_default().as_millis() as u64)
        });
        unix_ms + now.since(*began).as_millis() as u64
    }
}
