//! What control says and does about overlays that several nodes have together.

use super::decide::{Heard, Own, Refused, Step, at, decide};
use super::{FORMAT, Word, parts, unfit};
use crate::api::{Answer, Control};
use crate::generations::By;

/// Of a node, in what is refused, when it is the one that asks.
const HERE: &str = "here";

/// What this node says.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Of the ledger it was made of: as long as that is the same, so is the word.
    pub version: u64,
    pub word: Word,
    /// What stays here, and why.
    pub kept: Vec<Refused>,
}

impl Control {
    /// Of the ledger: it goes up with each change, also of the file.
    pub fn version(&self) -> u64 {
        self.shared().ledger.state().version
    }

    /// What other nodes are to hear of this one.
    ///
    /// # Errors
    /// When the file in service no longer composes.
    pub fn said(&self) -> Answer<Said> {
        let shared = self.shared();
        let state = shared.ledger.state();
        let file = shared.generations.file()?;
        let (mut overlays, mut kept) = (Vec::new(), Vec::new());
        for o in &state.overlays {
            match unfit(o) {
                None => overlays.push(serde_json::to_value(o).unwrap_or_default()),
                Some(why) => kept.push(Refused {
                    node: HERE.into(),
                    overlays: vec![o.id.clone()],
                    why: why.into(),
                }),
            }
        }
        let word = Word {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            file: parts(&file),
            overlays,
            gone: state.gone.iter().cloned().collect(),
        };
        Ok(Said {
            version: state.version,
            word,
            kept,
        })
    }

    /// Does what follows from what others say; tells what of it is not in service here.
    pub fn hear(&self, own: &Word, heard: &[Heard], now_ms: u64) -> Vec<Refused> {
        let state = self.shared().ledger.state();
        let gone: Vec<_> = state.gone.iter().cloned().collect();
        let own = Own {
            word: own,
            overlays: &state.overlays,
            gone: &gone,
        };
        let (steps, mut refused) = decide(own, heard, now_ms / 1000);
        let any = !steps.is_empty();
        refused.extend(steps.into_iter().filter_map(|s| self.carry_out(s, now_ms)));
        if any {
            // A trial whose change was taken back here ends at once.
            self.wake("trial");
        }
        refused
    }

    /// Why it could not be done, if so.
    fn carry_out(&self, step: Step, now_ms: u64) -> Option<Refused> {
        let generations = &self.shared().generations;
        let (id, node, done) = match step {
            Step::Remove { id, who, why } => {
                let done = generations.rollback(&id, &By::new(who, why, now_ms));
                (id, HERE.to_owned(), done)
            }
            Step::Take { overlay, node } => {
                let by = By::new(at(&overlay.owner, &node), &overlay.reason, now_ms);
                (overlay.id.clone(), node, generations.take(overlay, &by))
            }
            Step::Promote { id, node } => {
                let by = By::new(at("plimsoll", &node), "it is for everyone there", now_ms);
                let done = generations.promote(&id, &by);
                (id, node, done)
            }
        };
        let findings = done.err()?;
        let why: Vec<_> = findings.iter().map(|f| f.what.as_str()).collect();
        Some(Refused {
            node,
            overlays: vec![id],
            why: why.join("; "),
        })
    }
}
