//! Waiting until the model knows: once for the first time, and once more after the change.

use super::say::Say;
use super::wait_for;
use crate::exit::Failure;
use crate::interrupt::Interrupts;
use crate::show::answer;
use crate::wire::system::System;
use base::History;
use control::loops::Stage as Learned;
use control::ports::Windows;
use model::Answer;
use model::demand;
use std::time::{Duration, Instant};

/// The first answer is taken after this much traffic at the earliest.
pub const LEARN: Duration = Duration::from_secs(45);
const AT_MOST: Duration = Duration::from_secs(120);
/// The second one is from the shortest stretch that the model takes; windows close 10 s late.
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);

/// The model's answer, after at least `LEARN` of traffic.
pub fn first(system: &System, interrupts: &Interrupts, say: &mut Say) -> Result<Answer, Failure> {
    let start = Instant::now();
    let mut shown = String::new();
    let found = wait_for(AT_MOST, interrupts, || {
        let view = system.control.diagnose();
        if view.progress != shown {
            say.progress(&view.progress);
            shown.clone_from(&view.progress);
        }
        let ready = start.elapsed() >= LEARN && view.stage == Learned::Ready;
        view.diagnosis.filter(|_| ready)
    })?;
    match found {
        Some(value) => serde_json::from_value((*value).clone())
            .map_err(|e| Failure::new(format!("the diagnosis is not understood: {e}"))),
        None => {
            let (s, progress) = (AT_MOST.as_secs(), system.control.diagnose().progress);
            Err(Failure::new(format!("no answer after {s} s: {progress}")))
        }
    }
}

/// The answer from the windows after this moment alone, and those windows; `Err` inside: what is missing.
pub fn again(
    system: &System,
    interrupts: &Interrupts,
    say: &mut Say,
) -> Result<Result<(Answer, History), String>, Failure> {
    let windows = system.windows();
    let from = windows.index() + 1;
    let mut why = String::new();
    let found = wait_for(AGAIN_AT_MOST, interrupts, || {
        let mut history = windows.history(AGAIN_AT_MOST.as_secs() * 2);
        history.windows.retain(|w| w.index >= from);
        if history.windows.is_empty() {
            say.progress("waiting for the first windows after the change (they close 10 s late)");
            return None;
        }
        match demand::fit(&history, &demand::Options::default()) {
            Ok(fit) => Some((answer::answer(&fit, false), history)),
            Err(e) => {
                why = format!("{} after the change", e.why);
                say.progress(&format!("learning again: {why}"));
                None
            }
        }
    })?;
    Ok(found.ok_or(why))
}
