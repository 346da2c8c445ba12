//! Answers. Pure.

use super::ask::Bad;
use super::{POSITION, VERSION};
use crate::event::BATCH;
use crate::place::Fault;
use crate::subscription::Subscription;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};
use store::Error;

pub type Answer = Response<Full<Bytes>>;

pub fn plain(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    let no_store = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(header::CACHE_CONTROL, no_store);
    answer
}

fn typed(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = plain(status);
    let kind = HeaderValue::from_static(kind);
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    *answer.body_mut() = Full::new(text.into());
    answer
}

pub fn json(status: StatusCode, value: &Value) -> Answer {
    typed(status, "application/json", format!("{value}\n"))
}

pub fn with(mut answer: Answer, name: &'static str, value: u64) -> Answer {
    answer.headers_mut().insert(name, value.into());
    answer
}

/// A batch, and the position of its last event.
pub fn events(batch: Vec<u8>, position: u64) -> Answer {
    with(typed(StatusCode::OK, BATCH, batch), POSITION, position)
}

pub fn subscription(name: &str, sub: &Subscription, last: u64) -> Value {
    json!({
        "name": name, "stream": sub.stream, "prefix": sub.prefix, "position": sub.position,
        "last": last, "lag": last.saturating_sub(sub.position),
        "acked_ms": (sub.acked_ms > 0).then_some(sub.acked_ms),
    })
}

fn problem(status: u16, reason: &str, detail: &str, more: Value) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut text = json!({
        "type": format!("urn:plimsoll:{reason}"), "title": status.canonical_reason(), "status": status.as_u16(),
        "detail": detail,
    });
    if let (Some(all), Value::Object(more)) = (text.as_object_mut(), more) {
        all.extend(more);
    }
    let mut answer = typed(status, "application/problem+json", format!("{text}\n"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let soon = HeaderValue::from_static("1");
        answer.headers_mut().insert(header::RETRY_AFTER, soon);
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE");
        answer.headers_mut().insert(header::ALLOW, allowed);
    }
    answer
}

/// Nobody more is let in.
pub fn crowded() -> Answer {
    let what = "too many read along already";
    problem(503, "stream-waiting", what, Value::Null)
}

impl From<Bad> for Answer {
    fn from(Bad(status, what): Bad) -> Answer {
        problem(status, "stream-request", &what, Value::Null)
    }
}

/// What a fault means for whoever asked. What was not stored is never answered as if it were.
pub fn failed(fault: &Fault) -> Answer {
    let text = fault.to_string();
    let plain = |status, reason| problem(status, reason, &text, Value::Null);
    match fault {
        Fault::Unknown(_) => plain(404, "stream-unknown"),
        Fault::Wrong(_) => plain(400, "stream-request"),
        Fault::Other(_) => plain(409, "stream-other"),
        Fault::Gone { first } => problem(410, "stream-gone", &text, json!({ "first": first })),
        Fault::NotOpen => plain(503, "stream-store"),
        Fault::Store(Error::Conflict { actual, .. }) => {
            let answer = problem(409, "stream-version", &text, json!({ "actual": actual }));
            with(answer, VERSION, *actual)
        }
        Fault::Store(Error::Stale { .. }) => plain(409, "stream-busy"),
        Fault::Store(Error::TooLarge { .. }) => plain(413, "stream-size"),
        Fault::Store(Error::Invalid(_)) => plain(400, "stream-request"),
        Fault::Store(Error::Full { .. } | Error::DiskFull { .. }) => plain(503, "stream-full"),
        Fault::Store(_) => plain(503, "stream-store"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_never_a_success() {
        let path = "events.db".to_owned();
        let conflict = Error::Conflict {
            stream: "s".into(),
            expected: "1".into(),
            actual: 2,
        };
        let status = |fault: Fault| failed(&fault).status().as_u16();
        assert_eq!(status(Fault::Store(Error::DiskFull { path })), 503);
        assert_eq!(status(Fault::Store(Error::Stopped("x".into()))), 503);
        assert_eq!(status(Fault::Store(Error::Busy)), 503);
        assert_eq!(status(Fault::NotOpen), 503);
        assert_eq!(status(Fault::Gone { first: 3 }), 410);
        let answer = failed(&Fault::Store(conflict));
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()[VERSION]),
            (409, &HeaderValue::from(2))
        );
    }
}
