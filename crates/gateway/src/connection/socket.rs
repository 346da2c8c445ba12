//! What an exchange reads from and writes to, on either side: a plain socket, one that speaks TLS, a Unix socket or a stream.
//! An enum and no trait object, so that the plain path stays one comparison and a direct call.

use crate::http2::{Call, Stream};
use crate::jobs::Errand;
use bytes::BufMut;
use socket2::TcpKeepalive;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

#[derive(Debug)]
pub enum Socket {
    /// An answer is fetched behind the clients' backs: nothing comes, and whatever goes is thrown away.
    Nobody,
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Of a client's HTTP/2 connection: one request.
    Stream(Box<Stream>),
    /// On an instance's HTTP/2 connection: one exchange.
    Call(Box<Call>),
    /// One delivery of a job.
    Errand(Box<Errand>),
}

impl Socket {
    pub fn is_nobody(&self) -> bool {
        matches!(self, Socket::Nobody)
    }

    /// A connection of its own, which its end closes.
    pub fn is_whole(&self) -> bool {
        matches!(self, Socket::Tcp(_) | Socket::Unix(_) | Socket::Tls(_))
    }

    /// Appends to `into` what one read gives; at least `room` bytes are offered. A read that does not fill them
    /// has drained the socket, and the runtime knows it without another call.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Socket::Tcp(stream) => {
                into.reserve(room);
                pin!(stream.read_buf(into)).poll(cx)
            }
            Socket::Unix(stream) => {
                into.reserve(room);
                pin!(stream.read_buf(into)).poll(cx)
            }
            Socket::Tls(stream) => {
                into.reserve(room);
                pin!(stream.read_buf(into)).poll(cx)
            }
            Socket::Stream(stream) => {
                stream.poll_read(cx, usize::MAX, |bytes| into.extend_from_slice(bytes))
            }
            Socket::Call(call) => {
                call.poll_read(cx, usize::MAX, |bytes| into.extend_from_slice(bytes))
            }
            Socket::Errand(errand) => {
                errand.poll_read(cx, usize::MAX, |bytes| into.extend_from_slice(bytes))
            }
            Socket::Nobody => Poll::Pending,
        }
    }

    /// As `poll_read`, but never more than `most` bytes.
    pub fn poll_read_most(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        pin!(self.read_buf(&mut into.limit(most))).poll(cx)
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Stream(stream) => stream.poll_write(cx, bytes),
            Socket::Call(call) => call.poll_write(cx, bytes),
            Socket::Errand(errand) => Poll::Ready(Ok(errand.write(bytes))),
            Socket::Nobody => Poll::Ready(Ok(bytes.len())),
        }
    }

    /// Writes both, as far as they go, in one call.
    pub fn poll_write_two(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        let both = [IoSlice::new(first), IoSlice::new(second)];
        match self {
            _ if second.is_empty() => self.poll_write(cx, first),
            _ if first.is_empty() => self.poll_write(cx, second),
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, &both),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, &both),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, &both),
            Socket::Stream(stream) => stream.poll_write(cx, first),
            Socket::Call(call) => call.poll_write(cx, first),
            Socket::Errand(errand) => Poll::Ready(Ok(errand.write(first) + errand.write(second))),
            Socket::Nobody => Poll::Ready(Ok(first.len() + second.len())),
        }
    }

    /// Ready when all that was written is on its way: a plain socket holds nothing back.
    pub fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(_) | Socket::Unix(_) | Socket::Errand(_) | Socket::Nobody => {
                Poll::Ready(Ok(()))
            }
            Socket::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Stream(stream) => stream.poll_sent(cx),
            Socket::Call(call) => call.poll_sent(cx),
        }
    }

    /// Whether there is something to read. No system call.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Socket::Tcp(stream) => stream.poll_read_ready(cx).map(|_| ()),
            Socket::Unix(stream) => stream.poll_read_ready(cx).map(|_| ()),
            Socket::Tls(stream) => match decrypted(stream) {
                0 => stream.get_ref().0.poll_read_ready(cx).map(|_| ()),
                _ => Poll::Ready(()),
            },
            Socket::Stream(stream) => stream.poll_readable(cx),
            Socket::Errand(errand) => errand.poll_readable(cx),
            Socket::Call(_) | Socket::Nobody => Poll::Pending,
        }
    }

    /// Nothing has been heard of it since it was last read. Costs no system call unless something has.
    pub fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match self {
            Socket::Tcp(stream) => match stream.poll_read_ready(&mut cx) {
                Poll::Pending => true,
                Poll::Ready(ready) => ready.is_ok() && is_dry(stream.try_read(&mut [0])),
            },
            Socket::Unix(stream) => match stream.poll_read_ready(&mut cx) {
                Poll::Pending => true,
                Poll::Ready(ready) => ready.is_ok() && is_dry(stream.try_read(&mut [0])),
            },
            // Session tickets may have come: they are taken, and are no data.
            Socket::Tls(stream) => {
                let mut byte = [0];
                let read = Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte));
                read.is_pending()
            }
            Socket::Stream(_) | Socket::Call(_) | Socket::Errand(_) | Socket::Nobody => false,
        }
    }

    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Stream(stream) => stream.poll_shutdown(cx),
            Socket::Call(call) => call.poll_end(cx),
            Socket::Errand(_) | Socket::Nobody => Poll::Ready(Ok(())),
        }
    }

    /// A peer that vanished without a word is noticed: when nothing passes, by asking it, and when something was sent, because
    /// nothing of it arrives for `idle` and at least a minute. Clients of HTTP/2 are asked by its pings.
    pub fn keep_alive(&self, idle: Duration) {
        let Some(tcp) = self.tcp() else { return };
        let socket = socket2::SockRef::from(tcp);
        let asked = TcpKeepalive::new().with_time(ASKED_AFTER);
        let asked = asked.with_interval(ASKED_AGAIN).with_retries(ASKED);
        let _ = socket.set_tcp_keepalive(&asked);
        let _ = socket.set_tcp_user_timeout(Some(idle.max(ASKED_AFTER + ASKED_AGAIN * ASKED)));
    }

    /// What was written and not taken is thrown away when this closes.
    pub fn abandon(&self) {
        if let Some(tcp) = self.tcp() {
            let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
        }
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Socket::Tcp(stream) => Some(stream),
            Socket::Tls(stream) => Some(stream.get_ref().0),
            _ => None,
        }
    }
}

