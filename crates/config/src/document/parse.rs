//! YAML events to the tree. What has a second meaning in YAML (anchors, tags, several documents) is refused.

use super::{At, Entry, MAX_BYTES, Node, Value, duplicate};
use base::Finding;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use std::collections::HashMap;
use std::sync::Arc;

/// Deepest nesting, and most keys and values.
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 200_000;
/// Most documents in one file, where several are allowed.
const MAX_DOCUMENTS: usize = 1000;

/// The root of `text`, a map; empty when there is none.
pub(super) fn parse(file: Arc<str>, text: &str, findings: &mut Vec<Finding>) -> Node {
    Builder::new(file, text, findings).root()
}

/// The roots of all documents in `text`, whatever they are.
pub(super) fn documents(file: Arc<str>, text: &str, findings: &mut Vec<Finding>) -> Vec<Node> {
    Builder::new(file, text, findings).roots(MAX_DOCUMENTS)
}

struct Builder<'a> {
    file: Arc<str>,
    text: &'a str,
    findings: &'a mut Vec<Finding>,
    nodes: usize,
}

/// Why reading stops: its finding is written already.
struct Stop;

type Events<'t> = Parser<'t, StrInput<'t>>;

impl<'a> Builder<'a> {
    fn new(file: Arc<str>, text: &'a str, findings: &'a mut Vec<Finding>) -> Builder<'a> {
        Builder {
            file,
            text,
            findings,
            nodes: 0,
        }
    }

    fn root(mut self) -> Node {
        match self.roots(1).pop() {
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
            _ => Node::empty_map(self.start()),
        }
    }

    /// Up to `most` documents; none of a file that is too large.
    fn roots(&mut self, most: usize) -> Vec<Node> {
        let mut roots = Vec::new();
        if self.text.len() > MAX_BYTES {
            let finding = Finding::error("config-too-large", "the file is larger than 4 MiB");
            self.findings.push(finding.at(&*self.file, 0, 0));
            return roots;
        }
        let mut events = Parser::new_from_str(self.text);
        while let Ok(Some((event, span))) = self.next(&mut events) {
            match event {
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                Event::StreamEnd => break,
                _ if roots.len() == most => {
                    let many = match most {
                        1 => "one YAML document".to_owned(),
                        _ => format!("{most} YAML documents"),
                    };
                    self.complain(
                        "config-two-documents",
                        &span,
                        &format!("the file holds more than {many}"),
                        "split it into files",
                    );
                    break;
                }
                event => match self.node(event, span, &mut events, 0) {
                    Ok(node) => roots.push(node),
                    Err(Stop) => break,
                },
            }
        }
        roots
    }

    fn start(&self) -> At {
        At {
            file: self.file.clone(),
            line: 1,
            column: 1,
            end_line: 1,
        }
    }

    fn next(&mut self, events: &mut Events<'a>) -> Result<Option<(Event<'a>, Span)>, Stop> {
        match events.next() {
            None => Ok(None),
            Some(Ok(e)) => Ok(Some(e)),
            Some(Err(e)) => {
                let m = e.marker();
                let (line, column) = (m.line() as u32, m.col() as u32 + 1);
                let source = self.text.lines().nth(m.line().saturating_sub(1));
                let (code, help) = hint(source.unwrap_or(""), e.info());
                self.findings.push(
                    Finding::error(code, format!("not YAML: {}", e.info()))
                        .at(self.file.to_string(), line, column)
                        .help(help),
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
        }
    }

    fn complain(&mut self, code: &str, span: &Span, what: &str, help: &str) {
        let at = self.at(span);
        self.findings.push(
            Finding::error(code, what)
                .at(at.file.to_string(), at.line, at.column)
                .help(help),
        );
    }

    fn node(
        &mut self,
        event: Event<'a>,
        span: Span,
        events: &mut Events<'a>,
        depth: usize,
    ) -> Result<Node, Stop> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            self.complain(
                "config-too-deep",
                &span,
                "the file is nested too deeply or holds too many values",
                "split it, or flatten it",
            );
            return Err(Stop);
        }
        let (anchor, tagged) = match &event {
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor, tag.is_some())
            }
            Event::Alias(_) => (1, false),
            _ => (0, false),
        };
        if anchor != 0 {
            let what = "anchors and aliases (`&`, `*`) are not read";
            self.complain(
                "config-anchor",
                &span,
                what,
                "write the value out where it is used",
            );
        }
        if tagged {
            let what = "tags (`!`) are not read";
            self.complain(
                "config-tag",
                &span,
                what,
                "leave the tag out: every key knows what it takes",
            );
        }
        let mut at = self.at(&span);
        let value = match event {
            Event::Scalar(text, style, ..) => {
                let null =
                    style == ScalarStyle::Plain && matches!(&*text, "~" | "null" | "Null" | "NULL");
                Value::Scalar(if null {
                    String::new()
                } else {
                    text.into_owned()
                })
            }
            Event::SequenceStart(..) => {
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
            Event::MappingStart(..) => {
                let flow = span.end.index() > span.start.index();
                let entries = self.entries(&mut at, events, depth)?;
                Value::Map { entries, flow }
            }
            Event::Alias(_) => Value::Scalar(String::new()),
            _ => return Err(Stop),
        };
        Ok(Node { at, value })
    }

    fn entries(
        &mut self,
        at: &mut At,
        events: &mut Events<'a>,
        depth: usize,
    ) -> Result<Vec<Entry>, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        loop {
            match self.next(events)? {
                Some((Event::MappingEnd, end)) => {
                    at.close(&end, entries.last().map(|e| &e.value.at));
                    return Ok(entries);
                }
                Some((event, span)) => {
                    let key = self.node(event, span, events, depth + 1)?;
                    let Some((event, value_span)) = self.next(events)? else {
                        return Err(Stop);
                    };
                    let value = self.node(event, value_span, events, depth + 1)?;
                    let Value::Scalar(text) = key.value else {
                        let line = self
                            .text
                            .lines()
                            .nth(key.at.line.saturating_sub(1) as usize);
                        let help = hint(line.unwrap_or(""), "").1;
                        self.complain("config-key", &span, "a key must be a single word", &help);
                        continue;
                    };
                    match known.get(&text) {
                        Some(&i) => {
                            self.findings
                                .push(duplicate(&text, &key.at, &entries[i].key_at))
                        }
                        None => {
                            known.insert(text.clone(), entries.len());
                            entries.push(Entry {
                                key: text,
                                key_at: key.at,
                                value,
                            });
                        }
                    }
                }
                None => return Err(Stop),
            }
        }
    }
}

