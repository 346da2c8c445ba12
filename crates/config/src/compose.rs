//! Overlays on the file: which apply, which are dropped and why, and the generation that results.

use crate::check::decode;
use crate::document::{At, Document, Entry, Node, Value};
use crate::generation::{Canary, Expiry, Generation, Op, Overlay};
use base::Finding;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// More overlays than this are refused: a file that needs them should be edited (`plimsoll adopt`).
pub const MAX_OVERLAYS: usize = 64;

/// What came of laying overlays on a document.
#[derive(Clone, Debug)]
pub struct Composed {
    pub generation: Generation,
    /// Overlays that do not apply, with the reason.
    pub dropped: Vec<(String, Finding)>,
    pub findings: Vec<Finding>,
}

/// Composes a generation as it is at `now` (seconds since the Unix epoch). Overlays apply in the order given.
/// An error means that the file itself is broken: keep the old generation.
pub fn compose(
    document: &Document,
    overlays: &[Overlay],
    number: u64,
    now: u64,
) -> Result<Composed, Vec<Finding>> {
    let mut dropped = Vec::new();
    let mut live: Vec<&Overlay> = Vec::new();
    for o in overlays
        .iter()
        .filter(|o| o.expires_at.is_none_or(|at| at > now))
    {
        match admit(document, &live, o) {
            Ok(()) => live.push(o),
            Err(f) => dropped.push((o.id.clone(), f)),
        }
    }
    let mut base = document.root.clone();
    let mut kept: Vec<&Overlay> = Vec::new();
    let (mut config, findings) = decode(&base);
    for o in live.iter().filter(|o| o.share.is_none()) {
        let tried = with(&base, o);
        let (c, f) = decode(&tried);
        if c.is_some() || config.is_none() {
            (base, config) = (tried, c);
            kept.push(o);
        } else {
            dropped.push((o.id.clone(), refused(o, &f)));
        }
    }
    let Some(config) = config else {
        return Err(findings);
    };
    let mut canary = None;
    if let Some(o) = live.iter().find(|o| o.share.is_some()) {
        match decode(&with(&base, o)) {
            (Some(c), _) => {
                kept.push(o);
                let share = o.share.unwrap_or(0.0).clamp(0.0, 1.0);
                canary = Some(Canary {
                    overlay: o.id.clone(),
                    share,
                    config: Arc::new(c),
                });
            }
            (None, f) => dropped.push((o.id.clone(), refused(o, &f))),
        }
    }
    let expiry = kept
        .iter()
        .filter_map(|o| o.expires_at)
        .min()
        .and_then(|at| {
            let next = compose(document, overlays, number, at).ok()?;
            Some(Expiry {
                at,
                next: Arc::new(next.generation),
            })
        });
    let generation = Generation {
        number,
        hash: hash(document, &kept),
        base: Arc::new(config),
        canary,
        expiry,
    };
    Ok(Composed {
        generation,
        dropped,
        findings,
    })
}

/// Whether an overlay may join those already in force.
fn admit(document: &Document, live: &[&Overlay], o: &Overlay) -> Result<(), Finding> {
    let no =
        |code: &str, what: String| Err(Finding::error(code, format!("overlay `{}`: {what}", o.id)));
    if live.len() >= MAX_OVERLAYS {
        return no(
            "overlay-too-many",
            format!("more than {MAX_OVERLAYS} overlays are in force"),
        );
    }
    if let Some(other) = live.iter().find(|l| l.share.is_some() && o.share.is_some()) {
        return no(
            "overlay-two-canaries",
            format!("`{}` is a canary already", other.id),
        );
    }
    for op in &o.ops {
        if op.path.is_empty() {
            return no("overlay-path", "it changes the whole document".into());
        }
        let touches = |l: &&&Overlay| {
            l.ops
                .iter()
                .any(|p| p.path.starts_with(&op.path) || op.path.starts_with(&p.path))
        };
        if let Some(other) = live.iter().find(touches) {
            return no(
                "overlay-conflict",
                format!("`{}` is changed by `{}` too", op.path.join("."), other.id),
            );
        }
        let now = document.root.find(&op.path).map(Node::to_json);
        if now != op.base.as_ref().map(normal) {
            return no(
                "overlay-file-wins",
                format!(
                    "`{}` has changed in the file since, so the file's value stands",
                    op.path.join(".")
                ),
            );
        }
    }
    Ok(())
}

