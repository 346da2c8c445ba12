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
use tokio_rustls::client::TlsStream;

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
    let reach = reach(link.as_deref(), &instance.address, told, told.is_none());
    let reached = tokio::time::timeout(longest, reach).await;
    let made = match reached.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok((wire, http2)) => {
            let conn = Conn::new(wire.into(), instance.clone(), link, told);
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

/// A connection to an instance.
pub enum Wire {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl From<Wire> for Socket {
    fn from(wire: Wire) -> Socket {
        match wire {
            Wire::Tcp(stream) => Socket::Tcp(stream),
            Wire::Tls(stream) => Socket::Tls(Box::new((*stream).into())),
            Wire::Unix(stream) => Socket::Unix(stream),
        }
    }
}

/// A connection, and whether HTTP/2 is spoken on it. `many`: where there is a choice it is.
///
/// # Errors
/// What the system or the handshake says.
pub async fn reach(
    link: Option<&Link>,
    address: &Address,
    told: Option<Told>,
    many: bool,
) -> io::Result<(Wire, bool)> {
    match address {
        Address::Ip(at) => {
            let mut stream = dial(*at).await?;
            tell(&mut stream, told).await?;
            let Some(link) = link else {
                return Ok((Wire::Tcp(stream), false));
            };
            Ok(match link.reach(stream, at.ip(), many).await? {
                (Reached::Plain(stream), http2) => (Wire::Tcp(stream), http2),
                (Reached::Secure(stream), http2) => (Wire::Tls(stream), http2),
            })
        }
        Address::Unix(path) => {
            let mut stream = UnixStream::connect(path).await?;
            tell(&mut stream, told).await?;
            Ok((Wire::Unix(stream), link.is_some_and(Link::speaks_http2)))
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
async fn tell(stream: &mut (impl AsyncWrite + Unpin), told: Option<Told>) -> io::Result<()> {
    let Some(told) = told else {
        return Ok(());
    };
    let mut header = Vec::new();
    told.write(&mut header);
    stream.write_all(&header).await
}
