//! One exchange with an instance as a socket: an HTTP/1 request in, its response out.

use super::head::{Change, Follows, connect, request, write_change, write_response};
use super::input::Input;
use super::payload::Payload;
use super::web::Web;
use crate::retry::Failure;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use http1::{Body, Limits, Lines, Method, Status};
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Looks at an instance's settings, and the time between two.
const LOOKS: u32 = 200;
const LOOK: Duration = Duration::from_millis(5);

pub struct Call {
    sender: SendRequest<Bytes>,
    /// What has come of the request's head.
    head: Vec<u8>,
    method: Method,
    payload: Option<Payload>,
    response: Option<ResponseFuture>,
    input: Option<Input>,
    /// gRPC-Web is translated.
    translates: bool,
    /// The request was gRPC-Web.
    web: Option<Web>,
    /// Another protocol is asked for.
    change: Option<Change>,
    /// A request for it, until the instance has said whether it knows how.
    asks: Option<(Request<()>, Pin<Box<Sleep>>, u32)>,
    under_way: Rc<Cell<usize>>,
    /// Of the connection: it takes no more exchanges.
    ended: Rc<Cell<bool>>,
    /// Why nothing was sent.
    failed: Option<io::Error>,
}

/// How an exchange has failed that the instance has not looked at (RFC 9113 8.7): it may be sent again, whatever it is.
pub fn unread(error: &io::Error) -> Option<Failure> {
    let error = error.get_ref()?.downcast_ref::<h2::Error>()?;
    match error.is_remote() {
        // The library ends those above the last that the instance has seen, and refuses new ones.
        true if error.is_go_away() => Some(Failure::Unread),
        true if error.reason() == Some(h2::Reason::REFUSED_STREAM) => Some(Failure::Refused),
        _ => None,
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.under_way.set(self.under_way.get() - 1);
    }
}

impl Call {
    /// Counted in `under_way` as long as it lives.
    pub fn new(
        sender: SendRequest<Bytes>,
        under_way: Rc<Cell<usize>>,
        ended: Rc<Cell<bool>>,
    ) -> Call {
        under_way.set(under_way.get() + 1);
        Call {
            under_way,
            ended,
            failed: None,
            sender,
            head: Vec::new(),
            method: Method::Get,
            payload: None,
            response: None,
            input: None,
            translates: false,
            web: None,
            change: None,
            asks: None,
        }
    }

    /// Lets clients speak gRPC-Web with an instance that speaks gRPC.
    pub fn translate(&mut self) {
        self.translates = true;
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(payload) = &mut self.payload {
            return payload.poll_write(cx, bytes);
        }
        let taken = match ready!(self.sender.poll_ready(cx)) {
            Ok(()) => self.take_head(bytes),
            Err(e) => Err(self.lost(e)),
        };
        // Who reads for the response is told why there is none.
        Poll::Ready(taken.map_err(|e| {
            self.failed = Some(e);
            io::ErrorKind::BrokenPipe.into()
        }))
    }

    fn lost(&self, error: h2::Error) -> io::Error {
        if error.is_go_away() {
            self.ended.set(true);
        }
        io::Error::other(error)
    }

    /// Ends a tunnel.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.payload {
            Some(payload) => payload.poll_end(cx),
            None => Poll::Ready(Ok(())),
        }
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

    /// Sends the request for another protocol once the instance's settings have come, which may be a moment after the
    /// connection is there.
    fn poll_ask(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((request, pause, looks)) = &mut self.asks {
            if self.sender.is_extended_connect_protocol_enabled() {
                let request = std::mem::take(request);
                self.asks = None;
                let sent = self.sender.send_request(request, false);
                let (response, send) = sent.map_err(|e| self.lost(e))?;
                self.response = Some(response);
                self.payload = Some(Payload::new(send, None, false));
                break;
            }
            if *looks == LOOKS {
                let what = "it takes no other protocols over HTTP/2 (RFC 8441)";
                return Poll::Ready(Err(io::Error::other(what)));
            }
            ready!(pause.as_mut().poll(cx));
            *looks += 1;
            pause.as_mut().reset(Instant::now() + LOOK);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Input>> {
        ready!(self.poll_ask(cx))?;
        let Some(response) = &mut self.response else {
            return self
                .failed
                .take()
                .map_or(Poll::Pending, |e| Poll::Ready(Err(e)));
        };
        let mut head = Vec::new();
        while let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
            let (parts, ()) = interim.map_err(io::Error::other)?.into_parts();
            write_response(&mut head, &parts, self.method, true);
        }
        match Pin::new(response).poll(cx) {
            Poll::Ready(Err(e)) => Poll::Ready(Err(self.lost(e))),
            Poll::Ready(Ok(response)) => {
                let (mut parts, body) = response.into_parts();
                if let Some(change) = self.change.as_ref().filter(|_| parts.status.is_success()) {
                    write_change(&mut head, &parts, change);
                    return Poll::Ready(Ok(Input::new(head, body, Follows::Tunnel)));
                }
                let web = self.web.filter(|web| web.outward(&mut parts.headers));
                let follows = write_response(&mut head, &parts, self.method, body.is_end_stream());
                Poll::Ready(Ok(Input::new(head, body, follows).translated(web)))
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
        let whole = Bytes::from(std::mem::take(&mut self.head));
        let head = match http1::parse_request(&whole, &limits, &mut lines) {
            Ok(Status::Complete(head)) => head,
            Ok(Status::Partial) => {
                self.head = whole.into();
                return Ok(bytes.len());
            }
            Err(reject) => return Err(io::Error::other(reject)),
        };
        let body = Body::new(head.meta.framing, &limits);
        let done = body.is_done();
        let taken = head.meta.len - before;
        self.method = head.meta.method;
        if head.upgrade().is_some() {
            let (request, change) = connect(&head, &whole).ok_or(io::ErrorKind::InvalidData)?;
            self.change = Some(change);
            self.asks = Some((request, Box::pin(sleep(LOOK)), 0));
            return Ok(taken);
        }
        let mut request = request(&head, &whole).ok_or(io::ErrorKind::InvalidData)?;
        if self.translates {
            self.web = Web::inward(request.headers_mut());
        }
        let sent = self.sender.send_request(request, done);
        let (response, send) = sent.map_err(|e| self.lost(e))?;
        self.response = Some(response);
        let payload = Payload::new(send, Some(body), done);
        self.payload = Some(match self.web {
            Some(Web::Text) => payload.decoded(),
            _ => payload,
        });
        Ok(taken)
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Call")
    }
}
