//! What may still be tried as error budgets shrink.

use serde::{Deserialize, Serialize};

/// Sizes of changes: 1 is a line of the configuration, 5 a redesign.
pub const SIZES: std::ops::RangeInclusive<u8> = 1..=5;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorBudget {
    /// Share of a budget that is left, below which only small changes are tried.
    pub caution: f64,
    /// Size of the largest change that is tried then.
    pub largest: u8,
}

impl Default for ErrorBudget {
    fn default() -> ErrorBudget {
        ErrorBudget {
            caution: 0.25,
            largest: 1,
        }
    }
}
