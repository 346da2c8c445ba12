//! `adopt`: writes an overlay into the file's text, keeping comments and everything else.

use crate::compose::set;
use crate::document::{At, Document, Entry, Node, Value};
use crate::generation::{Op, Overlay};
use base::Finding;
use std::collections::BTreeMap;

/// The text of `file` with the overlay's operations written in. Refuses rather than guess:
/// the result is parsed again, and the whole must be what the overlay makes of the file.
pub fn adopt(file: &str, text: &str, overlay: &Overlay) -> Result<String, Finding> {
    let mut text = text.to_owned();
    for op in &overlay.ops {
        let before = clean(file, &text, op)?;
        let mut want = before.root.clone();
        set(
            &mut want,
            &op.path,
            op.value.as_ref(),
            &At::overlay(&overlay.id),
        );
        let value = op
            .value
            .as_ref()
            .map(|v| Node::from_json(v, &At::overlay(&overlay.id)));
        for step in steps(&before.root, &op.path, value) {
            let now = clean(file, &text, op)?;
            text = write(&now, &text, &step).map_err(|why| by_hand(op, why))?;
        }
        if clean(file, &text, op)?.root.to_json() != want.to_json() {
            return Err(by_hand(
                op,
                "it is written in a way that cannot be edited safely",
            ));
        }
    }
    Ok(text)
}

/// The same for a folder: every file that changes, with its new text. Each operation goes to the file that holds
/// the nearest part of its path.
pub fn adopt_all(document: &Document, overlay: &Overlay) -> Result<Vec<(String, String)>, Finding> {
    let mut by_file: BTreeMap<&str, Vec<Op>> = BTreeMap::new();
    for op in &overlay.ops {
        let mut file = document.sources.first().map_or("", |s| &*s.0);
        let mut node = &document.root;
        for key in &op.path {
            let Some(entry) = node.entries().iter().find(|e| e.key == *key) else {
                break;
            };
            file = &entry.key_at.file;
            node = &entry.value;
        }
        by_file.entry(file).or_default().push(op.clone());
    }
    let mut changed = Vec::new();
    for (name, text) in &document.sources {
        if let Some(ops) = by_file.remove(&**name) {
            let part = Overlay {
                ops,
                ..overlay.clone()
            };
            changed.push((name.to_string(), adopt(name, text, &part)?));
        }
    }
    Ok(changed)
}

/// A small edit of the text: set or remove the value at a path.
struct Step {
    path: Vec<String>,
    value: Option<Node>,
}

/// What has to be written for one operation: a map in block style is changed key by key, so that its comments stay.
fn steps(root: &Node, path: &[String], value: Option<Node>) -> Vec<Step> {
    let whole = |value| {
        vec![Step {
            path: path.to_vec(),
            value,
        }]
    };
    let Some(new) = value else { return whole(None) };
    let Some(Node {
        value: Value::Map {
            entries,
            flow: false,
        },
        ..
    }) = root.find(path)
    else {
        return whole(Some(new));
    };
    if new.entries().is_empty() {
        return whole(Some(new));
    }
    let below = |key: &str| [path, &[key.to_owned()]].concat();
    let mut all = Vec::new();
    for e in new.entries() {
        let same = entries
            .iter()
            .any(|o| o.key == e.key && o.value.to_json() == e.value.to_json());
        if !same {
            all.extend(steps(root, &below(&e.key), Some(e.value.clone())));
        }
    }
    // Last, so that the map is never empty in between.
    let gone = entries.iter().filter(|e| new.get(&e.key).is_none());
    all.extend(gone.map(|e| Step {
        path: below(&e.key),
        value: None,
    }));
    all
}

fn clean(file: &str, text: &str, op: &Op) -> Result<Document, Finding> {
    match Document::parse(file, text) {
        (document, findings) if findings.is_empty() => Ok(document),
        _ => Err(by_hand(
            op,
            "it is written in a way that cannot be edited safely",
        )),
    }
}

fn by_hand(op: &Op, why: &str) -> Finding {
    let path = op.path.join(".");
    let value = match &op.value {
        Some(v) => inline(&Node::from_json(v, &At::overlay(""))),
        None => "(remove it)".to_owned(),
    };
    Finding::error(
        "adopt",
        format!("`{path}` cannot be written into the file: {why}"),
    )
    .help(format!("edit it by hand: {path}: {value}"))
}

