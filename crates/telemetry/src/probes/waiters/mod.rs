//! Threads of the upstreams that wait for a lock, sampled about ten times a second from
//! `/proc/PID/task/*/syscall`. Resource `lock.<service>.futex`: waiter-seconds per second, busy time unknown.
//!
//! A thread in a futex wait may wait for a lock, or be an idle worker. The kernel tells the futex's address, so
//! threads are grouped by it, and [`decide`] says which groups are locks. Locks that do not block a thread (async
//! mutexes) cannot be seen this way; `Server-Timing` tells them.

mod decide;
mod threads;
mod watch;

use super::{Probe, Proc, Reading};
use base::{InstanceIx, Nanos};
pub use decide::{Group, decide};
use std::collections::{BTreeMap, BTreeSet};
pub use threads::{Look, PER_TICK, Threads};
pub use watch::{Watch, told};

/// Why locks stay unseen.
pub const REFUSED: &str = "its threads' system calls cannot be read: run as the same user, or give CAP_SYS_PTRACE; \
                           locks stay unseen unless it sends Server-Timing";

pub struct Waiters {
    threads: Threads,
    watches: BTreeMap<InstanceIx, Watch>,
    refused: BTreeSet<InstanceIx>,
}

impl Waiters {
    pub fn new(proc: Proc) -> Waiters {
        Waiters {
            threads: Threads::new(proc),
            watches: BTreeMap::new(),
            refused: BTreeSet::new(),
        }
    }
}

impl Probe for Waiters {
    fn name(&self) -> &'static str {
        "waiters"
    }

    fn sample(&mut self, _now: Nanos, in_flight: &dyn Fn(InstanceIx) -> u32) {
        for (i, look) in self.threads.look() {
            if look.refused {
                self.refused.insert(i);
                continue;
            }
            self.refused.remove(&i);
            if let Some(w) = self.watches.get_mut(&i) {
                w.tick(f64::from(in_flight(i)), &look.waiters);
            }
        }
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let targets = r.targets;
        let known: BTreeSet<InstanceIx> = r.found.keys().copied().collect();
        self.watches.retain(|i, _| known.contains(i));
        self.threads.retain(|i| known.contains(&i));
        self.refused.retain(|i| known.contains(i));
        for t in &targets.instances {
            let Some(found) = r.found.get(&t.instance) else {
                continue;
            };
            self.threads.list(t.instance, &found.pids);
            let w = self.watches.entry(t.instance).or_default();
            if self.refused.contains(&t.instance) {
                r.blind("waiters", t.address.to_string(), REFUSED);
                continue;
            }
            let Some((waiting, locks)) = w.waiting() else {
                continue;
            };
            if let Some(c) = r.cell(&format!("lock.{}.futex", t.service), t.instance, 0.0, None) {
                c.waiting = Some(waiting);
            }
            if let Some(text) = told(locks) {
                r.note("waiters", t.address.to_string(), text);
            }
        }
    }
}

#[cfg(test)]
mod tests;
