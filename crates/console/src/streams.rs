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
    pub limit: Option<u32>,
}

/// A whole number from 0 to 2⁵³, however JSON writes it.
pub fn whole<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    maybe_whole(from)?.ok_or_else(|| serde::de::Error::custom("null is no number"))
}

/// The same, or null.
fn maybe_whole<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let Some(told) = Option::<serde_json::Number>::deserialize(from)? else {
        return Ok(None);
    };
    let float = told
        .as_f64()
        .filter(|n| n.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(n));
    let whole = told.as_u64().or(float.map(|n| n as u64));
    match whole {
        Some(n) => Ok(Some(n)),
        None => Err(serde::de::Error::custom(format!(
            "{told} is no whole number from 0 on"
        ))),
    }
}

/// An event by hand.
#[derive(Clone, Debug, Deserialize)]
pub struct NewEvent {
    pub stream: String,
    /// How many events the stream has; any number when left out.
    #[serde(default, deserialize_with = "maybe_whole")]
    pub expected: Option<u64>,
    /// A CloudEvent; its `type` is needed.
    pub event: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_one_however_it_is_written_and_null_is_none() {
        let of = |expected: &str| {
            let text = format!(r#"{{"stream":"s","event":{{}}{expected}}}"#);
            serde_json::from_str::<NewEvent>(&text)
                .map(|new| new.expected)
                .ok()
        };
        assert_eq!(of(""), Some(None));
        assert_eq!(of(r#","expected":null"#), Some(None));
        assert_eq!(of(r#","expected":7"#), Some(Some(7)));
        assert_eq!(of(r#","expected":4294967294.0"#), Some(Some(4_294_967_294)));
        for bad in ["7.5", "-1", "1e300", "\"7\""] {
            assert_eq!(of(&format!(r#","expected":{bad}"#)), None, "{bad}");
        }
    }
}
