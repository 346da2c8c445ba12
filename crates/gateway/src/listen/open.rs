//! Opens what the configuration names: the plain port or Unix socket, the port that speaks TLS, or both.

use super::{Port, bind};
use config::{Address, Config};
use socket2::Socket;
use std::io;
use std::net::SocketAddr;

pub(crate) struct Opened {
    pub address: Address,
    /// `None`: TLS is not spoken.
    pub tls_address: Option<SocketAddr>,
    /// Of each thread.
    pub ports: Vec<Vec<Port>>,
}

/// For `n` threads; what is `inherited` on an address is used there.
///
/// # Errors
/// What the system says, and of which address.
pub(crate) fn open(config: &Config, n: usize, inherited: &[Socket]) -> io::Result<Opened> {
    let tls = config.tls.as_ref();
    let beside = tls.and_then(|tls| tls.listen);
    let secure = tls.is_some() && beside.is_none();
    let mode = config.socket_mode;
    let (address, mut ports) = at(&config.listen, mode, n, secure, inherited)?;
    let mut tls_address = address.ip().filter(|_| tls.is_some());
    if let Some(beside) = beside {
        let (address, more) = at(&beside.into(), mode, n, true, inherited)?;
        tls_address = address.ip();
        for (mine, more) in ports.iter_mut().zip(more) {
            mine.extend(more);
        }
    }
    Ok(Opened {
        address,
        tls_address,
        ports,
    })
}

/// The ports of each thread, and the address that they share.
fn at(
    address: &Address,
    mode: u32,
    n: usize,
    secure: bool,
    inherited: &[Socket],
) -> io::Result<(Address, Vec<Vec<Port>>)> {
    let inherited = inherited.iter().map(Socket::try_clone);
    let listeners = bind(address, mode, n, inherited.collect::<io::Result<_>>()?)
        .map_err(|e| io::Error::new(e.kind(), format!("cannot listen on {address}: {e}")))?;
    let bound = listeners[0][0].local_addr()?.as_socket();
    let address = bound.map_or_else(|| address.clone(), Address::Ip);
    let port = |listener| Port { listener, secure };
    let each = |all: Vec<Socket>| all.into_iter().map(port).collect();
    Ok((address, listeners.into_iter().map(each).collect()))
}
