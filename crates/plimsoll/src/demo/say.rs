//! What the demo says while it runs: a live view on a terminal, lines elsewhere, or one JSON object per line.

use super::picture::Stage;
use super::report::{Outcome, measured};
use super::screen::{Meter, Screen};
use crate::interrupt::Interrupts;
use control::proposal::{Effect, Proposal};
use model::Answer;
use prove::Limit;
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between two lines about the same wait, for people who read lines.
const QUIET: Duration = Duration::from_secs(10);

enum Out {
    Json,
    Lines { waited: Option<Instant> },
    Live { screen: Screen, lines: Vec<String> },
}

/// Speaks while the demo runs.
pub struct Say {
    out: Out,
    start: Instant,
    /// The last progress, so that it is said once.
    last: String,
}

impl Say {
    /// The live view only where somebody looks at both ends of it.
    pub fn new(json: bool, interrupts: &Interrupts) -> std::io::Result<Say> {
        let start = Instant::now();
        let seen = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
        let out = match (json, seen) {
            (true, _) => Out::Json,
            (false, false) => Out::Lines { waited: None },
            (false, true) => Out::Live {
                screen: Screen::open(start, interrupts.clone())?,
                lines: Vec::new(),
            },
        };
        Ok(Say {
            out,
            start,
            last: String::new(),
        })
    }

    fn at(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Something that stays to be read.
    fn line(&mut self, event: &str, text: &str, value: Value) {
        let at = self.at();
        let line = format!("{at:6.1} s  {text}");
        match &mut self.out {
            Out::Json => {
                let at_s = (at * 10.0).round() / 10.0;
                println!(
                    "{}",
                    json!({ "at_s": at_s, "event": event, "value": value })
                );
            }
            Out::Lines { waited } => {
                *waited = None;
                println!("{line}");
            }
            Out::Live { screen, lines } => {
                screen.picture().log(&line);
                lines.push(line);
            }
        }
    }

    /// Where the live view gets its numbers.
    pub fn measure(&self, meter: Meter) {
        if let Out::Live { screen, .. } = &self.out {
            screen.measure(meter);
        }
    }

    pub fn step(&mut self, stage: Stage, text: &str) {
        let at = self.at();
        if let Out::Live { screen, .. } = &self.out {
            screen.picture().enter(stage, at);
        }
        self.line("step", text, json!(text));
    }

    pub fn note(&mut self, text: &str) {
        self.line("note", &format!("  {text}"), json!(text));
    }

    /// How a wait goes, when that is news: in place where that is possible, else a line now and then.
    pub fn progress(&mut self, text: &str) {
        if text.is_empty() || self.last == text {
            return;
        }
        self.last = text.to_owned();
        if matches!(self.out, Out::Json) {
            return self.line("progress", text, json!(text));
        }
        let at = self.at();
        match &mut self.out {
            Out::Lines { waited } if waited.is_none_or(|w| w.elapsed() >= QUIET) => {
                println!("{at:6.1} s    {text}");
                *waited = Some(Instant::now());
            }
            Out::Live { screen, .. } => screen.picture().doing = text.to_owned(),
            _ => {}
        }
    }

    pub fn diagnosis(&mut self, answer: &Answer) {
        let d = &answer.diagnosis;
        if let (Out::Live { screen, .. }, Some(c)) = (&self.out, &d.constraint) {
            let row = d.resources.iter().find(|r| r.resource == c.resource);
            let mut p = screen.picture();
            p.constraint = Some((c.resource.clone(), row.map_or(0.0, |r| r.utilisation)));
            p.line = answer.line.as_ref().map(|l| l.line);
        }
        let mut text = format!("diagnosis: {}", d.summary);
        if let Some(l) = &answer.line {
            text.push_str(&format!(
                "\n          load line {:.0} requests/s (safe {:.0}), {:.1} times the current {:.0}",
                l.line, l.safe, l.headroom, l.current
            ));
        }
        self.line("diagnosis", &text, json!(answer));
    }

    pub fn proposals(&mut self, all: &[Proposal]) {
        let lines: Vec<String> = all
            .iter()
            .take(4)
            .enumerate()
            .map(|(i, p)| {
                let line = p.line.map_or(String::new(), |l| format!(", line {l:.0}/s"));
                let effect = match p.measures.starts_with("demand") {
                    true => percent(&p.predicted),
                    false => gain(&p.predicted),
                };
                let (n, title, size, what) = (i + 1, &p.title, p.size, &p.measures);
                format!("{n}. {title} (size {size}{line}): {what} {effect}")
            })
            .collect();
        self.line(
            "proposals",
            &format!("proposals:\n          {}", lines.join("\n          ")),
            json!(all),
        );
    }

    /// What the trial has shown so far.
    pub fn trial(&mut self, title: &str, evidence: &str) {
        match &self.out {
            Out::Live { screen, .. } => {
                screen.picture().trial = Some((title.to_owned(), evidence.to_owned()));
            }
            _ => self.progress(evidence),
        }
    }

    pub fn limit(&mut self, after: bool, limit: &Limit) {
        if let Out::Live { screen, .. } = &self.out {
            screen.picture().measured[usize::from(after)] = limit.line_rps;
        }
        let when = if after { "after" } else { "before" };
        let text = format!("  {when}: {} ({})", measured(limit), limit.method);
        self.line("limit", &text, json!({ "when": when, "limit": limit }));
    }

    /// The end: the terminal is given back, and what was said stays on it.
    pub fn table(mut self, o: &Outcome) {
        if matches!(self.out, Out::Json) {
            self.line("outcome", "", o.json());
            return;
        }
        drop(self);
        print!("{}", o.text());
    }
}

impl Drop for Say {
    fn drop(&mut self) {
        let out = std::mem::replace(&mut self.out, Out::Json);
        if let Out::Live { screen, lines } = out {
            drop(screen);
            lines.iter().for_each(|l| println!("{l}"));
        }
    }
}

/// A demand that falls.
fn percent(e: &Effect) -> String {
    format!(
        "{:+.0} % [{:+.0}, {:+.0}]",
        -e.mean * 100.0,
        -e.high * 100.0,
        -e.low * 100.0
    )
}

/// A line that rises.
fn gain(e: &Effect) -> String {
    format!(
        "x{:.1} [{:.1}, {:.1}]",
        1.0 + e.mean,
        1.0 + e.low,
        1.0 + e.high
    )
}
