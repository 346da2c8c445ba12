//! Listeners that share one port.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections that may wait to be accepted, per thread.
const BACKLOG: i32 = 4096;

/// `n` listeners on `address`; with port 0, on one port that is free.
///
/// # Errors
/// What the system says, such as `AddrInUse`.
pub(crate) fn bind(address: SocketAddr, n: usize) -> io::Result<Vec<TcpListener>> {
    // Listeners that share a port would join another program's without a word: look first.
    drop(TcpListener::bind(address)?);
    let mut address = address;
    let mut all = Vec::with_capacity(n);
    for _ in 0..n {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(n > 1)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        address = listener.local_addr()?;
        all.push(listener);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_free_port_for_all() {
        let all = bind(([127, 0, 0, 1], 0).into(), 3).unwrap();
        let ports: Vec<_> = all.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert!(
            ports[0] != 0 && ports.iter().all(|p| *p == ports[0]),
            "{ports:?}"
        );
    }
}
