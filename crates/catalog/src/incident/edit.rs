//! Changes to an incident's file that leave alone what people wrote in it.

use super::{Happened, MAX_ENTRIES, TIMELINE, entry, merge};
use crate::markdown;

/// The file of a new one. `head` are its keys and values in order.
pub fn new(head: &[(&str, &str)], first: &Happened) -> String {
    let mut text = String::from("---\n---\n");
    for (key, value) in head {
        text = set(&text, key, value);
    }
    text.push_str(&format!("\n{TIMELINE}\n\n"));
    add(&text, std::slice::from_ref(first))
}

/// Sets a key of the head.
pub fn set(text: &str, key: &str, value: &str) -> String {
    let plain = value
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-:.".contains(c))
        && value
            .chars()
            .next()
            .is_some_and(|c| c.is_ascii_alphanumeric());
    let value = match plain {
        true => value.to_owned(),
        false => serde_json::Value::from(value).to_string(),
    };
    let line = format!("{key}: {value}\n");
    // A head that does not end is none.
    if markdown::split("", text).body_line == 1 {
        return format!("---\n{line}---\n{text}");
    }
    let (mut out, mut done, mut marks) = (String::new(), false, 0);
    for l in text.split_inclusive('\n') {
        let mark = marks < 2 && l.trim_end() == "---";
        marks += usize::from(mark);
        let inside = marks == 1 && !mark;
        if inside && l.starts_with(&format!("{key}:")) {
            out.push_str(&line);
            done = true;
            continue;
        }
        if mark && marks == 2 && !done {
            out.push_str(&line);
        }
        out.push_str(l);
    }
    out
}

/// Adds entries to the timeline in the order of their times; those that are there already are left out.
pub fn add(text: &str, entries: &[Happened]) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let heading = lines.iter().position(|l| l.trim_end() == TIMELINE);
    let heading = heading.unwrap_or_else(|| {
        lines.extend(["", TIMELINE]);
        lines.len() - 1
    });
    let end = lines[heading + 1..]
        .iter()
        .position(|l| l.starts_with("## "));
    let end = end.map_or(lines.len(), |i| heading + 1 + i);
    let mut all = Vec::new();
    let mut others = Vec::new();
    let mut within = false;
    for line in &lines[heading + 1..end] {
        match entry(line) {
            Some(e) => {
                all.push(e);
                within = false;
            }
            // What people wrote beside the entries stays, below them.
            None if !line.trim().is_empty() || within => {
                others.push(*line);
                within = true;
            }
            None => {}
        }
    }
    let more = entries.iter().map(|e| Happened {
        at: e.at,
        text: one_line(&e.text),
    });
    merge(&mut all, more);
    let mut out = lines[..=heading].join("\n") + "\n\n";
    for e in all.iter().take(MAX_ENTRIES) {
        out.push_str(&format!("- {} {}\n", e.at, e.text));
    }
    if !others.is_empty() {
        out.push_str(&format!("\n{}\n", others.join("\n").trim_end()));
    }
    if end < lines.len() {
        out.push_str(&format!("\n{}\n", lines[end..].join("\n")));
    }
    out
}

/// Words with a blank between them, and nothing that would steer a terminal.
fn one_line(text: &str) -> String {
    let plain = text.replace(|c: char| c.is_control() && !c.is_whitespace(), "");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}
