//! Overlays that several nodes have together. Each node says which it has and which were taken back; each hears what the
//! others say and decides for itself. What one overlay is only goes forward: for some users, for everyone, taken back. So
//! the order in which nodes hear each other does not matter, and hearing nothing takes nothing away.

mod decide;
mod secrets;
mod turn;

pub use decide::{Heard, Own, Refused, Step, decide};
pub use turn::Said;

use config::{Config, Overlay};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Of what nodes say. A node does not follow one that says something in another format.
pub const FORMAT: u32 = 1;
/// Overlays that are said and heard of one node: more than may be in force at once never come.
pub const MOST: usize = config::compose::MAX_OVERLAYS;
/// Longest text of one overlay as JSON, bytes.
pub const MAX_OVERLAY: usize = 8 << 10;
/// Overlays taken back that a node remembers and says, the newest.
pub const REMEMBER: usize = 256;
/// Longest text of who or why in what was taken back, characters.
const MAX_TEXT: usize = 200;
/// Of a config, what each node has for itself. `listen` of a section is its own, too.
const OWN: [&str; 7] = [
    "listen",
    "socket_mode",
    "console",
    "data_dir",
    "threads",
    "zone",
    "nameserver",
];

/// What a node says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Word {
    pub format: u32,
    pub version: String,
    /// Hash of each part of the file that its overlays stand on.
    pub file: BTreeMap<String, String>,
    /// As in its ledger.
    pub overlays: Vec<Value>,
    pub gone: Vec<Gone>,
}

impl Word {
    /// What cannot be read is told as what this version does not know.
    pub fn read(text: &[u8]) -> Word {
        serde_json::from_slice(text).unwrap_or_else(|_| {
            let value: Value = serde_json::from_slice(text).unwrap_or_default();
            let all = value["overlays"].as_array().cloned();
            Word {
                version: value["version"].as_str().unwrap_or("unknown").into(),
                overlays: all.unwrap_or_else(|| vec![Value::Null]),
                ..Word::default()
            }
        })
    }
}

/// An overlay that was taken back, by a person, a verdict or a restart. What has expired, or gave way to the file, is not
/// here: that is each node's own to see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gone {
    pub key: String,
    pub id: String,
    pub who: String,
    pub why: String,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl Gone {
    pub fn new(overlay: &Overlay, who: &str, why: &str, at_ms: u64) -> Gone {
        let short = |text: &str| text.chars().take(MAX_TEXT).collect();
        Gone {
            key: key(overlay),
            id: overlay.id.clone(),
            who: short(who),
            why: short(why),
            at_ms,
        }
    }
}

/// Names one overlay at all nodes: ids of trials begin anew at each. It stays when a canary is promoted.
pub fn key(o: &Overlay) -> String {
    let ops = serde_json::to_string(&o.ops).unwrap_or_default();
    hash(&format!(
        "{:?}",
        (&o.id, &o.owner, &o.reason, o.created_at, ops)
    ))
}

/// Hashes of the parts of a config. Secrets are not in it: they are written as `***`.
pub fn parts(config: &Config) -> BTreeMap<String, String> {
    let value = serde_json::to_value(config).unwrap_or_default();
    let all = value.as_object().cloned().unwrap_or_default();
    let shared = all.into_iter().filter(|(k, _)| !OWN.contains(&k.as_str()));
    let hashed = |(key, mut part): (String, Value)| {
        if let Some(section) = part.as_object_mut() {
            section.remove("listen");
        }
        (key, hash(&part.to_string()))
    };
    shared.map(hashed).collect()
}

/// Names of the parts in which two differ.
pub fn differ(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
    names.sort();
    names.dedup();
    let other = names.into_iter().filter(|n| a.get(*n) != b.get(*n));
    other.cloned().collect()
}

/// Why an overlay is not for other nodes.
fn unfit(o: &Overlay) -> Option<&'static str> {
    let own = |op: &config::Op| op.path.first().is_some_and(|k| OWN.contains(&k.as_str()));
    if o.ops.iter().any(own) {
        return Some("it changes what belongs to one node");
    }
    if o.ops.iter().any(secrets::carries) {
        return Some("it carries a secret: name it by `{ env: NAME }` or `{ file: PATH }`");
    }
    let size = serde_json::to_string(o).map_or(usize::MAX, |text| text.len());
    (size > MAX_OVERLAY).then_some("it is larger than 8 KiB")
}

fn hash(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(8).map(|b| format!("{b:02x}")).collect()
}
