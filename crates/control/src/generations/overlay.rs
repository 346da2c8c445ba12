//! Rules for overlays: who may stand beside whom, and when the file wins. Pure.

use crate::ports::Compose;
use base::Finding;
use config::document::{At, Node};
use config::{Op, Overlay};

/// `routes.product.cache`, for people.
pub fn dotted(path: &[String]) -> String {
    path.join(".")
}

fn touches(a: &[String], b: &[String]) -> bool {
    let n = a.len().min(b.len());
    a[..n] == b[..n]
}

/// Whether both are for some users only.
fn both_tried(a: &Overlay, b: &Overlay) -> bool {
    a.share.is_some() && b.share.is_some()
}

/// The first of `new` on a path that `other` has.
fn taken<'a>(new: &'a Overlay, other: &Overlay) -> Option<&'a Op> {
    let has = |op: &&Op| other.ops.iter().any(|o| touches(&o.path, &op.path));
    new.ops.iter().find(has)
}

/// Whether two cannot stand beside each other.
pub fn clash(a: &Overlay, b: &Overlay) -> bool {
    a.id == b.id || both_tried(a, b) || taken(a, b).is_some()
}

/// Whether `new` may be added to what is there: ids and paths are taken once, and one canary runs at a time.
pub fn admit(new: &Overlay, there: &[Overlay]) -> Result<(), Vec<Finding>> {
    let mut findings = Vec::new();
    if new.ops.is_empty() || new.ops.iter().any(|op| op.path.is_empty()) {
        findings.push(Finding::error(
            "overlay-empty",
            format!("overlay `{}` changes nothing", new.id),
        ));
    }
    if new.share.is_some_and(|s| !(0.0..=1.0).contains(&s)) {
        findings.push(
            Finding::error(
                "overlay-share",
                format!("the share of overlay `{}` is not between 0 and 1", new.id),
            )
            .help("write it like 0.1 for a tenth of users"),
        );
    }
    for other in there {
        if other.id == new.id {
            findings.push(
                Finding::error("overlay-exists", format!("overlay `{}` exists", new.id))
                    .help(format!("`plimsoll rollback {}` removes it", new.id)),
            );
            continue;
        }
        if both_tried(new, other) {
            findings.push(
                Finding::error(
                    "canary-busy",
                    format!("`{}` is being tried; one canary runs at a time", other.id),
                )
                .help(format!(
                    "wait for its verdict, or `plimsoll rollback {}`",
                    other.id
                )),
            );
        }
        if let Some(op) = taken(new, other) {
            findings.push(
                Finding::error(
                    "overlay-path-taken",
                    format!(
                        "`{}` is already changed by overlay `{}`",
                        dotted(&op.path),
                        other.id
                    ),
                )
                .why("with two changes of one value, removing one would not restore the other")
                .help(format!("`plimsoll rollback {}` first", other.id)),
            );
        }
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(findings)
    }
}

/// The operations with the values that they replace in the file.
pub fn with_base(ops: Vec<Op>, document: &str, compose: &dyn Compose) -> Vec<Op> {
    ops.into_iter()
        .map(|op| Op {
            base: compose.value_at(document, &op.path),
            ..op
        })
        .collect()
}

/// Why the overlay goes: the file has changed one of its paths since it was made, perhaps to what the overlay says.
pub fn outdated(overlay: &Overlay, document: &str, compose: &dyn Compose) -> Option<Finding> {
    let says =
        |op: &Op| (op.value.as_ref()).map(|v| Node::from_json(v, &At::overlay("")).to_json());
    let changes = overlay.ops.iter().any(|op| op.base != says(op));
    let adopted = |op: &Op| compose.value_at(document, &op.path) == says(op);
    if changes && overlay.ops.iter().all(adopted) {
        return Some(Finding::note(
            "overlay-adopted",
            format!("the file now says what overlay `{}` said", overlay.id),
        ));
    }
    overlay.ops.iter().find_map(|op| {
        (compose.value_at(document, &op.path) != op.base).then(|| {
            Finding::warning(
                "overlay-file-wins",
                format!(
                    "the file now sets `{}` itself, so overlay `{}` is dropped",
                    dotted(&op.path),
                    overlay.id
                ),
            )
            .why("the file is what people agreed on")
            .help("try the change again if it is still wanted")
        })
    })
}

pub fn expired(overlay: &Overlay, now_s: u64) -> bool {
    overlay.expires_at.is_some_and(|at| at <= now_s)
}
