//! Makes a connection to an instance, in bounded time.

use super::Instance;
use super::call::Calls;
use super::link::{Link, Reached};
use super::pool::Conn;
use crate::connection::Socket;
use crate::proxy_protocol::Told;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What was made: for one exchange after another, or for many at once.
pub enum Made {
    Conn(Conn),
    Calls(Calls),
}

/// # Errors
/// What the system or the handshake says, or `TimedOut`.
pub async fn connect(
    link: Option<Arc<Link>>,
    instance: Arc<Instance>,
    told: Option<Told>,
    longest: Duration,
) -> io::Result<Made> {
    let reached = tokio::time::timeout(longest, reach(link.as_deref(), &instance, told)).await;
    let made = match reached.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok((socket, http2)) => {
            let conn = Conn::new(socket, instance.clone(), link, told);
            match http2 {
                true => Calls::begin(conn).await.map(Made::Calls),
                false => Ok(Made::Conn(conn)),
            }
        }
        Err(e) => Err(e),
    };
    if made.is_err() {
        instance.pool.connect_failures.fetch_add(1, Relaxed);
    }
    made
}

async fn reach(
    link: Option<&Link>,
    instance: &Instance,
    told: Option<Told>,
) -> io::Result<(Socket, bool)> {
    let mut stream = TcpStream::connect(instance.address).await?;
    // A head and a small body in two writes must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    if let Some(told) = told {
        tell(&mut stream, told).await?;
    }
    let Some(link) = link else {
        return Ok((Socket::Tcp(stream), false));
    };
    let (reached, http2) = link
        .reach(stream, instance.address.ip(), told.is_none())
        .await?;
    let socket = match reached {
        Reached::Plain(stream) => Socket::Tcp(stream),
        Reached::Secure(stream) => Socket::Tls(Box::new((*stream).into())),
    };
    Ok((socket, http2))
}

/// Says who is behind the connection, before anything else.
///
/// # Errors
/// What the system says.
pub async fn tell(stream: &mut TcpStream, told: Told) -> io::Result<()> {
    let mut header = Vec::new();
    told.write(&mut header);
    stream.write_all(&header).await
}
