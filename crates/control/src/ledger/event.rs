//! What is written down: one event per thing that happened, with who, why and when.

use crate::Proposal;
use crate::trial::Outcome;
use base::Finding;
use config::Overlay;
use serde::{Deserialize, Serialize};

/// Never change the meaning of a kind; add a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    GenerationPublished {
        number: u64,
        hash: String,
        /// Ids of the overlays in it.
        overlays: Vec<String>,
    },
    /// The file has new content that was taken.
    FileChanged {
        from: String,
        to: String,
    },
    OverlayAdded {
        overlay: Overlay,
    },
    /// By a person, a verdict or a restart.
    OverlayRemoved {
        id: String,
    },
    /// The file changed underneath it: the file wins.
    OverlayDropped {
        id: String,
        finding: Finding,
    },
    OverlayExpired {
        id: String,
    },
    /// A canary becomes a change for everyone.
    OverlayPromoted {
        id: String,
    },
    ProposalMade {
        proposal: Box<Proposal>,
    },
    TrialStarted {
        trial: String,
        proposal: Box<Proposal>,
        /// Its overlay; `None` when the change is not a patch.
        overlay: Option<String>,
        /// Share of users on the canary; `None`: measured before and after.
        share: Option<f64>,
    },
    /// A trial was begun although an error budget was to hold it back.
    BudgetOverridden {
        objective: String,
        /// Of its budget; negative when overdrawn.
        left: f64,
        reason: String,
    },
    Verdict {
        trial: String,
        outcome: Outcome,
    },
    Rollback {
        overlay: String,
    },
    /// Something that changes no generation was done by a person, such as a purge.
    Done {
        what: String,
    },
    /// How many instances beyond the file a service should have. What holds is in the lane; this is for people.
    Scaled {
        service: String,
        from: u32,
        extra: u32,
    },
}

impl Event {
    /// The kind as stored.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::GenerationPublished { .. } => "generation-published",
            Event::FileChanged { .. } => "file-changed",
            Event::OverlayAdded { .. } => "overlay-added",
            Event::OverlayRemoved { .. } => "overlay-removed",
            Event::OverlayDropped { .. } => "overlay-dropped",
            Event::OverlayExpired { .. } => "overlay-expired",
            Event::OverlayPromoted { .. } => "overlay-promoted",
            Event::ProposalMade { .. } => "proposal-made",
            Event::TrialStarted { .. } => "trial-started",
            Event::BudgetOverridden { .. } => "budget-overridden",
            Event::Verdict { .. } => "verdict",
            Event::Rollback { .. } => "rollback",
            Event::Done { .. } => "done",
            Event::Scaled { .. } => "scaled",
        }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        match self {
            Event::GenerationPublished {
                number, overlays, ..
            } if overlays.is_empty() => {
                format!("generation {number}: the file alone")
            }
            Event::GenerationPublished {
                number, overlays, ..
            } => format!("generation {number}: the file with {}", overlays.join(", ")),
            Event::FileChanged { .. } => "the file changed".into(),
            Event::OverlayAdded { overlay } => match overlay.share {
                Some(share) => format!(
                    "overlay {} added for {:.0} % of users",
                    overlay.id,
                    share * 100.0
                ),
                None => format!("overlay {} added", overlay.id),
            },
            Event::OverlayRemoved { id } => format!("overlay {id} removed"),
            Event::OverlayDropped { id, finding } => {
                format!("overlay {id} dropped: {}", finding.what)
            }
            Event::OverlayExpired { id } => format!("overlay {id} expired"),
            Event::OverlayPromoted { id } => format!("overlay {id} now applies to everyone"),
            Event::ProposalMade { proposal } => format!("proposed: {}", proposal.title),
            Event::TrialStarted {
                trial, proposal, ..
            } => {
                format!("trial {trial} of `{}` started", proposal.title)
            }
            Event::BudgetOverridden {
                objective,
                left,
                reason,
            } => {
                let left = base::number::percent(*left);
                format!("error budget of {objective} ({left} left) overridden: {reason}")
            }
            Event::Verdict { trial, outcome } => format!("trial {trial}: {outcome}"),
            Event::Rollback { overlay } => format!("rolled back {overlay}"),
            Event::Done { what } => what.clone(),
            Event::Scaled {
                service,
                from,
                extra,
            } => {
                format!("{service}: {extra} instances beyond the file, was {from}")
            }
        }
    }
}

/// An event with who, why and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the ledger, from 1.
    pub version: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    pub who: String,
    pub why: String,
    pub event: Event,
}

/// What the store keeps of an event; place, time and kind are the store's.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    pub who: String,
    pub why: String,
    pub event: Event,
}
