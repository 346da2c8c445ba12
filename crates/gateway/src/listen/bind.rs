//! Listeners that share one port, and those that came with the process: from systemd, or from the process before.

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections that may wait to be accepted, per thread.
const BACKLOG: i32 = 4096;

/// The listeners of each of `n` threads: those of `inherited` on this address, else new ones; with port 0, on one
/// port that is free. What is inherited is used whole, because connections may wait in each of it: threads share
/// when there are fewer sockets than threads, and look after several when there are more.
///
/// # Errors
/// What the system says, such as `AddrInUse`.
pub(crate) fn bind(
    address: SocketAddr,
    n: usize,
    inherited: Vec<TcpListener>,
) -> io::Result<Vec<Vec<TcpListener>>> {
    let ours: Vec<TcpListener> = (inherited.into_iter())
        .filter(|l| is_ours(l, address))
        .collect();
    if ours.is_empty() {
        let fresh = fresh(address, n)?;
        return Ok(fresh.into_iter().map(|l| vec![l]).collect());
    }
    for l in &ours {
        l.set_nonblocking(true)?;
    }
    let mut threads: Vec<Vec<TcpListener>> = (0..n).map(|_| Vec::new()).collect();
    for i in ours.len()..n {
        threads[i].push(ours[i % ours.len()].try_clone()?);
    }
    for (i, l) in ours.into_iter().enumerate() {
        threads[i % n].push(l);
    }
    Ok(threads)
}

fn is_ours(listener: &TcpListener, address: SocketAddr) -> bool {
    let listens = SockRef::from(listener).is_listener().unwrap_or(false);
    let at = listener.local_addr();
    listens
        && at.is_ok_and(|at| at.ip() == address.ip() && [0, at.port()].contains(&address.port()))
}

fn fresh(address: SocketAddr, n: usize) -> io::Result<Vec<TcpListener>> {
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
    use std::os::fd::AsRawFd;

    const LOCAL: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn one_free_port_for_all() {
        let all = bind(LOCAL, 3, Vec::new()).unwrap();
        let ports: Vec<_> = (all.iter().flatten())
            .map(|l| l.local_addr().unwrap().port())
            .collect();
        assert!(
            ports.len() == 3 && ports[0] != 0 && ports.iter().all(|p| *p == ports[0]),
            "{ports:?}"
        );
    }

    #[test]
    fn every_inherited_socket_has_a_thread_and_every_thread_a_socket() {
        for (sockets, threads) in [(1, 4), (3, 3), (5, 2), (2, 3)] {
            let given = fresh(LOCAL, sockets).unwrap();
            let address = given[0].local_addr().unwrap();
            let fds: Vec<_> = given.iter().map(AsRawFd::as_raw_fd).collect();
            let all = bind(address, threads, given).unwrap();
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
        let all = bind(wanted, 1, other).unwrap();
        assert_eq!(all[0][0].local_addr().unwrap(), wanted);
        let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        deaf.bind(&LOCAL.into()).unwrap();
        let at = deaf.local_addr().unwrap().as_socket().unwrap();
        assert!(!is_ours(&TcpListener::from(deaf), at));
    }
}
