//! The stored responses of one route: shards that all threads share, each bounded in bytes.
//!
//! Eviction is S3-FIFO (Yang et al., SOSP 2023): new keys enter a small queue of a tenth of the room, those asked for
//! again move to the main queue, those that were not leave a ghost, and a key with a ghost enters the main queue at once.
//! A crawl over keys that are asked for once passes through the small queue and leaves the rest alone.

use super::control::Fields;
use super::core::Not;
use super::entry::{Entry, Fit, OVERHEAD};
use super::purge::{Log, Purge};
use base::Nanos;
use foldhash::fast::RandomState as Fast;
use foldhash::quality::RandomState;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

/// Variants of one key; the oldest gives way.
const VARIANTS: usize = 8;
/// Uses that carry a key from the small queue to the main one.
const PROMOTE: u8 = 2;
/// Keys of whom it is known why they were last not stored. A fixed table; the newer of two in one cell is known.
const REFUSALS: usize = 1 << 12;

/// What a lookup finds.
#[derive(Debug, Default)]
pub struct Found {
    pub entry: Option<Arc<Entry>>,
    /// Something is stored under the key, fitting or not.
    pub known: bool,
    /// Something would fit, but it is another part.
    pub partial: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub keys: u64,
    pub bytes: u64,
    pub evicted: u64,
}

#[derive(Debug)]
pub struct Store {
    shards: Vec<Mutex<Shard>>,
    seed: RandomState,
    /// Bytes of responses that are on their way in.
    filling: AtomicU64,
    size: AtomicU64,
    purges: Mutex<Log>,
    /// Upper bits of the key's hash, and why it was last not stored.
    refusals: Box<[AtomicU64]>,
}

#[derive(Debug, Default)]
struct Shard {
    held: HashMap<u64, Held, Fast>,
    small: VecDeque<(u64, u64)>,
    main: VecDeque<(u64, u64)>,
    ghosts: VecDeque<u64>,
    ghost_set: HashSet<u64, Fast>,
    bytes: u64,
    small_bytes: u64,
    next: u64,
    evicted: u64,
}

/// All variants of one key: the unit of eviction.
#[derive(Debug)]
struct Held {
    key: Box<[u8]>,
    variants: Vec<Arc<Entry>>,
    bytes: u64,
    /// Which record in a queue is its own.
    turn: u64,
    main: bool,
    /// Hits since it was last looked at, at most 3.
    uses: u8,
}

