//! One stream as a socket with one HTTP/1 request on it.

use super::input::Input;
use super::output::Output;
use crate::worker::Worker;
use base::Nanos;
use h2::Reason;
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// What a connection knows of its streams.
pub struct Streams {
    worker: Rc<Worker>,
    pub open: Cell<usize>,
    /// When the last one ended.
    pub ended: Cell<Nanos>,
    /// Requests that the client took back before an answer began, less those that were answered.
    pub regretted: Cell<u32>,
}

impl Streams {
    pub fn new(worker: Rc<Worker>) -> Streams {
        Streams {
            open: Cell::new(0),
            ended: Cell::new(worker.now()),
            regretted: Cell::new(0),
            worker,
        }
    }
}

pub struct Stream {
    input: Input,
    output: Output,
    /// The client has reset it, or has gone.
    gone: bool,
    streams: Rc<Streams>,
}

impl Stream {
    pub fn new(input: Input, output: Output, streams: Rc<Streams>) -> Stream {
        streams.open.set(streams.open.get() + 1);
        Stream {
            input,
            output,
            gone: false,
            streams,
        }
    }

    /// Ready when there is something to read. After the request that is only the end of the stream.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.gone && !self.input.is_over() {
            self.gone = ready!(self.input.poll_ready(cx)).is_err();
            return Poll::Ready(());
        }
        if !self.gone && !self.input.is_tunnel() {
            ready!(self.output.poll_reset(cx));
            self.gone = true;
        }
        Poll::Ready(())
    }

    /// Hands at most `most` bytes to `each`; 0 when the client has gone, or a tunnel ends.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        each: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_readable(cx));
        match self.gone {
            true => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            false => Poll::Ready(Ok(self.input.take(most, each))),
        }
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.output.poll_write(cx, bytes)
    }

    pub fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_sent(cx)
    }

    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_end(cx)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let streams = &self.streams;
        streams.open.set(streams.open.get() - 1);
        streams.ended.set(streams.worker.now());
        let regretted = streams.regretted.get();
        if self.gone && !self.output.is_begun() {
            streams.regretted.set(regretted + 1);
        } else if self.output.is_done() {
            streams.regretted.set(regretted.saturating_sub(1));
        }
        // The answer broke off, and the client must see that it is not whole.
        if !self.output.is_done() && !self.gone {
            self.output.reset(Reason::INTERNAL_ERROR);
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}
