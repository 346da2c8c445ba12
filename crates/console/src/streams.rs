//! What is asked of the streams of events.

use base::Finding;
use serde::Deserialize;
use serde_json::Value;

pub trait Streams: Send + Sync {
    /// Ends of the order, subscriptions, projections and outboxes; null: there are no streams.
    fn standing(&self) -> Result<Value, Vec<Finding>>;
    /// Names and versions in the order of names.
    fn list(&self, after: &str, limit: u64) -> Result<Value, Vec<Finding>>;
    fn read(&self, ask: &StreamAsk) -> Result<Value, Vec<Finding>>;
    fn append(&self, new: &NewEvent) -> Result<Value, Vec<Finding>>;
    /// Has a projection be pushed everything after `from` again, at `rate` events per second.
    fn replay(&self, projection: &str, from: u64, rate: Option<f64>)
    -> Result<Value, Vec<Finding>>;
}

/// Which events to read.
#[derive(Clone, Debug, Deserialize)]
pub struct StreamAsk {
    /// Else those of all streams.
    pub stream: Option<String>,
    /// A version of the stream; without a stream, the position after which to begin.
    pub from: Option<u64>,
    #[serde(default)]
    pub back: bool,
    pub limit: Option<u64>,
}

/// An event by hand.
#[derive(Clone, Debug, Deserialize)]
pub struct NewEvent {
    pub stream: String,
    /// How many events the stream has; any number when left out.
    pub expected: Option<u64>,
    /// A CloudEvent; its `type` is needed.
    pub event: Value,
}
