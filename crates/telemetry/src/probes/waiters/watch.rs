//! A minute of looks at one instance, and what they say of its locks.

use super::decide::{Group, decide};
use std::collections::{BTreeMap, VecDeque};

/// Ticks remembered: a minute at 10 Hz.
const TICKS: usize = 600;
/// Addresses followed per instance.
const GROUPS: usize = 256;

/// What one instance's threads were seen to do.
#[derive(Default)]
pub struct Watch {
    in_flight: VecDeque<f64>,
    /// Waiters per tick by address, aligned with the newest end of `in_flight`.
    pub groups: BTreeMap<u64, VecDeque<f64>>,
    ticks_since_read: usize,
    /// A lock was seen here once: from then on its absence is a zero.
    seen: bool,
}

impl Watch {
    /// One look, and the instance's requests in flight at the same time.
    pub fn tick(&mut self, in_flight: f64, counts: &BTreeMap<u64, f64>) {
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

    /// Waiter-seconds per second at what looks like locks since the last call, and how many locks. `None`: no lock
    /// was ever seen here.
    pub fn waiting(&mut self) -> Option<(f64, usize)> {
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
        self.seen.then(|| (sum / ticks.max(1) as f64, locks))
    }
}

/// What the locks of an instance are told as.
pub fn told(locks: usize) -> Option<String> {
    let s = if locks == 1 { "" } else { "s" };
    (locks > 0).then(|| format!("threads wait at {locks} lock{s} while requests are in flight"))
}
