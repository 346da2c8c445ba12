//! One file per command; this is their list.

mod check;
mod diff;
mod example;
mod history;
mod rollback;
mod schema;
mod status;

use crate::cli::{Cli, Command};
use crate::exit::{Exit, Failure};

pub fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Check(args) => check::run(args),
        Command::Status(args) => status::run(args),
        Command::History(args) => history::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Rollback(args) => rollback::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Example(args) => example::run(args),
    }
}
