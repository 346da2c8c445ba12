//! Makes a connection to an instance, in bounded time.

use super::Instance;
use super::call::Calls;
use super::link::{Link, Reached};
use super::pool::Conn;
use crate::connection::Socket;
use crate::proxy_protocol::Told;
use config::Address;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

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
    let many = told.is_none();
    match &instance.address {
        Address::Ip(at) => {
            let mut stream = dial(*at).await?;
            tell(&mut stream, told).await?;
            match link {
                None => Ok((Socket::Tcp(stream), false)),
                Some(link) => match link.reach(stream, at.ip(), many).await? {
                    (Reached::Plain(stream), http2) => Ok((Socket::Tcp(stream), http2)),
                    (Reached::Secure(stream), http2) => {
                        Ok((Socket::Tls(Box::new((*stream).into())), http2))
                    }
                },
            }
        }
        Address::Unix(path) => {
            let mut stream = UnixStream::connect(path).await?;
            tell(&mut stream, told).await?;
            let http2 = link.is_some_and(Link::speaks_http2);
            Ok((Socket::Unix(stream), http2))
        }
    }
}

async fn dial(at: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(at).await?;
    // A head and a small body in two writes must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Says who is behind the connection, before anything else.
///
/// # Errors
/// What the system says.
pub async fn tell(stream: &mut (impl AsyncWrite + Unpin), told: Option<Told>) -> io::Result<()> {
    let Some(told) = told else {
        return Ok(());
    };
    let mut header = Vec::new();
    told.write(&mut header);
    stream.write_all(&header).await
}
