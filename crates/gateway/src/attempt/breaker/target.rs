//! What breakers remember, shared by all threads and kept across generations: one word to read while all is well.

use super::core::{Event, Phase, Presence};
use crate::tally::Tally;
use base::Nanos;
use config::sections::Breaker as Rules;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

/// The decisions that a breaker's tally counts.
pub(super) const NAMES: &[&str] = &[
    "refused",
    "would_refuse",
    "opened",
    "closed",
    "would_open",
    "would_close",
];
pub(super) const REFUSED: usize = 0;
pub const WOULD_REFUSE: usize = 1;
pub const OPENED: usize = 2;
pub(super) const CLOSED: usize = 3;
pub const WOULD_OPEN: usize = 4;
pub(super) const WOULD_CLOSE: usize = 5;

/// Whether anybody is there, for one service.
#[derive(Debug, Default)]
pub struct Target {
    /// Not calm: the state has to be looked at.
    troubled: AtomicBool,
    presence: Mutex<Presence>,
}

impl Target {
    fn lock(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn presence(&self) -> Presence {
        *self.lock()
    }

    pub fn admit(&self, rules: &Rules, now: Nanos, random: impl FnOnce() -> f64) -> bool {
        if !self.troubled.load(Relaxed) {
            return true;
        }
        let mut presence = self.lock();
        let admitted = presence.admit(rules, now, random());
        self.troubled.store(!presence.calm(), Relaxed);
        admitted
    }

    pub fn learn(&self, event: Event, rules: &Rules, service: &str, tally: &Tally, now: Nanos) {
        if event == Event::Answered && !self.troubled.load(Relaxed) {
            return;
        }
        let mut presence = self.lock();
        let before = presence.phase;
        presence.learn(event, rules, now);
        self.troubled.store(!presence.calm(), Relaxed);
        let (after, failures) = (presence.phase, presence.failures);
        drop(presence);
        match (before, after, rules.observe) {
            (Phase::Open { .. }, Phase::Back { .. }, false) => {
                tally.add(CLOSED);
                tracing::info!(
                    service,
                    "breaker: answers again; work comes back by degrees"
                );
            }
            (Phase::Open { .. }, Phase::Back { .. }, true) => tally.add(WOULD_CLOSE),
            (Phase::Closed | Phase::Back { .. }, Phase::Open { .. }, false) => {
                tally.add(OPENED);
                tracing::warn!(service, failures, "breaker: no connection; probes only");
            }
            (Phase::Closed | Phase::Back { .. }, Phase::Open { .. }, true) => {
                tally.add(WOULD_OPEN);
                tracing::info!(
                    service,
                    failures,
                    "breaker: no connection; it only counts, else probes only would pass"
                );
            }
            _ => {}
        }
    }
}
