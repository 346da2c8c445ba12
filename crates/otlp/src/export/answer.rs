//! What a collector said, in the words of OTLP over HTTP and over gRPC.

use crate::decode::{Encoding, Fields, Malformed};
use serde_json::Value;
use std::time::Duration;

/// What is kept of a message, characters.
const MESSAGE: usize = 200;

/// Of one try.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// All but so many.
    Taken { rejected: u64, message: String },
    /// A status of HTTP other than 2xx, with its `Retry-After`.
    Status {
        status: u16,
        after: Option<String>,
        message: String,
    },
    /// A status of gRPC other than 0, with the delay of its `RetryInfo`.
    Grpc {
        status: u32,
        after: Option<Duration>,
        message: String,
    },
    /// Nothing that is an answer.
    Silent(String),
}

/// Of an answer that says yes: how many were rejected, and why.
///
/// # Errors
/// When it is no answer of OTLP.
pub fn partial(body: &[u8], encoding: Encoding) -> Result<(u64, String), Malformed> {
    match encoding {
        _ if body.is_empty() => Ok((0, String::new())),
        Encoding::Protobuf => proto(body),
        Encoding::Json => json(body),
    }
}

fn proto(body: &[u8]) -> Result<(u64, String), Malformed> {
    let (mut rejected, mut message) = (0, String::new());
    for field in Fields::of(body) {
        let (1, partial) = field? else { continue };
        for field in Fields::of(partial.bytes()?) {
            match field? {
                (1, n) => rejected = n.number()?,
                (2, text) => message = short(&String::from_utf8_lossy(text.bytes()?)),
                _ => {}
            }
        }
    }
    Ok((rejected, message))
}

fn json(body: &[u8]) -> Result<(u64, String), Malformed> {
    let no = |e: serde_json::Error| Malformed(format!("this is not JSON of OTLP: {e}"));
    let all: Value = serde_json::from_slice(body).map_err(no)?;
    let Value::Object(all) = all else {
        return Err(Malformed("this is not JSON of OTLP: no object".into()));
    };
    let Some(partial) = all.get("partialSuccess") else {
        return Ok((0, String::new()));
    };
    // Numbers of 64 bits are text, or not.
    let number = |v: &Value| v.as_u64().or_else(|| v.as_str()?.parse().ok());
    let rejected = ["rejectedSpans", "rejectedDataPoints"]
        .iter()
        .find_map(|key| number(partial.get(key)?));
    let message = partial.get("errorMessage").and_then(Value::as_str);
    Ok((rejected.unwrap_or(0), short(message.unwrap_or(""))))
}

/// The delay of a `RetryInfo` in what `grpc-status-details-bin` holds (a `google.rpc.Status`).
pub fn grpc(details: &[u8]) -> Option<Duration> {
    for any in parts(details, 3) {
        let is_retry = parts(any, 1).any(|url| url.ends_with(b"google.rpc.RetryInfo"));
        if !is_retry {
            continue;
        }
        let delay = parts(any, 2).flat_map(|info| parts(info, 1)).next();
        let (mut seconds, mut nanos) = (0, 0);
        for (n, v) in Fields::of(delay.unwrap_or(&[])).filter_map(Result::ok) {
            match n {
                1 => seconds = v.number().ok()?,
                2 => nanos = v.number().ok()?,
                _ => {}
            }
        }
        let nanos = u32::try_from(nanos).ok().filter(|n| *n < 1_000_000_000)?;
        return Some(Duration::new(seconds.min(1 << 32), nanos));
    }
    None
}

/// The messages and texts in the fields of this number, as far as it can be read.
fn parts(message: &[u8], wanted: u64) -> impl Iterator<Item = &[u8]> {
    let field = Fields::of(message).filter_map(Result::ok);
    field.filter_map(move |(n, v)| v.bytes().ok().filter(|_| n == wanted))
}

/// One line of it.
pub fn short(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let shown: String = shown.take(MESSAGE).collect();
    shown.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Writer;

    #[test]
    fn a_partial_success_says_how_much_was_not_taken() {
        let partial_of = Writer::default().number(1, 3).bytes(2, b"no\nroom");
        let body = Writer::default().bytes(1, &partial_of.out).out;
        let proto = |body: &[u8]| partial(body, Encoding::Protobuf);
        assert_eq!(proto(&body), Ok((3, "no room".into())));
        assert_eq!(proto(b""), Ok((0, String::new())));
        assert!(proto(b"<html>").is_err());
        let json = |body: &str| partial(body.as_bytes(), Encoding::Json);
        let both = [
            r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"no room"}}"#,
            r#"{"partialSuccess":{"rejectedDataPoints":3,"errorMessage":"no room"}}"#,
        ];
        for body in both {
            assert_eq!(json(body), Ok((3, "no room".into())));
        }
        assert_eq!(json("{}"), Ok((0, String::new())));
        assert!(json("<html>").is_err() && json("7").is_err());
        assert_eq!(short(&"x".repeat(999)).len(), MESSAGE);
    }

    #[test]
    fn a_delay_is_read_from_the_details_of_grpc() {
        let delay = Writer::default().number(1, 3).number(2, 500_000_000);
        let info = Writer::default().bytes(1, &delay.out);
        let any = Writer::default()
            .bytes(1, b"type.googleapis.com/google.rpc.RetryInfo")
            .bytes(2, &info.out);
        let status = Writer::default().number(1, 8).bytes(3, &any.out).out;
        assert_eq!(grpc(&status), Some(Duration::from_millis(3500)));
        assert_eq!(grpc(b"rubbish"), None);
        assert_eq!(grpc(b""), None);
    }
}