/// The peer of a silent stream is asked after this time, and again in this, so many times: gone after a minute.
const ASKED_AFTER: Duration = Duration::from_secs(30);
const ASKED_AGAIN: Duration = Duration::from_secs(10);
const ASKED: u32 = 3;

/// A plain socket on its way to another thread, or what has no socket.
pub enum Detached {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
    Errand(Box<Errand>),
}

impl Socket {
    /// `None`: what is no plain socket stays where it is.
    pub fn detach(self) -> Option<io::Result<Detached>> {
        match self {
            Socket::Tcp(stream) => Some(stream.into_std().map(Detached::Tcp)),
            Socket::Unix(stream) => Some(stream.into_std().map(Detached::Unix)),
            _ => None,
        }
    }
}

impl Detached {
    /// # Errors
    /// When the thread can watch no more.
    pub fn attach(self) -> io::Result<Socket> {
        match self {
            Detached::Tcp(stream) => TcpStream::from_std(stream).map(Socket::Tcp),
            Detached::Unix(stream) => UnixStream::from_std(stream).map(Socket::Unix),
            Detached::Errand(errand) => Ok(Socket::Errand(errand)),
        }
    }
}

/// Nothing was there to read.
fn is_dry(read: io::Result<usize>) -> bool {
    read.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
}

/// Bytes that have come and were not read yet.
fn decrypted(stream: &mut TlsStream<TcpStream>) -> usize {
    let state = match stream {
        TlsStream::Server(s) => s.get_mut().1.process_new_packets(),
        TlsStream::Client(s) => s.get_mut().1.process_new_packets(),
    };
    // An error is for the read to tell.
    state.map_or(1, |s| s.plaintext_bytes_to_read())
}

/// For tunnels, which move bytes that nobody reads.
impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, into),
            Socket::Tls(stream) => Pin::new(stream).poll_read(cx, into),
            Socket::Stream(stream) => {
                let most = into.remaining();
                let read = ready!(stream.poll_read(cx, most, |bytes| into.put_slice(bytes)));
                Poll::Ready(read.map(|_| ()))
            }
            Socket::Call(call) => {
                let most = into.remaining();
                let read = ready!(call.poll_read(cx, most, |bytes| into.put_slice(bytes)));
                Poll::Ready(read.map(|_| ()))
            }
            Socket::Errand(errand) => {
                let most = into.remaining();
                let read = ready!(errand.poll_read(cx, most, |bytes| into.put_slice(bytes)));
                Poll::Ready(read.map(|_| ()))
            }
            Socket::Nobody => Poll::Pending,
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Socket::poll_write(self.get_mut(), cx, bytes)
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            other => {
                let first = bytes.iter().find(|b| !b.is_empty());
                other.poll_write(cx, first.map_or(&[], |b| b))
            }
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_sent(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        ready!(socket.poll_sent(cx))?;
        Socket::poll_shutdown(socket, cx)
    }
}
