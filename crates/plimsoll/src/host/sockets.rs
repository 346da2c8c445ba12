//! Listening sockets that systemd opened for us (`LISTEN_FDS`). The gateway shares one among all of its threads.

use listenfd::ListenFd;
use std::net::TcpListener;

/// Sockets that are looked at; more make no sense.
const MOST: usize = 256;

/// Those that listen for TCP; others are left alone, and told.
pub fn from_manager() -> Vec<TcpListener> {
    let mut given = ListenFd::from_env();
    let mut all = Vec::new();
    for i in 0..given.len().min(MOST) {
        match given.take_tcp_listener(i) {
            Ok(Some(listener)) => {
                // What we start must not hold the port open.
                let _ = rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::CLOEXEC);
                all.push(listener);
            }
            Ok(None) => {}
            Err(e) => tracing::warn!("the {i}th socket of the service manager is not used: {e}"),
        }
    }
    all
}
