//! The thread that makes windows: drains the rings of the traffic threads, reads the probes at whole seconds of
//! the clock, closes windows, publishes them. Nothing on the data path waits for it.

mod core;
mod thread;

use crate::answers::{Answers, Book, Limits};
use crate::history::Recent;
use crate::probes::{Probe, ProbeNote, Proc, Targets};
use crate::recording::{Progress, Recorder};
use crate::totals::Totals;
use base::clock::Clock;
use base::{Finding, InstanceIx, Names, RouteIx, Sample};
pub use core::Core;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// Called from the collector's thread with samples; must not block.
pub type Heard = Box<dyn FnMut(&[Sample]) + Send>;

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
    /// About ten times a second: attempts in flight at every instance.
    pub in_flight: Box<dyn Fn() -> Vec<(InstanceIx, u32)> + Send>,
    /// Once a second: by route, requests that have been open for more than 10 s.
    pub open: Box<dyn Fn() -> Vec<(RouteIx, u32)> + Send>,
    /// `None`: no probes.
    pub proc: Option<Proc>,
    /// Names of probes that are not run.
    pub probes_off: Vec<String>,
    /// Probes that others make; they read after all of ours.
    pub more_probes: Vec<Box<dyn Probe>>,
    /// Hears every sample, in the order in which its thread made it; `None`: nobody does.
    pub heard: Option<Heard>,
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
    pub book: Mutex<Book>,
    pub stats: Mutex<Stats>,
    pub notes: Mutex<Vec<ProbeNote>>,
    pub in_flight: Mutex<Vec<(InstanceIx, u32)>>,
    pub recorder: Mutex<Option<Recorder>>,
    /// How the last recording ended.
    pub recorded: Mutex<Option<Progress>>,
    pub stop: AtomicBool,
    /// How often the rings were found empty, and who waits for that.
    pub emptied: (Mutex<u64>, Condvar),
}

pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

fn free(under_way: &Option<Recorder>) -> Result<(), Finding> {
    let Some(r) = under_way else { return Ok(()) };
    let folder = r.progress().folder;
    Err(Finding::error(
        "recording-busy",
        format!("a recording to {} is under way", folder.display()),
    )
    .help("wait for its end, or end it with `plimsoll record --stop`"))
}

/// Handle of a running collector; it stops when dropped.
pub struct Telemetry {
    recent: Recent,
    names: Names,
    clock: Clock,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Telemetry {
    /// Starts the thread. Fails when the system gives none.
    pub fn start(setup: Setup) -> std::io::Result<Telemetry> {
        let recent = Recent::default();
        let shared = Arc::new(Shared::default());
        let (names, clock) = (setup.names.clone(), setup.clock);
        let (r, s) = (recent.clone(), shared.clone());
        let thread = std::thread::Builder::new()
            .name("telemetry".into())
            .spawn(move || thread::run(setup, r, s))?;
        Ok(Telemetry {
            recent,
            names,
            clock,
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
    /// Answers since the last time, by number of route; from now on they are judged by these limits.
    pub fn take_answers(&self, limits: Vec<Limits>) -> Vec<Answers> {
        lock(&self.shared.book).take(limits)
    }
    pub fn stats(&self) -> Stats {
        lock(&self.shared.stats).clone()
    }
    /// What the probes had to say in the last second, blindness included.
    pub fn notes(&self) -> Vec<ProbeNote> {
        lock(&self.shared.notes).clone()
    }

    /// Everything in Prometheus' text format, version 0.0.4; with `exemplars` it is to become OpenMetrics.
    pub fn prometheus(&self, exemplars: bool) -> String {
        crate::prometheus::render(&crate::prometheus::View {
            totals: &self.totals(),
            exemplars,
            stats: &self.stats(),
            notes: &self.notes(),
            in_flight: &lock(&self.shared.in_flight).clone(),
            window: self.recent.latest().as_deref(),
            names: &self.names,
            process: crate::prometheus::Process::read(),
        })
    }

    /// Writes what happens from now on to a recording. One at a time.
    pub fn record(&self, recorder: Recorder) -> Result<(), Finding> {
        let mut under_way = lock(&self.shared.recorder);
        free(&under_way)?;
        *under_way = Some(recorder);
        Ok(())
    }

    /// An error while a recording is under way.
    pub fn may_record(&self) -> Result<(), Finding> {
        free(&lock(&self.shared.recorder))
    }

    /// Asks for the end of the recording. It has ended when the windows of its last second have closed.
    pub fn stop_recording(&self) -> Result<(), Finding> {
        match &mut *lock(&self.shared.recorder) {
            Some(r) => {
                r.end(self.clock.now());
                Ok(())
            }
            None => Err(
                Finding::error("recording-none", "no recording is under way")
                    .help("start one with `plimsoll record --out DIR`"),
            ),
        }
    }

    /// How the recording under way stands, or how the last one ended.
    pub fn recording(&self) -> Option<Progress> {
        let under_way = lock(&self.shared.recorder);
        match &*under_way {
            Some(r) => Some(r.progress()),
            None => lock(&self.shared.recorded).clone(),
        }
    }

    /// Returns when all that has happened is counted, for an end that must not lose the last of it; false: `at_most` was over first.
    pub fn catch_up(&self, at_most: Duration) -> bool {
        let (emptied, said) = &self.shared.emptied;
        let before = lock(emptied);
        // The next time may already be under way, and have passed a ring.
        let enough = *before + 2;
        if let Some(t) = &self.thread {
            t.thread().unpark();
        }
        let waited = said.wait_timeout_while(before, at_most, |n| *n < enough);
        !waited.unwrap_or_else(|e| e.into_inner()).1.timed_out()
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
