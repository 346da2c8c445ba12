//! HTTP/1.1 framing without I/O: strict heads, bodies and trailers, and the writing of heads by copying runs of lines.
//!
//! Nothing here reads a socket or a clock, and nothing allocates on the path of a request except the
//! caller's own output buffer (trailers, when a message has any, are collected in a bounded buffer).
//!
//! * [`parse_request`], [`parse_response`]: bytes to a head: offsets into the bytes, lines classified, framing decided.
//! * [`Body`]: follows a body of any framing, as payload ([`Body::decode`]) or as bytes to pass on ([`Body::pass`]).
//! * [`write_request`], [`write_response`]: a head with a few edits, hop-by-hop lines left out.
//! * [`client`]: render a request, read a response.
//!
//! What is refused, and with which code, is in [`reject`]. Between two readings of one message Plimsoll
//! picks none: it refuses.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
#![forbid(unsafe_code)]

pub mod body;
pub mod client;
mod connection;
mod framing;
pub mod head;
mod host;
pub mod limits;
pub mod name;
pub mod reject;
mod request;
mod response;
mod target;
mod trailers;
pub mod write;

pub use body::{Body, Pass, Piece};
pub use framing::Framing;
pub use head::{
    Fields, Form, Line, Lines, Method, RequestHead, RequestMeta, ResponseHead, ResponseMeta, Span,
    Version,
};
pub use limits::{Limits, MAX_HEADERS, Underscore};
pub use name::{Kind, KindSet, classify};
pub use reject::Reject;
pub use request::parse_request;
pub use response::parse_response;
pub use write::{
    Connection, Edit, Rewrite, write_chunk, write_last_chunk, write_request, write_response,
};

/// A head that is whole, or the wish for more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status<T> {
    Complete(T),
    Partial,
}

/// Whether bytes from `fresh` on can have ended the head that starts at 0. A cheap look before parsing
/// again, so that a head that comes byte by byte does not cost the square of its length.
pub fn may_end(buf: &[u8], fresh: usize) -> bool {
    fresh == 0 || buf.get(fresh..).is_some_and(|new| new.contains(&b'\n'))
}
