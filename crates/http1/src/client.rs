//! The client's side for small tools: render a request once, then read responses as their bytes come.

use crate::body::Body;
use crate::framing::Framing;
use crate::head::{Lines, Method};
use crate::limits::Limits;
use crate::name::{Kind, classify, is_token, is_value_byte};
use crate::reject::Reject;
use crate::write::{decimal, line};
use crate::{Status, parse_response};

/// Why a request cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot send this request: {0}")]
pub struct BadRequest(pub String);

/// Appends a whole request to `out`: `target` in origin form, Host, the given headers, and the body with its length.
///
/// # Errors
/// A method, target, name or value that would break the message, or a header that is this function's to write.
pub fn render_request(
    out: &mut Vec<u8>,
    method: &str,
    target: &str,
    host: &str,
    headers: &[(String, String)],
    body: Option<&[u8]>,
) -> Result<(), BadRequest> {
    let bad = |what: &str, text: &str| Err(BadRequest(format!("{what} `{}`", text.escape_debug())));
    if !is_token(method.as_bytes()) {
        return bad("bad method", method);
    }
    if !target.starts_with('/') || !target.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return bad("a target must start with / and have no spaces; not", target);
    }
    if !crate::host::is_valid(host.as_bytes()) {
        return bad("bad host", host);
    }
    for (name, value) in headers {
        let kind = classify(name.as_bytes());
        if !is_token(name.as_bytes()) || !value.bytes().all(is_value_byte) {
            return bad("bad header", name);
        }
        if matches!(kind, Kind::ContentLength | Kind::TransferEncoding) {
            return bad("the body's length is written already; leave out", name);
        }
    }
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if !headers
        .iter()
        .any(|(n, _)| classify(n.as_bytes()) == Kind::Host)
    {
        line(out, b"Host", host.as_bytes());
    }
    for (name, value) in headers {
        line(out, name.as_bytes(), value.as_bytes());
    }
    if let Some(body) = body {
        out.extend_from_slice(b"Content-Length: ");
        decimal(out, body.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body.unwrap_or_default());
    Ok(())
}

/// A response that has been read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Head and body with their framing.
    pub bytes: u64,
    /// Payload bytes.
    pub body: u64,
    /// Whether the connection can carry another request.
    pub keep_alive: bool,
}

/// Follows one response after another on one connection. Payload is counted, not kept.
#[derive(Clone, Debug)]
pub struct ResponseReader {
    limits: Limits,
    method: Method,
    /// After the head: what is known, and the body.
    current: Option<(Response, Body)>,
    bytes: u64,
}

impl ResponseReader {
    pub fn new(limits: Limits) -> ResponseReader {
        ResponseReader {
            limits,
            method: Method::Get,
            current: None,
            bytes: 0,
        }
    }

    /// A request with this method has been sent.
    pub fn begin(&mut self, method: Method) {
        self.method = method;
        self.current = None;
        self.bytes = 0;
    }

    /// Whether the head has been read, and the response lasts.
    pub fn in_body(&self) -> bool {
        self.current.is_some()
    }

    /// Takes bytes: `(consumed, response when complete)`. What is not consumed must be given again
    /// with more bytes behind it. Interim responses (1xx) are skipped.
    ///
    /// # Errors
    /// See [`Reject`]; a 101 is refused too, since no upgrade was asked for.
    pub fn read(
        &mut self,
        input: &[u8],
        lines: &mut Lines,
    ) -> Result<(usize, Option<Response>), Reject> {
        let mut at = 0;
        while self.current.is_none() {
            let Status::Complete(head) =
                parse_response(&input[at..], &self.limits, self.method, lines)?
            else {
                return Ok((at, None));
            };
            at += head.len;
            self.bytes += head.len as u64;
            if head.status == 101 {
                return Err(Reject::new(
                    502,
                    "upgrade-unasked",
                    "101 without an upgrade",
                ));
            }
            if !head.is_interim() {
                let response = Response {
                    status: head.status,
                    bytes: 0,
                    body: 0,
                    keep_alive: head.keep_alive,
                };
                // The common case needs no state: the whole body is here.
                if let Framing::Length(n) = head.framing
                    && n <= self.limits.body
                    && (input.len() - at) as u64 >= n
                {
                    self.bytes += n;
                    let response = Response {
                        bytes: self.bytes,
                        body: n,
                        ..response
                    };
                    return Ok((at + n as usize, Some(response)));
                }
                self.current = Some((response, Body::new(head.framing, &self.limits)));
            }
        }
        let Some((_, body)) = &mut self.current else {
            return Ok((at, None));
        };
        let pass = body.pass(&input[at..]).map_err(Reject::upstream)?;
        self.bytes += pass.len as u64;
        Ok((at + pass.len, pass.done.then(|| self.finish()).flatten()))
    }

    /// The connection has ended: the response, when that is what ends it.
    ///
    /// # Errors
    /// `body-truncated`.
    pub fn end_of_input(&mut self) -> Result<Option<Response>, Reject> {
        match &mut self.current {
            None => Ok(None),
            Some((_, body)) => {
                body.end_of_input().map_err(Reject::upstream)?;
                Ok(self.finish())
            }
        }
    }

    fn finish(&mut self) -> Option<Response> {
        let bytes = self.bytes;
        self.current.take().map(|(response, body)| Response {
            bytes,
            body: body.received(),
            ..response
        })
    }
}
