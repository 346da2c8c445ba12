//! The response of a stream: HTTP/1 bytes in, frames out, as fast as the client takes them.

use super::head;
use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::HeaderMap;
use http1::{Body, Limits, Lines, Method, Status};
use std::io;
use std::task::{Context, Poll, ready};

/// Bytes that are taken at once.
const MOST: usize = 64 * 1024;

pub struct Output {
    method: Method,
    respond: SendResponse<Bytes>,
    /// After the head.
    send: Option<SendStream<Bytes>>,
    at: At,
    payload: BytesMut,
    trailers: Option<HeaderMap>,
    /// No more payload comes.
    finish: bool,
    /// All frames are with the library.
    done: bool,
}

enum At {
    /// What has come of it.
    Head(Vec<u8>),
    Body(Body),
    Tunnel,
}

impl Output {
    pub fn new(method: Method, respond: SendResponse<Bytes>) -> Output {
        Output {
            method,
            respond,
            send: None,
            at: At::Head(Vec::new()),
            payload: BytesMut::new(),
            trailers: None,
            finish: false,
            done: false,
        }
    }

    pub fn is_begun(&self) -> bool {
        self.send.is_some()
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        let bytes = &bytes[..bytes.len().min(MOST)];
        let taken = match &mut self.at {
            At::Head(_) => self.head(bytes)?,
            At::Tunnel => {
                self.payload.extend_from_slice(bytes);
                bytes.len()
            }
            At::Body(body) => {
                let mut at = 0;
                loop {
                    let (n, piece) = body.decode(&bytes[at..]).map_err(io::Error::other)?;
                    match piece {
                        http1::Piece::Data(range) => self
                            .payload
                            .extend_from_slice(&bytes[at + range.start..at + range.end]),
                        http1::Piece::More | http1::Piece::End => {
                            at += n;
                            break;
                        }
                    }
                    at += n;
                }
                if body.is_done() {
                    self.finish = true;
                    self.trailers = head::trailers(body.trailers());
                }
                at
            }
        };
        // What does not go now goes before the next bytes are taken.
        if let Poll::Ready(Err(e)) = self.poll_sent(cx) {
            return Poll::Ready(Err(e));
        }
        Poll::Ready(Ok(taken))
    }

    /// Ready when everything that was taken is with the library, within the client's windows.
    pub fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(send) = &mut self.send else {
            return Poll::Ready(Ok(()));
        };
        while !self.payload.is_empty() {
            send.reserve_capacity(self.payload.len());
            let mut room = send.capacity();
            while room == 0 {
                room = match ready!(send.poll_capacity(cx)) {
                    Some(room) => room.map_err(io::Error::other)?,
                    None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                };
            }
            let part = self.payload.split_to(room.min(self.payload.len()));
            let last = self.payload.is_empty() && self.finish && self.trailers.is_none();
            (send.send_data(part.freeze(), last)).map_err(io::Error::other)?;
            self.done |= last;
        }
        if self.finish && !self.done {
            self.done = true;
            match self.trailers.take() {
                Some(trailers) => send.send_trailers(trailers),
                None => send.send_data(Bytes::new(), true),
            }
            .map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Ends a tunnel.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish |= matches!(self.at, At::Tunnel);
        self.poll_sent(cx)
    }

    /// Ready when the client wants no answer any more, or has gone.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.send {
            Some(_) if self.done => Poll::Pending,
            Some(send) => send.poll_reset(cx).map(|_| ()),
            None => self.respond.poll_reset(cx).map(|_| ()),
        }
    }

    pub fn reset(&mut self, reason: Reason) {
        match &mut self.send {
            Some(send) => send.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
    }

    /// Takes of `bytes` what belongs to the head.
    fn head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let At::Head(all) = &mut self.at else {
            return Ok(0);
        };
        let before = all.len();
        all.extend_from_slice(bytes);
        let mut lines = Lines::default();
        // It was within its limits when it came; what gates have added comes on top.
        let limits = Limits {
            head: 1 << 20,
            ..Limits::default().unbounded_body()
        };
        let head = match http1::parse_response(all, &limits, self.method, &mut lines) {
            Ok(Status::Complete(head)) => head,
            Ok(Status::Partial) => return Ok(bytes.len()),
            Err(reject) => return Err(io::Error::other(reject)),
        };
        let taken = head.meta.len - before;
        let response = head::response(&head).ok_or(io::ErrorKind::InvalidData)?;
        let meta = head.meta;
        if meta.is_interim() {
            all.clear();
            self.respond
                .send_informational(response)
                .map_err(io::Error::other)?;
            return Ok(taken);
        }
        let body = Body::new(meta.framing, &limits);
        let last = meta.status != 101 && body.is_done();
        self.at = match meta.status {
            101 => At::Tunnel,
            _ => At::Body(body),
        };
        let send = self.respond.send_response(response, last);
        self.send = Some(send.map_err(io::Error::other)?);
        (self.finish, self.done) = (last, last);
        Ok(taken)
    }
}
