//! A body on its way out: HTTP/1 bytes in, frames out, as fast as the other side takes them.

use super::head;
use super::web::Decoder;
use bytes::{Bytes, BytesMut};
use h2::{Reason, SendStream};
use http::HeaderMap;
use http1::{Body, Piece};
use std::io;
use std::task::{Context, Poll, ready};

/// Bytes that are taken at once.
const MOST: usize = 64 * 1024;

pub struct Payload {
    send: SendStream<Bytes>,
    /// `None`: bytes of another protocol.
    body: Option<Body>,
    /// The body is base64.
    decoder: Option<Decoder>,
    bytes: BytesMut,
    trailers: Option<HeaderMap>,
    /// No more comes.
    finish: bool,
    /// All frames are with the library.
    done: bool,
}

impl Payload {
    /// `done`: the head was all.
    pub fn new(send: SendStream<Bytes>, body: Option<Body>, done: bool) -> Payload {
        Payload {
            send,
            body,
            decoder: None,
            bytes: BytesMut::new(),
            trailers: None,
            finish: done,
            done,
        }
    }

    /// The body comes as base64.
    pub fn decoded(mut self) -> Payload {
        self.decoder = Some(Decoder::default());
        self
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        let taken = self.take(&bytes[..bytes.len().min(MOST)]);
        if taken.is_err() {
            // Nobody waits for the rest.
            self.reset(Reason::CANCEL);
        }
        let taken = taken?;
        // What does not go now goes before the next bytes are taken.
        match self.poll_sent(cx) {
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(body) = &mut self.body else {
            self.bytes.extend_from_slice(bytes);
            return Ok(bytes.len());
        };
        let mut at = 0;
        loop {
            let (n, piece) = body.decode(&bytes[at..]).map_err(io::Error::other)?;
            let start = at;
            at += n;
            match piece {
                Piece::Data(range) => {
                    let data = &bytes[start + range.start..start + range.end];
                    match &mut self.decoder {
                        None => self.bytes.extend_from_slice(data),
                        Some(decoder) => {
                            let mut decoded = Vec::new();
                            (decoder.push(data, &mut decoded)).map_err(io::Error::other)?;
                            self.bytes.extend_from_slice(&decoded);
                        }
                    }
                }
                Piece::More | Piece::End => break,
            }
        }
        if body.is_done() {
            if self.decoder.as_ref().is_some_and(|d| !d.is_done()) {
                return Err(io::Error::other("the base64 of the body is not whole"));
            }
            self.finish = true;
            self.trailers = head::trailers(body.trailers());
        }
        Ok(at)
    }

    /// Ready when everything that was taken is with the library, within the windows of the other side.
    pub fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.bytes.is_empty() {
            self.send.reserve_capacity(self.bytes.len());
            let mut room = self.send.capacity();
            while room == 0 {
                room = match ready!(self.send.poll_capacity(cx)) {
                    Some(room) => room.map_err(io::Error::other)?,
                    None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                };
            }
            let part = self.bytes.split_to(room.min(self.bytes.len()));
            let last = self.bytes.is_empty() && self.finish && self.trailers.is_none();
            (self.send.send_data(part.freeze(), last)).map_err(io::Error::other)?;
            self.done |= last;
        }
        if self.finish && !self.done {
            self.done = true;
            match self.trailers.take() {
                Some(trailers) => self.send.send_trailers(trailers),
                None => self.send.send_data(Bytes::new(), true),
            }
            .map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Ends a tunnel.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish |= self.body.is_none();
        self.poll_sent(cx)
    }

    /// Ready when the other side wants no more, or has gone.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.done {
            true => Poll::Pending,
            false => self.send.poll_reset(cx).map(|_| ()),
        }
    }

    pub fn reset(&mut self, reason: Reason) {
        self.send.send_reset(reason);
    }
}
