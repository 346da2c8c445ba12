//! The accepting task of one thread.

use super::place::place;
use crate::connection;
use crate::worker::Worker;
use std::net::TcpListener as StdListener;
use std::net::TcpStream as StdStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
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
    let each = |l| tokio::task::spawn_local(listen(worker.clone(), l, accepting.clone()));
    let tasks: Vec<_> = listeners.into_iter().map(each).collect();
    loop {
        tokio::select! {
            Some(stream) = handed.recv() => adopt(&worker, stream),
            _ = accepting.wait_for(Accepting::is_over) => break,
        }
    }
    for task in tasks {
        // A panic was reported by its own thread.
        let _ = task.await;
    }
    handed.close();
    while let Some(stream) = handed.recv().await {
        adopt(&worker, stream);
    }
    Ok(())
}

async fn listen(
    worker: Rc<Worker>,
    listener: TcpListener,
    mut accepting: watch::Receiver<Accepting>,
) {
    let _ = accepting.wait_for(|a| *a != Accepting::NotYet).await;
    loop {
        tokio::select! {
            biased;
            _ = accepting.wait_for(Accepting::is_over) => break,
            fresh = listener.accept() => match fresh {
                Ok((stream, _)) => take(&worker, stream),
                // Out of file descriptors, mostly: others must end before it makes sense to go on.
                Err(e) => {
                    tracing::warn!(error = %e, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
        }
    }
    if *accepting.borrow() == Accepting::No {
        return;
    }
    while let Ok(Ok((stream, _))) =
        tokio::time::timeout(Duration::from_millis(5), listener.accept()).await
    {
        start(&worker, stream, false);
    }
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
