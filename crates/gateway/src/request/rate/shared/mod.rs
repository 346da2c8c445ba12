//! Limits that all nodes have together: the engine that counts, what this node has leased of it, and what it goes by while
//! the engine is away. Survives new generations.

pub mod core;
pub mod keys;
mod run;
#[cfg(test)]
mod tests;

pub use run::start;

use base::Nanos;
use keys::Keys;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::counter::Sum;
use store::{Counter, Quota, Taken};
use tokio::sync::Notify;

/// Longest wait of a request for the engine.
pub const WAIT: Duration = Duration::from_millis(100);
/// After a call that failed, requests do without the engine for so long.
const DOUBT: Duration = Duration::from_millis(250);
/// Smallest share of a limit: who was given nothing yet is not alone.
const LEAST: f64 = 0.001;

/// The limit of a group of keys.
#[derive(Debug)]
pub struct Rule {
    pub quota: Quota,
    pub group: Arc<Group>,
}

/// The keys of one limit together: what this node has of what all nodes have.
#[derive(Debug, Default)]
pub struct Group {
    name: String,
    own: Mutex<Sum>,
    /// As bits; 0: not known yet.
    share: AtomicU64,
}

impl Group {
    pub fn of(name: &str) -> Group {
        let name = name.to_owned();
        Group {
            name,
            ..Group::default()
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// After an answer of the engine.
    pub fn learn(&self, taken: &Taken, unix_us: u64) {
        let mut own = self.own.lock().unwrap_or_else(|e| e.into_inner());
        let own = own.add(taken.granted, unix_us);
        if taken.group > 0.0 {
            let share = (own / taken.group).clamp(LEAST, 1.0);
            self.share.store(share.to_bits(), Relaxed);
        }
    }

    /// Of the limit; `None`: the engine has not answered yet.
    pub fn share(&self) -> Option<f64> {
        match self.share.load(Relaxed) {
            0 => None,
            bits => Some(f64::from_bits(bits)),
        }
    }
}

#[derive(Default)]
pub struct Shared {
    /// `None`: it was not given yet.
    engine: RwLock<Option<Arc<dyn Counter>>>,
    pub keys: Keys,
    /// Nanoseconds; before, requests do without the engine.
    doubt_until: AtomicU64,
    /// There is a key again.
    pub news: Notify,
    began: OnceLock<(Nanos, u64)>,
    /// Shares by group, as this node had them before it was started.
    remembered: RwLock<BTreeMap<String, f64>>,
    /// Calls of requests that the engine answered, and that it did not.
    pub asked: AtomicU64,
    pub failed: AtomicU64,
}

impl Shared {
    pub fn set_engine(&self, engine: Option<Arc<dyn Counter>>) {
        *self.engine.write().unwrap_or_else(|e| e.into_inner()) = engine;
    }

    /// `None`: go on without.
    pub fn engine(&self, now: Nanos) -> Option<Arc<dyn Counter>> {
        if now.0 < self.doubt_until.load(Relaxed) {
            return None;
        }
        let engine = self.engine.read().unwrap_or_else(|e| e.into_inner());
        engine.clone()
    }

    pub fn remember(&self, shares: BTreeMap<String, f64>) {
        *self.remembered.write().unwrap_or_else(|e| e.into_inner()) = shares;
    }

    /// Of the limit, without the engine: as it last answered, in this process or in the one before; all of it when it
    /// never has.
    pub fn share(&self, group: &Group) -> f64 {
        self.known(group).unwrap_or(1.0)
    }

    /// `None`: the engine has never answered.
    pub fn known(&self, group: &Group) -> Option<f64> {
        let remembered = || {
            let all = self.remembered.read().unwrap_or_else(|e| e.into_inner());
            let share = all.get(group.name()).copied();
            share.filter(|s| s.is_finite()).map(|s| s.clamp(LEAST, 1.0))
        };
        group.share().or_else(remembered)
    }

    /// A call has failed, or been answered.
    pub fn doubt(&self, doubted: bool, now: Nanos) {
        let until = if doubted { (now + DOUBT).0 } else { 0 };
        self.doubt_until.store(until, Relaxed);
    }

    /// Microseconds since the Unix epoch, on a clock that does not jump while the process lives.
    pub fn unix_us(&self, now: Nanos) -> u64 {
        let (began, unix_us) = self.began.get_or_init(|| {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH);
            (now, unix.unwrap_or_default().as_micros() as u64)
        });
        unix_us + now.since(*began).as_micros() as u64
    }
}
