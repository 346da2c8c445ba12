//! Answers. Pure.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use std::convert::Infallible;
use store::Error;

pub type Payload = UnsyncBoxBody<Bytes, Infallible>;
pub type Answer = Response<Payload>;

pub fn of(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()).boxed_unsync());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

pub fn json(status: StatusCode, value: &Value) -> Answer {
    of(status, "application/json", format!("{value}\n"))
}

pub fn problem(status: u16, reason: &str, detail: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = json!({
        "type": format!("urn:plimsoll:{reason}"), "title": status.canonical_reason(), "status": status.as_u16(),
        "detail": detail,
    });
    let mut answer = of(status, "application/problem+json", format!("{text}\n"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let soon = HeaderValue::from_static("1");
        answer.headers_mut().insert(header::RETRY_AFTER, soon);
    }
    answer
}

pub fn not_allowed(allowed: &str) -> Answer {
    let what = format!("this is asked by {allowed}");
    let mut answer = problem(405, "topic-method", &what);
    if let Ok(value) = HeaderValue::from_str(allowed) {
        answer.headers_mut().insert(header::ALLOW, value);
    }
    answer
}

/// What a failing store means for whoever asked.
pub fn failed(e: &Error) -> Answer {
    match e {
        Error::Full { .. } => problem(503, "topic-full", &e.to_string()),
        Error::TooLarge { .. } => problem(413, "topic-size", &e.to_string()),
        Error::Invalid(_) => problem(400, "topic-request", &e.to_string()),
        _ => problem(503, "topic-store", &e.to_string()),
    }
}
