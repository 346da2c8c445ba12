//! Threads of the upstreams that wait for a lock, sampled about ten times a second from
//! `/proc/PID/task/*/syscall`. Resource `lock.<service>.futex`: waiter-seconds per second, busy time unknown.
//!
//! A thread in a futex wait may wait for a lock, or be an idle worker. The kernel tells the futex's address, so
//! threads are grouped by it, and [`decide`] says which groups are locks. Locks that do not block a thread (async
//! mutexes) cannot be seen this way; `Server-Timing` tells them.

mod decide;

use super::{Probe, Proc, Reading};
use base::{InstanceIx, Nanos};
pub use decide::{Group, decide};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Threads read per tick, all instances together; the next tick goes on with the next ones.
pub const PER_TICK: usize = 64;
const THREADS: usize = 4096;
/// Ticks remembered: a minute at 10 Hz.
const TICKS: usize = 600;
/// Addresses followed per instance.
const GROUPS: usize = 256;

/// The address in a line of `/proc/PID/task/TID/syscall` when the thread is in a futex wait; the outer `None` when
/// the line cannot be understood.
pub fn parse_syscall(line: &str) -> Option<u64> {
    const FUTEX: &str = if cfg!(target_arch = "aarch64") {
        "98"
    } else {
        "202"
    };
    let mut f = line.split_whitespace();
    let hex = |t: &str| u64::from_str_radix(t.strip_prefix("0x")?, 16).ok();
    if f.next()? != FUTEX {
        return None;
    }
    let (address, op) = (hex(f.next()?)?, hex(f.next()?)?);
    // FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2; the higher bits are flags.
    matches!(op & 0x7f, 0 | 6 | 9 | 11 | 13).then_some(address)
}

/// What one instance's threads were seen to do.
#[derive(Default)]
struct Watch {
    threads: Vec<(u32, u32)>,
    in_flight: VecDeque<f64>,
    /// Waiters per tick by address, aligned with the newest end of `in_flight`.
    groups: BTreeMap<u64, VecDeque<f64>>,
    ticks_since_read: usize,
    refused: bool,
    /// A lock was seen here once: from then on its absence is a zero.
    seen: bool,
}

impl Watch {
    fn tick(&mut self, in_flight: f64, counts: &BTreeMap<u64, f64>) {
        let cut = |v: &mut VecDeque<f64>| {
            if v.len() > TICKS {
                v.pop_front();
            }
        };
        self.in_flight.push_back(in_flight);
        cut(&mut self.in_flight);
        self.ticks_since_read = (self.ticks_since_read + 1).min(TICKS);
        for (address, ring) in &mut self.groups {
            ring.push_back(counts.get(address).copied().unwrap_or(0.0));
            cut(ring);
        }
        for (&address, &n) in counts {
            if self.groups.len() < GROUPS {
                self.groups
                    .entry(address)
                    .or_insert_with(|| VecDeque::from([n]));
            }
        }
        if self.groups.len() >= GROUPS {
            self.groups
                .retain(|_, ring| ring.iter().rev().take(100).any(|n| *n > 0.0));
        }
    }

    /// Waiter-seconds per second at what looks like locks since the last call, and how many locks.
    fn waiting(&mut self) -> (f64, usize) {
        let ticks = std::mem::take(&mut self.ticks_since_read);
        let (mut sum, mut locks) = (0.0, 0);
        for ring in self.groups.values() {
            // Ticks before the address was first seen had no waiters there.
            let before = self.in_flight.len() - ring.len().min(self.in_flight.len());
            let waiters = std::iter::repeat_n(0.0, before).chain(ring.iter().copied());
            let group: Vec<(f64, f64)> = waiters.zip(self.in_flight.iter().copied()).collect();
            if decide(&group) == Group::Lock {
                locks += 1;
                sum += ring.iter().rev().take(ticks).sum::<f64>();
            }
        }
        self.groups.retain(|_, ring| ring.iter().any(|n| *n > 0.0));
        self.seen |= locks > 0;
        (sum / ticks.max(1) as f64, locks)
    }
}

