//! Why a message is refused: a status for the client, a stable code for logs and metrics, a sentence for people.

/// A refused message. The connection that carried it must be closed: its framing can no longer be trusted.
///
/// | code | status | message |
/// |---|---|---|
/// | `head-syntax` | 400 | not HTTP, a byte that a method, name or value cannot have, NUL, bare CR, a fold |
/// | `head-bare-lf` | 400 | a line ends with LF alone |
/// | `head-too-large` | 431 | the head is over its limit, or has too many lines |
/// | `version` | 505 | neither HTTP/1.0 nor HTTP/1.1 |
/// | `target-too-long` | 414 | |
/// | `target-form` | 400 | a target of none of the four forms, or one that the method cannot have |
/// | `host-missing`, `host-duplicate`, `host-invalid` | 400 | |
/// | `host-mismatch` | 400 | an absolute target names another authority than Host |
/// | `header-underscore` | 400 | only when so configured |
/// | `connection-invalid` | 400 | not a list of names, or too many of them |
/// | `connection-names-framing` | 400 | Connection asks to drop Content-Length, Transfer-Encoding or Host |
/// | `framing-cl-te` | 400 | both Content-Length and Transfer-Encoding |
/// | `framing-cl-duplicate`, `framing-cl-invalid` | 400 | two lengths (also equal ones), or not a plain number |
/// | `framing-te-duplicate`, `framing-te-invalid`, `framing-te-http10` | 400 | |
/// | `framing-te-unsupported` | 501 | a coding other than chunked |
/// | `framing-body-forbidden` | 400 | a body where the method or status cannot have one |
/// | `expect-unsupported` | 417 | |
/// | `body-too-large` | 413 | |
/// | `body-truncated` | 400 | the connection ended within the body |
/// | `chunk-size`, `chunk-extension`, `chunk-end` | 400 | |
/// | `trailer-invalid`, `trailer-forbidden`, `trailer-too-large` | 400 | |
///
/// In a response each of them is a 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Reject {
    pub status: u16,
    /// Stable code, such as `framing-cl-te`.
    pub reason: &'static str,
    /// One sentence that says what is wrong.
    pub detail: &'static str,
}

impl Reject {
    pub(crate) const fn new(status: u16, reason: &'static str, detail: &'static str) -> Reject {
        Reject {
            status,
            reason,
            detail,
        }
    }
    pub(crate) const fn bad(reason: &'static str, detail: &'static str) -> Reject {
        Reject::new(400, reason, detail)
    }
    /// The same fault, found in what an upstream sent.
    pub(crate) fn upstream(self) -> Reject {
        Reject {
            status: 502,
            ..self
        }
    }
}

pub(crate) const HEAD_TOO_LARGE: Reject =
    Reject::new(431, "head-too-large", "the head is over its limit");
pub(crate) const BARE_LF: Reject =
    Reject::bad("head-bare-lf", "a line ends with LF instead of CRLF");

pub(crate) fn from_httparse(e: httparse::Error) -> Reject {
    use httparse::Error;
    match e {
        Error::TooManyHeaders => Reject::new(431, "head-too-large", "the head has too many lines"),
        Error::Version => Reject::new(505, "version", "only HTTP/1.0 and HTTP/1.1 are spoken here"),
        Error::HeaderName => Reject::bad(
            "head-syntax",
            "a header name has a byte that it cannot have",
        ),
        Error::HeaderValue => Reject::bad(
            "head-syntax",
            "a header value has a byte that it cannot have",
        ),
        Error::NewLine => Reject::bad("head-syntax", "a CR without its LF"),
        Error::Status => Reject::bad("head-syntax", "the status is not three digits"),
        Error::Token => Reject::bad("head-syntax", "the start line is not HTTP"),
    }
}
