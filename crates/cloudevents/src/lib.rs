//! CloudEvents 1.0 over HTTP: read and written in binary, structured and batch mode, and filters on their attributes. Pure.
//!
//! `event` is what an event is and what makes it a bad one, `binary` and `json` are its two forms, `filter` decides who gets it.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod binary;
mod event;
pub mod filter;
pub mod json;

pub use event::{Bad, Draft, Event, Value};

/// Media types of the forms that carry attributes in the body.
pub const STRUCTURED: &str = "application/cloudevents+json";
pub const BATCH: &str = "application/cloudevents-batch+json";

/// How a request carries its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Binary,
    Structured,
    Batch,
}

impl Mode {
    /// # Errors
    /// A form of CloudEvents that is not JSON.
    pub fn of(content_type: Option<&str>) -> Result<Mode, Bad> {
        let kind = content_type.unwrap_or("").split(';').next().unwrap_or("");
        let kind = kind.trim().to_ascii_lowercase();
        match kind.as_str() {
            STRUCTURED => Ok(Mode::Structured),
            BATCH => Ok(Mode::Batch),
            other if other.starts_with("application/cloudevents") => Err(Bad(format!(
                "events in `{other}` are not read here; send {STRUCTURED}, {BATCH}, or binary mode (ce- headers)"
            ))),
            _ => Ok(Mode::Binary),
        }
    }
}

/// All events of a request, each as `finish` makes it of what was read; in a batch at most so many.
///
/// # Errors
/// What is wrong with them, or with which of them.
pub fn read<'a, T>(
    mode: Mode,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    body: Vec<u8>,
    most: usize,
    mut finish: impl FnMut(Draft) -> Result<T, Bad>,
) -> Result<Vec<T>, Bad> {
    let one = |draft| Ok(vec![draft]);
    match mode {
        Mode::Binary => binary::draft(headers, body).and_then(finish).and_then(one),
        Mode::Structured => json::draft(&body).and_then(finish).and_then(one),
        Mode::Batch => json::read_batch(&body, most, &mut finish),
    }
}

/// Whether this media type is JSON, as events without one are.
pub fn is_json(kind: Option<&str>) -> bool {
    let Some(kind) = kind else { return true };
    let kind = kind.split(';').next().unwrap_or("").trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_tells_the_mode() {
        let of = |t| Mode::of(Some(t)).ok();
        assert_eq!(Mode::of(None), Ok(Mode::Binary));
        assert_eq!(of("application/json"), Some(Mode::Binary));
        assert_eq!(
            of("Application/CloudEvents+JSON; charset=utf-8"),
            Some(Mode::Structured)
        );
        assert_eq!(of(BATCH), Some(Mode::Batch));
        assert_eq!(of("application/cloudevents+avro"), None);
        assert!(is_json(None) && is_json(Some("application/a+json; x=1")));
        assert!(!is_json(Some("text/plain")));
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(subject in "\\PC{1,40}", kind in "[a-z]{1,8}/[a-z;= \"%]{1,8}[a-z]", data: Vec<u8>) {
            let pairs = [("subject", &subject[..]), ("datacontenttype", &kind[..])];
            let event = event::tests::of(&pairs, &data).unwrap();
            let headers = binary::headers(&event);
            let lines = headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes()));
            assert_eq!(binary::read(lines, data), Ok(event.clone()));
            assert_eq!(json::read(&json::write(&event)), Ok(event));
        }

        #[test]
        fn any_bytes_are_an_event_or_said_to_be_none(bytes: Vec<u8>, text in "[\\[\\]{}:,\"a-z0-9.]{0,60}") {
            let lines = [("ce-id", &bytes[..]), ("ce-x", text.as_bytes()), ("content-type", &bytes[..])];
            let _ = binary::read(lines.into_iter(), Vec::new());
            for body in [&bytes[..], text.as_bytes()] {
                let _ = (json::read(body), json::read_batch(body, 3, Draft::check));
            }
        }
    }
}
