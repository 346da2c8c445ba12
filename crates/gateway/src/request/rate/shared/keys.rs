//! The keys of all shared limits that this node has lately been asked for: a bounded table in shards.

use super::Rule;
use super::core::{Key, Plan, Verdict};
use base::Nanos;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use store::Taken;

const SHARDS: usize = 64;
/// Keys in one shard; more are asked for one by one.
const KEYS: usize = 1024;
/// Plans of one look; the others are made at the next one.
const PLANS: usize = 1024;

struct Entry {
    key: Key,
    /// What the engine knows it by.
    name: Arc<str>,
    rule: Arc<Rule>,
}

/// What the background does, and for whom.
pub struct Task {
    pub key: u64,
    pub name: Arc<str>,
    pub rule: Arc<Rule>,
    pub plan: Plan,
}

pub struct Keys {
    shards: Vec<Mutex<HashMap<u64, Entry>>>,
    /// Where the next look begins: one that was cut short goes on there.
    from: AtomicUsize,
}

impl Default for Keys {
    fn default() -> Self {
        Keys {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            from: AtomicUsize::new(0),
        }
    }
}

impl Keys {
    fn shard(&self, key: u64) -> MutexGuard<'_, HashMap<u64, Entry>> {
        let shard = &self.shards[key as usize % SHARDS];
        shard.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// One request of a key, and what would remain, thousandths. `name` is made for a key that is new.
    pub fn decide(
        &self,
        key: u64,
        rule: &Arc<Rule>,
        name: impl FnOnce() -> Arc<str>,
        cost: u64,
        now: Nanos,
    ) -> (Verdict, u64, Option<Arc<str>>) {
        let mut shard = self.shard(key);
        if !shard.contains_key(&key) {
            let name = name();
            if shard.len() >= KEYS {
                shard.retain(|_, e| !e.key.is_idle(now));
            }
            if shard.len() >= KEYS {
                return (Verdict::Ask, 0, Some(name));
            }
            let (key_of, rule) = (Key::default(), rule.clone());
            shard.insert(
                key,
                Entry {
                    key: key_of,
                    name,
                    rule,
                },
            );
        }
        let Some(entry) = shard.get_mut(&key) else {
            return (Verdict::Ask, 0, None);
        };
        if !Arc::ptr_eq(&entry.rule, rule) {
            entry.rule = rule.clone();
        }
        let verdict = entry.key.decide(cost, now);
        let name = (verdict == Verdict::Ask).then(|| entry.name.clone());
        (verdict, entry.key.remaining(now), name)
    }

    /// Changes a key, if it is still there.
    pub fn with<T>(&self, key: u64, change: impl FnOnce(&mut Key) -> T) -> Option<T> {
        self.shard(key).get_mut(&key).map(|e| change(&mut e.key))
    }

    /// The engine's answer to one request.
    pub fn one(
        &self,
        key: u64,
        cost: u64,
        taken: &Taken,
        now: Nanos,
    ) -> Result<(), std::time::Duration> {
        match self.with(key, |k| k.one(cost, taken, now)) {
            Some(said) => said,
            None if taken.granted > 0 => Ok(()),
            None => Err(taken.retry),
        }
    }

    /// What is to be done now; keys of which nothing is left to know are forgotten.
    pub fn look(&self, now: Nanos) -> Vec<Task> {
        let mut tasks = Vec::new();
        let from = self.from.load(Relaxed);
        for i in 0..SHARDS {
            let at = (from + i) % SHARDS;
            if tasks.len() >= PLANS {
                self.from.store(at, Relaxed);
                break;
            }
            let mut shard = self.shard(at as u64);
            shard.retain(|_, e| !e.key.is_idle(now));
            for (key, e) in shard.iter_mut() {
                let plan = e.key.look(&e.rule.quota, now);
                if plan != Plan::default() {
                    let (name, rule) = (e.name.clone(), e.rule.clone());
                    tasks.push(Task {
                        key: *key,
                        name,
                        rule,
                        plan,
                    });
                }
            }
        }
        tasks
    }

    pub fn is_empty(&self) -> bool {
        (0..SHARDS).all(|i| self.shard(i as u64).is_empty())
    }
}
