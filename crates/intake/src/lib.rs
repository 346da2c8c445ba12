//! A listener off the traffic threads, for agents, senders of spans and services that keep values: opened and closed again as
//! processes hand over, with no more connections than may be open.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// When the system gives no file for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket that listens, and who serves it; it takes no more connections when dropped.
pub struct Intake {
    runtime: Handle,
    listener: TcpListener,
    serving: Option<JoinHandle<()>>,
}

impl Intake {
    /// Not open yet.
    pub fn new(runtime: &Handle, listener: TcpListener) -> Intake {
        Intake {
            runtime: runtime.clone(),
            listener,
            serving: None,
        }
    }

    /// Takes connections (again), for `serve`.
    ///
    /// # Errors
    /// When the listener is not one.
    pub fn open<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        serve: impl FnOnce(tokio::net::TcpListener) -> F,
    ) -> io::Result<()> {
        let _inside = self.runtime.enter();
        let listener = self.listener.try_clone()?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        self.serving = Some(self.runtime.spawn(serve(listener)));
        Ok(())
    }

    /// Takes no more connections, and ends those that are open; the socket still listens, for whoever has it too.
    pub fn close(&mut self) {
        if let Some(task) = self.serving.take() {
            task.abort();
        }
    }

    pub fn listener(&self) -> &TcpListener {
        &self.listener
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.close();
    }
}

/// Serves each connection, `most` of them at once: those beyond wait to be taken. They end with this. `who` is for the log.
pub async fn connections<F: Future<Output = ()> + Send + 'static>(
    listener: tokio::net::TcpListener,
    most: usize,
    who: &str,
    mut serve: impl FnMut(TcpStream, SocketAddr) -> F,
) {
    let open = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = open.clone().acquire_owned().await else {
            return;
        };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(e) => {
                tracing::warn!("{who}: a connection was not taken: {e}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let serving = serve(stream, peer);
        connections.spawn(async move {
            serving.await;
            drop(permit);
        });
    }
}
