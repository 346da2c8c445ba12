//! After a change of protocol the two sockets are joined: bytes pass unseen, both ways, until both sides have ended. A tunnel
//! may be silent as long as it likes; a side that takes nothing of what there is for it ends it.

use crate::connection::{Busy, Socket};
use crate::upstream::pool::{Conn, Place};
use base::Outcome;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Sleep, sleep, timeout};

/// How long one direction goes on after the other has ended.
const HALF_OPEN: Duration = Duration::from_secs(60);

/// What the client sent behind its request goes first. Nothing is waited for longer than `idle` to be taken.
pub(crate) async fn run(
    client: &mut Socket,
    room: &mut Busy,
    upstream: (Conn, Place),
    idle: Duration,
) -> Outcome {
    let (mut conn, _place) = upstream;
    let early = room.take_early();
    let mut first = Patient::new(&mut conn.socket, idle);
    let sent = first.write_all(&early).await;
    if sent.is_err() || first.flush().await.is_err() {
        return Outcome::Stream;
    }
    match both(client, &mut conn.socket, idle).await {
        (Ok(up), Ok(down)) => room.count(up + early.len() as u64, down),
        _ => {
            // What the system still holds for a peer that takes nothing is memory.
            client.abandon();
            conn.socket.abandon();
            room.count(early.len() as u64, 0);
        }
    }
    Outcome::Stream
}

/// How many bytes each direction carried, up first; an error when a side takes nothing or is found to be gone.
async fn both(
    client: &mut Socket,
    upstream: &mut Socket,
    idle: Duration,
) -> (io::Result<u64>, io::Result<u64>) {
    let (client_in, client_out) = tokio::io::split(client);
    let (upstream_in, upstream_out) = tokio::io::split(upstream);
    let mut up = pin!(carry(client_in, Patient::new(upstream_out, idle)));
    let mut down = pin!(carry(upstream_in, Patient::new(client_out, idle)));
    // One side may end before the other, but not for ever.
    tokio::select! {
        n = &mut up => match n {
            Ok(_) => (n, timeout(HALF_OPEN, down).await.unwrap_or(Ok(0))),
            Err(_) => (n, Ok(0)),
        },
        n = &mut down => match n {
            Ok(_) => (timeout(HALF_OPEN, up).await.unwrap_or(Ok(0)), n),
            Err(_) => (Ok(0), n),
        },
    }
}

/// One direction, to its end; how many bytes it carried, 0 when it broke, an error when a side does not answer any more.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<u64> {
    match tokio::io::copy(&mut from, &mut to).await {
        Err(e) if e.kind() == io::ErrorKind::TimedOut => Err(e),
        carried => {
            let _ = to.shutdown().await;
            Ok(carried.unwrap_or(0))
        }
    }
}

/// A writer that gives up when nothing could be written for `most`. There is a timer only while nothing can.
struct Patient<W> {
    to: W,
    most: Duration,
    late: Option<Pin<Box<Sleep>>>,
}

impl<W> Patient<W> {
    fn new(to: W, most: Duration) -> Patient<W> {
        let late = None;
        Patient { to, most, late }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.late = None;
            return written;
        }
        let most = self.most;
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(most)));
        let rang = late.as_mut().poll(cx);
        rang.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Patient<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.to).poll_write(cx, bytes);
        self.watch(cx, written)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.to).poll_flush(cx);
        self.watch(cx, flushed)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.to).poll_shutdown(cx);
        self.watch(cx, shut)
    }
}
