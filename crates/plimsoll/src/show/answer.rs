//! Where an answer to `diagnose` comes from: a fit, a history, or a running Plimsoll.

use base::History;
use model::demand;
use model::diagnose::not_yet;
use model::loadline;
use model::{Answer, Fit};
use serde::Deserialize;

/// The answer for a fit; `provisional`: from the bound alone, at once, else by the simulation within its budget.
pub fn answer(fit: &Fit, provisional: bool) -> Answer {
    let options = loadline::Options::default();
    let line = if provisional {
        loadline::provisional(fit, &options)
    } else {
        loadline::loadline(fit, &options)
    };
    Answer::with(fit, line)
}

/// The answer for a history, and the fit behind it when there is enough for one.
pub fn of_history(history: &History, learn: &demand::Options) -> (Answer, Option<Fit>) {
    match demand::fit(history, learn) {
        Ok(fit) => (answer(&fit, false), Some(fit)),
        Err(e) => {
            let diagnosis = not_yet(&e);
            (
                Answer {
                    diagnosis,
                    line: None,
                    costs: None,
                },
                None,
            )
        }
    }
}

/// The answer in what `/api/v1/diagnosis` says; `None` while it learns for the first time.
pub fn of_live(said: &serde_json::Value) -> Result<Option<Answer>, crate::exit::Failure> {
    let found = &said["diagnosis"];
    if found.is_null() {
        return Ok(None);
    }
    Answer::deserialize(found).map(Some).map_err(|e| {
        crate::exit::Failure::new(format!("its diagnosis is not understood: {e}"))
            .help("use the same version of plimsoll as the one that runs")
    })
}
