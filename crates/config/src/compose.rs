//! Overlays on the file: which apply, which are dropped and why, and the generation that results.

use crate::check::decode;
use crate::document::{At, Document, Entry, Node, Value};
use crate::generation::{Canary, Expiry, Generation, Overlay};
use crate::secret::mask;
use crate::sections::Config;
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
    let (file, findings) = decode(&document.root);
    let Some(file) = file else {
        return Err(findings);
    };
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
    let generation = generation(document, &file, live, number, &mut dropped);
    Ok(Composed {
        generation,
        dropped,
        findings,
    })
}

/// The generation of overlays that are admitted, with what follows each expiry. An overlay that was refused does not
/// come to life when another expires: at most as many steps follow as there are overlays.
fn generation(
    document: &Document,
    file: &Config,
    live: Vec<&Overlay>,
    number: u64,
    dropped: &mut Vec<(String, Finding)>,
) -> Generation {
    let (canaries, plain): (Vec<&Overlay>, Vec<&Overlay>) =
        live.into_iter().partition(|o| o.share.is_some());
    let (tree, config, mut kept) = lay(document, file, plain, dropped);
    let mut canary = None;
    for o in canaries {
        match decode(&with(&tree, o)) {
            (Some(c), _) => {
                kept.push(o);
                canary = Some(Canary {
                    overlay: o.id.clone(),
                    share: o.share.unwrap_or(0.0),
                    config: Arc::new(c),
                });
            }
            (None, f) => dropped.push((o.id.clone(), refused(o, &f))),
        }
    }
    let expiry = kept.iter().filter_map(|o| o.expires_at).min().map(|at| {
        let rest = kept
            .iter()
            .copied()
            .filter(|o| o.expires_at.is_none_or(|e| e > at))
            .collect();
        Expiry {
            at,
            next: Arc::new(generation(document, file, rest, number, &mut Vec::new())),
        }
    });
    Generation {
        number,
        hash: hash(document, &kept),
        base: Arc::new(config),
        canary,
        expiry,
    }
}

/// Lays overlays on the file: all at once, or one by one without those that break it.
fn lay<'o>(
    document: &Document,
    file: &Config,
    overlays: Vec<&'o Overlay>,
    dropped: &mut Vec<(String, Finding)>,
) -> (Node, Config, Vec<&'o Overlay>) {
    let mut all = document.root.clone();
    for o in &overlays {
        apply(&mut all, o);
    }
    if let (Some(config), _) = decode(&all) {
        return (all, config, overlays);
    }
    let (mut tree, mut config, mut kept) = (document.root.clone(), file.clone(), Vec::new());
    for o in overlays {
        let tried = with(&tree, o);
        match decode(&tried) {
            (Some(c), _) => {
                (tree, config) = (tried, c);
                kept.push(o);
            }
            (None, f) => dropped.push((o.id.clone(), refused(o, &f))),
        }
    }
    (tree, config, kept)
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
    if let Some(share) = o.share.filter(|s| !(*s > 0.0 && *s <= 1.0)) {
        return no(
            "overlay-share",
            format!("a share of {share} is not above 0 and at most 1"),
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
            let text = |v: Option<&Json>| v.map_or("nothing".to_owned(), |v| mask(&v.to_string()));
            let finding = Finding::error(
                "overlay-file-wins",
                format!(
                    "overlay `{}`: `{}` has changed in the file since, so the file's value stands",
                    o.id,
                    op.path.join(".")
                ),
            )
            .why(format!(
                "it was {} when the overlay was made, and is {} now",
                text(op.base.as_ref()),
                text(now.as_ref())
            ))
            .help("remove the overlay, or make it anew");
            let spot = document.root.find(&op.path).map(|n| n.at.spot());
            return Err(Finding { spot, ..finding });
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
pub(crate) fn normal(json: &Json) -> Json {
    Node::from_json(json, &At::overlay("")).to_json()
}

fn with(root: &Node, overlay: &Overlay) -> Node {
    let mut root = root.clone();
    apply(&mut root, overlay);
    root
}

fn apply(root: &mut Node, overlay: &Overlay) {
    let at = At::overlay(&overlay.id);
    for op in &overlay.ops {
        set(root, &op.path, op.value.as_ref(), &at);
    }
}

/// Sets (or removes) what is at `path`, with the maps on the way to it.
pub(crate) fn set(node: &mut Node, path: &[String], value: Option<&Json>, at: &At) {
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
