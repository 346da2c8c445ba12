//! The accepting task of one thread.

use super::clients::{TOO_MANY, most, whose};
use super::place::place;
use crate::connection::{self, Detached, Peer, Socket};
use crate::http2;
use crate::jobs::Errand;
use crate::proxy_protocol::{self, Ends};
use crate::snapshot::Snapshot;
use crate::tls;
use crate::worker::Worker;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_local;

/// One connection in the count of its thread, and of its client.
pub(crate) struct Counted {
    worker: Rc<Worker>,
    client: Option<IpAddr>,
}

impl Counted {
    fn new(worker: &Rc<Worker>) -> Counted {
        Counted {
            worker: worker.clone(),
            client: None,
        }
    }

    /// False: its client has as many as one may have.
    fn admit(&mut self, client: IpAddr) -> bool {
        let client = whose(client);
        let limits = |s: &Arc<Snapshot>| (s.limits.connections_per_client, s.limits.connections);
        let (one, all) = self.worker.with_snapshot(limits);
        let (clients, most) = (&self.worker.shared.clients, most(one, all));
        let fits = clients.take(client, most);
        match fits {
            true => self.client = Some(client),
            false => clients.refuse(client, most),
        }
        fits
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let shared = &self.worker.shared;
        shared.loads[self.worker.index].fetch_sub(1, Relaxed);
        if let Some(client) = self.client {
            shared.clients.give_back(client);
        }
    }
}

