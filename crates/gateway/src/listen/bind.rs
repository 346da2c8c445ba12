//! Listeners that share one port, and those that came with the process: from systemd, or from the process before.

use super::socket_file;
use config::Address;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections that may wait to be accepted, per thread.
pub(super) const BACKLOG: i32 = 4096;

/// The listeners of each of `n` threads: those of `inherited` on this address, else new ones; with port 0, on one
/// port that is free. What is inherited is used whole, because connections may wait in each of it: threads share
/// when there are fewer sockets than threads, and look after several when there are more.
///
/// # Errors
/// What the system says, such as `AddrInUse`.
pub(crate) fn bind(
    address: &Address,
    mode: u32,
    n: usize,
    inherited: Vec<Socket>,
) -> io::Result<Vec<Vec<Socket>>> {
    let ours: Vec<Socket> = (inherited.into_iter())
        .filter(|l| is_ours(l, address))
        .collect();
    let ours = match (address, ours.is_empty()) {
        (Address::Ip(at), true) => {
            return Ok(fresh(*at, n)?.into_iter().map(|l| vec![l]).collect());
        }
        // A path has one socket.
        (Address::Unix(path), true) => vec![socket_file::listen(path, mode)?],
        (_, false) => ours,
    };
    for l in &ours {
        l.set_nonblocking(true)?;
    }
    let mut threads: Vec<Vec<Socket>> = (0..n).map(|_| Vec::new()).collect();
    for i in ours.len()..n {
        threads[i].push(ours[i % ours.len()].try_clone()?);
    }
    for (i, l) in ours.into_iter().enumerate() {
        threads[i % n].push(l);
    }
    Ok(threads)
}

fn is_ours(socket: &Socket, address: &Address) -> bool {
    let Ok(at) = socket.local_addr() else {
        return false;
    };
    let same = match address {
        Address::Unix(path) => at.as_pathname() == Some(path),
        Address::Ip(wanted) => (at.as_socket())
            .is_some_and(|at| at.ip() == wanted.ip() && [0, at.port()].contains(&wanted.port())),
    };
    same && socket.is_listener().unwrap_or(false)
}

fn fresh(address: SocketAddr, n: usize) -> io::Result<Vec<Socket>> {
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
        if let Some(at) = socket.local_addr()?.as_socket() {
            address = at;
        }
        all.push(socket);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    const LOCAL: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    fn port(socket: &Socket) -> SocketAddr {
        socket.local_addr().unwrap().as_socket().unwrap()
    }

    #[test]
    fn threads_share_the_one_socket_of_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = Address::Unix(folder.path().join("s"));
        let all = bind(&path, 0o600, 3, Vec::new()).unwrap();
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
        let again = bind(&path, 0o600, 2, all.into_iter().flatten().collect()).unwrap();
        assert_eq!(again.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn one_free_port_for_all() {
        let all = bind(&LOCAL.into(), 0, 3, Vec::new()).unwrap();
        let ports: Vec<_> = (all.iter().flatten()).map(|l| port(l).port()).collect();
        assert!(
            ports.len() == 3 && ports[0] != 0 && ports.iter().all(|p| *p == ports[0]),
            "{ports:?}"
        );
    }

    #[test]
    fn every_inherited_socket_has_a_thread_and_every_thread_a_socket() {
        for (sockets, threads) in [(1, 4), (3, 3), (5, 2), (2, 3)] {
            let given = fresh(LOCAL, sockets).unwrap();
            let address = port(&given[0]).into();
            let fds: Vec<_> = given.iter().map(AsRawFd::as_raw_fd).collect();
            let all = bind(&address, 0, threads, given).unwrap();
            let used: Vec<_> = all.iter().flatten().map(AsRawFd::as_raw_fd).collect();
            assert!(
                fds.iter().all(|fd| used.contains(fd)),
                "{sockets} {threads}"
            );
            assert!(all.iter().all(|t| !t.is_empty()), "{sockets} {threads}");
        }
    }

    #[test]
    fn a_socket_of_another_address_or_one_that_does_not_listen_is_left() {
        let other = fresh(LOCAL, 1).unwrap();
        let wanted = TcpListener::bind(LOCAL).unwrap().local_addr().unwrap();
        let all = bind(&wanted.into(), 0, 1, other).unwrap();
        assert_eq!(port(&all[0][0]), wanted);
        let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        deaf.bind(&LOCAL.into()).unwrap();
        assert!(!is_ours(&deaf, &port(&deaf).into()));
    }
}
