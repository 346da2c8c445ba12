//! Changes as people type and read them: patches, the operations of an overlay, the difference to the file.

use crate::compose::normal;
use crate::document::{Document, Node};
use crate::generation::{Op, Overlay};
use crate::secret::mask;
use base::Finding;
use serde_json::Value as Json;

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
            file: document.root.find(&op.path).map(|n| masked(n.to_json())),
            effective: op.value.clone().map(masked),
            overlay: o.id.clone(),
        })
        .collect()
}

/// Without the passwords of URLs.
fn masked(json: Json) -> Json {
    match json {
        Json::String(s) => Json::String(mask(&s)),
        Json::Array(items) => Json::Array(items.into_iter().map(masked).collect()),
        Json::Object(map) => Json::Object(map.into_iter().map(|(k, v)| (k, masked(v))).collect()),
        other => other,
    }
}
