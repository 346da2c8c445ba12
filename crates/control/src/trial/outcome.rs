//! How a trial ended, with what was predicted and what was measured.

use crate::proposal::Effect;
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Kept,
    /// No harm, effect not visible at this load; looked at again as traffic nears the line.
    KeptUnproven,
    /// Rolled back: it hurt.
    Harm,
    /// Rolled back: it does not help.
    NoEffect,
    /// Rolled back: it could not be applied.
    Failed,
    /// Someone took it away during the trial.
    Withdrawn,
    /// Plimsoll restarted during the trial; the canary was removed.
    Interrupted,
}

impl Verdict {
    pub fn is_kept(self) -> bool {
        matches!(self, Verdict::Kept | Verdict::KeptUnproven)
    }
    /// Whether the measured effect is worth learning from.
    pub fn is_measured(self) -> bool {
        matches!(self, Verdict::Kept | Verdict::NoEffect)
    }
    pub fn label(self) -> &'static str {
        match self {
            Verdict::Kept => "kept",
            Verdict::KeptUnproven => "kept, unproven",
            Verdict::Harm => "rolled back: it hurt",
            Verdict::NoEffect => "rolled back: it does not help",
            Verdict::Failed => "rolled back: it could not be applied",
            Verdict::Withdrawn => "withdrawn",
            Verdict::Interrupted => "interrupted",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub verdict: Verdict,
    pub why: String,
    pub predicted: Effect,
    pub measured: Option<Effect>,
    pub evidence: String,
    pub took_s: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.verdict.label(), self.why)?;
        let percent = |e: &Effect| {
            let (mean, low, high) = (e.mean * 100.0, e.low * 100.0, e.high * 100.0);
            format!("{mean:+.0} % ({low:+.0} to {high:+.0})")
        };
        write!(f, "; predicted {}", percent(&self.predicted))?;
        match &self.measured {
            Some(m) => write!(f, ", measured {}", percent(m)),
            None => write!(f, ", not measured"),
        }
    }
}
