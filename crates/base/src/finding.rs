//! What is wrong, where, why, and what to do: the shape of everything Plimsoll tells a person about their input.

use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    Note,
}

/// A place in a file; line and column start at 1, 0 when the whole file is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Spot {
    pub file: String,
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}", self.file),
            (l, 0) => write!(f, "{}:{l}", self.file),
            (l, c) => write!(f, "{}:{l}:{c}", self.file),
        }
    }
}

/// One thing to tell. `code` is stable and documented, such as `config-unknown-key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub severity: Severity,
    pub code: String,
    pub spot: Option<Spot>,
    pub what: String,
    /// Why it matters; may be empty.
    pub why: String,
    /// What to do; may be empty.
    pub help: String,
}

impl Finding {
    pub fn error(code: &str, what: impl Into<String>) -> Finding {
        Finding::new(Severity::Error, code, what)
    }
    pub fn warning(code: &str, what: impl Into<String>) -> Finding {
        Finding::new(Severity::Warning, code, what)
    }
    pub fn note(code: &str, what: impl Into<String>) -> Finding {
        Finding::new(Severity::Note, code, what)
    }
    fn new(severity: Severity, code: &str, what: impl Into<String>) -> Finding {
        Finding {
            severity,
            code: code.into(),
            spot: None,
            what: what.into(),
            why: String::new(),
            help: String::new(),
        }
    }
    pub fn at(mut self, file: impl Into<String>, line: u32, column: u32) -> Finding {
        self.spot = Some(Spot {
            file: file.into(),
            line,
            column,
        });
        self
    }
    pub fn why(mut self, why: impl Into<String>) -> Finding {
        self.why = why.into();
        self
    }
    pub fn help(mut self, help: impl Into<String>) -> Finding {
        self.help = help.into();
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        if let Some(spot) = &self.spot {
            write!(f, "{spot}: ")?;
        }
        write!(f, "{severity}[{}]: {}", self.code, self.what)?;
        if !self.why.is_empty() {
            write!(f, "\n    why:  {}", self.why)?;
        }
        if !self.help.is_empty() {
            write!(f, "\n    help: {}", self.help)?;
        }
        Ok(())
    }
}
