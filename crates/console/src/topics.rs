//! What is asked of topics.

use base::Finding;
use serde::Deserialize;
use serde_json::Value;

pub trait Topics: Send + Sync {
    /// Each topic and its subscriptions: how much waits, how fast it is delivered, and why not faster. A list.
    fn status(&self) -> Result<Value, Vec<Finding>>;
    fn list(&self, ask: &EventList) -> Result<Value, Vec<Finding>>;
    fn act(&self, deed: &TopicDeed) -> Result<Value, Vec<Finding>>;
}

/// Which events of a subscription to list.
#[derive(Clone, Debug, Deserialize)]
pub struct EventList {
    pub topic: String,
    pub subscription: String,
    /// Else the dead ones.
    pub state: Option<String>,
    /// Place of the last one that was listed before: the part of its id before the dash.
    pub after: Option<u64>,
    pub limit: Option<u32>,
}

/// What is to happen to a subscription.
#[derive(Clone, Debug)]
pub enum TopicDeed {
    Pause {
        topic: String,
        subscription: String,
    },
    Resume {
        topic: String,
        subscription: String,
    },
    /// All dead events.
    Redrive {
        topic: String,
        subscription: String,
    },
}

impl TopicDeed {
    /// Topic and subscription.
    pub fn of(&self) -> (&str, &str) {
        let (TopicDeed::Pause {
            topic,
            subscription,
        }
        | TopicDeed::Resume {
            topic,
            subscription,
        }
        | TopicDeed::Redrive {
            topic,
            subscription,
        }) = self;
        (topic, subscription)
    }

    /// For people.
    pub(crate) fn said(&self) -> String {
        let what = match self {
            TopicDeed::Pause { .. } => "paused",
            TopicDeed::Resume { .. } => "resumed",
            TopicDeed::Redrive { .. } => "redriven",
        };
        let (topic, subscription) = self.of();
        format!("topics: {topic}/{subscription} {what}")
    }
}
