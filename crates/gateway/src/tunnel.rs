//! After a change of protocol the two sockets are joined: bytes pass unseen, both ways, until both sides have ended.

use crate::connection::Busy;
use crate::upstream::pool::{Conn, Place};
use base::Outcome;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

/// Buffer of each direction, bytes.
const BUFFER: usize = 16 * 1024;
/// How long one direction goes on after the other has ended.
const HALF_OPEN: Duration = Duration::from_secs(60);

/// What the client sent behind its request goes first.
pub(crate) async fn run(
    client: Option<&mut TcpStream>,
    room: &mut Busy,
    upstream: (Conn, Place),
) -> Outcome {
    let (mut conn, _place) = upstream;
    let Some(client) = client else {
        return Outcome::ClientGone;
    };
    for stream in [&*client, &conn.stream] {
        // A peer that vanished without a word is noticed in the end.
        let _ = socket2::SockRef::from(stream).set_keepalive(true);
    }
    let early = room.take_early();
    if conn.stream.write_all(&early).await.is_err() {
        return Outcome::Stream;
    }
    let (client_in, mut client_out) = client.split();
    let (upstream_in, mut upstream_out) = conn.stream.split();
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
async fn carry(from: ReadHalf<'_>, to: &mut WriteHalf<'_>) -> u64 {
    let mut from = BufReader::with_capacity(BUFFER, from);
    let carried = tokio::io::copy_buf(&mut from, to).await;
    let _ = to.shutdown().await;
    carried.unwrap_or(0)
}
