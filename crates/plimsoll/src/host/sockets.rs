//! Listening sockets that systemd opened for us (`LISTEN_FDS`). The gateway shares one among all of its threads.

use listenfd::ListenFd;
use socket2::Socket;

/// Sockets that are looked at; more make no sense.
const MOST: usize = 256;

/// Those that listen for streams, TCP or Unix; others are left alone, and told.
pub fn from_manager() -> Vec<Socket> {
    let mut given = ListenFd::from_env();
    let mut all = Vec::new();
    for i in 0..given.len().min(MOST) {
        let tcp = given.take_tcp_listener(i).map(|l| l.map(Socket::from));
        let taken = tcp.or_else(|_| given.take_unix_listener(i).map(|l| l.map(Socket::from)));
        match taken {
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
