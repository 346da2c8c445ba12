//! The `Server-Timing` header of one answer.

use crate::work::Held;
use std::fmt::Write;

/// Collects what one request used; written only when the switch is on.
#[derive(Default)]
pub struct Timing(String);

impl Timing {
    fn sep(&mut self) {
        if !self.0.is_empty() {
            self.0.push_str(", ");
        }
    }
    pub fn cpu(&mut self, ms: f64) {
        self.sep();
        let _ = write!(self.0, "cpu;dur={ms:.3}");
    }
    /// A lock or pool: `name` is `lock.stock` or `pool.db`.
    pub fn held(&mut self, name: &str, held: Held, size: usize) {
        self.sep();
        let _ = write!(
            self.0,
            "{name};dur={:.3};wait={:.3};size={size}",
            held.busy_ms, held.wait_ms
        );
    }
    pub fn db(&mut self, ms: f64, calls: usize, rows: usize, returned: usize) {
        self.sep();
        let _ = write!(
            self.0,
            "db;dur={ms:.3};calls={calls};rows={rows};returned={returned}"
        );
    }
    pub fn header(&self, on: bool) -> Option<&str> {
        (on && !self.0.is_empty()).then_some(&self.0)
    }
}
