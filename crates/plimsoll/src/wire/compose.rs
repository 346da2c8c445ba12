//! Control's `Compose` by the config crate: text and overlays to a generation.

use base::Finding;
use config::{Document, Generation, Overlay};
use serde_json::Value;

/// `file` is the name used in messages.
pub struct Composer {
    pub file: String,
}

impl control::ports::Compose for Composer {
    fn compose(
        &self,
        text: &str,
        overlays: &[Overlay],
        number: u64,
        now_s: u64,
    ) -> Result<Generation, Vec<Finding>> {
        let (document, findings) = Document::parse(&self.file, text);
        if !findings.is_empty() {
            return Err(findings);
        }
        let composed = config::compose(&document, overlays, number, now_s)?;
        // Control asks for overlays that must hold: one that does not apply is an error, with its reason.
        match composed.dropped.is_empty() {
            true => Ok(composed.generation),
            false => Err(composed
                .dropped
                .into_iter()
                .map(|(_, finding)| finding)
                .collect()),
        }
    }

    fn value_at(&self, text: &str, path: &[String]) -> Option<Value> {
        Document::parse(&self.file, text)
            .0
            .root
            .find(path)
            .map(config::document::Node::to_json)
    }
}
