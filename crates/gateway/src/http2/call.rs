//! One exchange with an instance as a socket: an HTTP/1 request in, its response out.

use super::head::{request, write_response};
use super::input::Input;
use super::payload::Payload;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http1::{Body, Limits, Lines, Method, Status};
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

pub struct Call {
    sender: SendRequest<Bytes>,
    /// What has come of the request's head.
    head: Vec<u8>,
    method: Method,
    payload: Option<Payload>,
    response: Option<ResponseFuture>,
    input: Option<Input>,
    under_way: Rc<Cell<usize>>,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.under_way.set(self.under_way.get() - 1);
    }
}

impl Call {
    /// Counted in `under_way` as long as it lives.
    pub fn new(sender: SendRequest<Bytes>, under_way: Rc<Cell<usize>>) -> Call {
        under_way.set(under_way.get() + 1);
        Call {
            under_way,
            sender,
            head: Vec::new(),
            method: Method::Get,
            payload: None,
            response: None,
            input: None,
        }
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(payload) = &mut self.payload {
            return payload.poll_write(cx, bytes);
        }
        ready!(self.sender.poll_ready(cx)).map_err(io::Error::other)?;
        Poll::Ready(self.take_head(bytes))
    }

    pub fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.payload {
            Some(payload) => payload.poll_sent(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Hands at most `most` bytes of the response to `each`; 0 at its end.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        each: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let input = match &mut self.input {
            Some(input) => input,
            None => {
                let input = ready!(self.poll_head(cx))?;
                self.input.insert(input)
            }
        };
        ready!(input.poll_ready(cx))?;
        Poll::Ready(Ok(input.take(most, each)))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Input>> {
        let Some(response) = &mut self.response else {
            return Poll::Pending;
        };
        let mut head = Vec::new();
        while let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
            let (parts, ()) = interim.map_err(io::Error::other)?.into_parts();
            write_response(&mut head, &parts, self.method, true);
        }
        match Pin::new(response).poll(cx) {
            Poll::Ready(response) => {
                let (parts, body) = response.map_err(io::Error::other)?.into_parts();
                let follows = write_response(&mut head, &parts, self.method, body.is_end_stream());
                Poll::Ready(Ok(Input::new(head, body, follows)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Takes of `bytes` what belongs to the head.
    fn take_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let mut lines = Lines::default();
        // It was within its limits when it came; what is told of the client comes on top.
        let limits = Limits {
            head: 1 << 20,
            ..Limits::default().unbounded_body()
        };
        let head = match http1::parse_request(&self.head, &limits, &mut lines) {
            Ok(Status::Complete(head)) => head,
            Ok(Status::Partial) => return Ok(bytes.len()),
            Err(reject) => return Err(io::Error::other(reject)),
        };
        let body = Body::new(head.meta.framing, &limits);
        let done = body.is_done();
        let taken = head.meta.len - before;
        self.method = head.meta.method;
        let request = request(&head).ok_or(io::ErrorKind::InvalidData)?;
        let sent = self.sender.send_request(request, done);
        let (response, send) = sent.map_err(io::Error::other)?;
        self.response = Some(response);
        self.payload = Some(Payload::new(send, Some(body), done));
        self.head = Vec::new();
        Ok(taken)
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Call")
    }
}
