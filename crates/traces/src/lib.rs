//! Traces that are kept. Pure: the time is passed in, and nothing is read or written.
//!
//! `trace` is what is kept of one, `wanted` which attributes of spans, `hold` says which spans and lines belong to it while they still come, `row` makes rows of it for
//! the disk, `pace` says how much of that is written in a storm, `ask` finds some of them, and `view` is how a person reads one: as a waterfall.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod ask;
pub mod hex;
mod hold;
mod lines;
pub mod pace;
pub mod row;
mod trace;
mod tree;
mod view;
mod wanted;

pub use ask::{Ask, Found};
pub use hold::{Counts, Due, Fates, Hold};
pub use lines::{Lines, SERVICES};
pub use row::{Packer, Unpacker};
pub use trace::{Head, LeftOut, Line, Severity, Span, Summary, Trace, cut};
pub use view::{Row, Said, View};
pub use wanted::{ATTRIBUTES, Wanted};

/// Spans of one trace, log lines of one trace, and bytes of all of either; what is more is left out and counted.
pub const SPANS: usize = 1000;
pub const LINES: usize = 256;
pub const SPAN_BYTES: usize = 512 << 10;
pub const LINE_BYTES: usize = 64 << 10;
/// Longest text of one log line, and longest name or attribute of a span, bytes.
pub const TEXT: usize = 4 << 10;
pub const NAME: usize = 160;
