//! The listener: OTLP over HTTP and gRPC, on control's runtime and off the traffic threads.
//!
//! `connection` takes connections, `request` reads one request within its bounds, `answer` says what became of it in
//! the words of either protocol. Both ports understand both.

mod answer;
mod connection;
mod request;

use crate::evidence::{Counts, Evidence};
use crate::traces::Traces;
use base::clock::Clock;
use base::trace::SpanIds;
use intake::Intake;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Requests that are read at once: each may hold 64 MiB.
const REQUESTS: usize = 4;
/// How often whole traces are taken out.
const SETTLE: Duration = Duration::from_millis(500);

/// What the receiver gets from its surroundings.
pub struct Options {
    pub listeners: Vec<TcpListener>,
    /// What a sender must show as `Authorization: Bearer …`; `None`: nothing.
    pub token: Option<String>,
    pub ids: Arc<SpanIds>,
    pub clock: Clock,
    /// Keeps what comes, to be shown; `None`: nobody does.
    pub keeper: Option<Arc<dyn Keeper>>,
}

/// Takes spans and log lines as they come, with their trace; 0: a line without one. It must not wait for anything.
pub trait Keeper: Send + Sync {
    fn spans(&self, spans: Vec<(u128, ::traces::Span)>);
    fn lines(&self, lines: Vec<(u128, ::traces::Line)>);
    /// Which attributes of spans are kept.
    fn wanted(&self) -> Arc<::traces::Wanted>;
}

/// A running receiver; it stops when dropped.
pub struct Receiver {
    shared: Arc<Shared>,
    intakes: Vec<Intake>,
    settling: JoinHandle<()>,
}

struct Shared {
    token: Option<String>,
    clock: Clock,
    keeper: Option<Arc<dyn Keeper>>,
    requests: Arc<Semaphore>,
    traces: Mutex<Traces>,
    evidence: Arc<Mutex<Evidence>>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

impl Receiver {
    /// # Errors
    /// When a listener is not one.
    pub fn start(runtime: &Handle, options: Options) -> io::Result<Receiver> {
        let shared = Arc::new(Shared {
            token: options.token,
            clock: options.clock,
            keeper: options.keeper,
            requests: Arc::new(Semaphore::new(REQUESTS)),
            traces: Mutex::default(),
            evidence: Arc::new(Mutex::new(Evidence::new(options.ids))),
        });
        let mut receiver = Receiver {
            settling: runtime.spawn(settle(shared.clone())),
            intakes: (options.listeners.into_iter())
                .map(|listener| Intake::new(runtime, listener))
                .collect(),
            shared,
        };
        receiver.open()?;
        Ok(receiver)
    }

    /// Takes connections (again).
    ///
    /// # Errors
    /// When a listener is not one.
    pub fn open(&mut self) -> io::Result<()> {
        for intake in &mut self.intakes {
            let shared = self.shared.clone();
            intake.open(|listener| connection::serve(listener, shared, connection::IDLE))?;
        }
        Ok(())
    }

    /// Takes no more connections, and ends those that are open; the sockets still listen, for whoever has them too.
    pub fn close(&mut self) {
        self.intakes.iter_mut().for_each(Intake::close);
    }

    pub fn listeners(&self) -> impl Iterator<Item = &TcpListener> {
        self.intakes.iter().map(Intake::listener)
    }

    /// What spans have told so far.
    pub fn evidence(&self) -> Arc<Mutex<Evidence>> {
        self.shared.evidence.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.settling.abort();
    }
}

async fn settle(shared: Arc<Shared>) {
    let mut every = tokio::time::interval(SETTLE);
    loop {
        every.tick().await;
        let (whole, late, cut) = {
            let mut traces = lock(&shared.traces);
            let whole = traces.settle(shared.clock.now());
            (whole, traces.late, traces.cut)
        };
        for trace in whole {
            // One at a time: whoever reads the evidence waits for no more than one trace.
            lock(&shared.evidence).trace(&trace);
        }
        let counts = &mut lock(&shared.evidence).counts;
        (counts.late, counts.cut) = (late, cut);
    }
}

impl Shared {
    fn is_full(&self) -> bool {
        lock(&self.traces).is_full()
    }

    fn take(&self, spans: Vec<crate::Span>, rejected: u64) {
        let received = spans.len() as u64;
        lock(&self.traces).take(spans, self.clock.now());
        let counts: &mut Counts = &mut lock(&self.evidence).counts;
        counts.spans += received;
        counts.rejected += rejected;
    }
}
