//! Requests that become events.

use crate::Pattern;
use serde::{Deserialize, Serialize};

/// A request becomes an event of a topic, on disk before it is answered 202. The service is not asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Publish {
    pub topic: String,
    /// Of an event that does not say it itself.
    pub kind: Pattern,
    pub source: Pattern,
    /// `None`: it has none.
    pub subject: Option<Pattern>,
    /// A request that is a CloudEvent is taken as it is.
    pub cloudevents: bool,
}

impl Publish {
    /// What a pattern may name beside the names in the route's path.
    pub const NAMES: [&str; 3] = ["route", "method", "path"];

    pub fn to(topic: &str) -> Publish {
        Publish {
            topic: topic.to_owned(),
            kind: Pattern::ending("plimsoll.", "route"),
            source: Pattern::ending("/routes/", "route"),
            subject: None,
            cloudevents: true,
        }
    }

    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        [&self.kind, &self.source].into_iter().chain(&self.subject)
    }
}