impl Store {
    /// `size` bytes in all; `largest` is the largest body, which decides how finely the room may be divided.
    pub fn new(size: u64, largest: u64) -> Store {
        let shards = (size / (4 * (largest + OVERHEAD))).clamp(1, 16);
        Store {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            seed: RandomState::default(),
            filling: AtomicU64::new(0),
            size: AtomicU64::new(size),
            purges: Mutex::default(),
            refusals: (0..REFUSALS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Takes effect with the next insertions.
    pub fn resize(&self, size: u64) {
        self.size.store(size, Relaxed);
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[(hash >> 48) as usize % self.shards.len()];
        shard.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The newest that fits the request, however old it is. `key` is everything that a response belongs to, without what
    /// `Vary` adds; `range` is the part that is asked for.
    pub fn find(&self, key: &[u8], request: &impl Fields, range: Option<&[u8]>) -> Found {
        let hash = self.seed.hash_one(key);
        let mut shard = self.shard(hash);
        let Some(held) = shard.held.get_mut(&hash).filter(|h| *h.key == *key) else {
            return Found::default();
        };
        let mut found = Found {
            known: true,
            ..Found::default()
        };
        for entry in held.variants.iter().rev() {
            let Some(fit) = entry.fits(request) else {
                continue;
            };
            if entry.part.is_some() && !range.is_some_and(|r| entry.covers(r)) {
                found.partial = true;
                continue;
            }
            if fit == Fit::Exact || found.entry.is_none() {
                found.entry = Some(entry.clone());
            }
            if fit == Fit::Exact {
                break;
            }
        }
        if found.entry.is_some() {
            held.uses = (held.uses + 1).min(3);
        }
        found
    }

    /// All variants under the key.
    pub fn variants(&self, key: &[u8]) -> Vec<Arc<Entry>> {
        let hash = self.seed.hash_one(key);
        let shard = self.shard(hash);
        let held = shard.held.get(&hash).filter(|h| *h.key == *key);
        held.map(|h| h.variants.clone()).unwrap_or_default()
    }

    /// Stores a response; one that is too large for its shard is not kept.
    pub fn put(&self, key: &[u8], entry: Entry) {
        let hash = self.seed.hash_one(key);
        let room = self.size.load(Relaxed) / self.shards.len() as u64;
        if entry.bytes() + key.len() as u64 > room {
            return self.refuse(key, Not::TooLarge);
        }
        let mut shard = self.shard(hash);
        // Under the shard's lock, so that no purge comes between.
        if self.log().allows(key, &entry) {
            shard.put(hash, key, entry, room);
        }
    }

    /// Forgets the variant.
    pub fn forget(&self, key: &[u8], entry: &Entry) {
        let hash = self.seed.hash_one(key);
        self.shard(hash)
            .drop_variants(hash, &mut |k, e| k == key && e.same_variant(entry));
    }

    /// Makes stale, or takes out, what the purge names, also what is on its way in; tells how many that were.
    pub fn purge(&self, purge: &Purge, now: Nanos) -> u64 {
        self.log().note(purge.clone(), now);
        let mut n = 0;
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(|e| e.into_inner());
            let hashes: Vec<u64> = shard.held.keys().copied().collect();
            for hash in hashes {
                shard.drop_variants(hash, &mut |key, entry| {
                    let named = purge.names(key, entry);
                    n += named as u64;
                    if named && !purge.hard {
                        entry.purged.store(true, Relaxed);
                    }
                    named && purge.hard
                });
            }
        }
        n
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.purges.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Notes why the response was not stored.
    pub fn refuse(&self, key: &[u8], why: Not) {
        let hash = self.seed.hash_one(key);
        let cell = &self.refusals[hash as usize % REFUSALS];
        cell.store(hash & !0xff | why as u64, Relaxed);
    }

    /// Why the last response under the key was not stored.
    pub fn refused(&self, key: &[u8]) -> Option<Not> {
        let hash = self.seed.hash_one(key);
        let cell = self.refusals[hash as usize % REFUSALS].load(Relaxed);
        let same = cell & !0xff == hash & !0xff;
        same.then(|| Not::ALL.into_iter().find(|n| *n as u64 == cell & 0xff))?
    }

    /// Room for `bytes` more of a response on its way in; all of them together get a quarter of the size, and one
    /// at least of any allowed size. Give it back with `filled`.
    pub fn reserve(&self, bytes: u64) -> bool {
        let most = self.size.load(Relaxed) / 4;
        let add = |n: u64| (n == 0 || n + bytes <= most).then_some(n + bytes);
        self.filling.fetch_update(Relaxed, Relaxed, add).is_ok()
    }

    pub fn filled(&self, bytes: u64) {
        self.filling.fetch_sub(bytes, Relaxed);
    }

    pub fn filling(&self) -> u64 {
        self.filling.load(Relaxed)
    }

    pub fn counts(&self) -> Counts {
        let mut c = Counts::default();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(|e| e.into_inner());
            c.keys += shard.held.len() as u64;
            c.bytes += shard.bytes;
            c.evicted += shard.evicted;
        }
        c
    }
}

impl Shard {
    fn put(&mut self, hash: u64, key: &[u8], entry: Entry, room: u64) {
        match self.held.get_mut(&hash).filter(|h| *h.key == *key) {
            Some(held) => {
                let mut entry = entry;
                if let Some(other) = held.part_like(&entry) {
                    entry = entry.joined(&other);
                }
                held.variants.retain(|e| {
                    let of_same = e.part.is_none() && entry.part.is_some() && e.etag == entry.etag;
                    !e.same_variant(&entry) || of_same
                });
                if held.variants.len() >= VARIANTS {
                    held.variants.remove(0);
                }
                held.variants.push(Arc::new(entry));
                self.recount(hash);
            }
            None => self.insert(hash, key, entry),
        }
        while self.bytes > room && self.evict(room) {}
    }

    fn insert(&mut self, hash: u64, key: &[u8], entry: Entry) {
        // Two keys with one hash: the newer stays.
        self.remove(hash);
        let main = self.ghost_set.remove(&hash);
        let bytes = key.len() as u64 + entry.bytes();
        self.next += 1;
        let turn = self.next;
        let held = Held {
            key: key.into(),
            variants: vec![Arc::new(entry)],
            bytes,
            turn,
            main,
            uses: 0,
        };
        self.held.insert(hash, held);
        self.bytes += bytes;
        if main {
            self.main.push_back((hash, turn));
        } else {
            self.small.push_back((hash, turn));
            self.small_bytes += bytes;
        }
    }

    /// After a change of a key's variants.
    fn recount(&mut self, hash: u64) {
        let Some(held) = self.held.get_mut(&hash) else {
            return;
        };
        let before = held.bytes;
        held.bytes = held.key.len() as u64 + held.variants.iter().map(|e| e.bytes()).sum::<u64>();
        self.bytes = self.bytes - before + held.bytes;
        if !held.main {
            self.small_bytes = self.small_bytes - before + held.bytes;
        }
    }

    /// Takes out the variants of a key that `wanted` names.
    fn drop_variants(&mut self, hash: u64, wanted: &mut dyn FnMut(&[u8], &Entry) -> bool) {
        let Some(held) = self.held.get_mut(&hash) else {
            return;
        };
        let before = held.variants.len();
        let key = &held.key;
        held.variants.retain(|e| !wanted(key, e));
        match held.variants.len() {
            0 => self.remove(hash),
            n if n < before => self.recount(hash),
            _ => {}
        }
    }

    fn remove(&mut self, hash: u64) {
        if let Some(held) = self.held.remove(&hash) {
            self.bytes -= held.bytes;
            if !held.main {
                self.small_bytes -= held.bytes;
            }
        }
    }

    /// One step towards more room; false when nothing is left to take.
    fn evict(&mut self, room: u64) -> bool {
        let from_small = self.small_bytes > room / 10 || self.main.is_empty();
        let queue = match from_small {
            true => &mut self.small,
            false => &mut self.main,
        };
        let Some((hash, turn)) = queue.pop_front() else {
            // The small queue was empty and the main one is not.
            return !self.main.is_empty() || !self.small.is_empty();
        };
        let Some(held) = self.held.get_mut(&hash).filter(|h| h.turn == turn) else {
            return true;
        };
        let needed = if from_small { PROMOTE } else { 1 };
        if held.uses < needed {
            if from_small {
                self.ghost(hash);
            }
            self.remove(hash);
            self.evicted += 1;
            return true;
        }
        if from_small {
            held.main = true;
            held.uses = 0;
            self.small_bytes -= held.bytes;
        } else {
            held.uses -= 1;
        }
        self.main.push_back((hash, turn));
        true
    }

    /// Remembers nine for every ten that are held.
    fn ghost(&mut self, hash: u64) {
        if self.ghost_set.insert(hash) {
            self.ghosts.push_back(hash);
        }
        while self.ghosts.len() > (self.held.len() * 9 / 10).max(16) {
            if let Some(old) = self.ghosts.pop_front() {
                self.ghost_set.remove(&old);
            }
        }
    }
}

impl Held {
    /// A stored part of the same variant.
    fn part_like(&self, entry: &Entry) -> Option<Arc<Entry>> {
        entry.part.as_ref()?;
        let like = |e: &&Arc<Entry>| e.part.is_some() && e.same_variant(entry);
        self.variants.iter().rev().find(like).cloned()
    }
}
