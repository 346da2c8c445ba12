//! Which requests are kept as traces, decided when they have ended: those that failed or were slow, and a share of the rest.
//!
//! The data path asks to know of whom it has to tell more than a sample, and telemetry to know whom to keep: both by this.

use crate::{Outcome, Sample};
use std::time::Duration;

/// Why a request is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Error,
    Slow,
    Share,
}

impl Why {
    pub fn label(self) -> &'static str {
        match self {
            Why::Error => "error",
            Why::Slow => "slow",
            Why::Share => "share",
        }
    }
}

/// `None`: it is not kept. What takes longer than `slow` is slow; `share`, 0 to 1, is of what is neither that nor an error.
pub fn why(s: &Sample, slow: Duration, share: f64) -> Option<Why> {
    if s.status >= 500 || s.outcome == Outcome::UpstreamFailed {
        return Some(Why::Error);
    }
    if s.outcome != Outcome::Stream && s.end.since(s.start) > slow {
        return Some(Why::Slow);
    }
    // As the gateway draws whom services record: whoever is in the smaller share is in the larger.
    let most = (share * u64::MAX as f64) as u64;
    (share > 0.0 && s.trace as u64 <= most).then_some(Why::Share)
}
