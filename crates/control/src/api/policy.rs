//! What the error-budget policy holds back, and how it is overridden.

use super::{Answer, Control};
use crate::ledger::Event;
use crate::policy::{Budget, holds_back};
use crate::proposal::Proposal;
use crate::trial::TryOptions;
use base::Finding;

/// Longest reason that is written down, characters.
const MAX_REASON: usize = 500;

impl Control {
    /// Why a proposal has to wait for its error budget; `None`: it need not.
    pub fn held_back(&self, proposal: &Proposal) -> Option<Finding> {
        self.held(proposal).map(|held| held.1)
    }

    fn held(&self, proposal: &Proposal) -> Option<(Budget, Finding)> {
        let budgets = self.shared.budgets.left();
        let base = self.generation().base;
        let (budget, finding) = holds_back(&base, &budgets, proposal)?;
        Some((budget.clone(), finding))
    }

    /// What is to be written down when somebody tries it all the same.
    pub(super) fn within_budget(
        &self,
        proposal: &Proposal,
        options: &TryOptions,
    ) -> Answer<Option<Event>> {
        let Some((budget, finding)) = self.held(proposal) else {
            return Ok(None);
        };
        let said = options.override_reason.as_deref().unwrap_or("");
        let plain = said.chars().filter(|c| !c.is_control());
        let reason: String = plain.take(MAX_REASON).collect();
        match reason.trim() {
            "" => Err(vec![finding]),
            reason => Ok(Some(Event::BudgetOverridden {
                objective: budget.objective,
                left: budget.left,
                reason: reason.to_owned(),
            })),
        }
    }
}
