//! One route's part of the second level, as its gate and its store call it. Nothing here waits.

use super::fetch::Lately;
use super::order::Verdict;
use super::{Second, writer};
use crate::gate::Moment;
use crate::request::cache::disk::line::halves;
use crate::request::cache::disk::record;
use crate::request::cache::entry::Entry;
use crate::request::cache::{Marks, Store};
use base::{Arm, Nanos};
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use store::second::{Stored, Storing};
use tokio::sync::oneshot::Sender;

/// Bytes that wait to be stored; one answer at least may.
const QUEUED: u64 = 16 << 20;
/// So many requests in a row that waited in vain, and nobody waits for a while.
const TOO_LATE: u32 = 3;
const REST: Duration = Duration::from_secs(1);

/// What a level shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SecondGauge {
    pub route: String,
    /// Why it is not asked; empty: it is.
    pub wrong: String,
    /// Requests that were answered with what came from there.
    pub hits: u64,
    /// Asked for, and nothing of use was there.
    pub misses: u64,
    /// Waits that took too long.
    pub late: u64,
    /// Requests that did not wait, because it was away or slow.
    pub skipped: u64,
    /// Calls that failed, and records that were not what had been written.
    pub failed: u64,
    pub writes: u64,
    /// Answers that were not given to others: the queue was full, the engine away, or something newer there.
    pub writes_dropped: u64,
    /// Answers that were too large to be shared.
    pub too_large: u64,
    /// Changes of all routes that other nodes have not been told yet.
    pub untold: u64,
}

#[derive(Default)]
pub struct Counts {
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    pub late: AtomicU64,
    pub skipped: AtomicU64,
    pub failed: AtomicU64,
    writes: AtomicU64,
    writes_dropped: AtomicU64,
    too_large: AtomicU64,
}

pub struct Level {
    pub(super) second: Arc<Second>,
    route: String,
    pub(super) store: Weak<Store>,
    wait_ns: AtomicU64,
    max_body: AtomicU64,
    /// Who waits for a key that is being asked for.
    pub(super) reading: Mutex<HashMap<u64, Vec<Sender<()>>>>,
    pub(super) lately: Lately,
    late: AtomicU32,
    rests_until: AtomicU64,
    queued: AtomicU64,
    pub counts: Counts,
}

impl Level {
    pub fn new(second: &Arc<Second>, route: &str, store: &Arc<Store>) -> Level {
        Level {
            second: second.clone(),
            route: route.to_owned(),
            store: Arc::downgrade(store),
            wait_ns: AtomicU64::new(0),
            max_body: AtomicU64::new(0),
            reading: Mutex::default(),
            lately: Lately::default(),
            late: AtomicU32::new(0),
            rests_until: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            counts: Counts::default(),
        }
    }

    pub fn set(&self, config: &config::sections::CacheShared) {
        self.wait_ns.store(config.wait.as_nanos() as u64, Relaxed);
        self.max_body.store(config.max_body, Relaxed);
    }

    pub fn wait(&self) -> Duration {
        Duration::from_nanos(self.wait_ns.load(Relaxed))
    }

    /// How the engine knows a key: of one length, whatever the address.
    pub fn name(&self, key: &[u8]) -> String {
        let sum = Sha256::new()
            .chain_update(self.route.as_bytes())
            .chain_update([0u8])
            .chain_update(key)
            .finalize();
        let mut name = String::with_capacity(32);
        for byte in sum.iter().take(16) {
            let _ = write!(name, "{byte:02x}");
        }
        name
    }

    pub fn rests(&self, now: Nanos) -> bool {
        now.0 < self.rests_until.load(Relaxed)
    }

    /// It answered.
    pub fn in_time(&self) {
        self.late.store(0, Relaxed);
    }

    /// A request waited in vain. After the rest one more of them is enough.
    pub fn too_late(&self) {
        self.counts.late.fetch_add(1, Relaxed);
        if self.late.fetch_add(1, Relaxed) + 1 >= TOO_LATE {
            self.late.store(TOO_LATE - 1, Relaxed);
            let until = self.second.moment().now + REST;
            self.rests_until.store(until.0, Relaxed);
        }
    }

