//! Makes a connection to an instance, in bounded time.

use super::Instance;
use super::pool::Conn;
use crate::connection::Socket;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::TcpStream;

/// # Errors
/// What the system says, or `TimedOut`.
pub async fn connect(instance: Arc<Instance>, longest: Duration) -> io::Result<Conn> {
    let made = match tokio::time::timeout(longest, TcpStream::connect(instance.address)).await {
        Ok(made) => made,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    match made {
        Ok(stream) => {
            // A head and a small body in two writes must not wait for an acknowledgement.
            let _ = stream.set_nodelay(true);
            Ok(Conn::new(Socket::Tcp(stream), instance))
        }
        Err(e) => {
            instance.pool.connect_failures.fetch_add(1, Relaxed);
            Err(e)
        }
    }
}
