//! One file per command; this is their list.

mod example;

use crate::cli::{Cli, Command};
use crate::exit::{Exit, Failure};

pub fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Example(args) => example::run(args),
    }
}
