//! After a change of protocol the two sockets are joined: bytes pass unseen, both ways, until both sides have ended.

use crate::connection::{Busy, Socket};
use crate::upstream::pool::{Conn, Place};
use base::Outcome;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long one direction goes on after the other has ended.
const HALF_OPEN: Duration = Duration::from_secs(60);

/// What the client sent behind its request goes first.
pub(crate) async fn run(client: &mut Socket, room: &mut Busy, upstream: (Conn, Place)) -> Outcome {
    let (mut conn, _place) = upstream;
    client.keep_alive();
    conn.socket.keep_alive();
    let early = room.take_early();
    let sent = conn.socket.write_all(&early).await;
    if sent.is_err() || conn.socket.flush().await.is_err() {
        return Outcome::Stream;
    }
    let (client_in, mut client_out) = tokio::io::split(client);
    let (upstream_in, mut upstream_out) = tokio::io::split(&mut conn.socket);
    let mut up = pin!(carry(client_in, &mut upstream_out));
    let mut down = pin!(carry(upstream_in, &mut client_out));
    // One side may end before the other, but not for ever.
    let (up, down) = tokio::select! {
        n = &mut up => (n, timeout(HALF_OPEN, down).await.unwrap_or(0)),
        n = &mut down => (timeout(HALF_OPEN, up).await.unwrap_or(0), n),
    };
    room.count(up + early.len() as u64, down);
    Outcome::Stream
}

/// One direction, to its end; how many bytes it carried, 0 when it broke.
async fn carry(mut from: impl AsyncRead + Unpin, to: &mut (impl AsyncWrite + Unpin)) -> u64 {
    let carried = tokio::io::copy(&mut from, to).await;
    let _ = to.shutdown().await;
    carried.unwrap_or(0)
}
