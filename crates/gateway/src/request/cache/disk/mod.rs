//! What a route's memory has no room for, on disk: a second tier that no traffic thread ever waits for by blocking.
//!
//! `line` is what the index files hold, `index` the fold over it, `record` what the data files hold, `folder` the files.
//! `reader` brings a record back into memory, `keeper` writes, `purging` takes out; they run on the threads of `pool`. `Disk` is what gates
//! and the store call, `disks` all of them; nothing of it waits.

mod disks;
mod folder;
mod index;
mod keeper;
pub(super) mod line;
mod pool;
mod purging;
mod reader;
pub(super) mod record;
mod state;
#[cfg(test)]
mod tests;
mod wait;

pub use self::disks::{DiskGauge, Disks};
use self::index::{Index, Slot};
use self::keeper::Job;
use self::line::Line;
use self::pool::Pool;
use self::reader::Reading;
use self::state::{Phase, State};
use self::wait::{Awaited, Doubt};
use super::{Entry, Marks, Purge, Store};
use crate::gate::Moment;
use base::{Arm, Nanos};
use folder::Folder;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot::{self, Receiver};

/// Longest time until a purge is done; then the disk is given up, because what it holds may be out of date.
const PURGED: Duration = Duration::from_secs(10);
const SILENT: &str = "it does not answer";
/// Requests that wait for one record.
const WAITING: usize = 4096;
/// Changes that wait to be written down; with more the disk is given up, because it does not answer.
const PENDING: usize = 1 << 14;
const BEHIND: &str = "changes cannot be written down as fast as they come";
/// Bytes that wait to be written; one record at least may.
const QUEUED: u64 = 16 << 20;
/// One record for every so many bytes at most: an index costs about 200 bytes of memory for each.
const PER_RECORD: u64 = 8 << 10;
/// Whatever the size.
const RECORDS: u64 = 1 << 20;

/// The disk of one route's cache.
pub struct Disk {
    pub route: String,
    path: PathBuf,
    size: AtomicU64,
    store: Weak<Store>,
    marks: Arc<Marks>,
    pool: Arc<Pool>,
    /// When the gateway's clock showed what.
    clock: (Instant, Nanos),
    state: Mutex<State>,
    /// Of the thread that writes.
    folder: Mutex<Option<Folder>>,
    queued: AtomicU64,
    bytes: AtomicU64,
    counts: Counts,
    /// A thread is at it.
    is_opened: AtomicBool,
    /// Requests in a row that waited too long.
    late: AtomicU32,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    reads_refused: AtomicU64,
    late: AtomicU64,
    writes: AtomicU64,
    writes_refused: AtomicU64,
    evicted: AtomicU64,
    damaged: AtomicU64,
}

