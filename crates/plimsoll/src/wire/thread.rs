//! A thread that works in turns until it is dropped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// When this is dropped, a last turn is made, the work is closed, and the thread has ended.
pub struct Thread {
    name: &'static str,
    stop: Arc<AtomicBool>,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    /// `rest` is the time to the next turn.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start<W: Send + 'static>(
        name: &'static str,
        stop: Arc<AtomicBool>,
        work: W,
        rest: fn() -> Duration,
        turn: fn(&mut W),
        close: fn(&mut W),
    ) -> io::Result<Thread> {
        Thread::start_with(name, stop, move || work, rest, turn, close)
    }

    /// The same for work whose beginning takes long: it is made on the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_with<W: 'static>(
        name: &'static str,
        stop: Arc<AtomicBool>,
        begin: impl FnOnce() -> W + Send + 'static,
        rest: fn() -> Duration,
        turn: fn(&mut W),
        close: fn(&mut W),
    ) -> io::Result<Thread> {
        let ends = stop.clone();
        let handle = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                let mut work = begin();
                while !ends.load(Ordering::Acquire) {
                    std::thread::park_timeout(rest());
                    turn(&mut work);
                }
                close(&mut work);
            })?;
        Ok(Thread {
            name,
            stop,
            handle: Some(handle),
        })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(handle) = self.handle.take() {
            handle.thread().unpark();
            if handle.join().is_err() {
                tracing::error!("the thread `{}` panicked", self.name);
            }
        }
    }
}
