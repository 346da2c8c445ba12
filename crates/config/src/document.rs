//! YAML text as a tree in which every key and value knows its file, line and column.

use base::{Finding, Spot};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file read, bytes, and deepest nesting.
pub const MAX_BYTES: usize = 4 << 20;
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 200_000;

/// A place in a source text.
#[derive(Clone, Debug, PartialEq)]
pub struct At {
    pub file: Arc<str>,
    /// From 1; 0 when the value is not from a file (an overlay).
    pub line: u32,
    pub column: u32,
    /// Last line of the value.
    pub end_line: u32,
    /// Character offsets in the text.
    pub start: usize,
    pub end: usize,
}

impl At {
    pub fn overlay(id: &str) -> At {
        At {
            file: format!("overlay {id}").into(),
            line: 0,
            column: 0,
            end_line: 0,
            start: 0,
            end: 0,
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
    /// Parses one text. Syntax errors are findings; the tree then holds what could be read before them.
    pub fn parse(file: &str, text: &str) -> (Document, Vec<Finding>) {
        let mut findings = Vec::new();
        let file: Arc<str> = file.into();
        let root = Builder {
            file: file.clone(),
            findings: &mut findings,
            nodes: 0,
        }
        .root(text);
        (
            Document {
                root,
                sources: vec![(file, text.into())],
            },
            findings,
        )
    }

    /// Reads a file, or every `*.yaml` and `*.yml` of a folder in the order of their names.
    pub fn load(path: &Path) -> (Document, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut whole: Option<Document> = None;
        for file in files(path, &mut findings) {
            let shown = file.display().to_string();
            let text = match std::fs::read(&file) {
                Ok(b) if b.len() > MAX_BYTES => {
                    findings.push(Finding::error(
                        "config-too-large",
                        format!("{shown} is larger than 4 MiB"),
                    ));
                    continue;
                }
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(e) => {
                    findings.push(
                        Finding::error("config-unreadable", format!("{shown}: {e}"))
                            .help("name a file with --config, or write one with `plimsoll init`"),
                    );
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

fn files(path: &Path, findings: &mut Vec<Finding>) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let is_yaml = |p: &PathBuf| p.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let mut all: Vec<PathBuf> = std::fs::read_dir(path)
        .map(|d| d.flatten().map(|e| e.path()).filter(is_yaml).collect())
        .unwrap_or_default();
    all.sort();
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
    for entry in theirs {
        match mine.iter_mut().find(|e| e.key == entry.key) {
            None => mine.push(entry),
            Some(e)
                if depth == 0
                    && !e.value.entries().is_empty()
                    && !entry.value.entries().is_empty() =>
            {
                merge_maps(&mut e.value, entry.value, depth + 1, findings);
            }
            Some(e) => findings.push(duplicate(&entry.key, &entry.key_at, &e.key_at)),
        }
    }
}

fn duplicate(key: &str, at: &At, first: &At) -> Finding {
    Finding::error("config-duplicate-key", format!("`{key}` is given twice"))
        .at(at.file.to_string(), at.line, at.column)
        .why(format!("it is already at {}", first.spot()))
        .help("keep one of them")
}

struct Builder<'f> {
    file: Arc<str>,
    findings: &'f mut Vec<Finding>,
    nodes: usize,
}

/// Why reading stops: a syntax error has its own finding already.
struct Stop;

type Events<'t> = Parser<'t, saphyr_parser::StrInput<'t>>;

impl Builder<'_> {
    fn root(mut self, text: &str) -> Node {
        let mut events = Parser::new_from_str(text);
        let mut root = None;
        while let Ok(Some((event, span))) = self.next(&mut events) {
            match event {
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                Event::StreamEnd => break,
                _ if root.is_some() => {
                    self.complain(
                        "config-two-documents",
                        &span,
                        "the file holds more than one YAML document",
                        "split it into files",
                    );
                    break;
                }
                event => match self.node(event, span, &mut events, 0) {
                    Ok(node) => root = Some(node),
                    Err(Stop) => break,
                },
            }
        }
        match root {
            Some(node) if matches!(node.value, Value::Map { .. }) => node,
            Some(node) if node.text() != Some("") => {
                let at = node.at;
                self.findings.push(
                    Finding::error("config-not-a-map", "the file is not a map of sections")
                        .at(at.file.to_string(), at.line, at.column)
                        .help("begin with `listen: 127.0.0.1:8080`"),
                );
                Node::empty_map(at)
            }
            _ => Node::empty_map(At {
                file: self.file.clone(),
                line: 1,
                column: 1,
                end_line: 1,
                start: 0,
                end: 0,
            }),
        }
    }

    fn next<'t>(&mut self, events: &mut Events<'t>) -> Result<Option<(Event<'t>, Span)>, Stop> {
        match events.next() {
            None => Ok(None),
            Some(Ok(e)) => Ok(Some(e)),
            Some(Err(e)) => {
                let m = e.marker();
                let (line, column) = (m.line() as u32, m.col() as u32 + 1);
                self.findings.push(
                    Finding::error("config-syntax", format!("not YAML: {}", e.info()))
                        .at(self.file.to_string(), line, column)
                        .help("indent with spaces; quote text that holds `: `, `#`, `{` or `[`, such as \"[::1]:80\""),
                );
                Err(Stop)
            }
        }
    }

    fn at(&self, span: &Span) -> At {
        At {
            file: self.file.clone(),
            line: span.start.line() as u32,
            column: span.start.col() as u32 + 1,
            end_line: span.end.line() as u32,
            start: span.start.index(),
            end: span.end.index(),
        }
    }

    fn complain(&mut self, code: &str, span: &Span, what: &str, help: &str) -> Stop {
        let at = self.at(span);
        self.findings.push(
            Finding::error(code, what)
                .at(at.file.to_string(), at.line, at.column)
                .help(help),
        );
        Stop
    }

    fn node<'t>(
        &mut self,
        event: Event<'t>,
        span: Span,
        events: &mut Events<'t>,
        depth: usize,
    ) -> Result<Node, Stop> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(self.complain(
                "config-too-deep",
                &span,
                "the file is nested too deeply or too large",
                "flatten it",
            ));
        }
        let mut at = self.at(&span);
        let value = match event {
            Event::Scalar(text, style, anchor, _) => {
                if anchor != 0 {
                    return Err(self.anchors(&span));
                }
                let null = style == ScalarStyle::Plain && (text == "~" || text == "null");
                Value::Scalar(if null {
                    String::new()
                } else {
                    text.into_owned()
                })
            }
            Event::SequenceStart(anchor, _) => {
                if anchor != 0 {
                    return Err(self.anchors(&span));
                }
                let mut items = Vec::new();
                loop {
                    match self.next(events)? {
                        Some((Event::SequenceEnd, end)) => {
                            at.close(&end, items.last().map(|n: &Node| &n.at));
                            break;
                        }
                        Some((event, span)) => {
                            items.push(self.node(event, span, events, depth + 1)?)
                        }
                        None => return Err(Stop),
                    }
                }
                Value::List(items)
            }
            Event::MappingStart(anchor, _) => {
                if anchor != 0 {
                    return Err(self.anchors(&span));
                }
                let flow = span.end.index() > span.start.index();
                let entries = self.entries(&mut at, events, depth)?;
                Value::Map { entries, flow }
            }
            Event::Alias(_) => return Err(self.anchors(&span)),
            _ => return Err(Stop),
        };
        Ok(Node { at, value })
    }

