//! Sends metrics and traces to a collector: a queue of bounded length that telemetry's tap fills, and a thread that tries.
//! Nothing on the data path waits for it, and what finds no room is dropped and counted.

mod grpc;
mod http;
mod shown;
mod work;

pub use self::http::{agent, fetched};
pub use self::shown::Shown;
pub use self::work::zero;

use self::work::Work;
use arc_swap::ArcSwap;
use base::Names;
use base::clock::Clock;
use config::Config;
use config::sections::ExportOtlp;
use otlp::export::{Exchange, Meter};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, MutexGuard};
use std::thread::Thread;
use std::time::Duration;
use tokio::runtime::Handle;

/// Requests that wait to be sent; more are dropped, and counted.
const QUEUE: usize = 4096;
/// Longest wait at the end for the last of it.
const ENDS: Duration = Duration::from_secs(5);

/// The running thread. When this is dropped what has happened by then is sent, if the collector takes it at once.
pub struct Export {
    shown: Arc<Shown>,
    stop: Arc<AtomicBool>,
    thread: Thread,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

/// What it is started from.
pub struct Parts {
    pub names: Names,
    pub clock: Clock,
    pub config: Arc<ArcSwap<Config>>,
    /// Where connections of gRPC live.
    pub runtime: Handle,
}

/// Where telemetry's thread puts what is to be sent.
pub struct Sink {
    queue: SyncSender<Exchange>,
    shown: Arc<Shown>,
}

impl Sink {
    /// Counts durations.
    pub fn meter(&self) -> MutexGuard<'_, Meter> {
        self.shown.meter()
    }

    /// Whether there was room.
    pub fn send(&self, x: Exchange) -> bool {
        self.shown.added(self.queue.try_send(x).is_ok())
    }
}

impl Export {
    /// # Errors
    /// When the system gives no thread.
    pub fn start(otlp: &ExportOtlp, parts: Parts) -> io::Result<(Export, Sink)> {
        let (queue, exchanges) = sync_channel(QUEUE);
        let shown = Arc::new(Shown::new(otlp));
        let stop = Arc::new(AtomicBool::new(false));
        let (end, ended) = sync_channel(0);
        let sink = Sink {
            queue,
            shown: shown.clone(),
        };
        let work = Work::new(otlp, parts, exchanges, shown.clone());
        let stops = stop.clone();
        let handle = std::thread::Builder::new()
            .name("export".into())
            .spawn(move || {
                let _ends = end;
                work.run(&stops);
            })?;
        let export = Export {
            shown,
            stop,
            thread: handle.thread().clone(),
            ended,
        };
        Ok((export, sink))
    }

    pub fn shown(&self) -> Arc<Shown> {
        self.shown.clone()
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.thread.unpark();
        if self.ended.recv_timeout(ENDS) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!(
                "the last metrics and traces were not sent: the collector does not answer"
            );
        }
        // It holds the parts that the metrics page is made of.
        self.shown.set_source(None);
    }
}

#[cfg(test)]
mod tests;
