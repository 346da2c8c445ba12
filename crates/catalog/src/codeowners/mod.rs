//! CODEOWNERS as GitHub reads it, and GitLab's sections. The last line that matches holds; with sections, the last of
//! each section.

mod pattern;

#[cfg(test)]
mod tests;

pub use pattern::Pattern;

use crate::fields::Named;
use base::{Finding, Spot};

/// Where it is looked for, in this order; the first one counts.
pub const PLACES: &[&str] = &[".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];
/// Most lines with a pattern.
const MAX_LINES: usize = 20_000;

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub text: String,
    pattern: Pattern,
    pub owners: Vec<Named>,
    /// Number of its section; 0 before the first.
    section: usize,
    pub spot: Spot,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct CodeOwners {
    pub file: String,
    pub lines: Vec<Line>,
    /// Names of GitLab's sections, in lower case.
    sections: Vec<String>,
}

impl CodeOwners {
    pub fn has_sections(&self) -> bool {
        !self.sections.is_empty()
    }

    /// Who owns a path, as it is written there.
    pub fn owners(&self, path: &str) -> Vec<&str> {
        let mut owners = Vec::new();
        for section in 0..=self.sections.len() {
            let mut lines = self.lines.iter().rev().filter(|l| l.section == section);
            let line = lines.find(|l| l.pattern.matches(path));
            for owner in line.map_or(&[][..], |l| &l.owners) {
                if !owners.contains(&owner.name.as_str()) {
                    owners.push(owner.name.as_str());
                }
            }
        }
        owners
    }
}

/// The name of a team in the catalog: `@org/payments` is `payments`.
pub fn team(owner: &str) -> Option<&str> {
    owner
        .strip_prefix('@')?
        .rsplit_once('/')
        .map(|(_, team)| team)
}

pub fn parse(file: &str, text: &str) -> (CodeOwners, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut owners = CodeOwners {
        file: file.to_owned(),
        ..CodeOwners::default()
    };
    let sections = text.lines().any(|l| header(l.trim()).is_some());
    let (mut section, mut default) = (0, Vec::new());
    for (i, line) in text.lines().enumerate() {
        let spot = Spot {
            file: file.to_owned(),
            line: i as u32 + 1,
            column: 1,
        };
        let trap = |what: String, help: &str| {
            let trap = Finding::error("codeowners-syntax", what);
            trap.at(file.to_owned(), i as u32 + 1, 1).help(help)
        };
        let words = words(line);
        let Some((first, rest)) = words.split_first() else {
            continue;
        };
        if owners.lines.len() >= MAX_LINES {
            findings.push(trap(
                format!("more than {MAX_LINES} lines: the rest is not read"),
                "",
            ));
            break;
        }
        if sections && let Some((name, after)) = header(line.trim()) {
            let known = owners.sections.iter().position(|s| *s == name);
            section = 1 + known.unwrap_or_else(|| {
                owners.sections.push(name);
                owners.sections.len() - 1
            });
            default = after
                .split_whitespace()
                .map(|o| Named::new(o, &spot))
                .collect();
            continue;
        }
        if first.starts_with('!') {
            let help = "write the more special pattern below, with its owners or with none";
            findings.push(trap(
                "`!` does nothing here: GitHub leaves the line out".into(),
                help,
            ));
            continue;
        }
        if first.contains('[') && !sections {
            let help = "write a line for each name";
            findings.push(trap(
                "`[…]` does nothing here: GitHub leaves the line out".into(),
                help,
            ));
            continue;
        }
        if first.starts_with("\\#") {
            let help = "rename the file: no pattern can name it";
            findings.push(trap(
                "`\\#` does nothing here: the line never matches".into(),
                help,
            ));
            continue;
        }
        for bad in rest.iter().filter(|o| !is_owner(o)) {
            let what = format!("`{bad}` is no owner: GitHub leaves the whole line out");
            findings.push(trap(
                what,
                "write `@name`, `@org/team` or an address; a space in a path needs a `\\`",
            ));
        }
        let given: Vec<Named> = rest.iter().map(|o| Named::new(o.as_str(), &spot)).collect();
        owners.lines.push(Line {
            text: first.clone(),
            pattern: Pattern::new(first),
            owners: if given.is_empty() {
                default.clone()
            } else {
                given
            },
            section,
            spot,
        });
    }
    (owners, findings)
}

/// `[Name]`, `^[Name]`, `[Name][2]`, and the owners after it.
fn header(line: &str) -> Option<(String, &str)> {
    let rest = line.strip_prefix('^').unwrap_or(line).strip_prefix('[')?;
    let (name, mut after) = rest.split_once(']')?;
    if let Some(count) = after.strip_prefix('[') {
        after = count.split_once(']')?.1;
    }
    let ends = after.is_empty() || after.starts_with(char::is_whitespace);
    (ends && !name.is_empty()).then(|| (name.to_lowercase(), after))
}

/// Words up to `#`; `\ ` is a space in a word.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let last = words.len() - 1;
        match c {
            '\\' if chars.peek() == Some(&' ') => words[last].extend(chars.next()),
            '#' if words[last].is_empty() => break,
            c if c.is_whitespace() => words.push(String::new()),
            c => words[last].push(c),
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

fn is_owner(text: &str) -> bool {
    match text.strip_prefix('@') {
        Some(name) => !name.is_empty(),
        None => text
            .split_once('@')
            .is_some_and(|(a, b)| !a.is_empty() && b.contains('.')),
    }
}
