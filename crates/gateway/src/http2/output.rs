//! The response of a stream: an HTTP/1 head in, HEADERS out, then its body.

use super::head;
use super::payload::Payload;
use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http1::{Body, Limits, Lines, Method, Status};
use std::io;
use std::task::{Context, Poll};

pub struct Output {
    method: Method,
    respond: SendResponse<Bytes>,
    /// What has come of the head.
    head: Vec<u8>,
    /// After the head.
    payload: Option<Payload>,
}

impl Output {
    pub fn new(method: Method, respond: SendResponse<Bytes>) -> Output {
        Output {
            method,
            respond,
            head: Vec::new(),
            payload: None,
        }
    }

    pub fn is_begun(&self) -> bool {
        self.payload.is_some()
    }

    pub fn is_done(&self) -> bool {
        self.payload.as_ref().is_some_and(Payload::is_done)
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.payload {
            Some(payload) => payload.poll_write(cx, bytes),
            None => Poll::Ready(self.take_head(bytes)),
        }
    }

    pub fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.payload {
            Some(payload) => payload.poll_sent(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Ends a tunnel.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.payload {
            Some(payload) => payload.poll_end(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Ready when the client wants no answer any more, or has gone.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.payload {
            Some(payload) => payload.poll_reset(cx),
            None => self.respond.poll_reset(cx).map(|_| ()),
        }
    }

    pub fn reset(&mut self, reason: Reason) {
        match &mut self.payload {
            Some(payload) => payload.reset(reason),
            None => self.respond.send_reset(reason),
        }
    }

    /// Takes of `bytes` what belongs to the head.
    fn take_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let mut lines = Lines::default();
        // It was within its limits when it came; what gates have added comes on top.
        let limits = Limits {
            head: 1 << 20,
            ..Limits::default().unbounded_body()
        };
        let whole = Bytes::from(std::mem::take(&mut self.head));
        let head = match http1::parse_response(&whole, &limits, self.method, &mut lines) {
            Ok(Status::Complete(head)) => head,
            Ok(Status::Partial) => {
                self.head = whole.into();
                return Ok(bytes.len());
            }
            Err(reject) => return Err(io::Error::other(reject)),
        };
        let meta = head.meta;
        let response = head::response(&head, &whole).ok_or(io::ErrorKind::InvalidData)?;
        if meta.is_interim() {
            (self.respond.send_informational(response)).map_err(io::Error::other)?;
            return Ok(meta.len - before);
        }
        let body = (meta.status != 101).then(|| Body::new(meta.framing, &limits));
        let done = body.as_ref().is_some_and(Body::is_done);
        let send = self.respond.send_response(response, done);
        self.payload = Some(Payload::new(send.map_err(io::Error::other)?, body, done));
        Ok(meta.len - before)
    }
}
