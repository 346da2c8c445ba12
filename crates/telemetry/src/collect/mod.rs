//! The thread that makes windows: drains the rings of the traffic threads, reads the probes at whole seconds of
//! the clock, closes windows, publishes them. Nothing on the data path waits for it.

mod core;
mod thread;

use crate::history::Recent;
use crate::probes::{ProbeNote, Proc, Targets};
use crate::recording::Recorder;
use crate::totals::Totals;
use base::clock::Clock;
use base::{Finding, InstanceIx, Names, RouteIx, Sample};
pub use core::Core;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// What the collector gets from its surroundings. The closures are called from its thread and must not block.
pub struct Setup {
    pub clock: Clock,
    pub names: Names,
    /// One ring per traffic thread.
    pub rings: Vec<rtrb::Consumer<Sample>>,
    /// Samples lost since start because a ring was full.
    pub dropped: Box<dyn Fn() -> u64 + Send>,
    /// Once a second: what the probes look at.
    pub targets: Box<dyn Fn() -> Targets + Send>,
    /// About ten times a second: attempts in flight at an instance.
    pub in_flight: Box<dyn Fn(InstanceIx) -> u32 + Send>,
    /// Once a second: by route, requests that have been open for more than 10 s.
    pub open: Box<dyn Fn() -> Vec<(RouteIx, u32)> + Send>,
    /// `None`: no probes.
    pub proc: Option<Proc>,
    /// Names of probes that are not run.
    pub probes_off: Vec<String>,
}

/// What the collector says of itself.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Stats {
    /// Samples taken since start.
    pub samples: u64,
    /// Samples lost because a ring was full.
    pub dropped: u64,
    /// Requests whose end came after their first window had closed.
    pub late: u64,
    pub windows: u64,
    /// CPU time of the collector's thread, nanoseconds: for samples, and for everything (probes included).
    pub sample_cpu_ns: u64,
    pub cpu_ns: u64,
}

impl Stats {
    /// CPU time that one sample costs, nanoseconds.
    pub fn ns_per_sample(&self) -> f64 {
        self.sample_cpu_ns as f64 / (self.samples.max(1)) as f64
    }
}

/// What readers of the handle see.
#[derive(Default)]
pub(crate) struct Shared {
    pub totals: Mutex<Totals>,
    pub stats: Mutex<Stats>,
    pub notes: Mutex<Vec<ProbeNote>>,
    pub in_flight: Mutex<Vec<(InstanceIx, u32)>>,
    pub recorder: Mutex<Option<Recorder>>,
    pub stop: AtomicBool,
}

pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

/// Handle of a running collector; it stops when dropped.
pub struct Telemetry {
    recent: Recent,
    names: Names,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Telemetry {
    /// Starts the thread. Fails when the system gives none.
    pub fn start(setup: Setup) -> std::io::Result<Telemetry> {
        let recent = Recent::default();
        let shared = Arc::new(Shared::default());
        let names = setup.names.clone();
        let (r, s) = (recent.clone(), shared.clone());
        let thread = std::thread::Builder::new()
            .name("telemetry".into())
            .spawn(move || thread::run(setup, r, s))?;
        Ok(Telemetry {
            recent,
            names,
            shared,
            thread: Some(thread),
        })
    }

    pub fn recent(&self) -> &Recent {
        &self.recent
    }
    pub fn totals(&self) -> Totals {
        lock(&self.shared.totals).clone()
    }
    pub fn stats(&self) -> Stats {
        lock(&self.shared.stats).clone()
    }
    /// What the probes had to say in the last second, blindness included.
    pub fn notes(&self) -> Vec<ProbeNote> {
        lock(&self.shared.notes).clone()
    }

    /// Everything in Prometheus' text format, version 0.0.4.
    pub fn prometheus(&self) -> String {
        crate::prometheus::render(&crate::prometheus::View {
            totals: &self.totals(),
            stats: &self.stats(),
            notes: &self.notes(),
            in_flight: &lock(&self.shared.in_flight).clone(),
            window: self.recent.latest().as_deref(),
            names: &self.names,
            process: crate::prometheus::Process::read(),
        })
    }

    /// Writes everything from now on to a recording; an earlier one is closed.
    pub fn record(&self, recorder: Recorder) -> Result<(), Finding> {
        let before = lock(&self.shared.recorder).replace(recorder);
        before.map_or(Ok(()), Recorder::finish)
    }

    /// Ends the recording, if any. The windows of the last ten seconds are not in its `usage.csv`.
    pub fn stop_recording(&self) -> Result<(), Finding> {
        let recorder = lock(&self.shared.recorder).take();
        recorder.map_or(Ok(()), Recorder::finish)
    }

    /// Whether a recording is being written (it ends by itself at its limit).
    pub fn recording(&self) -> bool {
        lock(&self.shared.recorder)
            .as_ref()
            .is_some_and(|r| !r.full())
    }

    /// Stops the thread; what is open is closed and published first.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(t) = self.thread.take() {
            t.thread().unpark();
            if t.join().is_err() {
                tracing::error!("the telemetry thread panicked");
            }
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests;