fn write(document: &Document, text: &str, step: &Step) -> Result<String, &'static str> {
    let [parents @ .., key] = step.path.as_slice() else {
        return Err("it has no path");
    };
    // The deepest parent that exists; what lacks below it is added with the value.
    let mut depth = parents.len();
    while depth > 0 && document.root.find(&parents[..depth]).is_none() {
        depth -= 1;
    }
    let parent = document
        .root
        .find(&parents[..depth])
        .unwrap_or(&document.root);
    let entries = match &parent.value {
        Value::Map {
            entries,
            flow: false,
        } => entries,
        // In braces, or nothing yet: the parent is written anew with the change in it.
        value if depth > 0 && (matches!(value, Value::Map { .. }) || parent.text() == Some("")) => {
            if parent.at.line != parent.at.end_line && parent.text().is_none() {
                return Err("its parent is in braces over several lines");
            }
            let mut new = parent.clone();
            put(&mut new, &step.path[depth..], step.value.as_ref());
            let up = Step {
                path: parents[..depth].to_vec(),
                value: Some(new),
            };
            return write(document, text, &up);
        }
        Value::Map { .. } => return Err("the whole file is in braces"),
        _ => return Err("its parent is a single value"),
    };
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let indent = entries
        .first()
        .map_or(0, |e| e.key_at.column.saturating_sub(1) as usize);
    let existing = (depth == parents.len())
        .then(|| entries.iter().find(|e| e.key == *key))
        .flatten();
    match (existing, &step.value) {
        (Some(e), value) => {
            let (from, to) = line_range(e, lines.len()).ok_or("its place is unknown")?;
            if to > from && lines[from..=to].iter().any(|l| l.contains('#')) && value.is_some() {
                return Err("its lines hold comments that would be lost");
            }
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
            let first = &step.path[depth];
            let mut value = v.clone();
            for k in step.path[depth + 1..].iter().rev() {
                let mut outer = Node::empty_map(value.at.clone());
                put(&mut outer, std::slice::from_ref(k), Some(&value));
                value = outer;
            }
            let after = match entries.last() {
                Some(last) => line_range(last, lines.len()).map_or(lines.len(), |r| r.1 + 1),
                None => lines.len(),
            };
            lines.insert(after, entry_line(indent, first, &value));
        }
        (None, None) => {}
    }
    Ok(lines.join(newline) + newline)
}

/// Sets or removes what is at `path` below `node`.
fn put(node: &mut Node, path: &[String], value: Option<&Node>) {
    set(
        node,
        path,
        value.map(Node::to_json).as_ref(),
        &At::overlay(""),
    );
}

/// First and last line (from 0) of an entry.
fn line_range(e: &Entry, lines: usize) -> Option<(usize, usize)> {
    let from = (e.key_at.line as usize).checked_sub(1)?;
    let to = (e.value.at.end_line as usize).checked_sub(1)?.max(from);
    (to < lines).then_some((from, to))
}

/// From the first ` #` that no quote encloses.
fn trailing_comment(line: &str) -> Option<&str> {
    let outside = |at: &usize| line[..*at].matches(['"', '\'']).count().is_multiple_of(2);
    let at = line.match_indices(" #").map(|m| m.0).find(outside)?;
    Some(line[at + 1..].trim_end())
}

fn entry_line(indent: usize, key: &str, value: &Node) -> String {
    format!("{}{}: {}", " ".repeat(indent), scalar(key), inline(value))
}

/// The value on one line, in braces where it has parts.
fn inline(node: &Node) -> String {
    match &node.value {
        Value::Scalar(s) => scalar(s),
        Value::List(items) => format!(
            "[{}]",
            items.iter().map(inline).collect::<Vec<_>>().join(", ")
        ),
        Value::Map { entries, .. } if entries.is_empty() => "{}".into(),
        Value::Map { entries, .. } => {
            let parts: Vec<String> = entries
                .iter()
                .map(|e| format!("{}: {}", scalar(&e.key), inline(&e.value)))
                .collect();
            format!("{{ {} }}", parts.join(", "))
        }
    }
}

/// In quotes unless no YAML reader could take it for anything else. A JSON string is a YAML string.
fn scalar(s: &str) -> String {
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'%' | b'-' | b'_' | b'$');
    let odd = matches!(s, "null" | "Null" | "NULL") || s.starts_with(['-', '%', '.']);
    // Addresses such as 127.0.0.1:80 are safe too: a colon means something only before a space.
    let colon = s.contains(':')
        && !s.ends_with(':')
        && s.bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b':'));
    if !s.is_empty() && !odd && (colon || s.bytes().all(plain)) {
        s.to_owned()
    } else {
        serde_json::Value::String(s.to_owned()).to_string()
    }
}
