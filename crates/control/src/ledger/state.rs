//! The present, as a fold of the past.

use super::event::{Entry, Event};
use super::prior::Prior;
use crate::Proposal;
use crate::spread::{Gone, REMEMBER as REMEMBER_GONE};
use crate::trial::Outcome;
use config::Overlay;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Finished trials and proposals that are remembered; older ones are only in the ledger.
const REMEMBER: usize = 256;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    pub id: String,
    pub proposal: Proposal,
    pub overlay: Option<String>,
    pub share: Option<f64>,
    pub started_ms: u64,
    pub ended_ms: Option<u64>,
    pub outcome: Option<Outcome>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Version of the ledger that this is the fold of.
    pub version: u64,
    pub generation: u64,
    pub hash: String,
    /// Of the file that was last taken.
    pub file_hash: String,
    /// In the order they were added.
    pub overlays: Vec<Overlay>,
    pub proposals: VecDeque<Proposal>,
    pub trials: VecDeque<TrialRecord>,
    /// How many trials there ever were: the next id.
    pub trial_count: u64,
    pub priors: BTreeMap<String, Prior>,
    /// Overlays that were taken back, the newest last; older ones are only in the ledger.
    #[serde(default)]
    pub gone: VecDeque<Gone>,
}

impl State {
    pub fn overlay(&self, id: &str) -> Option<&Overlay> {
        self.overlays.iter().find(|o| o.id == id)
    }
    pub fn trial(&self, id: &str) -> Option<&TrialRecord> {
        self.trials.iter().find(|t| t.id == id)
    }
    /// Trials without a verdict.
    pub fn open_trials(&self) -> impl Iterator<Item = &TrialRecord> {
        self.trials.iter().filter(|t| t.outcome.is_none())
    }
    pub fn prior_ratios(&self) -> BTreeMap<String, f64> {
        self.priors
            .iter()
            .map(|(k, p)| (k.clone(), p.ratio()))
            .collect()
    }

    pub fn apply(&mut self, entry: &Entry) {
        self.version = entry.version;
        match &entry.event {
            Event::GenerationPublished { number, hash, .. } => {
                self.generation = *number;
                self.hash = hash.clone();
            }
            Event::FileChanged { to, .. } => self.file_hash = to.clone(),
            Event::Rollback { .. }
            | Event::Done { .. }
            | Event::Scaled { .. }
            | Event::BudgetOverridden { .. } => {}
            Event::OverlayAdded { overlay } => self.overlays.push(overlay.clone()),
            Event::OverlayRemoved { id } => {
                let removed = self.overlay(id);
                let gone = removed.map(|o| Gone::new(o, &entry.who, &entry.why, entry.at_ms));
                self.gone.extend(gone);
                while self.gone.len() > REMEMBER_GONE {
                    self.gone.pop_front();
                }
                self.overlays.retain(|o| o.id != *id);
            }
            Event::OverlayDropped { id, .. } | Event::OverlayExpired { id } => {
                self.overlays.retain(|o| o.id != *id);
            }
            Event::OverlayPromoted { id } => {
                if let Some(o) = self.overlays.iter_mut().find(|o| o.id == *id) {
                    o.share = None;
                    o.expires_at = None;
                }
            }
            Event::ProposalMade { proposal } => {
                self.proposals.retain(|p| p.id != proposal.id);
                self.proposals.push_back((**proposal).clone());
                while self.proposals.len() > REMEMBER {
                    self.proposals.pop_front();
                }
            }
            Event::TrialStarted {
                trial,
                proposal,
                overlay,
                share,
            } => {
                self.trial_count += 1;
                self.trials.push_back(TrialRecord {
                    id: trial.clone(),
                    proposal: (**proposal).clone(),
                    overlay: overlay.clone(),
                    share: *share,
                    started_ms: entry.at_ms,
                    ended_ms: None,
                    outcome: None,
                });
                while self.trials.len() > REMEMBER {
                    self.trials.pop_front();
                }
            }
            Event::Verdict { trial, outcome } => {
                let Some(t) = self.trials.iter_mut().find(|t| t.id == *trial) else {
                    return;
                };
                t.ended_ms = Some(entry.at_ms);
                t.outcome = Some(outcome.clone());
                // An effect that could not be seen says nothing about the prediction.
                if let Some(measured) = outcome.measured.filter(|_| outcome.verdict.is_measured()) {
                    self.priors
                        .entry(t.proposal.kind.clone())
                        .or_default()
                        .learn(outcome.predicted.mean, measured.mean);
                }
            }
        }
    }
}
