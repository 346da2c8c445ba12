//! The loops: each has a name, a timer and a wake, and no input. What a loop needs it reads; what it missed
//! it sees at the next turn.

mod budget;
pub mod list;
mod view;

pub use budget::rest;
pub use list::{LED, Shared, all};
pub use view::{Simulated, Stage, View};

use base::Finding;
use serde::{Deserialize, Serialize};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One turn: what went wrong, if anything, and how long to rest at least.
pub type Turn = Box<dyn FnMut() -> (Duration, Result<(), Vec<Finding>>) + Send>;

/// One member of the list.
pub struct Loop {
    pub name: &'static str,
    /// Runs at the lowest priority of the system.
    pub idle: bool,
    pub turn: Turn,
}

/// How a loop is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoopStatus {
    pub name: String,
    pub turns: u64,
    /// Of the last turn, seconds.
    pub took_s: f64,
    /// What went wrong in the last turn.
    pub findings: Vec<Finding>,
}

#[derive(Default)]
struct Signal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Default)]
struct SignalState {
    woken: bool,
    stop: bool,
    status: LoopStatus,
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, SignalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn set(&self, f: impl FnOnce(&mut SignalState)) {
        f(&mut self.lock());
        self.changed.notify_all();
    }
}

/// Running loops, each on its own thread. Dropping stops them after their current turn.
pub struct Loops {
    threads: Vec<Running>,
}

struct Running {
    name: &'static str,
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Loops {
    pub fn start(list: Vec<Loop>) -> std::io::Result<Loops> {
        let mut loops = Loops {
            threads: Vec::new(),
        };
        for l in list {
            let signal = Arc::new(Signal::default());
            let name = l.name;
            let theirs = signal.clone();
            let thread = std::thread::Builder::new()
                .name(format!("loop-{name}"))
                .spawn(move || run(l, &theirs))?;
            loops.threads.push(Running {
                name,
                signal,
                thread: Some(thread),
            });
        }
        Ok(loops)
    }

    /// Takes the next turn now.
    pub fn wake(&self, name: &str) {
        for t in self.threads.iter().filter(|t| t.name == name) {
            t.signal.set(|s| s.woken = true);
        }
    }

    pub fn status(&self) -> Vec<LoopStatus> {
        self.threads
            .iter()
            .map(|t| t.signal.lock().status.clone())
            .collect()
    }

    pub fn stop(&mut self) {
        for t in &self.threads {
            t.signal.set(|s| s.stop = true);
        }
        for t in &mut self.threads {
            if let Some(thread) = t.thread.take() {
                // A panic was reported by its own thread.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(mut l: Loop, signal: &Signal) {
    if l.idle {
        // For this thread only; without it the learning is merely less polite.
        let _ = rustix::process::setpriority_process(None, 19);
    }
    loop {
        let begun = Instant::now();
        // A mistake in one turn must not end the loop for good; the next turn starts from what is written down.
        let (rest, result) = std::panic::catch_unwind(AssertUnwindSafe(|| (l.turn)()))
            .unwrap_or_else(|_| {
                let what = format!("the loop `{}` stumbled over a mistake in Plimsoll", l.name);
                let finding = Finding::error("loop-panicked", what)
                    .help("please report it, with the log; the loop tries again in a minute");
                (Duration::from_secs(60), Err(vec![finding]))
            });
        let mut state = signal.lock();
        state.status = LoopStatus {
            name: l.name.into(),
            turns: state.status.turns + 1,
            took_s: begun.elapsed().as_secs_f64(),
            findings: result.err().unwrap_or_default(),
        };
        for f in &state.status.findings {
            tracing::warn!(target: "control", "loop {}: {f}", l.name);
        }
        let (mut state, _) = signal
            .changed
            .wait_timeout_while(state, rest, |s| !s.woken && !s.stop)
            .unwrap_or_else(PoisonError::into_inner);
        state.woken = false;
        if state.stop {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_wake_takes_the_next_turn_and_a_stop_ends_it() {
        let (said, heard) = mpsc::channel();
        let mut loops = Loops::start(vec![Loop {
            name: "echo",
            idle: true,
            turn: Box::new(move || {
                said.send(()).unwrap();
                let finding = Finding::warning("test", "not well");
                (Duration::from_secs(3600), Err(vec![finding]))
            }),
        }])
        .unwrap();
        heard.recv().unwrap();
        loops.wake("other");
        loops.wake("echo");
        heard.recv().unwrap();
        loops.stop();
        assert!(heard.try_recv().is_err(), "only two turns were asked for");
        let status = &loops.status()[0];
        assert_eq!((status.turns, status.findings.len()), (2, 1));
    }

    #[test]
    fn a_mistake_in_one_turn_does_not_end_the_loop() {
        let (said, heard) = mpsc::channel();
        let mut turns = 0;
        let mut loops = Loops::start(vec![Loop {
            name: "clumsy",
            idle: false,
            turn: Box::new(move || {
                turns += 1;
                said.send(turns).unwrap();
                assert!(turns > 1, "the first turn goes wrong on purpose");
                (Duration::from_secs(3600), Ok(()))
            }),
        }])
        .unwrap();
        assert_eq!(heard.recv(), Ok(1));
        loops.wake("clumsy");
        assert_eq!(heard.recv(), Ok(2));
        loops.stop();
        assert_eq!(loops.status()[0].turns, 2);
    }
}
