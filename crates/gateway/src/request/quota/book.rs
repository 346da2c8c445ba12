//! What all quotas of this process have together: the store that is lent, the keys that were lately asked for, and the calendar.

use super::core::Key;
use super::scope::Scope;
use base::Nanos;
use config::sections::Period;
use serde::Serialize;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::Kv;

/// What all keys begin with in the store.
pub const PREFIX: &str = "quota/";
/// How long a count can be read after its period, milliseconds.
const KEPT_MS: u64 = 24 * 3600 * 1000;
const SHARDS: usize = 64;
/// Keys in one shard; more are asked for one by one.
const KEYS: usize = 1024;
/// Keys that are shown of a quota.
const MOST: usize = 10;
/// After a call that failed, requests do without the store for so long.
const DOUBT: Duration = Duration::from_secs(1);

/// A key of a quota at this node.
pub struct Entry {
    /// What the store knows it by, behind the period.
    who: String,
    key: Mutex<Key>,
    /// Where the store has it in the period in which it was last asked for.
    at: Mutex<Option<Arc<At>>>,
    /// One asks for all who wait.
    pub asking: Arc<tokio::sync::Mutex<()>>,
    /// It is forgotten after one request, and holds nothing.
    pub single: bool,
}

impl Entry {
    pub fn new(who: String, single: bool) -> Entry {
        Entry {
            who,
            key: Mutex::default(),
            at: Mutex::default(),
            asking: Arc::default(),
            single,
        }
    }

    pub fn key(&self) -> MutexGuard<'_, Key> {
        lock(&self.key)
    }

    /// Where the store has it in this period.
    pub fn at(&self, scope: &Scope, period: &Period) -> Arc<At> {
        let mut at = lock(&self.at);
        if let Some(at) = at.as_ref().filter(|a| a.from_ms == period.from_ms) {
            return at.clone();
        }
        let new = Arc::new(At {
            from_ms: period.from_ms,
            name: format!("{}{}", scope.keys_of(period), self.who),
            expires_ms: period.to_ms.saturating_add(KEPT_MS),
        });
        *at = Some(new.clone());
        new
    }

    pub fn last_at(&self) -> Option<Arc<At>> {
        lock(&self.at).clone()
    }
}

/// Where the store has a key in one period.
pub struct At {
    pub from_ms: u64,
    pub name: String,
    pub expires_ms: u64,
}

/// How a quota stands, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Of the route, or as it is given.
    pub quota: String,
    pub period: String,
    pub ends_ms: u64,
    /// Units of one key.
    pub limit: u64,
    /// Keys that were counted in it; about.
    pub keys: u64,
    /// Nothing is counted now.
    pub away: bool,
    /// Of the keys that this node was lately asked for.
    pub most: Vec<Used>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Used {
    pub key: String,
    /// Units, as the store last told.
    pub used: u64,
}

/// Survives new generations.
pub struct Quotas {
    /// `None`: none was given yet, or it was taken back.
    lent: RwLock<Option<Arc<dyn Kv>>>,
    /// Another store was lent: what is in it is to be counted.
    pub(super) another: tokio::sync::Notify,
    shards: Vec<Mutex<HashMap<u64, Arc<Entry>>>>,
    seed: foldhash::quality::RandomState,
    scopes: Mutex<Vec<Weak<Scope>>>,
    /// Nanoseconds; before, requests do without the store.
    doubt_until: AtomicU64,
    /// From the process's clock to the Unix epoch, milliseconds; 0: not set.
    offset_ms: AtomicI64,
}

