//! What must hold of everything that reads foreign text, whatever the text. Each target is one property: `check` panics when it is broken.
//!
//! libFuzzer calls them with coverage (`cargo xtask fuzz`), and `tests/seeds.rs` without, with changed seeds. See `README.md`.
#![forbid(unsafe_code)]

pub mod cache_headers;
pub mod chunked_body;
pub mod config_text;
pub mod request_head;
pub mod response_head;
pub mod round_trip;

#[cfg(feature = "all")]
pub mod access_log;
#[cfg(feature = "all")]
pub mod calendar;
#[cfg(feature = "all")]
pub mod cloud_event;
#[cfg(feature = "all")]
pub mod focus_bill;
#[cfg(feature = "all")]
pub mod otlp_request;
#[cfg(feature = "all")]
pub mod recording;
#[cfg(feature = "all")]
pub mod webhook_guard;

type Check = fn(&[u8]);

/// Every target: its name, which is that of its seeds' folder, and its property.
pub const TARGETS: &[(&str, Check)] = &[
    ("request_head", request_head::check),
    ("response_head", response_head::check),
    ("chunked_body", chunked_body::check),
    ("round_trip", round_trip::check),
    ("config_text", config_text::check),
    ("cache_headers", cache_headers::check),
    #[cfg(feature = "all")]
    ("access_log", access_log::check),
    #[cfg(feature = "all")]
    ("calendar", calendar::check),
    #[cfg(feature = "all")]
    ("cloud_event", cloud_event::check),
    #[cfg(feature = "all")]
    ("focus_bill", focus_bill::check),
    #[cfg(feature = "all")]
    ("otlp_request", otlp_request::check),
    #[cfg(feature = "all")]
    ("recording", recording::check),
    #[cfg(feature = "all")]
    ("webhook_guard", webhook_guard::check),
];

/// The first two bytes say where what follows is cut.
fn cut(data: &[u8]) -> (usize, &[u8]) {
    match data {
        [a, b, rest @ ..] => (
            u16::from_be_bytes([*a, *b]) as usize % (rest.len() + 1),
            rest,
        ),
        _ => (0, data),
    }
}

/// The first byte says as what the rest is read. In seeds it is a digit.
#[cfg(feature = "all")]
fn kind(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(k, rest)| (*k, rest))
}
