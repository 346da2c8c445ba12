//! The socket under a connection: what was read before it was known to be HTTP/2 comes first, and every byte is
//! watched. When they are wrong, nothing more is read.

use super::cork::Corked;
use super::watch::{Bounds, Watch, Wrong};
use crate::worker::Worker;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the driver learns of the bytes.
#[derive(Default)]
pub struct Heard {
    /// Something has come since this was last taken.
    pub any: Cell<bool>,
    pub wrong: Cell<Option<Wrong>>,
}

pub struct Wire {
    socket: Corked,
    early: Vec<u8>,
    watch: Watch,
    heard: Rc<Heard>,
    worker: Rc<Worker>,
}

impl Wire {
    pub fn new(socket: Corked, early: Vec<u8>, bounds: Bounds, worker: Rc<Worker>) -> Wire {
        Wire {
            socket,
            early,
            watch: Watch::new(bounds),
            heard: Rc::default(),
            worker,
        }
    }

    pub fn heard(&self) -> Rc<Heard> {
        self.heard.clone()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if wire.heard.wrong.get().is_some() {
            // The driver looks at it after every poll.
            return Poll::Pending;
        }
        let before = into.filled().len();
        if wire.early.is_empty() {
            ready!(Pin::new(&mut wire.socket).poll_read(cx, into))?;
        } else {
            let n = wire.early.len().min(into.remaining());
            into.put_slice(&wire.early[..n]);
            wire.early.drain(..n);
        }
        let fresh = &into.filled()[before..];
        wire.heard.any.set(true);
        if let Err(wrong) = wire.watch.see(fresh, wire.worker.wheel.now()) {
            wire.heard.wrong.set(Some(wrong));
            into.set_filled(before);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, bytes)
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, bytes)
    }
    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
