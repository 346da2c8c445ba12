//! Opens what the configuration names: the plain port, the one that speaks TLS, or both.

use super::{Port, bind};
use config::Config;
use std::io;
use std::net::{SocketAddr, TcpListener};

pub(crate) struct Opened {
    pub address: SocketAddr,
    /// `None`: TLS is not spoken.
    pub tls_address: Option<SocketAddr>,
    /// Of each thread.
    pub ports: Vec<Vec<Port>>,
}

/// For `n` threads; what is `inherited` on an address is used there.
///
/// # Errors
/// What the system says, and of which address.
pub(crate) fn open(config: &Config, n: usize, inherited: &[TcpListener]) -> io::Result<Opened> {
    let tls = config.tls.as_ref();
    let beside = tls.and_then(|tls| tls.listen);
    let secure = tls.is_some() && beside.is_none();
    let (address, mut ports) = at(config.listen, n, secure, inherited)?;
    let mut tls_address = tls.map(|_| address);
    if let Some(beside) = beside {
        let (address, more) = at(beside, n, true, inherited)?;
        tls_address = Some(address);
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
    address: SocketAddr,
    n: usize,
    secure: bool,
    inherited: &[TcpListener],
) -> io::Result<(SocketAddr, Vec<Vec<Port>>)> {
    let inherited = inherited.iter().map(TcpListener::try_clone);
    let listeners = bind(address, n, inherited.collect::<io::Result<_>>()?)
        .map_err(|e| io::Error::new(e.kind(), format!("cannot listen on {address}: {e}")))?;
    let address = listeners[0][0].local_addr()?;
    let port = |listener| Port { listener, secure };
    let each = |all: Vec<TcpListener>| all.into_iter().map(port).collect();
    Ok((address, listeners.into_iter().map(each).collect()))
}
