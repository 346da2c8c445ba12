//! Reads a header off a connection, and not a byte more: what follows may be a handshake.

use super::core::{Bad, Ends, Parsed, parse};
use rustix::net::{RecvFlags, recv};
use std::io;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Taken in one look.
const LOOK: usize = 512;

/// # Errors
/// What keeps the connection from being served.
pub(crate) async fn read(stream: &TcpStream, longest: Duration) -> Result<Option<Ends>, Bad> {
    let read = tokio::time::timeout(longest, header(stream)).await;
    read.unwrap_or(Err(Bad::Late))
}

/// Looks before it takes, so that only the header's own bytes are taken.
async fn header(stream: &TcpStream) -> Result<Option<Ends>, Bad> {
    let mut bytes = Vec::new();
    loop {
        let taken = bytes.len();
        bytes.resize(taken + LOOK, 0);
        let seen = receive(stream, &mut bytes[taken..], RecvFlags::PEEK).await?;
        bytes.truncate(taken + seen);
        let parsed = parse(&bytes)?;
        let mine = match parsed {
            Parsed::Partial => bytes.len(),
            Parsed::Whole { len, .. } => len,
        };
        let got = receive(stream, &mut bytes[taken..mine], RecvFlags::empty()).await?;
        bytes.truncate(taken + got);
        if let Parsed::Whole { len, ends } = parsed
            && bytes.len() == len
        {
            return Ok(ends);
        }
    }
}

/// What one call gives, at least a byte.
async fn receive(stream: &TcpStream, into: &mut [u8], flags: RecvFlags) -> Result<usize, Bad> {
    let read = || {
        let (n, _) = recv(stream, &mut *into, flags)?;
        Ok::<_, io::Error>(n)
    };
    match stream.async_io(Interest::READABLE, read).await {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(Bad::Gone),
    }
}