/// A listener, and whether its clients speak TLS.
pub(crate) struct Port {
    pub listener: socket2::Socket,
    pub secure: bool,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn of(socket: socket2::Socket) -> std::io::Result<Listener> {
        match socket.local_addr()?.is_unix() {
            true => UnixListener::from_std(socket.into()).map(Listener::Unix),
            false => TcpListener::from_std(socket.into()).map(Listener::Tcp),
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<Socket>> {
        match self {
            Listener::Tcp(l) => l.poll_accept(cx).map_ok(|(s, _)| Socket::Tcp(s)),
            Listener::Unix(l) => l.poll_accept(cx).map_ok(|(s, _)| Socket::Unix(s)),
        }
    }
}

/// A connection on its way to its thread.
pub(crate) struct Fresh<S = Detached> {
    socket: S,
    secure: bool,
}

impl Fresh {
    pub fn errand(errand: Errand) -> Fresh {
        Fresh {
            secure: errand.secure,
            socket: Detached::Errand(Box::new(errand)),
        }
    }
}

/// Whether fresh connections are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepting {
    /// Not yet: they wait in the system's queue.
    NotYet,
    Yes,
    /// Those that have connected already, and then no more.
    Last,
    /// None: those that have connected are another process's.
    No,
}

impl Accepting {
    fn is_over(&self) -> bool {
        matches!(self, Accepting::Last | Accepting::No)
    }
}

/// Accepts from all of the thread's listeners, and adopts what other threads hand over, until that is over.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    ports: Vec<Port>,
    mut handed: mpsc::Receiver<Fresh>,
    mut accepting: watch::Receiver<Accepting>,
) -> std::io::Result<()> {
    let listeners = ports.into_iter().map(|port| {
        let listener = Listener::of(port.listener)?;
        Ok((listener, port.secure))
    });
    let listeners = listeners.collect::<std::io::Result<Vec<_>>>()?;
    let _ = accepting.wait_for(|a| *a != Accepting::NotYet).await;
    let mut turn = 0;
    loop {
        turn += 1;
        tokio::select! {
            fresh = next(&listeners, turn) => match fresh {
                Ok(fresh) => take(&worker, fresh),
                // Out of file descriptors, mostly: others must end before it makes sense to go on.
                Err(e) => {
                    tracing::warn!(error = %e, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
            Some(fresh) = handed.recv() => adopt(&worker, fresh),
            _ = accepting.wait_for(Accepting::is_over) => break,
        }
    }
    while *accepting.borrow() == Accepting::Last
        && let Ok(Ok(fresh)) =
            tokio::time::timeout(Duration::from_millis(5), next(&listeners, turn)).await
    {
        start(&worker, fresh, false);
    }
    drop(listeners);
    handed.close();
    while let Some(fresh) = handed.recv().await {
        adopt(&worker, fresh);
    }
    Ok(())
}

/// The next connection of any listener; `turn` says which is asked first, so that none starves another.
async fn next(listeners: &[(Listener, bool)], turn: usize) -> std::io::Result<Fresh<Socket>> {
    poll_fn(|cx| {
        for i in 0..listeners.len() {
            let (listener, secure) = &listeners[(turn + i) % listeners.len()];
            if let Poll::Ready(fresh) = listener.poll_accept(cx) {
                let secure = *secure;
                return Poll::Ready(fresh.map(|socket| Fresh { socket, secure }));
            }
        }
        Poll::Pending
    })
    .await
}

fn take(worker: &Rc<Worker>, fresh: Fresh<Socket>) {
    let shared = &worker.shared;
    let loads: Vec<u32> = shared.loads.iter().map(|l| l.load(Relaxed)).collect();
    let limit = worker.snapshot().limits.connections as u64;
    if loads.iter().map(|l| *l as u64).sum::<u64>() >= limit {
        shared.clients.turned_away.add(TOO_MANY);
        return;
    }
    let there = place(&loads, worker.index);
    if there == worker.index {
        return start(worker, fresh, false);
    }
    let load: &AtomicU32 = &shared.loads[there];
    // Counted before it gets there, so that the next one does not follow it.
    load.fetch_add(1, Relaxed);
    let Some(Ok(socket)) = fresh.socket.detach() else {
        load.fetch_sub(1, Relaxed);
        return;
    };
    let secure = fresh.secure;
    if let Err(back) = shared.hand[there].try_send(Fresh { socket, secure }) {
        load.fetch_sub(1, Relaxed);
        if let Ok(socket) = back.into_inner().socket.attach() {
            start(worker, Fresh { socket, secure }, false);
        }
    }
}

fn adopt(worker: &Rc<Worker>, fresh: Fresh) {
    let secure = fresh.secure;
    match fresh.socket.attach() {
        Ok(socket @ Socket::Errand(_)) => run(worker, socket, secure),
        Ok(socket) => start(worker, Fresh { socket, secure }, true),
        Err(_) => drop(Counted::new(worker)),
    }
}

/// A delivery is one exchange of nobody that has an address.
fn run(worker: &Rc<Worker>, socket: Socket, secure: bool) {
    let peer = Peer {
        ends: Ends::UNKNOWN,
        secure,
        certificate: None,
        shown: None,
    };
    let worker = worker.clone();
    spawn_local(async move {
        let _counted = Counted::new(&worker);
        connection::serve_one(worker, socket, peer).await;
    });
}

fn start(worker: &Rc<Worker>, fresh: Fresh<Socket>, counted: bool) {
    if !counted {
        worker.shared.loads[worker.index].fetch_add(1, Relaxed);
    }
    let mut counted = Counted::new(worker);
    let Fresh { socket, secure } = fresh;
    let Some(ends) = ends(&socket) else {
        return;
    };
    let peer = Peer {
        ends,
        secure,
        certificate: None,
        shown: None,
    };
    let worker = worker.clone();
    match worker.with_snapshot(|s| s.is_introduced(&peer.ends)) {
        true => drop(spawn_local(introduce(worker, socket, peer, counted))),
        // Who connects to a Unix socket may be anybody's front.
        false if peer.ends != Ends::UNKNOWN && !counted.admit(peer.ends.from.ip()) => {}
        false => begin(worker, socket, peer, counted),
    }
}

/// `None`: the client has gone already.
fn ends(socket: &Socket) -> Option<Ends> {
    let Socket::Tcp(stream) = socket else {
        return Some(Ends::UNKNOWN);
    };
    let _ = stream.set_nodelay(true);
    Some(Ends {
        from: canonical(stream.peer_addr().ok()?),
        to: canonical(stream.local_addr().ok()?),
    })
}

/// An IPv4 client of an IPv6 listener is an IPv4 client.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The load balancer says first who its client is.
async fn introduce(worker: Rc<Worker>, socket: Socket, mut peer: Peer, mut counted: Counted) {
    let longest = worker.with_snapshot(|s| s.limits.head_timeout);
    match Box::pin(proxy_protocol::read(&socket, longest)).await {
        Ok(Some(ends)) if !counted.admit(ends.from.ip()) => return,
        Ok(ends) => peer.ends = ends.unwrap_or(peer.ends),
        Err(why) => {
            let snapshot = worker.snapshot();
            let rules = snapshot.proxy_protocol.as_ref();
            return rules.into_iter().for_each(|r| r.refuse(peer.ends, why));
        }
    }
    begin(worker, socket, peer, counted);
}

fn begin(worker: Rc<Worker>, socket: Socket, peer: Peer, counted: Counted) {
    match (peer.secure, socket) {
        (true, Socket::Tcp(stream)) => drop(spawn_local(shake(worker, stream, peer, counted))),
        // A checked configuration has no TLS on a Unix socket.
        (true, _) => {}
        (false, socket) => drop(spawn_local(connection::serve(
            worker, socket, peer, counted,
        ))),
    }
}

/// First the handshake, then as everybody else.
async fn shake(worker: Rc<Worker>, stream: TcpStream, mut peer: Peer, counted: Counted) {
    // Without terms there is nothing to speak TLS with.
    let Some(terms) = worker.shared.tls.terms() else {
        return;
    };
    match Box::pin(tls::handshake(&terms, stream)).await {
        Ok(shaken) => {
            peer.certificate = shaken.certificate;
            peer.shown = shaken.shown;
            drop(terms);
            match shaken.http2 {
                true => http2::serve(worker, shaken.socket, Vec::new(), peer, counted).await,
                false => connection::serve(worker, shaken.socket, peer, counted).await,
            }
        }
        Err(e) => tracing::debug!(client = %peer.ends.from.ip(), error = %e, "no TLS handshake"),
    }
}
