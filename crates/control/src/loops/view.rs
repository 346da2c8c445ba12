//! What the loops have learned, as one immutable snapshot for whoever asks.

use crate::ports::{Counsel, Learning};
use base::Learned;
use model::Fit;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub enum Stage {
    /// No window has been seen.
    #[default]
    Waiting,
    Learning(Learning),
    /// There is an answer from the bounds; the simulated one follows.
    Provisional,
    Ready,
}

impl Stage {
    /// For people: `learning, 32 of 60 s`.
    pub fn text(&self) -> String {
        match self {
            Stage::Waiting => "waiting for traffic".into(),
            Stage::Learning(l) => {
                let why = if l.why.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", l.why)
                };
                format!("learning, {:.0} of {:.0} s{why}", l.have_s, l.need_s)
            }
            Stage::Provisional => "provisional: the load line is being simulated".into(),
            Stage::Ready => "ready".into(),
        }
    }
}

/// A fit that was simulated, in which generation, when (milliseconds since the Unix epoch), and for how many seconds of a processor.
#[derive(Clone, Debug)]
pub struct Simulated {
    pub fit: Arc<Fit>,
    pub generation: u64,
    pub at_ms: u64,
    pub cpu_s: f64,
}

#[derive(Clone, Debug, Default)]
pub struct View {
    pub stage: Stage,
    /// Counts what `diagnosis` and `counsel` have said: pages are drawn anew when it changes.
    pub answers: u64,
    pub fit: Option<Arc<Fit>>,
    /// What the gates were told.
    pub protections: Arc<Learned>,
    /// Constraint, load line, headroom, matrix: as the model says it.
    pub diagnosis: Option<Arc<Value>>,
    pub counsel: Arc<Counsel>,
    /// What `diagnosis` and `counsel` were simulated for; `None`: not simulated yet.
    pub simulated: Option<Simulated>,
    /// When the fit was made, milliseconds since the Unix epoch.
    pub at_ms: u64,
}
