//! The stored responses of one route: shards that all threads share, each bounded in bytes.
//!
//! Eviction is S3-FIFO (Yang et al., SOSP 2023): new keys enter a small queue of a tenth of the room, those asked for
//! again move to the main queue, those that were not leave a ghost, and a key with a ghost enters the main queue at once.
//! A crawl over keys that are asked for once passes through the small queue and leaves the rest alone.

use super::control::Fields;
use super::core::Keep;
use base::Nanos;
use bytes::Bytes;
use foldhash::fast::RandomState as Fast;
use foldhash::quality::RandomState;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

/// Variants of one key; the oldest gives way.
const VARIANTS: usize = 8;
/// What an entry costs beside its own bytes; it also bounds their number.
const OVERHEAD: u64 = 512;
/// How long one request may take to fetch what others get stale meanwhile.
const REFRESH: std::time::Duration = std::time::Duration::from_secs(10);

/// A stored response.
#[derive(Debug)]
pub struct Entry {
    pub status: u16,
    /// End-to-end fields, without `Age` and framing.
    pub headers: Vec<(Cow<'static, str>, Bytes)>,
    pub body: Bytes,
    pub etag: Option<Bytes>,
    pub modified: Option<Bytes>,
    /// When its request started.
    pub at: Nanos,
    /// The same, in seconds since the Unix epoch.
    pub unix: u64,
    pub keep: Keep,
    /// What the request's fields named by `Vary` were.
    pub selects: Vec<Option<Vec<u8>>>,
    /// Until when somebody fetches it anew.
    pub refreshing: AtomicU64,
}

impl Entry {
    pub fn age(&self, now: Nanos) -> u64 {
        self.keep.age + now.since(self.at).as_secs()
    }

    fn answers(&self, request: &impl Fields) -> bool {
        let mut pairs = self.keep.vary.iter().zip(&self.selects);
        pairs.all(|(name, value)| request.joined(name) == *value)
    }

    fn same_variant(&self, other: &Entry) -> bool {
        self.keep.vary == other.keep.vary && self.selects == other.selects
    }

    fn bytes(&self) -> u64 {
        let fields: usize = self
            .headers
            .iter()
            .map(|(n, v)| n.len() + v.len() + 32)
            .sum();
        let selects: usize = self.selects.iter().flatten().map(Vec::len).sum();
        OVERHEAD + (fields + selects + self.body.len()) as u64
    }

    /// True for one caller: it fetches the response anew while others get this one.
    fn claim(&self, now: Nanos) -> bool {
        let until = self.refreshing.load(Relaxed);
        let next = (now + REFRESH).0;
        now.0 >= until
            && self
                .refreshing
                .compare_exchange(until, next, Relaxed, Relaxed)
                .is_ok()
    }
}

/// What a lookup finds.
#[derive(Debug)]
pub enum Found {
    Fresh(Arc<Entry>),
    /// Past its lifetime, within `stale-while-revalidate`; `refresh`: this caller is to see to a new one.
    Stale {
        entry: Arc<Entry>,
        refresh: bool,
    },
    Nothing,
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

    /// `key` is everything that a response belongs to, without what `Vary` adds.
    pub fn find(&self, key: &[u8], request: &impl Fields, now: Nanos) -> Found {
        let Some(entry) = self.last(key, request) else {
            return Found::Nothing;
        };
        let (age, keep) = (entry.age(now), &entry.keep);
        if age < keep.lifetime {
            Found::Fresh(entry)
        } else if age < keep.lifetime.saturating_add(keep.stale) {
            let refresh = entry.claim(now);
            Found::Stale { entry, refresh }
        } else {
            Found::Nothing
        }
    }

    /// The newest that fits the request, however old it is.
    pub fn last(&self, key: &[u8], request: &impl Fields) -> Option<Arc<Entry>> {
        let hash = self.seed.hash_one(key);
        let mut shard = self.shard(hash);
        let held = shard.held.get_mut(&hash).filter(|h| *h.key == *key)?;
        // The newest first: of several that fit, the document asks for the latest.
        let entry = (held.variants.iter().rev())
            .find(|e| e.answers(request))?
            .clone();
        held.uses = (held.uses + 1).min(3);
        Some(entry)
    }

    /// Stores a response; one that is too large for its shard is not kept.
    pub fn put(&self, key: &[u8], entry: Entry) {
        let hash = self.seed.hash_one(key);
        let room = self.size.load(Relaxed) / self.shards.len() as u64;
        if entry.bytes() + key.len() as u64 > room {
            return;
        }
        self.shard(hash).put(hash, key, entry, room);
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
        let entry = Arc::new(entry);
        match self.held.get_mut(&hash).filter(|h| *h.key == *key) {
            Some(held) => {
                let before = held.bytes;
                held.variants.retain(|e| !e.same_variant(&entry));
                if held.variants.len() >= VARIANTS {
                    held.variants.remove(0);
                }
                held.variants.push(entry);
                held.bytes =
                    held.key.len() as u64 + held.variants.iter().map(|e| e.bytes()).sum::<u64>();
                self.bytes = self.bytes - before + held.bytes;
                if !held.main {
                    self.small_bytes = self.small_bytes - before + held.bytes;
                }
            }
            None => {
                // Two keys with one hash: the newer stays.
                self.remove(hash);
                let main = self.ghost_set.remove(&hash);
                let bytes = key.len() as u64 + entry.bytes();
                self.next += 1;
                let turn = self.next;
                let (key, variants) = (key.into(), vec![entry]);
                self.held.insert(
                    hash,
                    Held {
                        key,
                        variants,
                        bytes,
                        turn,
                        main,
                        uses: 0,
                    },
                );
                self.bytes += bytes;
                if main {
                    self.main.push_back((hash, turn));
                } else {
                    self.small.push_back((hash, turn));
                    self.small_bytes += bytes;
                }
            }
        }
        while self.bytes > room && self.evict(room) {}
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
        let queue = if from_small {
            &mut self.small
        } else {
            &mut self.main
        };
        let Some((hash, turn)) = queue.pop_front() else {
            // The small queue was empty and the main one is not.
            return !self.main.is_empty() || !self.small.is_empty();
        };
        let Some(held) = self.held.get_mut(&hash).filter(|h| h.turn == turn) else {
            return true;
        };
        if held.uses == 0 {
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

    /// Remembers as many as are held.
    fn ghost(&mut self, hash: u64) {
        if self.ghost_set.insert(hash) {
            self.ghosts.push_back(hash);
        }
        while self.ghosts.len() > self.held.len().max(16) {
            if let Some(old) = self.ghosts.pop_front() {
                self.ghost_set.remove(&old);
            }
        }
    }
}
