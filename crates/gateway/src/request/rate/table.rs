//! The keys of all rate limits: a table of fixed size, shared by the traffic threads.
//!
//! Sets of eight slots, each set found by the key's hash; a slot whose time has passed is free. When a set is full of
//! live keys, a new key takes over the slot that is nearest to free and inherits its debt: the table as a whole never
//! lets more pass than its slots allow, at the price of being strict to a few keys while it is flooded.

use super::core::{Cost, Decision, Limit};
use base::Nanos;
use std::hash::{BuildHasher, Hasher};
use std::sync::Mutex;

const WAYS: usize = 8;
const SHARDS: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    key: u64,
    tat: Nanos,
}

/// All keys of all routes. Hashes are seeded per process, so that nobody can aim at a set.
#[derive(Debug)]
pub struct Table {
    shards: Vec<Mutex<Vec<[Slot; WAYS]>>>,
    sets: usize,
    seed: foldhash::quality::RandomState,
}

impl Table {
    /// Room for about `keys` live keys; 16 bytes each.
    pub fn new(keys: usize) -> Table {
        let sets = keys.div_ceil(WAYS * SHARDS).max(1);
        let shard = || Mutex::new(vec![[Slot::default(); WAYS]; sets]);
        Table {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            sets,
            seed: foldhash::quality::RandomState::default(),
        }
    }

    /// Hash of one key of one limit, by what kind of key it is.
    pub fn hash(&self, limit: &str, kind: u8, key: &[u8]) -> u64 {
        let mut h = self.seed.build_hasher();
        h.write(limit.as_bytes());
        h.write(&[0xff, kind]);
        h.write(key);
        h.finish().max(1)
    }

    /// Decides one request of `key`, and remembers it. The number is what remains of the burst.
    pub fn take(&self, key: u64, limit: &Limit, cost: Cost, now: Nanos) -> (Decision, u64) {
        let shard = &self.shards[key as usize % SHARDS];
        let mut sets = shard.lock().unwrap_or_else(|e| e.into_inner());
        let set = &mut sets[(key >> 32) as usize % self.sets];
        let slot = match set.iter().position(|s| s.key == key) {
            Some(i) => &mut set[i],
            None => {
                let nearest = (0..WAYS).min_by_key(|&i| set[i].tat);
                let nearest = &mut set[nearest.unwrap_or(0)];
                nearest.key = key;
                nearest
            }
        };
        let decision = limit.decide(slot.tat, now, cost);
        if let Decision::Allowed(tat) = decision {
            slot.tat = tat;
        }
        (decision, limit.remaining(slot.tat, now))
    }

    /// A request has cost so many thousandths more than were taken for it, or less.
    pub fn settle(&self, key: u64, limit: &Limit, more: i64) {
        let shard = &self.shards[key as usize % SHARDS];
        let mut sets = shard.lock().unwrap_or_else(|e| e.into_inner());
        let set = &mut sets[(key >> 32) as usize % self.sets];
        if let Some(slot) = set.iter_mut().find(|s| s.key == key) {
            let step = limit.step(Cost(more.unsigned_abs()));
            slot.tat = match more > 0 {
                true => Nanos(slot.tat.0.saturating_add(step)),
                false => Nanos(slot.tat.0.saturating_sub(step)),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::core::UNIT;
    use super::*;

    fn passes(t: &Table, key: u64, limit: &Limit, now: Nanos) -> bool {
        matches!(t.take(key, limit, UNIT, now).0, Decision::Allowed(_))
    }

    #[test]
    fn keys_do_not_share_and_routes_do_not_share() {
        let t = Table::new(10_000);
        let limit = Limit::new(1.0, 2);
        let (a, b) = (t.hash("r", 0, b"a"), t.hash("r", 0, b"b"));
        assert_ne!(a, t.hash("q", 0, b"a"));
        assert_ne!(t.hash("ra", 0, b""), t.hash("r", 0, b"a"));
        let now = Nanos(1);
        assert!(passes(&t, a, &limit, now) && passes(&t, a, &limit, now));
        assert!(!passes(&t, a, &limit, now));
        assert!(passes(&t, b, &limit, now));
    }

    #[test]
    fn a_flood_of_keys_stays_within_the_table_and_expired_slots_are_used_again() {
        let t = Table::new(1);
        let slots = WAYS * SHARDS;
        let limit = Limit::new(1.0, 1);
        let flood = |from: u64, now| {
            (from..from + 20_000)
                .filter(|i| passes(&t, t.hash("r", 0, &i.to_le_bytes()), &limit, now))
                .count()
        };
        assert!(flood(0, Nanos(0)) <= slots);
        assert!(flood(20_000, Nanos(1)) == 0, "all slots are in debt");
        let later = flood(40_000, Nanos(1_000_000_001));
        assert!(later > slots / 2 && later <= slots, "{later} of {slots}");
    }

    #[test]
    fn threads_together_get_one_burst() {
        let t = Table::new(100);
        let limit = Limit::new(0.001, 50);
        let total: usize = std::thread::scope(|s| {
            let run = || (0..100).filter(|_| passes(&t, 7, &limit, Nanos(1))).count();
            let threads: Vec<_> = (0..4).map(|_| s.spawn(run)).collect();
            threads.into_iter().map(|h| h.join().unwrap()).sum()
        });
        assert_eq!(total, 50);
    }
}
