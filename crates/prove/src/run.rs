//! Carries out a plan: starts the generator threads, tells how it goes, joins their records.

use crate::generator::{self, Share};
use crate::own;
use crate::plan::{Plan, PlanError};
use crate::record::{Live, Recorder, Timeline, lock};
use crate::report::{Report, Totals};
use crate::request::Mix;
use base::{Nanos, clock::Clock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// How it goes, about four times a second. The counts include the warm-up, the timeline does not.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Since the start of the warm-up.
    pub elapsed: Duration,
    /// Of the warm-up and the measurement together, seconds.
    pub total: Duration,
    /// Since the start of the measurement; zero before.
    pub measured: Duration,
    pub offered: u64,
    pub ended: u64,
    /// Without a status.
    pub failed: u64,
    pub in_flight: u64,
    pub timeline: Timeline,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Continue,
    /// Ends the run at once; what is under way is counted as `unfinished`.
    Stop,
}

const TICK: Duration = Duration::from_millis(250);
/// Time for all threads to be ready before the first request is due.
const LEAD: Duration = Duration::from_millis(20);

/// Carries out `plan`; blocks for warm-up, duration and at most the timeout of the last request.
///
/// # Errors
/// A plan that makes no sense, or a generator that cannot start. What goes wrong on the wire is in the report.
pub fn run(plan: &Plan, progress: &mut dyn FnMut(&Progress) -> Flow) -> Result<Report, PlanError> {
    plan.check()?;
    let mix = Mix::new(plan)?;
    let clock = Clock::start();
    let zero = clock.now() + LEAD;
    let stop = AtomicBool::new(false);
    let recorders: Vec<Recorder> = (0..plan.threads)
        .map(|_| Recorder::new(plan, zero))
        .collect();
    let lives: Vec<Arc<Mutex<Live>>> = recorders.iter().map(Recorder::live).collect();
    let (ended, wait) = mpsc::channel();
    let mut totals = Totals::new(plan);
    let mut failure = None;
    std::thread::scope(|scope| {
        for (thread, recorder) in recorders.into_iter().enumerate() {
            let (ended, mix, stop) = (ended.clone(), &mix, &stop);
            scope.spawn(move || {
                let share = Share {
                    plan,
                    mix,
                    thread,
                    threads: plan.threads,
                    clock,
                    zero,
                    stop,
                };
                let cpu = own::thread_cpu();
                let result = generator::run(&share, recorder);
                let used = own::thread_cpu()
                    .zip(cpu)
                    .map(|(after, before)| after - before);
                // Who waits has gone only when this process ends.
                let _ = ended.send((result, used, clock.now()));
            });
        }
        drop(ended);
        loop {
            match wait.recv_timeout(TICK) {
                Ok((Ok(recorder), cpu, end)) => {
                    totals.add(
                        &recorder,
                        cpu,
                        end.since(zero),
                        &lock(&recorder.live()).timeline,
                    );
                }
                Ok((Err(e), ..)) => {
                    stop.store(true, Ordering::Relaxed);
                    failure = Some(PlanError::Start(e.to_string()));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if progress(&look(plan, &lives, clock.now(), zero)) == Flow::Stop {
                stop.store(true, Ordering::Relaxed);
                totals.stopped = true;
            }
        }
    });
    match failure {
        Some(failure) => Err(failure),
        None => Ok(totals.report(plan)),
    }
}

fn look(plan: &Plan, lives: &[Arc<Mutex<Live>>], now: Nanos, zero: Nanos) -> Progress {
    let elapsed = now.since(zero);
    let mut p = Progress {
        elapsed,
        total: plan.warmup + plan.duration,
        measured: elapsed.saturating_sub(plan.warmup),
        offered: 0,
        ended: 0,
        failed: 0,
        in_flight: 0,
        timeline: Timeline::new(plan.duration, plan.mix.len()),
    };
    for live in lives {
        let live = lock(live);
        p.offered += live.offered;
        p.ended += live.ended;
        p.failed += live.failed;
        p.timeline.add(&live.timeline);
    }
    p.in_flight = p.offered.saturating_sub(p.ended);
    p
}
