//! A wire between whoever is tested and a peer. Cut, nothing passes in either direction and nobody is told, as when a network falls
//! apart: who sends waits, and who connects hears nothing. Whole again, what was on its way arrives.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Where to connect to instead of the peer. Dropped, all its connections end.
pub struct Wire {
    at: SocketAddr,
    between: Arc<Between>,
}

struct Between {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    is_gone: bool,
    /// To be closed in the end.
    ends: Vec<TcpStream>,
}

impl Between {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Until it is whole. False: it is gone.
    fn is_whole(&self) -> bool {
        let state = self.state();
        let waits = |s: &mut State| s.is_cut && !s.is_gone;
        let state = self.changed.wait_while(state, waits);
        !state.unwrap_or_else(|e| e.into_inner()).is_gone
    }

    fn keep(&self, end: &TcpStream) -> std::io::Result<()> {
        let end = end.try_clone()?;
        self.state().ends.push(end);
        Ok(())
    }

    /// Both directions of a connection, until it ends.
    fn carry(self: Arc<Between>, client: TcpStream, peer: SocketAddr) -> std::io::Result<()> {
        self.keep(&client)?;
        if !self.is_whole() {
            return Ok(());
        }
        let server = TcpStream::connect(peer).inspect_err(|_| {
            let _ = client.shutdown(Shutdown::Both);
        })?;
        self.keep(&server)?;
        let (from, to, between) = (server.try_clone()?, client.try_clone()?, self.clone());
        std::thread::spawn(move || between.pass(from, to));
        self.pass(client, server);
        Ok(())
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 16 * 1024];
        loop {
            let n = from.read(&mut bytes).unwrap_or(0);
            if !self.is_whole() || n == 0 || to.write_all(&bytes[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}

impl Wire {
    /// # Errors
    /// When the peer has no address, or there is no port.
    pub fn to(peer: impl ToSocketAddrs) -> std::io::Result<Wire> {
        let peer = peer.to_socket_addrs()?.next();
        let peer = peer.ok_or(std::io::ErrorKind::AddrNotAvailable)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let between = Arc::new(Between {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let wire = Wire {
            at: listener.local_addr()?,
            between: between.clone(),
        };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if between.state().is_gone {
                    return;
                }
                let between = between.clone();
                std::thread::spawn(move || between.carry(client, peer));
            }
        });
        Ok(wire)
    }

    pub fn at(&self) -> SocketAddr {
        self.at
    }

    pub fn cut(&self) {
        self.between.set(|s| s.is_cut = true);
    }

    pub fn mend(&self) {
        self.between.set(|s| s.is_cut = false);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.between.set(|s| {
            s.is_gone = true;
            for end in s.ends.drain(..) {
                let _ = end.shutdown(Shutdown::Both);
            }
        });
        // Whoever listens looks up.
        let _ = TcpStream::connect(self.at);
    }
}
