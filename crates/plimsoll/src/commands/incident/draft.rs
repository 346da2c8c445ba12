//! `plimsoll incident draft`: its postmortem, with roles in place of names.

use super::around::happened;
use super::{file, now};
use crate::cli::catalog::StepArgs;
use crate::commands::catalog::load;
use crate::exit::{Exit, Failure};
use crate::terminal;
use catalog::incident::draft;

pub fn run(args: &StepArgs) -> Result<Exit, Failure> {
    let loaded = load(&args.place)?;
    let c = &loaded.catalog;
    let mut i = match args.id.as_deref() {
        Some(id) => file::find(c, Some(id))?.clone(),
        // What is written about last is mostly over.
        None => c.newest().first().copied().cloned().ok_or_else(|| {
            Failure::new("no incident is written down")
                .help("`plimsoll incident open TITLE` begins one")
        })?,
    };
    let more = happened(&args.place.ask, &i, i.resolved.unwrap_or_else(now));
    i.learn(more.found);
    print!("{}", draft(&i, &c.roles(&i, Some(terminal::who()))));
    for why in more.without {
        eprintln!("its timeline is without {why}");
    }
    Ok(Exit::Ok)
}