impl At {
    /// The end of a collection: its closing bracket, or the end of its last member in block style.
    fn close(&mut self, end: &Span, last: Option<&At>) {
        if end.end.index() > end.start.index() {
            self.end_line = end.end.line() as u32;
        } else if let Some(last) = last {
            self.end_line = last.end_line;
        }
    }
}

/// Code and advice for a syntax error on `line`: the usual traps by name.
fn hint(line: &str, info: &str) -> (&'static str, String) {
    let code = if info.contains("anchor") {
        "config-anchor"
    } else {
        "config-syntax"
    };
    let indent = &line[..line.len() - line.trim_start().len()];
    let help = if code == "config-anchor" {
        "anchors and aliases (`&`, `*`) are not read: write the value out where it is used".into()
    } else if let Some(address) = bare_address(line) {
        format!("in YAML brackets begin a list: put the address in quotes, \"{address}\"")
    } else if indent.contains('\t') {
        "the line is indented with a tab: use spaces".into()
    } else if line.contains("/{") && line.contains(['{', ':']) && info.contains("flow") {
        "inside braces a text that holds braces needs quotes: { match: \"GET /products/{id}\" }"
            .into()
    } else if info.contains("block mapping") || info.contains("mapping values") {
        "the line's indentation fits none above it, or a text that holds `: `, `#`, `{` or `[` lacks quotes".into()
    } else {
        "indent with spaces; quote text that holds `: `, `#`, `{` or `[`".into()
    };
    (code, help)
}

/// An IPv6 address in brackets with a port that no quote encloses.
fn bare_address(line: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(open) = line[from..].find('[').map(|i| i + from) {
        let rest = &line[open + 1..];
        let inner = rest
            .find(|c: char| !(c.is_ascii_hexdigit() || c == ':' || c == '.'))
            .unwrap_or(rest.len());
        let after = rest[inner..]
            .strip_prefix("]:")
            .map(|p| p.bytes().take_while(u8::is_ascii_digit).count());
        let quoted = line[..open].ends_with(['"', '\'']);
        if let Some(digits @ 1..=5) = after
            && rest[..inner].contains(':')
            && !quoted
        {
            return Some(&line[open..open + 1 + inner + 2 + digits]);
        }
        from = open + 1;
    }
    None
}
