//! The console's door: its socket, its TLS, and who may come in.

use crate::exit::Failure;
use crate::wire::system::failure;
use arc_swap::ArcSwap;
use base::Finding;
use config::Address;
use config::sections::{Console, ConsoleTls};
use console::access::{Access, User};
use console::{Listener, Tls};
use gateway::SocketFile;
use socket2::{Domain, Socket};
use std::net::TcpListener;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Shorter tokens could be guessed, characters.
const SHORTEST: usize = 16;

pub struct Door {
    pub access: Arc<ArcSwap<Access>>,
    pub socket: Socket,
    tls: Option<Tls>,
    /// Removed at the end, after the socket is closed; `None`: it is no Unix socket, or another's.
    file: Option<SocketFile>,
}

impl Door {
    /// The inherited socket at the console's address, else a new one.
    pub fn new(console: &Console, inherited: &[Socket], managed: bool) -> Result<Door, Failure> {
        let access = access(console).map_err(|f| failure(&f))?;
        let tls = console.tls.as_ref().map(tls).transpose()?;
        let at = &console.listen;
        let cannot = |e: std::io::Error| {
            Failure::new(format!("the console cannot listen on {at}: {e}"))
                .help("set `console:` to a free address")
        };
        let same = |l: &&Socket| is_at(l, at);
        let socket = match (inherited.iter().find(same), at) {
            (Some(socket), _) => socket.try_clone()?,
            (None, Address::Ip(at)) => TcpListener::bind(at).map_err(cannot)?.into(),
            (None, Address::Unix(path)) => {
                SocketFile::listen(path, console.socket_mode).map_err(cannot)?
            }
        };
        let file = at.path().filter(|_| !managed).map(SocketFile::at);
        socket.set_nonblocking(true)?;
        Ok(Door {
            access: Arc::new(ArcSwap::from_pointee(access)),
            socket,
            tls,
            file,
        })
    }

    /// Where it is.
    pub fn address(&self) -> Result<Address, Failure> {
        let at = self.socket.local_addr()?;
        let path = at.as_pathname().map(|p| Address::Unix(p.to_owned()));
        let address = at.as_socket().map(Address::Ip).or(path);
        address.ok_or_else(|| Failure::new("the console's socket has no address"))
    }

    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Takes the users and their tokens as they are now; a mistake changes nothing.
    pub fn renew(&self, console: &Console) -> Result<(), Failure> {
        let access = access(console).map_err(|f| failure(&f))?;
        self.access.store(Arc::new(access));
        Ok(())
    }

    /// Serves until told to stop.
    pub fn open(
        &self,
        runtime: &Runtime,
        state: console::State,
    ) -> Result<(oneshot::Sender<()>, JoinHandle<()>), Failure> {
        let socket = self.socket.try_clone()?;
        let _inside = runtime.enter();
        let listener = match (&self.tls, socket.domain()? == Domain::UNIX) {
            (_, true) => Listener::Unix(tokio::net::UnixListener::from_std(socket.into())?),
            (None, false) => Listener::Tcp(tokio::net::TcpListener::from_std(socket.into())?),
            (Some(tls), false) => Listener::Tls(
                tokio::net::TcpListener::from_std(socket.into())?,
                tls.clone(),
            ),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = runtime.spawn(console::serve(listener, state, async {
            // Dropped or told: both mean stop.
            let _ = stopped.await;
        }));
        Ok((stop, serving))
    }

    /// The socket is another process's from now on.
    pub fn hand_over(&mut self) {
        if let Some(file) = self.file.take() {
            file.hand_over();
        }
    }
}

fn is_at(socket: &Socket, address: &Address) -> bool {
    socket.local_addr().is_ok_and(|at| match address {
        Address::Ip(wanted) => at.as_socket() == Some(*wanted),
        Address::Unix(path) => at.as_pathname() == Some(path),
    })
}

/// With every token fetched; says everything that is wrong at once.
fn access(console: &Console) -> Result<Access, Vec<Finding>> {
    let mut wrong = Vec::new();
    let mut users = Vec::new();
    for u in &console.users {
        let mut user = User::new(&u.name, u.role);
        user.certificate = u.certificate.clone();
        let fetched = u.token.as_ref().map(config::Secret::fetch);
        let long = |t: &String| t.chars().count() >= SHORTEST;
        users.push(match fetched {
            None => user,
            Some(Ok(token)) if long(&token) => user.with_token(&token),
            Some(Ok(_)) => {
                let what = format!(
                    "the token of `{}` has fewer than {SHORTEST} characters",
                    u.name
                );
                let help = "make one, such as with `openssl rand -hex 24`";
                wrong.push(Finding::error("console-token", what).help(help));
                continue;
            }
            Some(Err(finding)) => {
                let what = format!("the token of `{}`: {}", u.name, finding.what);
                wrong.push(Finding { what, ..finding });
                continue;
            }
        });
    }
    match wrong.is_empty() {
        true => Ok(Access {
            users,
            names: console.names.clone(),
            encrypted: console.tls.is_some(),
        }),
        false => Err(wrong),
    }
}

fn tls(tls: &ConsoleTls) -> Result<Tls, Failure> {
    let config = gateway::tls::of_console(tls).map_err(|f| failure(&f))?;
    Ok(Tls {
        config,
        name: |certificate| gateway::tls::ClientCert::read(certificate).name,
    })
}
