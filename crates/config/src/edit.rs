//! `adopt`: writes an overlay into the file's text, keeping comments and everything else.

use crate::document::{At, Document, Entry, Node, Value};
use crate::generation::{Op, Overlay};
use base::Finding;
use serde_json::Value as Json;

/// The text of `file` with the overlay's operations written in. Refuses rather than guess:
/// the result is parsed again and must hold what the overlay says.
pub fn adopt(file: &str, text: &str, overlay: &Overlay) -> Result<String, Finding> {
    let mut text = text.to_owned();
    for op in &overlay.ops {
        let (document, findings) = Document::parse(file, &text);
        if let Some(f) = findings.into_iter().next() {
            return Err(f);
        }
        text = write(&document, &text, op)?;
        let (after, findings) = Document::parse(file, &text);
        let now = after.root.find(&op.path).map(Node::to_json);
        let want = op
            .value
            .as_ref()
            .map(|v| Node::from_json(v, &At::overlay("")).to_json());
        if !findings.is_empty() || now != want {
            return Err(by_hand(
                op,
                "the file is written in a way that cannot be edited safely",
            ));
        }
    }
    Ok(text)
}

fn by_hand(op: &Op, why: &str) -> Finding {
    let value = op.value.as_ref().map_or("(remove it)".to_owned(), inline);
    Finding::error(
        "adopt",
        format!(
            "`{}` cannot be written into the file: {why}",
            op.path.join(".")
        ),
    )
    .help(format!("edit it by hand: {}: {value}", op.path.join(".")))
}

fn write(document: &Document, text: &str, op: &Op) -> Result<String, Finding> {
    let [parents @ .., key] = op.path.as_slice() else {
        return Err(by_hand(op, "it has no path"));
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // The deepest parent that exists; what lacks below it is added with the value.
    let mut depth = parents.len();
    while depth > 0 && document.root.find(&parents[..depth]).is_none() {
        depth -= 1;
    }
    let parent = document
        .root
        .find(&parents[..depth])
        .unwrap_or(&document.root);
    let Value::Map { entries, flow } = &parent.value else {
        return Err(by_hand(op, "its parent is a single value"));
    };
    if *flow {
        return Err(by_hand(op, "its parent is written in braces"));
    }
    let existing = (depth == parents.len())
        .then(|| entries.iter().find(|e| e.key == *key))
        .flatten();
    let indent = entries
        .first()
        .map_or(parent.at.column.saturating_sub(1) as usize, |e| {
            e.key_at.column as usize - 1
        });
    match (existing, &op.value) {
        (Some(e), value) => {
            let (from, to) =
                line_range(e, lines.len()).ok_or_else(|| by_hand(op, "its place is unknown"))?;
            let comment = (from == to)
                .then(|| trailing_comment(&lines[from]))
                .flatten();
            let mut new: Vec<String> = value.iter().map(|v| entry_line(indent, key, v)).collect();
            if let (Some(c), Some(line)) = (comment, new.first_mut()) {
                line.push_str(&format!("  {c}"));
            }
            lines.splice(from..=to, new);
        }
        (None, Some(v)) => {
            let nested = parents[depth..]
                .iter()
                .skip(1)
                .chain(std::iter::once(key))
                .rev();
            let mut value = v.clone();
            let mut first = key.clone();
            if depth < parents.len() {
                for k in nested {
                    value = Json::Object([(k.clone(), value)].into_iter().collect());
                }
                first = parents[depth].clone();
            }
            let after = match entries.last() {
                Some(last) => line_range(last, lines.len()).map_or(lines.len(), |r| r.1 + 1),
                None => lines.len(),
            };
            lines.insert(after, entry_line(indent, &first, &value));
        }
        (None, None) => {}
    }
    Ok(lines.join("\n") + "\n")
}

/// First and last line (from 0) of an entry.
fn line_range(e: &Entry, lines: usize) -> Option<(usize, usize)> {
    let from = (e.key_at.line as usize).checked_sub(1)?;
    let to = (e.value.at.end_line as usize).checked_sub(1)?.max(from);
    (to < lines).then_some((from, to))
}

fn trailing_comment(line: &str) -> Option<&str> {
    let at = line.find(" #")?;
    let quotes = line[..at].matches(['"', '\'']).count();
    quotes.is_multiple_of(2).then(|| line[at + 1..].trim_end())
}

fn entry_line(indent: usize, key: &str, value: &Json) -> String {
    format!("{}{key}: {}", " ".repeat(indent), inline(value))
}

/// The value on one line, in braces where it has parts.
fn inline(value: &Json) -> String {
    match value {
        Json::Null => "\"\"".into(),
        Json::Bool(b) => b.to_string(),
        Json::Number(n) => n.to_string(),
        Json::String(s) => {
            let plain = |b: u8| {
                b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'%' | b'-' | b'_' | b'$')
            };
            if !s.is_empty() && s.bytes().all(plain) && !s.starts_with('-') {
                s.clone()
            } else {
                Json::String(s.clone()).to_string()
            }
        }
        Json::Array(items) => format!(
            "[{}]",
            items.iter().map(inline).collect::<Vec<_>>().join(", ")
        ),
        Json::Object(map) => {
            let parts: Vec<String> = map
                .iter()
                .map(|(k, v)| format!("{k}: {}", inline(v)))
                .collect();
            format!("{{ {} }}", parts.join(", "))
        }
    }
}
