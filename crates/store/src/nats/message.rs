//! Messages as they are stored, and as they are to be.

use async_nats::{HeaderMap, Message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::time::Duration;

/// Headers of our messages.
pub const EXPIRES: &str = "Plimsoll-Expires";
pub const TOKEN: &str = "Plimsoll-Token";
pub const TTL: &str = "Plimsoll-TTL";
/// Headers that others know: what is deleted is a message that says so, and the server lets messages go after their time.
const OPERATION: &str = "KV-Operation";
const LIFETIME: &str = "Nats-TTL";
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub subject: String,
    pub seq: u64,
    /// When it was stored, by the server's clock, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// It says that what was there is deleted.
    pub is_gone: bool,
    pub expires_ms: Option<u64>,
    pub token: Option<u64>,
    pub ttl_ms: Option<u64>,
    pub headers: HeaderMap,
    pub value: Vec<u8>,
}

impl Found {
    pub fn new(subject: String, seq: u64, at_ms: u64, headers: HeaderMap, value: Vec<u8>) -> Found {
        Found {
            subject,
            seq,
            at_ms,
            is_gone: headers.get(OPERATION).is_some(),
            expires_ms: number(&headers, EXPIRES),
            token: number(&headers, TOKEN),
            ttl_ms: number(&headers, TTL),
            headers,
            value,
        }
    }
}

/// What is to be stored.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub headers: Vec<(&'static str, String)>,
    pub value: Vec<u8>,
    /// Until the server lets it go.
    pub lifetime: Option<Duration>,
    /// What the last message under this subject must be; 0: there is none.
    pub expected: Option<u64>,
}

impl Draft {
    /// In place of what was there.
    pub fn gone(lifetime: Duration) -> Draft {
        Draft {
            headers: vec![(OPERATION, "DEL".into())],
            lifetime: Some(lifetime),
            ..Draft::default()
        }
    }

    /// All that it says beside its value.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.insert(*name, value.as_str());
        }
        if let Some(lifetime) = self.lifetime {
            let seconds = lifetime.as_secs() + u64::from(lifetime.subsec_nanos() > 0);
            headers.insert(LIFETIME, format!("{}s", seconds.max(1)).as_str());
        }
        if let Some(seq) = self.expected {
            headers.insert(EXPECTED, seq.to_string().as_str());
        }
        headers
    }
}

pub fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.as_str().parse().ok()
}

pub fn time_ms(text: &str) -> Option<u64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

/// A message as an answer to a read of many.
pub fn direct(message: &Message) -> Option<Found> {
    let headers = message.headers.as_ref()?;
    let text = |name: &str| headers.get(name).map(|v| v.as_str());
    Some(Found::new(
        text("Nats-Subject")?.to_owned(),
        number(headers, "Nats-Sequence")?,
        time_ms(text("Nats-Time-Stamp")?)?,
        headers.clone(),
        message.payload.to_vec(),
    ))
}

/// A message as JetStream's own request answers it.
pub fn read(message: &Value) -> Option<Found> {
    let bytes = |name: &str| match message[name].as_str() {
        Some(text) => STANDARD.decode(text).ok(),
        None => Some(Vec::new()),
    };
    let mut headers = HeaderMap::new();
    // The first line says only that these are headers.
    for line in String::from_utf8(bytes("hdrs")?).ok()?.lines().skip(1) {
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name, value.trim());
        }
    }
    Some(Found::new(
        message["subject"].as_str()?.to_owned(),
        message["seq"].as_u64()?,
        time_ms(message["time"].as_str()?)?,
        headers,
        bytes("data")?,
    ))
}

/// A message as a consumer gives it, with its number there and how many more wait: both stand in where its ack would go,
/// `$JS.ACK.STREAM.CONSUMER.DELIVERIES.SEQ.NUMBER.NANOSECONDS.PENDING`, of newer servers with a domain and an account before the stream.
pub fn given(message: &Message) -> Option<Given> {
    let reply = message.reply.as_ref()?.as_str();
    let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
    let before = if tokens.len() > 7 { 4 } else { 2 };
    let number = |i: usize| tokens.get(before + i)?.parse::<u64>().ok();
    Some(Given {
        number: number(2)?,
        pending: number(4)?,
        found: Found::new(
            message.subject.to_string(),
            number(1)?,
            number(3)? / 1_000_000,
            message.headers.clone().unwrap_or_default(),
            message.payload.to_vec(),
        ),
    })
}

pub struct Given {
    /// Of the consumer, from 1, without gaps.
    pub number: u64,
    pub pending: u64,
    pub found: Found,
}

/// The server's own time, as it says with what it says of a stream, milliseconds since the Unix epoch.
pub fn now_ms(info: &Value) -> Option<u64> {
    time_ms(info["ts"].as_str()?)
}
