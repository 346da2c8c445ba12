//! How long a body is: one rule for each side, and a refusal wherever two rules could apply.

use crate::head::{Span, Version};
use crate::name::is_token;
use crate::reject::Reject;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// This many bytes; may be zero.
    Length(u64),
    Chunked,
    /// Until the connection ends: responses only.
    UntilClose,
}

impl Framing {
    /// Whether bytes follow the head.
    pub fn has_body(self) -> bool {
        !matches!(self, Framing::None | Framing::Length(0))
    }
}

/// The framing headers met in a head.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen {
    length: Option<Span>,
    coding: Option<Span>,
    lengths: u32,
    codings: u32,
}

impl Seen {
    pub fn length(&mut self, value: Span) {
        self.length = Some(value);
        self.lengths += 1;
    }
    pub fn coding(&mut self, value: Span) {
        self.coding = Some(value);
        self.codings += 1;
    }

    /// What the headers alone say; `None` when they say nothing.
    pub fn framing(&self, bytes: &[u8], version: Version) -> Result<Option<Framing>, Reject> {
        if self.length.is_some() && self.coding.is_some() {
            return Err(Reject::bad(
                "framing-cl-te",
                "both Content-Length and Transfer-Encoding",
            ));
        }
        if let Some(coding) = self.coding {
            if version == Version::Http10 {
                return Err(Reject::bad(
                    "framing-te-http10",
                    "HTTP/1.0 has no Transfer-Encoding",
                ));
            }
            if self.codings > 1 {
                return Err(Reject::bad(
                    "framing-te-duplicate",
                    "more than one Transfer-Encoding",
                ));
            }
            return chunked(coding.of(bytes)).map(Some);
        }
        match self.length {
            None => Ok(None),
            Some(_) if self.lengths > 1 => Err(Reject::bad(
                "framing-cl-duplicate",
                "more than one Content-Length",
            )),
            Some(length) => number(length.of(bytes))
                .map(|n| Some(Framing::Length(n)))
                .ok_or(Reject::bad(
                    "framing-cl-invalid",
                    "Content-Length is not a plain number",
                )),
        }
    }
}

/// Exactly `chunked`, in any case.
fn chunked(value: &[u8]) -> Result<Framing, Reject> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(Framing::Chunked);
    }
    let mut codings = value.split(|&b| b == b',').map(<[u8]>::trim_ascii);
    if !codings.clone().all(is_token) {
        return Err(Reject::bad(
            "framing-te-invalid",
            "Transfer-Encoding is not a list of codings",
        ));
    }
    let chunked_at = codings
        .clone()
        .position(|c| c.eq_ignore_ascii_case(b"chunked"));
    // A coding after chunked, or chunked twice, leaves the end of the message open.
    if chunked_at.is_some_and(|i| codings.nth(i + 1).is_some()) {
        return Err(Reject::bad(
            "framing-te-invalid",
            "chunked is not the last transfer coding",
        ));
    }
    Err(Reject::new(
        501,
        "framing-te-unsupported",
        "chunked is the only transfer coding that is understood",
    ))
}

/// Digits only: no sign, no space, no list, no leading zero (some read it as octal), below 2^63.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 || (text.len() > 1 && text[0] == b'0') {
        return None;
    }
    text.iter().try_fold(0u64, |n, &b| {
        let digit = b.is_ascii_digit().then(|| (b - b'0') as u64)?;
        n.checked_mul(10)?
            .checked_add(digit)
            .filter(|&n| n <= i64::MAX as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"9223372036854775807"), Some(i64::MAX as u64));
        for bad in [
            "",
            "+2",
            "0x2",
            "-1",
            "2, 2",
            "2 ",
            "02",
            "00",
            "9223372036854775808",
            "99999999999999999999",
            "1_0",
            "1e3",
        ] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn codings() {
        assert_eq!(chunked(b"Chunked"), Ok(Framing::Chunked));
        for (value, reason) in [
            ("gzip, chunked", "framing-te-unsupported"),
            ("identity", "framing-te-unsupported"),
            ("xchunked", "framing-te-unsupported"),
            ("chunked, gzip", "framing-te-invalid"),
            ("chunked, chunked", "framing-te-invalid"),
            ("chunked;q=1", "framing-te-invalid"),
            ("chunked,", "framing-te-invalid"),
            ("\"chunked\"", "framing-te-invalid"),
            ("", "framing-te-invalid"),
        ] {
            assert_eq!(
                chunked(value.as_bytes()).unwrap_err().reason,
                reason,
                "{value}"
            );
        }
    }
}
