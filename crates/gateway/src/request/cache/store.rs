//! The stored responses of one route: shards that all threads share, each bounded in bytes. Which of them go is `shard`'s business.

use super::control::Fields;
use super::core::Not;
use super::disk::Disk;
use super::disk::line::halves;
use super::entry::{Entry, Fit, OVERHEAD};
use super::marks::Marks;
use super::purge::{Log, Purge};
use super::second::Level;
use super::shard::{Evicted, Shard};
use arc_swap::ArcSwapOption;
use base::Nanos;
use foldhash::quality::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

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

pub struct Store {
    shards: Vec<Mutex<Shard>>,
    seed: RandomState,
    /// Bytes of responses that are on their way in.
    filling: AtomicU64,
    size: AtomicU64,
    purges: Mutex<Log>,
    /// Upper bits of the key's hash, and why it was last not stored.
    refusals: Box<[AtomicU64]>,
    /// Where what has to go from here goes, if it was asked for again.
    disk: ArcSwapOption<Disk>,
    /// What all nodes have together.
    second: ArcSwapOption<Level>,
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
            disk: ArcSwapOption::empty(),
            second: ArcSwapOption::empty(),
        }
    }

    pub fn disk(&self) -> Option<Arc<Disk>> {
        self.disk.load_full()
    }

    /// `None`: what goes from memory is gone.
    pub fn set_disk(&self, disk: Option<Arc<Disk>>) {
        self.disk.store(disk);
    }

    pub fn second(&self) -> Option<Arc<Level>> {
        self.second.load_full()
    }

    /// `None`: other nodes have their own.
    pub fn set_second(&self, second: Option<Arc<Level>>) {
        self.second.store(second);
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
        let disk = self.disk.load();
        let second = self.second.load();
        let shared = second.as_ref().and_then(|l| l.sharing(key, &entry));
        let mut evicted = Evicted::new();
        let mut shard = self.shard(hash);
        // Under the shard's lock, so that no purge comes between.
        let allowed = self.log().allows(key, &entry);
        if allowed {
            shard.put(
                hash,
                key,
                entry,
                room,
                disk.is_some().then_some(&mut evicted),
            );
        }
        drop(shard);
        if let Some(disk) = &*disk {
            disk.replaced(key);
            evicted.into_iter().for_each(|(k, v)| disk.keep(k, v));
        }
        if let (Some(level), Some(job)) = (&*second, shared) {
            level.share(job, allowed);
        }
    }

    /// Takes in what another node has stored, where that is newer than what is here. False: nothing of it was.
    pub fn adopt(&self, key: &[u8], entries: Vec<Entry>, now: Nanos, marks: &Marks) -> bool {
        let hash = self.seed.hash_one(key);
        let room = self.size.load(Relaxed) / self.shards.len() as u64;
        let disk = self.disk.load();
        let mut evicted = Evicted::new();
        let mut any = false;
        let mut shard = self.shard(hash);
        for entry in entries {
            let held = shard.held.get(&hash).filter(|h| *h.key == *key);
            let newer = |e: &Arc<Entry>| {
                let good = !e.purged.load(Relaxed) && !outdated(key, e, marks);
                good && e.same_variant(&entry) && e.age(now) <= entry.age(now)
            };
            let fits = entry.bytes() + key.len() as u64 <= room;
            if held.is_some_and(|h| h.variants.iter().any(newer)) || !fits {
                continue;
            }
            if self.log().allows(key, &entry) {
                let evicted = disk.is_some().then_some(&mut evicted);
                shard.put(hash, key, entry, room, evicted);
                any = true;
            }
        }
        drop(shard);
        if let Some(disk) = &*disk {
            if any {
                disk.replaced(key);
            }
            evicted.into_iter().for_each(|(k, v)| disk.keep(k, v));
        }
        any
    }

    /// Takes back what was on disk; what has come meanwhile is newer.
    pub fn promote(&self, key: &[u8], entries: Vec<Entry>) {
        let hash = self.seed.hash_one(key);
        let room = self.size.load(Relaxed) / self.shards.len() as u64;
        let mut evicted = Evicted::new();
        let mut shard = self.shard(hash);
        if shard.held.get(&hash).is_some_and(|h| *h.key == *key) {
            return;
        }
        for entry in entries {
            if self.log().allows(key, &entry) {
                shard.put(hash, key, entry, room, Some(&mut evicted));
            }
        }
        drop(shard);
        if let Some(disk) = &*self.disk.load() {
            evicted.into_iter().for_each(|(k, v)| disk.keep(k, v));
        }
    }

    /// On its way to the disk it is not where a purge looks for it; a soft one leaves it stale.
    pub fn spares(&self, key: &[u8], entry: &Entry) -> bool {
        self.log().spares(key, entry)
    }

    pub fn knows(&self, key: &[u8]) -> bool {
        let hash = self.seed.hash_one(key);
        self.shard(hash)
            .held
            .get(&hash)
            .is_some_and(|h| *h.key == *key)
    }

    /// What would go to disk if it had to go now.
    pub fn admitted(&self) -> Evicted {
        let mut all = Evicted::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(|e| e.into_inner());
            shard.admitted(&mut all);
        }
        all
    }

    /// Forgets the variant.
    pub fn forget(&self, key: &[u8], entry: &Entry) {
        if let Some(disk) = &*self.disk.load() {
            disk.replaced(key);
        }
        let hash = self.seed.hash_one(key);
        self.shard(hash)
            .drop_variants(hash, &mut |k, e| k == key && e.same_variant(entry));
    }

    /// Makes stale, or takes out, what the purge names, also what is on its way in; tells how many that were. Waits for
    /// the disk: not for traffic threads.
    pub fn purge(&self, purge: &Purge, now: Nanos) -> u64 {
        self.log().note(purge.clone(), now);
        let mut n = 0;
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(|e| e.into_inner());
            let hashes: Vec<u64> = shard.held.keys().copied().collect();
            for hash in hashes {
                shard.drop_variants(hash, &mut |key, entry| {
                    let named = purge.names(key, &entry.groups);
                    n += named as u64;
                    if named && !purge.hard {
                        entry.purged.store(true, Relaxed);
                    }
                    named && purge.hard
                });
            }
        }
        n + self.disk().map_or(0, |disk| disk.purge(purge))
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

/// An unsafe request has changed it since.
fn outdated(key: &[u8], entry: &Entry, marks: &Marks) -> bool {
    let (host, target) = halves(key);
    let path = target.split(|&b| b == b'?').next().unwrap_or(target);
    let changed = |what: &[u8]| marks.outdated(host, what, entry.at);
    changed(path) || entry.groups.iter().any(|g| changed(&Marks::group(g)))
}
