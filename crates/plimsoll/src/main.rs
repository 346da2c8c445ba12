//! The plimsoll binary: reads the command line, runs one command, says how it ended.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod ask;
mod cli;
mod commands;
mod demo;
mod exit;
mod heap;
mod host;
mod interrupt;
mod planted;
mod show;
mod terminal;
mod upgrade;
mod wire;

use clap::Parser;

fn main() -> std::process::ExitCode {
    heap::bound();
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("plimsoll: {failure}");
            exit::Exit::Failed.into()
        }
    }
}
