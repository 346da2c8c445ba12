//! YAML text as a tree in which every key and value knows its file, line and column.

use base::{Finding, Spot};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod parse;

/// Largest file read, bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// Most files read from a folder.
const MAX_FILES: usize = 256;

/// A place in a source text.
#[derive(Clone, Debug, PartialEq)]
pub struct At {
    pub file: Arc<str>,
    /// From 1; 0 when the value is not from a file (an overlay).
    pub line: u32,
    pub column: u32,
    /// Last line of the value.
    pub end_line: u32,
}

impl At {
    pub fn overlay(id: &str) -> At {
        At {
            file: format!("overlay {id}").into(),
            line: 0,
            column: 0,
            end_line: 0,
        }
    }
    pub fn spot(&self) -> Spot {
        Spot {
            file: self.file.to_string(),
            line: self.line,
            column: self.column,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub at: At,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Everything is text until a section asks for a number: `on`, `no` and `1:30` have no second meaning.
    Scalar(String),
    List(Vec<Node>),
    /// `flow`: written in braces.
    Map {
        entries: Vec<Entry>,
        flow: bool,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_at: At,
    pub value: Node,
}

impl Node {
    pub fn empty_map(at: At) -> Node {
        Node {
            at,
            value: Value::Map {
                entries: Vec::new(),
                flow: false,
            },
        }
    }
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map { entries, .. } => entries,
            _ => &[],
        }
    }
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|e| e.key == key)
            .map(|e| &e.value)
    }
    pub fn find(&self, path: &[String]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(t) => Some(t),
            _ => None,
        }
    }
    /// The value without positions; every scalar a string, so that `3` and `"3"` compare equal.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Scalar(t) => Json::String(t.clone()),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map { entries, .. } => Json::Object(
                entries
                    .iter()
                    .map(|e| (e.key.clone(), e.value.to_json()))
                    .collect(),
            ),
        }
    }
    pub fn from_json(json: &Json, at: &At) -> Node {
        let value = match json {
            Json::Null => Value::Scalar(String::new()),
            Json::Bool(b) => Value::Scalar(b.to_string()),
            Json::Number(n) => Value::Scalar(n.to_string()),
            Json::String(s) => Value::Scalar(s.clone()),
            Json::Array(items) => {
                Value::List(items.iter().map(|i| Node::from_json(i, at)).collect())
            }
            Json::Object(map) => Value::Map {
                entries: map
                    .iter()
                    .map(|(k, v)| Entry {
                        key: k.clone(),
                        key_at: at.clone(),
                        value: Node::from_json(v, at),
                    })
                    .collect(),
                flow: false,
            },
        };
        Node {
            at: at.clone(),
            value,
        }
    }
}

/// One or more files as one tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub root: Node,
    /// Name and text of every file, for messages and edits.
    pub sources: Vec<(Arc<str>, Arc<str>)>,
}

impl Document {
    /// Parses one text. After a syntax error, which is a finding, the tree is empty.
    pub fn parse(file: &str, text: &str) -> (Document, Vec<Finding>) {
        let mut findings = Vec::new();
        let file: Arc<str> = file.into();
        let root = parse::parse(file.clone(), text, &mut findings);
        (
            Document {
                root,
                sources: vec![(file, text.into())],
            },
            findings,
        )
    }

    /// The roots of all documents that a text holds, for formats of others; each may be anything.
    pub fn several(file: &str, text: &str) -> (Vec<Node>, Vec<Finding>) {
        let mut findings = Vec::new();
        let roots = parse::documents(file.into(), text, &mut findings);
        (roots, findings)
    }

    /// Reads a file, or every `*.yaml` and `*.yml` of a folder in the order of their names.
    pub fn load(path: &Path) -> (Document, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut whole: Option<Document> = None;
        for file in files(path, &mut findings) {
            let shown = file.display().to_string();
            let text = match read(&file) {
                Ok(text) => text,
                Err(finding) => {
                    findings.push(finding);
                    continue;
                }
            };
            let (document, more) = Document::parse(&shown, &text);
            findings.extend(more);
            match &mut whole {
                None => whole = Some(document),
                Some(w) => w.merge(document, &mut findings),
            }
        }
        (
            whole.unwrap_or_else(|| Document::parse(&path.display().to_string(), "").0),
            findings,
        )
    }

    fn merge(&mut self, other: Document, findings: &mut Vec<Finding>) {
        self.sources.extend(other.sources);
        merge_maps(&mut self.root, other.root, 0, findings);
    }
}

/// Reads at most one byte more than is allowed.
fn read(file: &Path) -> Result<String, Finding> {
    let shown = file.display().to_string();
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|f| f.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| {
            Finding::error("config-unreadable", format!("{shown} cannot be read: {e}"))
                .help("name the file, or write one with `plimsoll init`")
        })?;
    String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let line = 1 + e.as_bytes()[..good].iter().filter(|b| **b == b'\n').count();
        Finding::error("config-encoding", "the file is not UTF-8 text")
            .at(shown, line as u32, 0)
            .help("save it as UTF-8")
    })
}

fn files(path: &Path, findings: &mut Vec<Finding>) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let is_yaml = |p: &PathBuf| p.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let mut all: Vec<PathBuf> = std::fs::read_dir(path)
        .map(|d| d.flatten().map(|e| e.path()).filter(is_yaml).collect())
        .unwrap_or_default();
    all.sort();
    if all.len() > MAX_FILES {
        findings.push(Finding::error(
            "config-too-large",
            format!("{} holds more than {MAX_FILES} files", path.display()),
        ));
        all.truncate(MAX_FILES);
    }
    if all.is_empty() {
        findings.push(Finding::error(
            "config-empty",
            format!("{} holds no *.yaml file", path.display()),
        ));
    }
    all
}

/// Maps of the first two levels (`services: {shop: …}`) join; anything given twice is a finding.
fn merge_maps(into: &mut Node, from: Node, depth: usize, findings: &mut Vec<Finding>) {
    let Value::Map { entries: mine, .. } = &mut into.value else {
        return;
    };
    let Value::Map {
        entries: theirs, ..
    } = from.value
    else {
        return;
    };
    let known: HashMap<String, usize> = mine
        .iter()
        .enumerate()
        .map(|(i, e)| (e.key.clone(), i))
        .collect();
    for entry in theirs {
        let Some(&i) = known.get(&entry.key) else {
            mine.push(entry);
            continue;
        };
        let e = &mut mine[i];
        if depth == 0 && !e.value.entries().is_empty() && !entry.value.entries().is_empty() {
            merge_maps(&mut e.value, entry.value, depth + 1, findings);
        } else {
            findings.push(duplicate(&entry.key, &entry.key_at, &e.key_at));
        }
    }
}

fn duplicate(key: &str, at: &At, first: &At) -> Finding {
    Finding::error("config-duplicate-key", format!("`{key}` is given twice"))
        .at(at.file.to_string(), at.line, at.column)
        .why(format!("it is already at {}", first.spot()))
        .help("keep one of them")
}
