//! One part of the store: S3-FIFO over its keys (Yang et al., SOSP 2023).
//!
//! New keys enter a small queue of a tenth of the room, those asked for again move to the main queue, those that were not
//! leave a ghost, and a key with a ghost enters the main queue at once.
//! A crawl over keys that are asked for once passes through the small queue and leaves the rest alone.

use super::entry::Entry;
use foldhash::fast::RandomState as Fast;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Variants of one key; the oldest gives way.
const VARIANTS: usize = 8;
/// Uses that carry a key from the small queue to the main one.
const PROMOTE: u8 = 2;
/// So many times as many keys are remembered that have gone.
const WITH_DISK: usize = 8;

/// Keys that had to go, with their variants.
pub type Evicted = Vec<(Box<[u8]>, Vec<Arc<Entry>>)>;

#[derive(Debug, Default)]
pub struct Shard {
    pub held: HashMap<u64, Held, Fast>,
    small: VecDeque<(u64, u64)>,
    main: VecDeque<(u64, u64)>,
    ghosts: VecDeque<u64>,
    ghost_set: HashSet<u64, Fast>,
    pub bytes: u64,
    small_bytes: u64,
    next: u64,
    pub evicted: u64,
}

/// All variants of one key: the unit of eviction.
#[derive(Debug)]
pub struct Held {
    pub key: Box<[u8]>,
    pub variants: Vec<Arc<Entry>>,
    bytes: u64,
    /// Which record in a queue is its own.
    turn: u64,
    main: bool,
    /// Hits since it was last looked at, at most 3.
    pub uses: u8,
}

impl Shard {
    /// What has to go for it goes to `evicted`, if it was asked for again.
    pub fn put(
        &mut self,
        hash: u64,
        key: &[u8],
        entry: Entry,
        room: u64,
        mut evicted: Option<&mut Evicted>,
    ) {
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
        while self.bytes > room && self.evict(room, evicted.as_deref_mut()) {}
    }

    fn insert(&mut self, hash: u64, key: &[u8], entry: Entry) {
        // Two keys with one hash: the newer stays.
        let _ = self.remove(hash);
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
    pub fn drop_variants(&mut self, hash: u64, wanted: &mut dyn FnMut(&[u8], &Entry) -> bool) {
        let Some(held) = self.held.get_mut(&hash) else {
            return;
        };
        let before = held.variants.len();
        let key = &held.key;
        held.variants.retain(|e| !wanted(key, e));
        match held.variants.len() {
            0 => _ = self.remove(hash),
            n if n < before => self.recount(hash),
            _ => {}
        }
    }

    fn remove(&mut self, hash: u64) -> Option<Held> {
        let held = self.held.remove(&hash)?;
        self.bytes -= held.bytes;
        if !held.main {
            self.small_bytes -= held.bytes;
        }
        Some(held)
    }

    pub fn admitted(&self, all: &mut Evicted) {
        let held = self.held.values().filter(|h| h.is_admitted());
        all.extend(held.map(|h| (h.key.clone(), h.variants.clone())));
    }

    /// One step towards more room; false when nothing is left to take.
    fn evict(&mut self, room: u64, evicted: Option<&mut Evicted>) -> bool {
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
            let again = held.is_admitted();
            if from_small {
                self.ghost(hash, evicted.is_some());
            }
            let gone = self.remove(hash);
            if let (Some(evicted), Some(gone)) = (evicted, gone.filter(|_| again)) {
                evicted.push((gone.key, gone.variants));
            }
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

    /// Remembers nine for every ten that are held; with a disk more, which has room for those that come back later.
    fn ghost(&mut self, hash: u64, disk: bool) {
        let most = self.held.len() * 9 / 10 * if disk { WITH_DISK } else { 1 };
        if self.ghost_set.insert(hash) {
            self.ghosts.push_back(hash);
        }
        while self.ghosts.len() > most.max(16) {
            if let Some(old) = self.ghosts.pop_front() {
                self.ghost_set.remove(&old);
            }
        }
    }
}

impl Held {
    /// It was asked for again.
    fn is_admitted(&self) -> bool {
        self.main || self.uses > 0
    }

    /// A stored part of the same variant.
    fn part_like(&self, entry: &Entry) -> Option<Arc<Entry>> {
        entry.part.as_ref()?;
        let like = |e: &&Arc<Entry>| e.part.is_some() && e.same_variant(entry);
        self.variants.iter().rev().find(like).cloned()
    }
}
