//! From a file to a configuration, or to everything that is wrong with it.

use crate::decode::Cx;
use crate::document::{Document, Node};
use crate::resolve::resolve;
use crate::schema::TOP;
use crate::sections::Config;
use base::{Finding, Severity, Spot};
use std::collections::BTreeSet;
use std::path::Path;

/// More findings than this are counted, not shown.
pub(crate) const MAX_FINDINGS: usize = 200;

/// What `plimsoll check` knows.
#[derive(Clone, Debug)]
pub struct Checked {
    pub document: Document,
    /// Only when there is no error (warnings do not hinder).
    pub config: Option<Config>,
    /// In the order of the file.
    pub findings: Vec<Finding>,
}

/// Reads and checks a file, or a folder of them.
pub fn check(path: &Path) -> Checked {
    let (document, findings) = Document::load(path);
    finish(document, findings)
}

/// The same for a text that is already in memory.
pub fn check_text(file: &str, text: &str) -> Checked {
    let (document, findings) = Document::parse(file, text);
    finish(document, findings)
}

fn finish(document: Document, mut findings: Vec<Finding>) -> Checked {
    let broken = findings.iter().any(|f| f.severity == Severity::Error);
    let refused: BTreeSet<Spot> = findings.iter().filter_map(|f| f.spot.clone()).collect();
    let (config, more) = decode(&document.root);
    // After a syntax error the rest of the file is missing: what seems absent may be there.
    findings.extend(
        more.into_iter()
            .filter(|f| !broken || f.code != "config-missing-key")
            // What could not be read at all needs no second finding.
            .filter(|f| f.spot.as_ref().is_none_or(|s| !refused.contains(s))),
    );
    findings.sort_by(|a, b| a.spot.cmp(&b.spot));
    findings.dedup();
    let config = config.filter(|_| !findings.iter().any(|f| f.severity == Severity::Error));
    if findings.len() > MAX_FINDINGS {
        // Errors first, so that none of the warnings crowds one out.
        findings.sort_by(|a, b| (a.severity, &a.spot).cmp(&(b.severity, &b.spot)));
        let more = findings.len() - MAX_FINDINGS;
        findings.truncate(MAX_FINDINGS);
        findings.push(Finding::note(
            "config-more",
            format!("{more} more findings are not shown"),
        ));
    }
    Checked {
        document,
        config,
        findings,
    }
}

/// Decodes a tree. `None` when there is any error.
pub fn decode(root: &Node) -> (Option<Config>, Vec<Finding>) {
    let mut cx = Cx::default();
    let mut config = Config::empty();
    cx.section("plimsoll.yaml", root, TOP, &mut config);
    let mut findings = cx.findings;
    resolve(&mut config, root, &mut findings);
    let ok = !findings.iter().any(|f| f.severity == Severity::Error);
    (ok.then_some(config), findings)
}
