//! What comes, as our own spans. Messages are walked through in place and never built whole: 64 MiB of empty spans are
//! 64 MiB, and not fifty times that.

mod json;
mod logs;
mod proto;
mod seen;
mod wire;

use crate::span::Span;
use ::traces::Wanted;
pub use logs::{LINES, Logs, logs};
use std::fmt;
pub(crate) use wire::Fields;
pub use wire::Writer;

/// Spans taken of one request; the rest is rejected, and said to be.
pub const SPANS: usize = 20_000;
/// Attributes read of one span or resource.
const ATTRIBUTES: usize = 256;

/// How a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Protobuf,
    Json,
}

/// What is sent to which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Traces,
    Metrics,
    Logs,
}

/// The spans of one request.
#[derive(Debug, Default, PartialEq)]
pub struct Decoded {
    pub spans: Vec<Span>,
    /// The same as they are kept and shown; one for each, in the same order.
    pub seen: Vec<traces::Span>,
    /// Not taken: over the limit, and with ids of a wrong length.
    pub over: u64,
    pub bad_ids: u64,
}

impl Decoded {
    pub fn rejected(&self) -> u64 {
        self.over + self.bad_ids
    }

    /// What whoever sent it is told.
    pub fn complaint(&self) -> String {
        let over = format!("{} spans over the {SPANS} of one request", self.over);
        let bad = format!(
            "{} spans whose trace id is not 16 bytes or span id not 8, or only zeros",
            self.bad_ids
        );
        let all = [(self.over, over), (self.bad_ids, bad)];
        let told: Vec<String> = all.into_iter().filter(|c| c.0 > 0).map(|c| c.1).collect();
        told.join("; ")
    }

    fn add(&mut self, span: Option<(Span, traces::Span)>) {
        match span {
            None => self.bad_ids += 1,
            Some(_) if self.spans.len() >= SPANS => self.over += 1,
            Some((span, seen)) => {
                self.spans.push(span);
                self.seen.push(seen);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.spans.len() >= SPANS
    }
}

/// It cannot be read.
#[derive(Debug, PartialEq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The spans of an `ExportTraceServiceRequest`; `wanted` are attributes that are kept, beside what a span called.
pub fn spans(bytes: &[u8], encoding: Encoding, wanted: &Wanted) -> Result<Decoded, Malformed> {
    match encoding {
        Encoding::Protobuf => proto::spans(bytes, wanted),
        Encoding::Json => json::spans(bytes, wanted),
    }
}

/// How many spans, data points or log records a request has.
pub fn count(bytes: &[u8], signal: Signal, encoding: Encoding) -> Result<u64, Malformed> {
    match encoding {
        Encoding::Protobuf => proto::count(bytes, signal),
        Encoding::Json => json::count(bytes, signal),
    }
}

#[cfg(test)]
mod tests;