    /// Why it is not asked now; empty: it is.
    pub fn wrong(&self) -> &'static str {
        let now = self.second.moment().now;
        match (self.second.is_usable(now), self.rests(now)) {
            (false, _) => {
                "the shared engine is away: each node has its own cache, and hears of no changes"
            }
            (_, true) => "the shared engine is too slow, and is not waited for",
            _ => "",
        }
    }

    /// What is to be given to others of an answer that goes into memory; `None`: nothing. Not a canary's answers, and not parts.
    pub fn sharing(self: &Arc<Self>, key: &[u8], entry: &Entry) -> Option<writer::Job> {
        if key.first() != Some(&Arm::BASE.0) || entry.part.is_some() {
            return None;
        }
        if entry.body.len() as u64 > self.max_body.load(Relaxed) {
            self.counts.too_large.fetch_add(1, Relaxed);
            return None;
        }
        let bytes = entry.bytes() + key.len() as u64;
        let stands = self.second.order().at(entry.at);
        let usable = self.second.is_usable(self.second.moment().now);
        let add = |n: u64| (n == 0 || n + bytes <= QUEUED).then_some(n + bytes);
        let room = || self.queued.fetch_update(Relaxed, Relaxed, add).is_ok();
        let Some(stands) = stands.filter(|_| usable && room()) else {
            self.dropped();
            return None;
        };
        Some(writer::Job {
            level: self.clone(),
            key: key.into(),
            entry: Arc::new(entry.twin()),
            stands,
            bytes,
        })
    }

    /// Stored behind whoever got it, if it was `allowed` here.
    pub fn share(&self, job: writer::Job, allowed: bool) {
        let bytes = job.bytes;
        if !allowed {
            return self.done(bytes);
        }
        let sent = self.second.writer.get().map(|q| q.try_send(job));
        if !matches!(sent, Some(Ok(()))) {
            self.done(bytes);
            self.dropped();
        }
    }

    pub fn done(&self, bytes: u64) {
        self.queued.fetch_sub(bytes, Relaxed);
    }

    pub fn dropped(&self) {
        self.counts.writes_dropped.fetch_add(1, Relaxed);
    }

    /// Waits for the engine.
    pub fn stored(&self, storing: Storing) {
        let Some(engine) = self.second.engine.get() else {
            return self.dropped();
        };
        match engine.store(storing).wait() {
            Ok(true) => _ = self.counts.writes.fetch_add(1, Relaxed),
            Ok(false) => self.dropped(),
            Err(_) => {
                self.counts.failed.fetch_add(1, Relaxed);
                self.dropped();
            }
        }
    }

    /// Changes of the key's path count from now on.
    pub fn watch(&self, key: &[u8]) {
        let (host, target) = halves(key);
        self.second
            .marks
            .watch(host, super::change::path_of(target));
    }

    /// Takes what was there into memory, as if it had come at `moment`, before which `stands` had been heard. False: nothing of it can be used.
    pub fn adopt(&self, key: &[u8], all: Vec<Stored>, stands: (u64, u64), moment: Moment) -> bool {
        let Some(store) = self.store.upgrade() else {
            return false;
        };
        let bytes: u64 = all.iter().map(|s| s.record.len() as u64).sum();
        if all.is_empty() || !store.reserve(bytes) {
            return false;
        }
        let entries = self.entries(key, all, moment);
        let good = self.judged(key, entries, stands);
        let any = store.adopt(key, good, moment.now, &self.second.marks);
        store.filled(bytes);
        any
    }

    fn entries(&self, key: &[u8], all: Vec<Stored>, moment: Moment) -> Vec<(u64, Entry)> {
        let (host, _) = halves(key);
        let mut entries = Vec::new();
        for stored in all {
            let record = Bytes::from(stored.record);
            let Ok(read) = record::read_since(&record, key, stored.since, moment) else {
                self.counts.failed.fetch_add(1, Relaxed);
                continue;
            };
            for mut entry in read {
                // Rather a second older than that changes of this second count against it.
                if entry.at < moment.now {
                    entry.at = moment.now;
                    entry.keep.age = entry.keep.age.saturating_add(1);
                }
                for group in &entry.groups {
                    self.second.marks.watch(host, &Marks::group(group));
                }
                entries.push((stored.number, entry));
            }
        }
        entries
    }

    fn judged(&self, key: &[u8], entries: Vec<(u64, Entry)>, stands: (u64, u64)) -> Vec<Entry> {
        let order = self.second.order();
        let now = order.position().map(|p| (p.epoch, p.number));
        let is_same = now == Some(stands);
        if now.is_none_or(|(epoch, _)| epoch != stands.0) {
            return Vec::new();
        }
        let mut good = Vec::new();
        for (number, entry) in entries {
            // A change of a group that was heard before the group was known here.
            if !is_same && !entry.groups.is_empty() {
                continue;
            }
            match order.judge(key, &entry.groups, number) {
                Verdict::Gone => continue,
                Verdict::Stale => entry.purged.store(true, Relaxed),
                Verdict::Good => {}
            }
            good.push(entry);
        }
        good
    }

    pub fn gauge(&self) -> SecondGauge {
        let get = |n: &AtomicU64| n.load(Relaxed);
        let c = &self.counts;
        SecondGauge {
            route: self.route.clone(),
            wrong: self.wrong().to_owned(),
            hits: get(&c.hits),
            misses: get(&c.misses),
            late: get(&c.late),
            skipped: get(&c.skipped),
            failed: get(&c.failed),
            writes: get(&c.writes),
            writes_dropped: get(&c.writes_dropped),
            too_large: get(&c.too_large),
            untold: self.second.order().waiting() as u64,
        }
    }
}
