//! Reads a header off a connection, and not a byte more: what follows may be a handshake.

use super::core::{Bad, Ends, Parsed, parse};
use crate::connection::Socket;
use rustix::net::{RecvFlags, recv};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;
use tokio::io::Interest;

/// Taken in one look.
const LOOK: usize = 512;

/// # Errors
/// What keeps the connection from being served.
pub(crate) async fn read(socket: &Socket, longest: Duration) -> Result<Option<Ends>, Bad> {
    let read = tokio::time::timeout(longest, header(socket)).await;
    read.unwrap_or(Err(Bad::Late))
}

/// Looks before it takes, so that only the header's own bytes are taken.
async fn header(socket: &Socket) -> Result<Option<Ends>, Bad> {
    let mut bytes = Vec::new();
    loop {
        let taken = bytes.len();
        bytes.resize(taken + LOOK, 0);
        let seen = receive(socket, &mut bytes[taken..], RecvFlags::PEEK).await?;
        bytes.truncate(taken + seen);
        let parsed = parse(&bytes)?;
        let mine = match parsed {
            Parsed::Partial => bytes.len(),
            Parsed::Whole { len, .. } => len,
        };
        let got = receive(socket, &mut bytes[taken..mine], RecvFlags::empty()).await?;
        bytes.truncate(taken + got);
        if let Parsed::Whole { len, ends } = parsed
            && bytes.len() == len
        {
            return Ok(ends);
        }
    }
}

/// What one call gives, at least a byte.
async fn receive(socket: &Socket, into: &mut [u8], flags: RecvFlags) -> Result<usize, Bad> {
    const READ: Interest = Interest::READABLE;
    let got = match socket {
        Socket::Tcp(stream) => stream.async_io(READ, || once(stream, into, flags)).await,
        Socket::Unix(stream) => stream.async_io(READ, || once(stream, into, flags)).await,
        _ => return Err(Bad::Gone),
    };
    match got {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(Bad::Gone),
    }
}

fn once(from: impl AsFd, into: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    let (n, _) = recv(from, into, flags)?;
    Ok(n)
}
