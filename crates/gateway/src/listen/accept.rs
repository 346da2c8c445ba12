//! The accepting task of one thread.

use super::place::place;
use crate::connection;
use crate::worker::Worker;
use std::future::poll_fn;
use std::net::TcpListener as StdListener;
use std::net::TcpStream as StdStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// One connection in the count of its thread.
pub(crate) struct Counted {
    worker: Rc<Worker>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.worker.shared.loads[self.worker.index].fetch_sub(1, Relaxed);
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
    listeners: Vec<StdListener>,
    mut handed: mpsc::Receiver<StdStream>,
    mut accepting: watch::Receiver<Accepting>,
) -> std::io::Result<()> {
    let listeners = listeners.into_iter().map(TcpListener::from_std);
    let listeners = listeners.collect::<std::io::Result<Vec<_>>>()?;
    let _ = accepting.wait_for(|a| *a != Accepting::NotYet).await;
    let mut turn = 0;
    loop {
        turn += 1;
        tokio::select! {
            fresh = next(&listeners, turn) => match fresh {
                Ok(stream) => take(&worker, stream),
                // Out of file descriptors, mostly: others must end before it makes sense to go on.
                Err(e) => {
                    tracing::warn!(error = %e, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
            Some(stream) = handed.recv() => adopt(&worker, stream),
            _ = accepting.wait_for(Accepting::is_over) => break,
        }
    }
    while *accepting.borrow() == Accepting::Last
        && let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(5), next(&listeners, turn)).await
    {
        start(&worker, stream, false);
    }
    drop(listeners);
    handed.close();
    while let Some(stream) = handed.recv().await {
        adopt(&worker, stream);
    }
    Ok(())
}

/// The next connection of any listener; `turn` says which is asked first, so that none starves another.
async fn next(listeners: &[TcpListener], turn: usize) -> std::io::Result<TcpStream> {
    poll_fn(|cx| {
        for i in 0..listeners.len() {
            let listener = &listeners[(turn + i) % listeners.len()];
            if let Poll::Ready(fresh) = listener.poll_accept(cx) {
                return Poll::Ready(fresh.map(|(stream, _)| stream));
            }
        }
        Poll::Pending
    })
    .await
}

fn take(worker: &Rc<Worker>, stream: TcpStream) {
    let shared = &worker.shared;
    let loads: Vec<u32> = shared.loads.iter().map(|l| l.load(Relaxed)).collect();
    let limit = worker.snapshot().limits.connections as u64;
    if loads.iter().map(|l| *l as u64).sum::<u64>() >= limit {
        shared.turned_away.fetch_add(1, Relaxed);
        return;
    }
    let there = place(&loads, worker.index);
    if there == worker.index {
        return start(worker, stream, false);
    }
    let load: &AtomicU32 = &shared.loads[there];
    // Counted before it gets there, so that the next one does not follow it.
    load.fetch_add(1, Relaxed);
    let Ok(stream) = stream.into_std() else {
        load.fetch_sub(1, Relaxed);
        return;
    };
    if let Err(back) = shared.hand[there].try_send(stream) {
        load.fetch_sub(1, Relaxed);
        if let Ok(stream) = TcpStream::from_std(back.into_inner()) {
            start(worker, stream, false);
        }
    }
}

fn adopt(worker: &Rc<Worker>, stream: StdStream) {
    match TcpStream::from_std(stream) {
        Ok(stream) => start(worker, stream, true),
        Err(_) => drop(Counted {
            worker: worker.clone(),
        }),
    }
}

fn start(worker: &Rc<Worker>, stream: TcpStream, counted: bool) {
    if !counted {
        worker.shared.loads[worker.index].fetch_add(1, Relaxed);
    }
    let counted = Counted {
        worker: worker.clone(),
    };
    let Ok(peer) = stream.peer_addr() else {
        return;
    };
    let _ = stream.set_nodelay(true);
    tokio::task::spawn_local(connection::serve(
        worker.clone(),
        stream,
        peer.ip(),
        counted,
    ));
}
