//! Trailer lines of a chunked body: checked byte by byte, collected within a bound.

use crate::name::{Kind, KindSet, classify, is_token_byte, is_value_byte};
use crate::reject::Reject;

/// What must not come after the body (RFC 9110 6.5.1): framing, routing, identity, how to read the content.
const FORBIDDEN: KindSet = KindSet::HOP
    .with(Kind::Underscored)
    .with(Kind::ContentLength)
    .with(Kind::Host)
    .with(Kind::Expect)
    .with(Kind::Authorization)
    .with(Kind::Cookie)
    .with(Kind::SetCookie)
    .with(Kind::CacheControl)
    .with(Kind::Vary)
    .with(Kind::Range)
    .with(Kind::ContentRange)
    .with(Kind::ContentEncoding)
    .with(Kind::ContentType)
    .with(Kind::Forwarded)
    .with(Kind::XForwardedFor)
    .with(Kind::XForwardedHost)
    .with(Kind::XForwardedPort)
    .with(Kind::XForwardedProto)
    .with(Kind::XRealIp)
    .with(Kind::ClientCert)
    .with(Kind::XForwardedClientCert)
    .with(Kind::PlimsollAttempt)
    .with(Kind::TraceParent);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    Name,
    Value,
    ValueLf,
    EndLf,
}

#[derive(Clone, Debug)]
pub(crate) struct Trailers {
    at: At,
    limit: usize,
    line: usize,
    /// `name:value\r\n` for each, as sent.
    pub lines: Vec<u8>,
}

impl Trailers {
    pub fn new(limit: usize) -> Trailers {
        Trailers {
            at: At::LineStart,
            limit,
            line: 0,
            lines: Vec::new(),
        }
    }

    /// Takes one byte; true when the empty line has ended the message.
    pub fn byte(&mut self, b: u8) -> Result<bool, Reject> {
        const INVALID: Reject =
            Reject::bad("trailer-invalid", "a trailer line is not a header line");
        if self.lines.len() + 2 > self.limit && self.at != At::EndLf && b != b'\r' {
            return Err(Reject::bad(
                "trailer-too-large",
                "the trailers are over their limit",
            ));
        }
        self.at = match (self.at, b) {
            (At::LineStart, b'\r') => At::EndLf,
            (At::LineStart | At::Name, b) if is_token_byte(b) => {
                self.lines.push(b);
                At::Name
            }
            (At::Name, b':') => {
                if FORBIDDEN.has(classify(&self.lines[self.line..])) {
                    return Err(Reject::bad(
                        "trailer-forbidden",
                        "a trailer has a name that belongs into the head",
                    ));
                }
                self.lines.push(b);
                At::Value
            }
            (At::Value, b'\r') => At::ValueLf,
            (At::Value, b) if is_value_byte(b) => {
                self.lines.push(b);
                At::Value
            }
            (At::ValueLf, b'\n') => {
                self.lines.extend_from_slice(b"\r\n");
                self.line = self.lines.len();
                At::LineStart
            }
            (At::EndLf, b'\n') => return Ok(true),
            _ => return Err(INVALID),
        };
        Ok(false)
    }
}
