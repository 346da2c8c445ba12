//! Answers. Pure.

use crate::ask::{Bad, TTL, shown};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::json;
use store::{Error, Etag};

pub type Answer = Response<Full<Bytes>>;

/// A value as it is stored: its media type and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub kind: String,
    pub body: Vec<u8>,
}

impl Value {
    pub fn write(self) -> Vec<u8> {
        let mut out = vec![self.kind.len().min(255) as u8];
        out.extend_from_slice(self.kind.as_bytes());
        out.extend_from_slice(&self.body);
        out
    }

    /// `None`: this is nothing that `write` wrote.
    pub fn read(bytes: &[u8]) -> Option<Value> {
        let (length, rest) = bytes.split_first()?;
        let (kind, body) = rest.split_at_checked(usize::from(*length))?;
        Some(Value {
            kind: String::from_utf8(kind.to_vec()).ok()?,
            body: body.to_vec(),
        })
    }
}

pub fn plain(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    let no_store = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(header::CACHE_CONTROL, no_store);
    answer
}

pub fn tagged(mut answer: Answer, etag: Etag) -> Answer {
    if let Ok(value) = HeaderValue::from_str(&shown(etag)) {
        answer.headers_mut().insert(header::ETAG, value);
    }
    answer
}

/// `left_ms`: how long it still lives.
pub fn value(value: Value, etag: Etag, left_ms: Option<u64>) -> Answer {
    let mut answer = tagged(plain(StatusCode::OK), etag);
    let kind = match value.kind.as_str() {
        "" => "application/octet-stream",
        kind => kind,
    };
    if let Ok(kind) = HeaderValue::from_str(kind) {
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    if let Some(left) = left_ms {
        let seconds = left.div_ceil(1000);
        answer.headers_mut().insert(TTL, seconds.into());
    }
    *answer.body_mut() = Full::new(value.body.into());
    answer
}

pub fn problem(status: u16, reason: &str, detail: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = json!({
        "type": format!("urn:plimsoll:{reason}"), "title": status.canonical_reason(), "status": status.as_u16(),
        "detail": detail,
    });
    let mut answer = plain(status);
    let kind = HeaderValue::from_static("application/problem+json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let soon = HeaderValue::from_static("1");
        answer.headers_mut().insert(header::RETRY_AFTER, soon);
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static("GET, HEAD, PUT, DELETE");
        answer.headers_mut().insert(header::ALLOW, allowed);
    }
    *answer.body_mut() = Full::new(format!("{text}\n").into());
    answer
}

impl From<Bad> for Answer {
    fn from(Bad(status, what): Bad) -> Answer {
        problem(status, "state-request", &what)
    }
}

/// What a failing store means for whoever asked.
pub fn failed(e: &Error) -> Answer {
    match e {
        Error::Stale { actual, .. } => changed(*actual),
        Error::TooLarge { .. } => problem(413, "state-size", &e.to_string()),
        Error::DiskFull { .. } => problem(507, "state-full", &e.to_string()),
        Error::Invalid(_) => problem(400, "state-request", &e.to_string()),
        _ => problem(503, "state-store", &e.to_string()),
    }
}

/// The value is another than what was expected.
pub fn changed(actual: Option<Etag>) -> Answer {
    let detail = match actual {
        Some(_) => "the value is another one now; read it again and decide again",
        None => "there is no such value",
    };
    let answer = problem(412, "state-changed", detail);
    match actual {
        Some(etag) => tagged(answer, etag),
        None => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let v = Value {
            kind: "text/plain".into(),
            body: b"abc".to_vec(),
        };
        assert_eq!(Value::read(&v.clone().write()), Some(v));
        assert_eq!(Value::read(b""), None);
        assert_eq!(Value::read(b"\x05abc"), None);
    }
}
