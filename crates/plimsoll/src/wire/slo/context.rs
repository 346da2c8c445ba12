//! What else is known when an alert fires: what holds the system down, and what was changed last.

use ::slo::alert::Context;
use control::Control;
use control::ledger::Event;

/// Entries of the ledger that are looked at for a change.
const LOOK: usize = 20;

/// Control may be gone: then the alert goes without.
pub fn of(control: Option<&Control>) -> Context {
    let Some(control) = control else {
        return Context::default();
    };
    let diagnosis = control.diagnose().diagnosis;
    let cause = diagnosis.and_then(|d| {
        // With the line beside it once that has been simulated.
        let of = d.get("diagnosis").unwrap_or(&d);
        of.get("constraint").filter(|c| !c.is_null())?;
        Some(of.get("summary")?.as_str()?.to_owned())
    });
    let lines = control.history(LOOK).unwrap_or_default();
    let change = lines.into_iter().find(|l| {
        // A generation is what follows from a change, and a proposal is none.
        !matches!(
            l.entry.event,
            Event::GenerationPublished { .. } | Event::ProposalMade { .. }
        )
    });
    Context {
        cause,
        change: change.map(|l| format!("{}, {} ({})", l.text, l.time, l.entry.who)),
    }
}
