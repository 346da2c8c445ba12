//! What the terminal is: colours only for people who look at them.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Standard output is a terminal and NO_COLOR is not set.
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Who asks for a change, for the ledger.
pub fn who() -> String {
    std::env::var("USER").unwrap_or_else(|_| "someone".into())
}

/// A table with these headings; it fits the terminal's width.
pub fn table(headings: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_header(headings.iter().copied());
    table
}

/// A JSON list of names in words.
pub fn list(names: &serde_json::Value) -> String {
    let all: Vec<&str> = names.as_array().map_or(Vec::new(), |a| {
        a.iter().filter_map(|n| n.as_str()).collect()
    });
    if all.is_empty() {
        "none".into()
    } else {
        all.join(", ")
    }
}

/// What commands that go on say on the way, to stderr.
pub fn log() {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("PLIMSOLL_LOG")
                .unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// Width for pages of text: the terminal's, else a common one.
pub fn width() -> u16 {
    comfy_table::Table::new()
        .width()
        .unwrap_or(crate::show::page::WIDTH)
}

/// Between two lines of a `Ticker` that nobody watches.
const TICK: Duration = Duration::from_secs(10);

/// How it goes, on standard error: one line rewritten in place on a terminal, else one line in ten seconds.
pub struct Ticker {
    on: bool,
    in_place: bool,
    said: Option<Instant>,
}

impl Ticker {
    pub fn new(on: bool) -> Ticker {
        Ticker {
            on,
            in_place: std::io::stderr().is_terminal(),
            said: None,
        }
    }

    pub fn say(&mut self, text: &str) {
        if !self.on {
            return;
        }
        let mut err = std::io::stderr();
        // A closed standard error is no reason to stop.
        if self.in_place {
            let shown: String = text
                .chars()
                .take(usize::from(width()).saturating_sub(1))
                .collect();
            let _ = write!(err, "\r\x1b[2K{shown}").and_then(|()| err.flush());
            self.said = Some(Instant::now());
        } else if self.said.is_none_or(|t| t.elapsed() >= TICK) {
            let _ = writeln!(err, "{text}");
            self.said = Some(Instant::now());
        }
    }

    /// Takes the line away, before something lasting is printed.
    pub fn clear(&mut self) {
        if self.on && self.in_place && self.said.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.clear();
    }
}
