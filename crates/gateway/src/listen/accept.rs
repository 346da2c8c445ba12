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

/// Accepts until `drain`, then whatever had connected before, and returns.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    listener: StdListener,
    mut handed: mpsc::Receiver<StdStream>,
    mut drain: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        tokio::select! {
            fresh = listener.accept() => match fresh {
                Ok((stream, _)) => take(&worker, stream),
                // Out of file descriptors, mostly: others must end before it makes sense to go on.
                Err(e) => {
                    tracing::warn!(error = %e, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
            Some(stream) = handed.recv() => adopt(&worker, stream),
            _ = drain.wait_for(|d| *d) => break,
        }
    }
    while let Ok(Ok((stream, _))) =
        tokio::time::timeout(Duration::from_millis(5), listener.accept()).await
    {
        start(&worker, stream, false);
    }
    drop(listener);
    handed.close();
    while let Some(stream) = handed.recv().await {
        adopt(&worker, stream);
    }
    Ok(())
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
