//! `plimsoll slo`: objectives as they stand, as files of others, and from them.

mod export;
mod import;
mod show;

use crate::cli::slo::{SloArgs, SloCommand};
use crate::exit::{Exit, Failure};
use crate::wire::system::failure;
use config::{Checked, Config};
use std::path::Path;

pub fn run(args: SloArgs) -> Result<Exit, Failure> {
    match args.command {
        None => show::run(args.ask),
        Some(SloCommand::Export(args)) => export::run(args),
        Some(SloCommand::Import(args)) => import::run(args),
    }
}

/// A config that is good, with its text.
fn good(path: &Path) -> Result<(Config, Checked), Failure> {
    let mut checked = config::check(path);
    match checked.config.take() {
        Some(config) => Ok((config, checked)),
        None => Err(failure(&checked.findings)),
    }
}
