//! What the demo says: lines for people, or one JSON object per line.

use crate::show::answer::Answer;
use crate::terminal;
use base::units::Secs;
use control::proposal::{Effect, Proposal};
use prove::Limit;
use serde_json::{Value, json};
use std::time::Instant;

/// Speaks while the demo runs.
pub struct Say {
    json: bool,
    start: Instant,
}

impl Say {
    pub fn new(json: bool) -> Say {
        Say {
            json,
            start: Instant::now(),
        }
    }

    fn line(&self, event: &str, text: &str, value: Value) {
        let at = self.start.elapsed().as_secs_f64();
        if self.json {
            println!(
                "{}",
                json!({ "at_s": (at * 10.0).round() / 10.0, "event": event, "value": value })
            );
        } else {
            println!("{at:6.1} s  {text}");
        }
    }

    pub fn step(&self, text: &str) {
        self.line("step", text, json!(text));
    }

    pub fn progress(&self, text: &str) {
        self.line("progress", &format!("  {text}"), json!(text));
    }

    pub fn diagnosis(&self, answer: &Answer) {
        let d = &answer.diagnosis;
        let mut text = format!("diagnosis: {}", d.summary);
        if let Some(l) = &answer.line {
            text.push_str(&format!(
                "\n          load line {:.0} requests/s (safe {:.0}), {:.1} times the current {:.0}",
                l.line, l.safe, l.headroom, l.current
            ));
        }
        self.line("diagnosis", &text, json!(answer));
    }

    pub fn proposals(&self, all: &[Proposal]) {
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

    pub fn limit(&self, when: &str, limit: &Limit) {
        let text = match limit.line_rps {
            Some(l) => format!("  {when}: {l:.0} requests/s ({})", limit.method),
            None => format!("  {when}: no rate met the objectives ({})", limit.method),
        };
        self.line("limit", &text, json!({ "when": when, "limit": limit }));
    }

    pub fn table(&self, o: &Outcome) {
        if self.json {
            self.line("outcome", "", o.json());
            return;
        }
        println!("\n{}", o.table());
        println!("{}\n{}", o.trial, o.trial.evidence);
        println!("{}", o.sentence());
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

/// Everything that the last table compares.
pub struct Outcome {
    pub answer: Answer,
    pub proposal: Proposal,
    pub trial: control::trial::Outcome,
    pub before: Limit,
    pub after: Limit,
    pub bad_change: bool,
}

/// A gain counts when it is clearly above what a quick ramp can be wrong by.
const GAIN: f64 = 1.15;

impl Outcome {
    fn gain(&self) -> Option<f64> {
        Some(self.after.line_rps? / self.before.line_rps?)
    }

    /// Whether the demo showed what it promises: a measured gain, or with a bad change that it was rolled back.
    pub fn holds(&self) -> bool {
        if self.bad_change {
            return !self.trial.verdict.is_kept();
        }
        self.trial.verdict.is_kept() && self.gain().is_some_and(|g| g >= GAIN)
    }

    fn sentence(&self) -> String {
        match (self.holds(), self.bad_change) {
            (true, true) => "The change did not help and was rolled back.".into(),
            (false, true) => "The change should have been rolled back and was not.".into(),
            (true, false) => format!(
                "The line is {:.1} times as high.",
                self.gain().unwrap_or(0.0)
            ),
            (false, false) => "The gain is not there.".into(),
        }
    }

    fn json(&self) -> Value {
        json!({
            "holds": self.holds(),
            "gain": self.gain(),
            "proposal": self.proposal,
            "trial": self.trial,
            "before": self.before,
            "after": self.after,
        })
    }

    fn table(&self) -> String {
        let dash = || "—".to_owned();
        let rps = |v: Option<f64>| v.map_or_else(dash, |v| format!("{v:.0}/s"));
        let line = self.answer.line.as_ref();
        let constraint = self
            .answer
            .diagnosis
            .constraint
            .as_ref()
            .map_or_else(dash, |c| c.resource.clone());
        let mut t = terminal::table(&["", "before", "after"]);
        t.add_row(["constraint".to_owned(), constraint, dash()]);
        t.add_row([
            "load line predicted".into(),
            rps(line.map(|l| l.line)),
            rps(self.proposal.line),
        ]);
        t.add_row([
            "load line measured".into(),
            rps(self.before.line_rps),
            rps(self.after.line_rps),
        ]);
        t.add_row([
            "p99 now".into(),
            line.and_then(|l| l.p99_now)
                .map_or_else(dash, |s| Secs(s).to_string()),
            dash(),
        ]);
        t.to_string()
    }
}
