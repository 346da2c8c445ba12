//! The health of an instance as all threads see it: one word to read on the path, a lock only when something is wrong.

use super::core::{Check, Ejection, Event, Peers, State};
use super::outlier::Account;
use base::Nanos;
use config::sections::Health as Rules;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

/// One instance; lives on across reloads.
#[derive(Debug, Default)]
pub struct Health {
    /// Not usable before this; `u64::MAX`: until checks say so.
    until: AtomicU64,
    /// The last result is no failure and no probation runs: a success has nothing to change.
    calm: Calm,
    state: Mutex<State>,
    /// What its answers are like, when that is asked for, and when that was looked at last.
    pub(super) answers: Mutex<(Account, Nanos)>,
}

#[derive(Debug)]
struct Calm(AtomicBool);

impl Default for Calm {
    fn default() -> Self {
        Calm(AtomicBool::new(true))
    }
}

impl Health {
    #[inline]
    pub fn usable(&self, now: Nanos) -> bool {
        now.0 >= self.until.load(Relaxed)
    }

    /// Nothing is held against it.
    pub(super) fn is_calm(&self) -> bool {
        self.calm.0.load(Relaxed)
    }

    pub fn state(&self) -> State {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn apply(&self, event: Event, rules: &Rules, peers: Peers, now: Nanos) -> (State, State) {
        let mut state = self.lock();
        let before = *state;
        *state = before.step(event, rules, peers, now);
        let until = match (state.check, state.ejection) {
            (Check::Down, _) => u64::MAX,
            (_, Ejection::Until(t)) => t.0,
            _ => 0,
        };
        self.until.store(until, Relaxed);
        let calm = state.failures == 0 && state.ejection == Ejection::None;
        self.calm.0.store(calm, Relaxed);
        (before, *state)
    }
}

/// The instances of one service: ejections among them are decided one at a time.
#[derive(Debug, Default)]
pub struct Group {
    turn: Mutex<()>,
}

impl Group {
    /// Tells what happened to `instances[at]`; the answer is its state before and after, `None` when nothing could
    /// have changed.
    pub fn report(
        &self,
        instances: &[Arc<Health>],
        at: usize,
        event: Event,
        rules: &Rules,
        now: Nanos,
    ) -> Option<(State, State)> {
        let one = instances.get(at)?;
        if matches!(event, Event::Success | Event::Ordinary) && one.is_calm() {
            return None;
        }
        let _turn = self.turn.lock().unwrap_or_else(|e| e.into_inner());
        let mut peers = Peers {
            total: instances.len(),
            ..Peers::default()
        };
        if matches!(event, Event::Failure { .. } | Event::Outlier { .. }) {
            let others = instances
                .iter()
                .enumerate()
                .filter(|(i, h)| *i != at && h.usable(now));
            for (_, other) in others {
                peers.usable += 1;
                peers.sound += (other.state().failures == 0) as usize;
            }
        }
        Some(one.apply(event, rules, peers, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pool(n: usize) -> Vec<Arc<Health>> {
        (0..n).map(|_| Arc::default()).collect()
    }

    proptest! {
        #[test]
        fn ejection_alone_never_takes_more_than_half(
            n in 1usize..8,
            events in prop::collection::vec((0usize..8, prop::bool::weighted(0.8), 0u64..4000), 1..400),
        ) {
            let (all, group, rules) = (pool(n), Group::default(), Rules::default());
            let mut now = 0;
            for (i, fails, gap) in events {
                now += gap * 1_000_000;
                let event = match fails {
                    true => Event::Failure { load: None },
                    false => Event::Success,
                };
                group.report(&all, i % n, event, &rules, Nanos(now));
                let usable = all.iter().filter(|h| h.usable(Nanos(now))).count();
                prop_assert!(usable * 2 >= n, "{usable} of {n} left");
            }
        }
    }

    #[test]
    fn a_shared_outage_ejects_nobody() {
        let (all, group) = (pool(4), Group::default());
        for round in 0..100 {
            for i in 0..4 {
                group.report(
                    &all,
                    i,
                    Event::Failure { load: None },
                    &Rules::default(),
                    Nanos(round),
                );
            }
        }
        assert!(all.iter().all(|h| h.usable(Nanos(100))));
    }

    #[test]
    fn a_bad_one_goes_and_comes_back() {
        let (all, group, rules) = (pool(2), Group::default(), Rules::default());
        for _ in 0..5 {
            assert_eq!(
                group.report(&all, 1, Event::Success, &rules, Nanos(1)),
                None
            );
            group.report(&all, 0, Event::Failure { load: None }, &rules, Nanos(1));
        }
        assert!(!all[0].usable(Nanos(2)) && all[1].usable(Nanos(2)));
        let back = Nanos(1) + rules.eject_for;
        assert!(all[0].usable(back));
        for _ in 0..rules.eject_after {
            group.report(&all, 0, Event::Success, &rules, back);
        }
        assert_eq!(all[0].state(), State::default());
    }
}
