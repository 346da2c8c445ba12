//! What is wrong with a recording: everything is told, up to a limit.

use base::{Finding, Severity};

/// Errors told; the rest is counted.
pub const SHOWN: usize = 50;

/// Collects findings about files.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Finding>,
    errors: usize,
    warnings: usize,
}

impl Faults {
    pub fn push(&mut self, f: Finding) {
        let n = match f.severity {
            Severity::Error => &mut self.errors,
            _ => &mut self.warnings,
        };
        *n += 1;
        if *n <= SHOWN {
            self.list.push(f);
        }
    }
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Errors first; says how many more there are.
    pub fn finish(mut self) -> Vec<Finding> {
        for (n, what) in [(self.errors, "errors"), (self.warnings, "warnings")] {
            if n > SHOWN {
                self.list.push(Finding::note(
                    "recording-more",
                    format!("{} more {what} are not shown", n - SHOWN),
                ));
            }
        }
        self.list.sort_by_key(|f| f.severity);
        self.list
    }
}