fn group_number(host: &[u8], group: &str) -> u64 {
    line::number(&[b"group", &host.to_ascii_lowercase(), group.as_bytes()])
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.clock.1 + self.clock.0.elapsed(),
            unix: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// A request was answered with what came from here.
    pub fn hit(&self) {
        self.counts.hits.fetch_add(1, Relaxed);
    }

    pub fn holds(&self, key: &[u8]) -> bool {
        self.state().index.find(line::number(&[key])).is_some()
    }

    /// Has the key's record brought into memory, if there is one; wait for `Awaited::over`, then look there.
    pub fn fetch(self: &Arc<Self>, key: &[u8]) -> Option<Awaited> {
        let number = line::number(&[key]);
        let mut state = self.state();
        let slot = state.index.find(number)?;
        let (tell, told) = oneshot::channel();
        let waiting = match state.reading.get_mut(&number) {
            Some(waiting) if waiting.len() < WAITING => {
                waiting.push(tell);
                true
            }
            Some(_) => false,
            None => {
                let reading = self.reading(&state, key, slot);
                let taken = reading.is_some_and(|r| self.pool.read(r));
                if taken {
                    state.reading.insert(number, vec![tell]);
                }
                taken
            }
        };
        drop(state);
        if !waiting {
            self.counts.reads_refused.fetch_add(1, Relaxed);
            return None;
        }
        Some(Awaited(self.clone(), told))
    }

    /// The same, done at once by the caller, who may wait for the disk.
    pub fn fetch_here(self: &Arc<Self>, key: &[u8]) {
        let state = self.state();
        let slot = state.index.find(line::number(&[key]));
        let reading = slot.and_then(|s| self.reading(&state, key, s));
        drop(state);
        if let Some(reading) = reading {
            reading.run();
        }
    }

    fn reading(self: &Arc<Self>, state: &State, key: &[u8], slot: Slot) -> Option<Reading> {
        let store = self.store.upgrade()?;
        let file = state.files.get(&slot.segment)?.clone();
        Reading::new(self.clone(), store, key.into(), slot, file)
    }

    /// Evicted from memory: it is written, if there is room in the queue.
    pub fn keep(self: &Arc<Self>, key: Box<[u8]>, variants: Vec<Arc<Entry>>) {
        if !self.wants(&key, &variants) {
            return;
        }
        let number = line::number(&[&key]);
        let bytes: u64 = key.len() as u64 + variants.iter().map(|e| e.bytes()).sum::<u64>();
        let mut state = self.state();
        let add = |n: u64| (n == 0 || n + bytes <= QUEUED).then_some(n + bytes);
        let room = || self.queued.fetch_update(Relaxed, Relaxed, add).is_ok();
        if state.phase == Phase::Open && room() {
            state.writes += 1;
            let write = state.writes;
            let job = Job::Write {
                disk: self.clone(),
                key,
                variants,
                write,
                bytes,
            };
            state.writing.insert(number, write);
            if self.pool.write(job) {
                return;
            }
            state.writing.remove(&number);
        }
        drop(state);
        self.counts.writes_refused.fetch_add(1, Relaxed);
    }

    /// Not what came from here and is no different, and not a canary's answers: the next one has the same number.
    fn wants(&self, key: &[u8], variants: &[Arc<Entry>]) -> bool {
        let there = self.state().index.find(line::number(&[key]));
        let same = there.is_some_and(|s| variants.iter().all(|v| v.record == s.line));
        key.first() == Some(&Arm::BASE.0) && !same
    }

    /// Memory has something newer, or nothing is to be had any more.
    pub fn replaced(&self, key: &[u8]) {
        let key = line::number(&[key]);
        self.state().writing.remove(&key);
        self.line(Line::Drop { key }, |i| i.find(key).is_some());
    }

    /// Purges what is there or on its way, and tells how many answers were here alone. Waits for the disk: not for traffic
    /// threads.
    pub fn purge(self: &Arc<Self>, purge: &Purge) -> u64 {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let until = Instant::now() + PURGED;
        let job = Job::Purge(self.clone(), purge.clone(), tell);
        let left = || until.saturating_duration_since(Instant::now());
        if self.pool.insist(job, until)
            && let Ok(n) = told.recv_timeout(left())
        {
            return n;
        }
        self.break_down(SILENT);
        0
    }

    /// Takes a line into the index, and writes it down soon, where `matters` says that it changes anything.
    fn line(&self, line: Line, matters: impl FnOnce(&Index) -> bool) {
        let mut state = self.state();
        let matters = match state.phase {
            Phase::Open => matters(&state.index),
            Phase::Opening => true,
            Phase::Broken(..) | Phase::Closed => false,
        };
        if !matters {
            return;
        }
        if state.pending.len() >= PENDING {
            drop(state);
            return self.break_down(BEHIND);
        }
        if state.phase == Phase::Open {
            state.index.apply(&line, 0, false);
        }
        state.pending.push(line);
    }

    fn doubt(self: &Arc<Self>, host: &[u8], path: &[u8]) -> Option<Receiver<()>> {
        let path = line::number(&[&host.to_ascii_lowercase(), path]);
        let mut state = self.state();
        if state.phase != Phase::Open || !state.index.trusts(path) {
            return None;
        }
        if state.pending.len() >= PENDING {
            drop(state);
            self.break_down(BEHIND);
            return None;
        }
        let line = Line::Doubt { path };
        state.index.apply(&line, 0, false);
        state.pending.push(line);
        let (tell, told) = oneshot::channel();
        state.noted.push(tell);
        drop(state);
        // With a full queue the thread has work, and looks after this when it has done the next of it.
        self.pool.write(Job::Note(self.clone()));
        Some(told)
    }

    /// Memory only from now on. What is on disk is not trusted again.
    fn break_down(&self, why: &str) {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Open | Phase::Opening) {
            return;
        }
        tracing::error!(route = self.route, path = %self.path.display(), why, "the cache goes on in memory only");
        state.give_up(Phase::Broken(why.to_owned(), Instant::now()));
    }

    fn records(&self) -> u64 {
        (self.size.load(Relaxed) / PER_RECORD).min(RECORDS)
    }

    fn gauge(&self) -> DiskGauge {
        let state = self.state();
        let get = |n: &AtomicU64| n.load(Relaxed);
        let c = &self.counts;
        DiskGauge {
            route: self.route.clone(),
            path: self.path.clone(),
            wrong: match &state.phase {
                Phase::Broken(why, _) => why.clone(),
                _ => String::new(),
            },
            opening: state.phase == Phase::Opening,
            records: state.index.len() as u64,
            bytes: get(&self.bytes),
            size: get(&self.size),
            hits: get(&c.hits),
            reads_refused: get(&c.reads_refused),
            late: get(&c.late),
            writes: get(&c.writes),
            writes_refused: get(&c.writes_refused),
            evicted: get(&c.evicted),
            damaged: get(&c.damaged),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // From now on changes pass that nobody writes down.
        let folder = self.folder.get_mut().unwrap_or_else(|e| e.into_inner());
        if folder.is_some() {
            folder::give_up(&self.path);
        }
    }
}
