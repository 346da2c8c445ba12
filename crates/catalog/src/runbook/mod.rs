//! A runbook: Markdown with named blocks that can be run, as Runme writes them. `runbooks/NAME.md`.

mod block;
pub mod run;

pub use block::Block;

use crate::fields::{Fields, Named};
use crate::markdown;
use base::{Finding, Spot};
use std::collections::BTreeMap;

const KEYS: &[&str] = &["title", "owner", "services", "routes", "alerts"];
/// Most blocks and most mentions that are read of one runbook.
const MAX_BLOCKS: usize = 200;
const MAX_MENTIONS: usize = 1000;

#[derive(Clone, Debug, PartialEq)]
pub struct Runbook {
    pub name: String,
    pub title: String,
    pub owner: Option<Named>,
    /// What it is about.
    pub services: Vec<Named>,
    pub routes: Vec<Named>,
    /// Alerts that lead here.
    pub alerts: Vec<Named>,
    /// Those with a name; only they are ever run.
    pub blocks: Vec<Block>,
    pub mentions: Vec<Mention>,
    pub spot: Spot,
}

/// Something of the running system that the text names.
#[derive(Clone, Debug, PartialEq)]
pub struct Mention {
    pub what: What,
    pub name: Named,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Route,
    Service,
    Resource,
    Flag,
    /// A dotted key of the config, such as `services.shop.limit`.
    Key,
}

pub fn parse(name: &str, file: &str, text: &str) -> (Runbook, Vec<Finding>) {
    let split = markdown::split(file, text);
    let mut findings = split.findings;
    let mut f = Fields::new("a runbook", &split.head.root, KEYS, &mut findings);
    let spot = Spot {
        file: file.to_owned(),
        line: 1,
        column: 1,
    };
    let mut runbook = Runbook {
        name: name.to_owned(),
        title: f.text("title").unwrap_or_default(),
        owner: f.word("owner"),
        services: f.words("services"),
        routes: f.words("routes"),
        alerts: f.words("alerts"),
        blocks: Vec::new(),
        mentions: Vec::new(),
        spot,
    };
    let (prose, fences) = markdown::fences(split.body, split.body_line);
    if runbook.title.is_empty() {
        let heading = prose.iter().find_map(|(_, l)| l.strip_prefix("# "));
        runbook.title = heading.unwrap_or(name).trim().to_owned();
    }
    let place = |line, column| Spot {
        file: file.to_owned(),
        line,
        column,
    };
    for (line, text) in &prose {
        for (column, span) in markdown::spans(text) {
            mention(span, &place(*line, column), &mut runbook.mentions);
        }
    }
    let mut known: BTreeMap<String, u32> = BTreeMap::new();
    for fence in fences.iter().take(MAX_BLOCKS) {
        for (i, line) in fence.text.lines().enumerate() {
            for word in line.split(|c: char| c.is_whitespace() || "'\"`(),;".contains(c)) {
                if word.contains('.') {
                    let spot = place(fence.line + 1 + i as u32, 1);
                    mention(word, &spot, &mut runbook.mentions);
                }
            }
        }
        let Some(block) = block::parse(fence, file, &mut findings) else {
            continue;
        };
        if let Some(first) = known.insert(block.name.clone(), fence.line) {
            let what = format!("two blocks are called `{}`", block.name);
            findings.push(
                Finding::error("runbook-block", what)
                    .at(file.to_owned(), fence.line, 1)
                    .why(format!("the other begins in line {first}"))
                    .help("give each a name of its own"),
            );
            continue;
        }
        runbook.blocks.push(block);
    }
    (runbook, findings)
}

/// `route NAME`, `service NAME`, `flag NAME`, or a dotted key of the config.
fn mention(text: &str, spot: &Spot, into: &mut Vec<Mention>) {
    if into.len() >= MAX_MENTIONS {
        return;
    }
    let word = text.split_once(' ').and_then(|(kind, name)| {
        let what = match kind {
            "route" => What::Route,
            "service" => What::Service,
            "resource" => What::Resource,
            "flag" => What::Flag,
            _ => return None,
        };
        let name = name.trim();
        (!name.is_empty() && !name.contains(' ')).then_some((what, name))
    });
    let key = || {
        let sections = ["services.", "routes.", "resources."];
        let begins = sections.iter().any(|s| text.starts_with(s));
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let whole = !text.ends_with('.') && text.chars().all(plain);
        (begins && whole).then_some((What::Key, text))
    };
    if let Some((what, name)) = word.or_else(key) {
        into.push(Mention {
            what,
            name: Named::new(name, spot),
        });
    }
}

#[cfg(test)]
mod tests;