    fn entries<'t>(
        &mut self,
        at: &mut At,
        events: &mut Events<'t>,
        depth: usize,
    ) -> Result<Vec<Entry>, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            match self.next(events)? {
                Some((Event::MappingEnd, end)) => {
                    at.close(&end, entries.last().map(|e| &e.value.at));
                    return Ok(entries);
                }
                Some((event, span)) => {
                    let key = self.node(event, span, events, depth + 1)?;
                    let Some((event, span)) = self.next(events)? else {
                        return Err(Stop);
                    };
                    let value = self.node(event, span, events, depth + 1)?;
                    let Value::Scalar(text) = key.value else {
                        return Err(self.complain(
                            "config-key",
                            &span,
                            "a key must be a single word",
                            "quote it",
                        ));
                    };
                    match entries.iter().find(|e| e.key == text) {
                        Some(first) => self.findings.push(duplicate(&text, &key.at, &first.key_at)),
                        None => entries.push(Entry {
                            key: text,
                            key_at: key.at,
                            value,
                        }),
                    }
                }
                None => return Err(Stop),
            }
        }
    }

    fn anchors(&mut self, span: &Span) -> Stop {
        self.complain(
            "config-anchor",
            span,
            "anchors and aliases (`&`, `*`) are not read",
            "write the value out where it is used",
        )
    }
}

impl At {
    /// The end of a collection: its closing bracket, or the end of its last member in block style.
    fn close(&mut self, end: &Span, last: Option<&At>) {
        if end.end.index() > end.start.index() {
            (self.end_line, self.end) = (end.end.line() as u32, end.end.index());
        } else if let Some(last) = last {
            (self.end_line, self.end) = (last.end_line, last.end);
        }
    }
}
