//! Ctrl-C as a question that a waiting command asks, instead of an end in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::signal::unix::{SignalKind, signal};

/// Counts SIGINT and SIGTERM from now on; they no longer end the process by themselves.
#[derive(Clone)]
pub struct Interrupts(Arc<AtomicU32>);

impl Interrupts {
    pub fn catch() -> std::io::Result<Interrupts> {
        let seen = Arc::new(AtomicU32::new(0));
        let count = seen.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (mut int, mut term) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })?;
        Ok(Interrupts(seen))
    }

    /// The same, asked in another way, such as by a key.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often somebody asked for an end.
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
