//! A socket that keeps what is written until its connection has had its turn: the library hands out every frame with a
//! payload by itself, and a system call for each would cost more than everything else that is done for it.

use crate::connection::Socket;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are kept; more make the writer wait for the peer.
const MOST: usize = 64 * 1024;
/// Room that stays with a connection that has nothing to write.
const SPARE: usize = 4 * 1024;

/// Shared by the library, which reads and writes, and by who drives it, which lets out what was written.
#[derive(Clone)]
pub struct Corked(Rc<RefCell<Held>>);

struct Held {
    socket: Socket,
    bytes: Vec<u8>,
    /// Of `bytes`.
    gone: usize,
}

impl Corked {
    pub fn new(socket: Socket) -> Corked {
        Corked(Rc::new(RefCell::new(Held {
            socket,
            bytes: Vec::new(),
            gone: 0,
        })))
    }

    /// Ready when everything that was written is on its way.
    pub fn poll_out(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_out(cx)
    }

    /// Drives what reads and writes here, and lets its bytes out after each turn.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn drive<T>(&self, work: impl Future<Output = T>) -> io::Result<T> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => match self.poll_out(cx) {
                Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
                _ => Poll::Pending,
            },
        })
        .await
    }
}

impl Held {
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.gone < self.bytes.len() {
            match ready!(self.socket.poll_write(cx, &self.bytes[self.gone..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.gone += n,
            }
        }
        self.gone = 0;
        self.bytes.clear();
        self.bytes.shrink_to(SPARE);
        self.socket.poll_sent(cx)
    }

    /// Waits until `more` bytes fit, or nothing is left to wait for.
    fn poll_room(&mut self, cx: &mut Context<'_>, more: usize) -> Poll<io::Result<()>> {
        match self.bytes.len() + more > MOST && !self.bytes.is_empty() {
            true => self.poll_out(cx),
            false => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for Corked {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().socket).poll_read(cx, into)
    }
}

impl AsyncWrite for Corked {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let held = &mut *self.0.borrow_mut();
        let more = parts.iter().map(|part| part.len()).sum();
        ready!(held.poll_room(cx, more))?;
        for part in parts {
            held.bytes.extend_from_slice(part);
        }
        Poll::Ready(Ok(more))
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    /// Whoever drives the connection lets them out.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let held = &mut *self.0.borrow_mut();
        ready!(held.poll_out(cx))?;
        Pin::new(&mut held.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    fn both() -> (Corked, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (Corked::new(Socket::Unix(near)), far)
    }

    #[tokio::test]
    async fn what_is_written_in_a_turn_goes_out_in_one_piece() {
        let (corked, mut far) = both();
        let mut writer = corked.clone();
        writer.write_all(b"one ").await.unwrap();
        writer.flush().await.unwrap();
        writer.write_all(b"two").await.unwrap();
        let kept = far.try_read(&mut [0; 16]).unwrap_err();
        assert_eq!(kept.kind(), io::ErrorKind::WouldBlock);
        poll_fn(|cx| corked.poll_out(cx)).await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(far.read(&mut bytes).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_stops_the_writer() {
        let (corked, mut far) = both();
        let mut writer = corked.clone();
        let written = poll_fn(|cx| {
            let mut written = 0;
            while let Poll::Ready(n) = Pin::new(&mut writer).poll_write(cx, &[7; 1000]) {
                written += n.unwrap();
            }
            Poll::Ready(written)
        });
        let written = written.await;
        assert!(corked.0.borrow().bytes.len() <= MOST);
        let mut all = Vec::new();
        let read = async {
            while all.len() < written {
                far.read_buf(&mut all).await.unwrap();
            }
        };
        let (out, ()) = tokio::join!(poll_fn(|cx| corked.poll_out(cx)), read);
        out.unwrap();
        assert_eq!(all.len(), written);
    }

    #[tokio::test]
    async fn an_end_comes_after_what_was_written() {
        let (mut corked, mut far) = both();
        corked.write_all(b"goodbye").await.unwrap();
        corked.shutdown().await.unwrap();
        let mut all = String::new();
        far.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "goodbye");
    }
}