fn refused(o: &Overlay, findings: &[Finding]) -> Finding {
    let why = findings
        .iter()
        .map(|f| f.what.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    Finding::error(
        "overlay-refused",
        format!("overlay `{}` does not fit the file", o.id),
    )
    .why(why)
}

/// Scalars as texts, as the document has them.
fn normal(json: &Json) -> Json {
    Node::from_json(json, &At::overlay("")).to_json()
}

fn with(root: &Node, overlay: &Overlay) -> Node {
    let mut root = root.clone();
    let at = At::overlay(&overlay.id);
    for op in &overlay.ops {
        set(&mut root, &op.path, op.value.as_ref(), &at);
    }
    root
}

fn set(node: &mut Node, path: &[String], value: Option<&Json>, at: &At) {
    let [key, rest @ ..] = path else { return };
    if !matches!(node.value, Value::Map { .. }) {
        node.value = Value::Map {
            entries: Vec::new(),
            flow: false,
        };
    }
    let Value::Map { entries, .. } = &mut node.value else {
        return;
    };
    let found = entries.iter().position(|e| e.key == *key);
    match (rest.is_empty(), value, found) {
        (true, None, Some(i)) => {
            entries.remove(i);
        }
        (true, Some(v), Some(i)) => entries[i].value = Node::from_json(v, at),
        (true, Some(v), None) => {
            entries.push(Entry {
                key: key.clone(),
                key_at: at.clone(),
                value: Node::from_json(v, at),
            });
        }
        (false, _, Some(i)) => set(&mut entries[i].value, rest, value, at),
        (false, Some(_), None) => {
            let mut inner = Node::empty_map(at.clone());
            set(&mut inner, rest, value, at);
            entries.push(Entry {
                key: key.clone(),
                key_at: at.clone(),
                value: inner,
            });
        }
        (_, None, None) => {}
    }
}

fn hash(document: &Document, overlays: &[&Overlay]) -> String {
    let mut h = Sha256::new();
    h.update(document.root.to_json().to_string());
    for o in overlays {
        h.update(serde_json::to_string(o).unwrap_or_default());
    }
    h.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Records what each operation replaces, so that a later edit of the file is noticed.
pub fn overlay_for(document: &Document, ops: Vec<Op>) -> Vec<Op> {
    ops.into_iter()
        .map(|op| Op {
            base: document.root.find(&op.path).map(Node::to_json),
            value: op.value.as_ref().map(normal),
            ..op
        })
        .collect()
}

/// `routes.product.cache={ttl: 10s}`; an empty value removes. Names with dots are quoted: `resources."pool.db".capacity=8`.
pub fn parse_patch(text: &str) -> Result<Op, Finding> {
    let bad = |what: &str| {
        Finding::error("patch", format!("`{text}`: {what}"))
            .help("write it like `routes.product.cache={ttl: 10s}`")
    };
    let (path, value) = text.split_once('=').ok_or_else(|| bad("there is no `=`"))?;
    let mut keys = vec![String::new()];
    let mut quoted = false;
    for c in path.trim().chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => keys.push(String::new()),
            c => {
                if let Some(k) = keys.last_mut() {
                    k.push(c);
                }
            }
        }
    }
    if quoted || keys.iter().any(String::is_empty) {
        return Err(bad("the path has an empty or unclosed name"));
    }
    let value = match value.trim() {
        "" => None,
        v => {
            let (d, findings) = Document::parse("patch", &format!("value: {v}"));
            if let Some(f) = findings.into_iter().next() {
                return Err(bad(&f.what));
            }
            d.root.get("value").map(Node::to_json)
        }
    };
    Ok(Op {
        path: keys,
        value,
        base: None,
    })
}

/// One line of `plimsoll diff`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Change {
    pub path: String,
    pub file: Option<Json>,
    pub effective: Option<Json>,
    pub overlay: String,
}

/// What the overlays change against the file.
pub fn diff(document: &Document, overlays: &[Overlay]) -> Vec<Change> {
    overlays
        .iter()
        .flat_map(|o| o.ops.iter().map(move |op| (o, op)))
        .map(|(o, op)| Change {
            path: op.path.join("."),
            file: document.root.find(&op.path).map(Node::to_json),
            effective: op.value.clone(),
            overlay: o.id.clone(),
        })
        .collect()
}