impl Default for Quotas {
    fn default() -> Self {
        Quotas {
            lent: RwLock::default(),
            another: tokio::sync::Notify::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            seed: foldhash::quality::RandomState::default(),
            scopes: Mutex::default(),
            doubt_until: AtomicU64::new(0),
            offset_ms: AtomicI64::new(0),
        }
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

/// Nobody has asked for it in so long, and it holds or owes something.
pub fn is_due(entry: &Entry, now: Nanos, long: Duration) -> bool {
    let key = entry.key();
    key.is_idle(now, long) && !key.is_even()
}

impl Quotas {
    /// `None` takes it back.
    pub fn lend(&self, store: Option<Arc<dyn Kv>>) {
        *self.lent.write().unwrap_or_else(|e| e.into_inner()) = store;
        self.another.notify_one();
    }

    pub(super) fn lent(&self) -> Option<Arc<dyn Kv>> {
        self.lent.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// `None`: go on without.
    pub(super) fn store(&self, now: Nanos) -> Option<Arc<dyn Kv>> {
        match now.0 < self.doubt_until.load(Relaxed) {
            true => None,
            false => self.lent(),
        }
    }

    /// A call has failed.
    pub(super) fn doubt(&self, now: Nanos) {
        self.doubt_until.store((now + DOUBT).0, Relaxed);
    }

    /// Milliseconds since the Unix epoch.
    pub fn unix_ms(&self, now: Nanos) -> u64 {
        if self.offset_ms.load(Relaxed) == 0 {
            self.look_at_the_clock(now);
        }
        let ms = (now.0 / 1_000_000) as i64;
        ms.saturating_add(self.offset_ms.load(Relaxed)).max(0) as u64
    }

    /// The system's clock may have been set, and the machine may have slept.
    pub(super) fn look_at_the_clock(&self, now: Nanos) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        self.set_clock(now, unix.unwrap_or_default().as_millis() as u64);
    }

    pub(super) fn set_clock(&self, now: Nanos, unix_ms: u64) {
        let offset = unix_ms as i64 - (now.0 / 1_000_000) as i64;
        self.offset_ms.store(offset, Relaxed);
    }

    pub(super) fn hash(&self, scope: &str, kind: u8, key: &[u8]) -> u64 {
        let mut h = self.seed.build_hasher();
        h.write(scope.as_bytes());
        h.write(&[0xff, kind]);
        h.write(key);
        h.finish()
    }

    /// The entry of a key. `who` is made for one that is new.
    pub(super) fn entry(&self, hash: u64, who: impl FnOnce() -> String) -> Arc<Entry> {
        let mut shard = lock(&self.shards[hash as usize % SHARDS]);
        if let Some(entry) = shard.get(&hash) {
            return entry.clone();
        }
        if shard.len() >= KEYS {
            shard.retain(|_, e| Arc::strong_count(e) > 1 || !e.key().is_even());
        }
        let single = shard.len() >= KEYS;
        let entry = Arc::new(Entry::new(who(), single));
        if !single {
            shard.insert(hash, entry.clone());
        }
        entry
    }

    pub(super) fn register(&self, scope: &Arc<Scope>) {
        let mut scopes = lock(&self.scopes);
        scopes.retain(|s| s.strong_count() > 0);
        if !scopes.iter().any(|s| s.as_ptr() == Arc::as_ptr(scope)) {
            scopes.push(Arc::downgrade(scope));
        }
    }

    pub(super) fn scopes(&self) -> Vec<Arc<Scope>> {
        lock(&self.scopes)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// Those that nobody has asked for in so long, and hold or owe something. Those that do not are forgotten.
    pub(super) fn idle(&self, now: Nanos, long: Duration) -> Vec<Arc<Entry>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            lock(shard).retain(|_, e| {
                if is_due(e, now, long) {
                    found.push(e.clone());
                }
                let key = e.key();
                !key.is_idle(now, long) || !key.is_even() || Arc::strong_count(e) > 1
            });
        }
        found
    }

    /// How quotas stand, in the order of their names.
    pub fn shown(&self, now: Nanos) -> Vec<Shown> {
        let unix_ms = self.unix_ms(now);
        let away = self.store(now).is_none();
        let one = |s: &Arc<Scope>| {
            let period = s.period(unix_ms)?;
            Some(Shown {
                quota: s.name.clone(),
                period: period.label.clone(),
                ends_ms: period.to_ms,
                limit: s.limit.load(Relaxed),
                keys: s.keys.load(Relaxed),
                away,
                most: self.most(&s.keys_of(&period)),
            })
        };
        let mut all: Vec<_> = self.scopes().iter().filter_map(one).collect();
        all.sort_by(|a, b| a.quota.cmp(&b.quota));
        all
    }

    /// Of the keys with this beginning, those that have used most.
    fn most(&self, prefix: &str) -> Vec<Used> {
        let mut most: Vec<Used> = Vec::new();
        for shard in &self.shards {
            for entry in lock(shard).values() {
                let at = entry.last_at().filter(|at| at.name.starts_with(prefix));
                let seen = entry.key().seen;
                if let (Some(_), Some(seen)) = (at, seen) {
                    let (key, used) = (entry.who.clone(), seen.used);
                    most.push(Used { key, used });
                }
            }
            most.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.key.cmp(&b.key)));
            most.truncate(MOST);
        }
        most
    }
}
