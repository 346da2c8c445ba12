//! After a change of protocol the two sockets are joined: bytes pass unseen, both ways, until both sides have ended.

use crate::connection::Busy;
use crate::upstream::pool::{Conn, Place};
use base::Outcome;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Buffer of each direction, bytes.
const BUFFER: usize = 16 * 1024;

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
    let joined =
        tokio::io::copy_bidirectional_with_sizes(client, &mut conn.stream, BUFFER, BUFFER).await;
    if let Ok((up, down)) = joined {
        room.count(up + early.len() as u64, down);
    }
    Outcome::Stream
}