pub struct Waiters {
    proc: Proc,
    watches: BTreeMap<InstanceIx, Watch>,
    /// Where the rotation over all threads stands.
    next: usize,
}

impl Waiters {
    pub fn new(proc: Proc) -> Waiters {
        Waiters {
            proc,
            watches: BTreeMap::new(),
            next: 0,
        }
    }

    /// The futex a thread waits for; `Err` when we may not see.
    fn futex(&self, pid: u32, tid: u32) -> Result<Option<u64>, ()> {
        if let Some(line) = self.proc.read(&format!("{pid}/task/{tid}/syscall")) {
            return Ok(parse_syscall(&line));
        }
        // Without the address all futexes are one group.
        match self.proc.read(&format!("{pid}/task/{tid}/wchan")) {
            Some(w) if w.contains("futex") => Ok(Some(0)),
            Some(w) if !w.is_empty() && w != "0" => Ok(None),
            _ => Err(()),
        }
    }
}

impl Probe for Waiters {
    fn name(&self) -> &'static str {
        "waiters"
    }

    fn sample(&mut self, _now: Nanos, in_flight: &dyn Fn(InstanceIx) -> u32) {
        let all: Vec<(InstanceIx, u32, u32)> = self
            .watches
            .iter()
            .flat_map(|(i, w)| w.threads.iter().map(|&(p, t)| (*i, p, t)))
            .collect();
        if all.is_empty() {
            return;
        }
        let n = all.len().min(PER_TICK);
        let mut read: BTreeMap<InstanceIx, (usize, usize, BTreeMap<u64, f64>)> = BTreeMap::new();
        for k in 0..n {
            let (i, pid, tid) = all[(self.next + k) % all.len()];
            let seen = read.entry(i).or_default();
            match self.futex(pid, tid) {
                Ok(address) => {
                    seen.0 += 1;
                    if let Some(a) = address {
                        *seen.2.entry(a).or_default() += 1.0;
                    }
                }
                Err(()) => seen.1 += 1,
            }
        }
        self.next = (self.next + n) % all.len();
        for (i, (seen, refused, mut counts)) in read {
            let Some(w) = self.watches.get_mut(&i) else {
                continue;
            };
            w.refused = seen == 0 && refused > 0;
            if seen == 0 {
                continue;
            }
            // Those read stand for all of the instance's threads.
            let scale = w.threads.len() as f64 / seen as f64;
            counts.values_mut().for_each(|c| *c *= scale);
            w.tick(f64::from(in_flight(i)), &counts);
        }
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let targets = r.targets;
        let known: BTreeSet<InstanceIx> = r.found.keys().copied().collect();
        self.watches.retain(|i, _| known.contains(i));
        for t in &targets.instances {
            let Some(found) = r.found.get(&t.instance) else {
                continue;
            };
            let w = self.watches.entry(t.instance).or_default();
            w.threads = found
                .pids
                .iter()
                .flat_map(|&p| {
                    self.proc
                        .numbers(&format!("{p}/task"), THREADS)
                        .into_iter()
                        .map(move |tid| (p, tid))
                })
                .take(THREADS)
                .collect();
            if w.refused {
                r.blind(
                    "waiters",
                    t.address.to_string(),
                    "its threads' system calls cannot be read: run as the same user, or give CAP_SYS_PTRACE; \
                     locks stay unseen unless it sends Server-Timing",
                );
                continue;
            }
            let (waiting, locks) = w.waiting();
            if !w.seen {
                continue;
            }
            if let Some(c) = r.cell(&format!("lock.{}.futex", t.service), t.instance, 0.0, None) {
                c.waiting = Some(waiting);
            }
            if locks > 0 {
                r.note(
                    "waiters",
                    t.address.to_string(),
                    format!(
                        "threads wait at {locks} lock{} while requests are in flight",
                        if locks == 1 { "" } else { "s" }
                    ),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
