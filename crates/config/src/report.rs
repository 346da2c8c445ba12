//! Findings for people: each with its line of the source and a caret.

use crate::document::Document;
use crate::secret::mask;
use base::{Finding, Severity};
use std::collections::HashMap;
use std::fmt::Write;

/// All findings as text; with terminal colours when `colour`.
pub fn render(findings: &[Finding], document: &Document, colour: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let lines: HashMap<&str, Vec<&str>> = document
        .sources
        .iter()
        .map(|(name, text)| (&**name, text.lines().collect()))
        .collect();
    let mut out = String::new();
    for f in findings {
        let (word, tint) = match f.severity {
            Severity::Error => ("error", "31;1"),
            Severity::Warning => ("warning", "33;1"),
            Severity::Note => ("note", "36;1"),
        };
        let _ = writeln!(
            out,
            "{}[{}]: {}",
            paint(tint, word),
            f.code,
            paint("1", &f.what)
        );
        if let Some(spot) = &f.spot {
            let _ = writeln!(out, "  --> {spot}");
            let line = spot
                .line
                .checked_sub(1)
                .and_then(|n| lines.get(spot.file.as_str())?.get(n as usize));
            if let Some(line) = line {
                let shown: String = mask(line)
                    .chars()
                    .take(160)
                    .map(|c| if c == '\t' { ' ' } else { c })
                    .collect();
                let number = spot.line.to_string();
                let pad = " ".repeat(number.len());
                let caret = " ".repeat(spot.column.saturating_sub(1).min(160) as usize);
                let _ = writeln!(
                    out,
                    "{number} | {shown}\n{pad} | {caret}{}",
                    paint(tint, "^")
                );
            }
        }
        for (label, text) in [("why", &f.why), ("help", &f.help)] {
            if !text.is_empty() {
                let _ = writeln!(out, "  {label}: {text}");
            }
        }
        out.push('\n');
    }
    let count = |s: Severity| findings.iter().filter(|f| f.severity == s).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors + warnings > 0 {
        let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        let _ = writeln!(
            out,
            "{}, {}",
            plural(errors, "error"),
            plural(warnings, "warning")
        );
    }
    out
}
