//! `plimsoll incident`: its life as a file, its timeline from the ledger and from people, the draft of its postmortem.

mod around;
mod draft;
mod file;
mod open;
mod show;
mod step;

pub use file::{append, find};

use crate::cli::catalog::IncidentAsk;
use crate::exit::{Exit, Failure};
use catalog::incident::{Stage, second};
use jiff::Timestamp;

pub fn run(ask: IncidentAsk) -> Result<Exit, Failure> {
    match ask {
        IncidentAsk::Open(args) => open::run(&args),
        IncidentAsk::Ack(args) => step::run(&args, Stage::Acknowledged),
        IncidentAsk::Mitigate(args) => step::run(&args, Stage::Mitigated),
        IncidentAsk::Resolve(args) => step::run(&args, Stage::Resolved),
        IncidentAsk::Note(args) => step::note(&args),
        IncidentAsk::Show(args) => show::one(&args),
        IncidentAsk::List(args) => show::list(&args),
        IncidentAsk::Draft(args) => draft::run(&args),
    }
}

fn now() -> Timestamp {
    second(Timestamp::now())
}
