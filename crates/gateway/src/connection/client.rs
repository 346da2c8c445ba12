//! The client's side: its socket (or nobody, when an answer is fetched behind the clients' backs) and its timer.

use crate::wheel::Alarm;
use crate::worker::Worker;
use base::Nanos;
use bytes::BufMut;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

pub(super) struct Client {
    /// `None`: nobody waits.
    pub stream: Option<TcpStream>,
    pub peer: IpAddr,
    pub alarm: Rc<Alarm>,
}

/// What ended a wait before it was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    ClientGone,
    /// The alarm rang.
    Late,
}

impl Client {
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Some(stream) => poll_read(stream, cx, into, room),
            None => Poll::Pending,
        }
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_write(cx, bytes),
            None => Poll::Ready(Ok(bytes.len())),
        }
    }

    /// Writes both, as far as they go, in one call.
    pub fn poll_write_two(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            _ if second.is_empty() => self.poll_write(cx, first),
            _ if first.is_empty() => self.poll_write(cx, second),
            Some(stream) => {
                let both = [IoSlice::new(first), IoSlice::new(second)];
                Pin::new(stream).poll_write_vectored(cx, &both)
            }
            None => Poll::Ready(Ok(first.len() + second.len())),
        }
    }

    /// Whether there is something to read. No system call.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.stream {
            Some(stream) => stream.poll_read_ready(cx).map(|_| ()),
            None => Poll::Pending,
        }
    }

    pub fn set_alarm(&self, worker: &Worker, at: Option<Nanos>) {
        match at {
            Some(at) => worker.wheel.set(&self.alarm, at),
            None => self.alarm.clear(),
        }
    }

    /// Waits for `future` as long as the client is there and its alarm does not ring. What the client sends
    /// meanwhile is kept in `input`, within a bound.
    pub async fn race<F: Future>(
        &mut self,
        input: &mut Vec<u8>,
        future: F,
    ) -> Result<F::Output, Cut> {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(out) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(out));
            }
            if self.alarm.rang() {
                return Poll::Ready(Err(Cut::Late));
            }
            self.poll_gone(cx, input).map(|()| Err(Cut::ClientGone))
        })
        .await
    }

    /// Ready when the client has gone. Reads ahead what it sends, up to `AHEAD`; beyond that it is not watched.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<()> {
        while input.len() < AHEAD {
            ready!(self.poll_readable(cx));
            match ready!(self.poll_read(cx, input, READ)) {
                Ok(n) if n > 0 => {}
                _ => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }
}

/// Room for one read of requests.
pub(super) const READ: usize = 4 * 1024;
/// How much of what a client sends is held before it is its turn.
const AHEAD: usize = 64 * 1024;

/// Appends to `into` what one read gives; at least `room` bytes are offered. A read that does not fill them
/// has drained the socket, and the runtime knows it without another call.
pub(super) fn poll_read(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    into: &mut Vec<u8>,
    room: usize,
) -> Poll<io::Result<usize>> {
    into.reserve(room);
    pin!(stream.read_buf(into)).poll(cx)
}

/// As `poll_read`, but never more than `most` bytes.
pub(super) fn poll_read_most(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    into: &mut Vec<u8>,
    most: usize,
) -> Poll<io::Result<usize>> {
    pin!(stream.read_buf(&mut into.limit(most))).poll(cx)
}
