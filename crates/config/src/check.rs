//! From a file to a configuration, or to everything that is wrong with it.

use crate::decode::Cx;
use crate::document::{Document, Node};
use crate::resolve::resolve;
use crate::schema::TOP;
use crate::sections::Config;
use base::{Finding, Severity};
use std::path::Path;

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
    let (config, more) = decode(&document.root);
    // After a syntax error the rest of the file is missing: what seems absent may be there.
    findings.extend(
        more.into_iter()
            .filter(|f| !broken || f.code != "config-missing-key"),
    );
    findings.sort_by(|a, b| a.spot.cmp(&b.spot));
    findings.dedup();
    let config = config.filter(|_| !findings.iter().any(|f| f.severity == Severity::Error));
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
