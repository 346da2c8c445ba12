//! Exit statuses and the errors that commands end with.

use std::fmt;
use std::process::ExitCode;

/// What the exit status means; the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, and what was asked for holds.
    Ok,
    /// The command could not do its work.
    Failed,
    /// Done, but what was asked for does not hold: findings, thresholds missed, no gain.
    Not,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Not => 3,
        })
    }
}

/// Why a command could not do its work: what went wrong, and what to do.
#[derive(Debug)]
pub struct Failure {
    pub what: String,
    pub help: String,
}

impl Failure {
    pub fn new(what: impl Into<String>) -> Failure {
        Failure {
            what: what.into(),
            help: String::new(),
        }
    }
    pub fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = help.into();
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Failure {
        Failure::new(e.to_string())
    }
}
