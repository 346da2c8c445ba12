//! The keys of a map in a catalog's file: known ones are read, others are findings with the nearest name.

use base::{Finding, Spot};
use config::document::{Node, Value};
use config::nearest;

/// Most items of a list.
const MAX_ITEMS: usize = 1000;

/// A word and where it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    pub name: String,
    pub spot: Spot,
}

impl Named {
    pub fn new(name: impl Into<String>, spot: &Spot) -> Named {
        Named {
            name: name.into(),
            spot: spot.clone(),
        }
    }
}

/// A finding at a place.
pub fn at(finding: Finding, spot: &Spot) -> Finding {
    finding.at(spot.file.clone(), spot.line, spot.column)
}

/// "did you mean", when something is near.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|n| format!("did you mean `{n}`?"))
}

/// `'n` is the document's, `'f` that of the findings.
pub struct Fields<'n, 'f> {
    node: &'n Node,
    pub findings: &'f mut Vec<Finding>,
}

impl<'n, 'f> Fields<'n, 'f> {
    /// Says which keys `what` does not have.
    pub fn new(
        what: &str,
        node: &'n Node,
        known: &[&str],
        findings: &'f mut Vec<Finding>,
    ) -> Fields<'n, 'f> {
        if !matches!(node.value, Value::Map { .. }) {
            let wrong = Finding::error("catalog-not-a-map", format!("{what} must be a map"));
            let help = format!("its keys are {}", known.join(", "));
            findings.push(at(wrong, &node.at.spot()).help(help));
        }
        for e in node.entries() {
            if !known.contains(&e.key.as_str()) {
                let wrong = format!("{what} has no key `{}`", e.key);
                let help = did_you_mean(&e.key, known.iter().copied())
                    .unwrap_or_else(|| format!("its keys are {}", known.join(", ")));
                let wrong = Finding::error("catalog-unknown-key", wrong);
                findings.push(at(wrong, &e.key_at.spot()).help(help));
            }
        }
        Fields { node, findings }
    }

    /// A word; an empty one is none.
    pub fn word(&mut self, key: &str) -> Option<Named> {
        let node = self.node.get(key)?;
        match node.text() {
            Some("") => None,
            Some(text) => Some(Named::new(text, &node.at.spot())),
            None => {
                self.wrong(node, format!("`{key}` takes one text"), "");
                None
            }
        }
    }

    pub fn text(&mut self, key: &str) -> Option<String> {
        self.word(key).map(|w| w.name)
    }

    /// A list of words; a single word is a list of one.
    pub fn words(&mut self, key: &str) -> Vec<Named> {
        let Some(node) = self.node.get(key) else {
            return Vec::new();
        };
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Scalar(_) => std::slice::from_ref(node),
            Value::Map { .. } => {
                self.wrong(node, format!("`{key}` takes a list"), "write `[a, b]`");
                &[]
            }
        };
        let mut words = Vec::new();
        for item in items.iter().take(MAX_ITEMS) {
            match item.text() {
                Some("") => {}
                Some(text) => words.push(Named::new(text, &item.at.spot())),
                None => self.wrong(item, format!("an item of `{key}` must be one text"), ""),
            }
        }
        words
    }

    /// The items of a list of maps.
    pub fn items(&mut self, key: &str) -> &'n [Node] {
        match self.node.get(key) {
            None => &[],
            Some(Node {
                value: Value::List(items),
                ..
            }) => &items[..items.len().min(MAX_ITEMS)],
            Some(node) => {
                self.wrong(
                    node,
                    format!("`{key}` takes a list"),
                    "begin each item with `-`",
                );
                &[]
            }
        }
    }

    pub fn wrong(&mut self, node: &Node, what: String, help: &str) {
        let wrong = Finding::error("catalog-value", what);
        self.findings.push(at(wrong, &node.at.spot()).help(help));
    }

    /// A value that `read` understands, or a finding with its words.
    pub fn value<T>(&mut self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let word = self.word(key)?;
        match read(&word.name) {
            Ok(value) => Some(value),
            Err(why) => {
                let wrong = Finding::error("catalog-value", format!("`{key}`: {why}"));
                self.findings.push(at(wrong, &word.spot));
                None
            }
        }
    }

    pub fn spot(&self) -> Spot {
        self.node.at.spot()
    }
}
