//! The collector's thread: a loop around [`Core`].

use super::core::{Core, Tick};
use super::{Setup, Shared, lock};
use crate::history::Recent;
use crate::probes;
use crate::recording::Recorder;
use base::{InstanceIx, Nanos, Window};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Rings are drained this often; a ring must hold what one thread produces meanwhile.
const DRAIN: Duration = Duration::from_millis(20);
/// Waiters are sampled this often.
const SAMPLE: Duration = Duration::from_millis(100);
/// Samples taken from one ring before the next has its turn.
const BATCH: usize = 4096;

/// CPU time of this thread so far.
fn cpu_ns() -> u64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

pub fn run(mut setup: Setup, recent: Recent, shared: Arc<Shared>) {
    let mut probes = setup.proc.as_ref().map(probes::all).unwrap_or_default();
    probes.retain(|p| !setup.probes_off.iter().any(|off| off == p.name()));
    probes.append(&mut setup.more_probes);
    let sampling = !probes.is_empty();
    let mut core = Core::new(setup.names.clone(), probes);
    let mut sampled = Nanos::ZERO;
    loop {
        let stop = shared.stop.load(Ordering::Acquire);
        if drain(&mut setup, &mut core, &shared) {
            *lock(&shared.emptied.0) += 1;
            shared.emptied.1.notify_all();
        }
        let now = setup.clock.now();
        if sampling && now.since(sampled) >= SAMPLE {
            sampled = now;
            let flying = by_instance((setup.in_flight)());
            core.sample(now, &|i| flying.get(i.0 as usize).copied().unwrap_or(0));
        }
        if core.due(now) {
            let targets = (setup.targets)();
            *lock(&shared.in_flight) = (setup.in_flight)();
            let tick = core.tick(now, targets, (setup.dropped)(), &(setup.open)());
            publish(tick, now, &setup, &recent, &shared);
        }
        if stop {
            break;
        }
        let next = (setup.clock.now().0 / DRAIN.as_nanos() as u64 + 1) * DRAIN.as_nanos() as u64;
        std::thread::park_timeout(Nanos(next).since(setup.clock.now()));
    }
    for w in core.finish() {
        window(w, &recent, &shared);
    }
    let under_way = lock(&shared.recorder).take();
    if let Some(r) = under_way {
        finish(r, setup.clock.now(), &shared);
    }
}

/// One look at what is in flight, by number of instance.
fn by_instance(all: Vec<(InstanceIx, u32)>) -> Vec<u32> {
    let mut counts = Vec::new();
    for (i, n) in all.into_iter().filter_map(|(i, n)| Some((i.get()?, n))) {
        if counts.len() <= i {
            counts.resize(i + 1, 0);
        }
        counts[i] += n;
    }
    counts
}

/// Takes a bounded batch from each ring in turn; whether that was all.
fn drain(setup: &mut Setup, core: &mut Core, shared: &Shared) -> bool {
    let began = cpu_ns();
    let (mut taken, mut all) = (0u64, true);
    {
        let mut totals = lock(&shared.totals);
        let mut book = lock(&shared.book);
        let mut recorder = lock(&shared.recorder);
        for ring in &mut setup.rings {
            let n = ring.slots().min(BATCH);
            all &= n < BATCH;
            let Ok(chunk) = ring.read_chunk(n) else {
                continue;
            };
            let (first, rest) = chunk.as_slices();
            if let Some(hear) = &mut setup.heard {
                hear(first);
                hear(rest);
            }
            for s in first.iter().chain(rest) {
                core.push(s, &mut totals);
                book.push(s);
                if let Some(r) = recorder.as_mut() {
                    r.sample(s);
                }
                taken += 1;
            }
            chunk.commit_all();
        }
    }
    let mut stats = lock(&shared.stats);
    let now = cpu_ns();
    stats.samples += taken;
    stats.sample_cpu_ns += if taken > 0 { now - began } else { 0 };
    stats.cpu_ns = now;
    all
}

fn publish(tick: Tick, now: Nanos, setup: &Setup, recent: &Recent, shared: &Shared) {
    *lock(&shared.notes) = tick.notes;
    if let Some(r) = lock(&shared.recorder).as_mut() {
        r.statements(&tick.statements, now);
        r.traced(&tick.traced, now);
        r.serial(&tick.serial, now);
    }
    recent.statements(tick.statements);
    recent.traced(tick.traced);
    recent.serial(tick.serial);
    for w in tick.windows {
        window(w, recent, shared);
    }
    lock(&shared.stats).dropped = (setup.dropped)();
    let mut under_way = lock(&shared.recorder);
    if let Some(r) = under_way.as_mut() {
        r.flush(now);
    }
    if let Some(r) = under_way.take_if(|r| r.complete()) {
        finish(r, now, shared);
    }
}

fn finish(recorder: Recorder, now: Nanos, shared: &Shared) {
    let progress = recorder.finish(now);
    if let Some(f) = &progress.fault {
        tracing::warn!("{f}");
    }
    *lock(&shared.recorded) = Some(progress);
}

fn window(w: Window, recent: &Recent, shared: &Shared) {
    {
        let mut stats = lock(&shared.stats);
        stats.late += u64::from(w.late);
        stats.windows += 1;
    }
    if let Some(r) = lock(&shared.recorder).as_mut() {
        r.window(&w);
    }
    recent.push(w);
}
