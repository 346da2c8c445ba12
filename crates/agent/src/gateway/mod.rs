//! The side of the gateway: a listener that takes readings, a table of who sent what, and a probe that puts it into windows.

mod agent;
mod locks;
mod place;
mod probe;
mod receive;
mod table;

use base::Names;
use base::clock::Clock;
use intake::Intake;
pub use probe::AgentProbe;
use serde_json::Value;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use table::Table;
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// What the receiver gets from its surroundings.
pub struct Options {
    pub listener: TcpListener,
    pub token: String,
    /// `None`: agents speak plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
    pub clock: Clock,
    /// Drawn by the caller, not 0: tells one run of the gateway from the next.
    pub run: u64,
}

struct Shared {
    token: String,
    tls: Option<TlsAcceptor>,
    clock: Clock,
    run: u64,
    table: Mutex<Table>,
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Takes readings; it stops when dropped.
pub struct Receiver {
    shared: Arc<Shared>,
    intake: Intake,
}

impl Receiver {
    /// # Errors
    /// When the listener is not one.
    pub fn start(runtime: &Handle, options: Options) -> io::Result<Receiver> {
        let mut receiver = Receiver {
            shared: Arc::new(Shared {
                table: Mutex::new(Table::new(options.run)),
                token: options.token,
                tls: options.tls.map(TlsAcceptor::from),
                clock: options.clock,
                run: options.run,
            }),
            intake: Intake::new(runtime, options.listener),
        };
        receiver.open()?;
        Ok(receiver)
    }

    /// Takes connections (again).
    ///
    /// # Errors
    /// When the listener is not one.
    pub fn open(&mut self) -> io::Result<()> {
        let shared = self.shared.clone();
        (self.intake).open(|listener| receive::serve(listener, shared))
    }

    /// Takes no more connections, and ends those that are open; the socket still listens, for whoever has it too.
    pub fn close(&mut self) {
        self.intake.close();
    }

    pub fn listener(&self) -> &TcpListener {
        self.intake.listener()
    }

    /// For telemetry.
    pub fn probe(&self, names: Names) -> AgentProbe {
        AgentProbe {
            shared: self.shared.clone(),
            names,
        }
    }

    /// Each agent: its age, its clock, what it sees.
    pub fn status(&self) -> impl Fn() -> Value + Send + Sync + 'static {
        let shared = self.shared.clone();
        move || shared.table().status(shared.clock.now())
    }
}
