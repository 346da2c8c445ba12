//! How long an incident's steps took.

use super::Incident;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// From when it began; `None`: not yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub detect: Option<SignedDuration>,
    pub acknowledge: Option<SignedDuration>,
    pub mitigate: Option<SignedDuration>,
    pub resolve: Option<SignedDuration>,
}

impl Times {
    /// Each with its word, in their order.
    pub fn rows(&self) -> [(&'static str, Option<SignedDuration>); 4] {
        [
            ("detected", self.detect),
            ("acknowledged", self.acknowledge),
            ("mitigated", self.mitigate),
            ("resolved", self.resolve),
        ]
    }

    /// In seconds.
    pub fn to_json(&self) -> Value {
        let seconds = |d: Option<SignedDuration>| d.map(|d| d.as_secs());
        json!({
            "detect_s": seconds(self.detect),
            "acknowledge_s": seconds(self.acknowledge),
            "mitigate_s": seconds(self.mitigate),
            "resolve_s": seconds(self.resolve),
        })
    }
}

impl Incident {
    pub fn times(&self) -> Times {
        let since = |at: Option<Timestamp>| Some(at?.duration_since(self.start()?));
        Times {
            detect: self.began.and(since(self.detected)),
            acknowledge: since(self.acknowledged),
            mitigate: since(self.mitigated),
            resolve: since(self.resolved),
        }
    }
}

/// What is in the middle (the upper one of two) among those incidents that came so far.
pub fn typical<'a>(all: impl Iterator<Item = &'a Incident>) -> Times {
    let times: Vec<Times> = all.map(Incident::times).collect();
    let middle = |of: fn(&Times) -> Option<SignedDuration>| {
        let mut took: Vec<SignedDuration> = times.iter().filter_map(of).collect();
        took.sort();
        took.get(took.len() / 2).copied()
    };
    Times {
        detect: middle(|t| t.detect),
        acknowledge: middle(|t| t.acknowledge),
        mitigate: middle(|t| t.mitigate),
        resolve: middle(|t| t.resolve),
    }
}
