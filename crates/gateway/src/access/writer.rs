//! The log's own thread: takes entries from the rings, makes lines of them, writes them.

use super::Rules;
use super::file::Sink;
use super::line;
use super::tap::Taken;
use crate::runtime::Shared;
use config::sections::LogTo;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime};

/// How often rings are looked at while the log is on.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes that are written at once.
const CHUNK: usize = 64 * 1024;
/// How often it is looked whether the file was moved, and how soon one that failed is tried again.
const CHECK: Duration = Duration::from_secs(1);

/// What path, owner and writer share.
#[derive(Default)]
pub(crate) struct Access {
    pub dropped: AtomicU64,
    written: AtomicU64,
    failed: AtomicU64,
    reopen: AtomicBool,
    stop: AtomicBool,
    writer: OnceLock<Thread>,
}

/// What became of lines, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    pub written: u64,
    /// Lost to full rings: the writer could not keep up.
    pub dropped: u64,
    /// Lost because the file could not be written.
    pub failed: u64,
}

impl Access {
    pub fn lines(&self) -> Lines {
        Lines {
            written: self.written.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }

    pub fn reopen(&self) {
        self.reopen.store(true, Relaxed);
        self.wake();
    }

    pub fn stop(&self) {
        self.stop.store(true, Relaxed);
        self.wake();
    }

    /// There may be something to do.
    pub fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }
}

pub(crate) fn start(shared: Arc<Shared>, rings: Vec<Taken>) -> std::io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("access-log".into());
    let writer = Writer {
        rings,
        sink: None,
        buffer: Vec::new(),
        lines: 0,
        next_check: Instant::now(),
        failing: false,
        shared: shared.clone(),
    };
    let handle = thread.spawn(move || writer.run())?;
    let _ = shared.access.writer.set(handle.thread().clone());
    Ok(handle)
}

struct Writer {
    shared: Arc<Shared>,
    rings: Vec<Taken>,
    sink: Option<Sink>,
    buffer: Vec<u8>,
    /// In the buffer.
    lines: u64,
    next_check: Instant,
    /// Said already.
    failing: bool,
}

impl Writer {
    fn run(mut self) {
        loop {
            let stop = self.shared.access.stop.load(Relaxed);
            let rules = self.shared.current.load().access.clone();
            if let Some(rules) = &rules {
                self.look_after(&rules.config.to);
            }
            self.drain(rules.as_deref());
            match (stop, rules.is_some()) {
                (true, _) => return,
                (false, true) => std::thread::park_timeout(LOOK),
                (false, false) => {
                    self.sink = None;
                    std::thread::park();
                }
            }
        }
    }

    /// The right sink, open, and the file where it belongs.
    fn look_after(&mut self, to: &LogTo) {
        let now = Instant::now();
        let asked = self.shared.access.reopen.swap(false, Relaxed);
        let due = now >= self.next_check;
        if due {
            self.next_check = now + CHECK;
        }
        let good = match &self.sink {
            None => self.failing && !due && !asked,
            Some(sink) => sink.goes_to(to) && !asked && !(due && sink.was_moved()),
        };
        if good {
            return;
        }
        self.sink = match Sink::open(to) {
            Ok(sink) => Some(sink),
            Err(e) => {
                self.complain("opened", &e);
                None
            }
        };
    }

    fn drain(&mut self, rules: Option<&Rules>) {
        let shared = self.shared.clone();
        let now = shared.clock.now();
        let wall = SystemTime::now()
            .checked_sub(Duration::from_nanos(now.0))
            .unwrap_or(SystemTime::UNIX_EPOCH);
        for i in 0..self.rings.len() {
            while let Some(notes) = self.rings[i].take() {
                if rules.is_some() || self.sink.is_some() {
                    line::write(&mut self.buffer, &notes, &shared.names, wall);
                    self.lines += 1;
                }
                self.rings[i].give_back(notes);
                if self.buffer.len() >= CHUNK {
                    self.flush();
                }
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if lines == 0 {
            return;
        }
        let done = match &mut self.sink {
            Some(sink) => sink.write(&self.buffer),
            None => Err(std::io::ErrorKind::NotFound.into()),
        };
        let access = &self.shared.access;
        match done {
            Ok(()) => {
                self.failing = false;
                access.written.fetch_add(lines, Relaxed);
            }
            Err(e) => {
                access.failed.fetch_add(lines, Relaxed);
                self.sink = None;
                self.complain("written", &e);
            }
        }
        self.buffer.clear();
    }

    fn complain(&mut self, what: &str, error: &std::io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "the access log cannot be {what}; its lines are lost until it can");
        }
    }
}
