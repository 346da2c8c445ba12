//! The disks of all routes: what changes reaches each, whichever route's cache it may be in.

use super::keeper::Job;
use super::line::{self, Line};
use super::pool::Pool;
use super::{Counts, Disk, Doubt, group_number};
use crate::gate::{Kept, Making};
use crate::request::cache::{Marks, Store};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// What a disk shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DiskGauge {
    pub route: String,
    pub path: PathBuf,
    /// Why there is memory only; empty: there is not.
    pub wrong: String,
    /// The index is not there yet.
    pub opening: bool,
    pub records: u64,
    pub bytes: u64,
    pub size: u64,
    pub hits: u64,
    pub reads_refused: u64,
    /// Waits that took too long.
    pub late: u64,
    pub writes: u64,
    pub writes_refused: u64,
    /// Records that had to make room.
    pub evicted: u64,
    /// Records that were not what had been written.
    pub damaged: u64,
}

/// All disks, for what changes whichever route's cache it may be in.
#[derive(Default)]
pub struct Disks {
    pool: OnceLock<Arc<Pool>>,
    any: AtomicBool,
}

impl Disks {
    pub fn of(kept: &Kept) -> Arc<Disks> {
        kept.get("cache", Disks::default)
    }

    /// None has one; then nothing here costs anything.
    fn all(&self) -> Vec<Arc<Disk>> {
        match self.any.load(Relaxed) {
            true => self.pool.get().map(|p| p.all()).unwrap_or_default(),
            false => Vec::new(),
        }
    }

    /// The disk of a route, opened behind the caller's back; `None` where no thread can be had.
    pub fn open(
        &self,
        m: &Making<'_>,
        config: &config::sections::CacheDisk,
        store: &Arc<Store>,
        marks: &Arc<Marks>,
    ) -> Option<Arc<Disk>> {
        if self.pool.get().is_none() {
            let pool = Pool::start()
                .inspect_err(|e| tracing::error!(error = %e, "no threads for cache disks"));
            let _ = self.pool.set(pool.ok()?);
        }
        let pool = self.pool.get()?;
        let path = config.path.join(&m.route.name);
        let mut new = false;
        let disk = m.kept.get(&format!("{}", path.display()), || {
            new = true;
            Disk {
                route: m.route.name.clone(),
                path,
                size: AtomicU64::new(config.size),
                store: Arc::downgrade(store),
                marks: marks.clone(),
                pool: pool.clone(),
                clock: (Instant::now(), m.moment.now),
                state: Mutex::default(),
                folder: Mutex::default(),
                queued: AtomicU64::new(0),
                bytes: AtomicU64::new(0),
                counts: Counts::default(),
                is_opened: AtomicBool::new(false),
                late: AtomicU32::new(0),
            }
        });
        disk.size.store(config.size, Relaxed);
        if new {
            pool.add(&disk);
            self.any.store(true, Relaxed);
            // Has the thread look at it now.
            pool.write(Job::Note(disk.clone()));
        }
        Some(disk)
    }

    /// An unsafe request is about to be sent: wait for what is given before it goes.
    pub fn doubt(&self, host: &[u8], path: &[u8]) -> Vec<Doubt> {
        let all = self.all();
        let doubts = all.into_iter().filter_map(|d| {
            let told = d.doubt(host, path)?;
            Some(Doubt(d, told))
        });
        doubts.collect()
    }

    pub fn changed(&self, host: &[u8], path: &[u8]) {
        for disk in self.all() {
            let path = line::number(&[&host.to_ascii_lowercase(), path]);
            disk.line(Line::Path { path }, |i| i.concerns(path));
        }
    }

    pub fn group_changed(&self, host: &[u8], group: &str) {
        for disk in self.all() {
            let group = group_number(host, group);
            disk.line(Line::Group { group }, |i| i.concerns_group(group));
        }
    }

    /// Leaves all folders to the next process, and returns when that is so or after `longest`.
    pub fn close(&self, longest: Duration) {
        let until = Instant::now() + longest;
        for disk in self.all() {
            let (tell, told) = std::sync::mpsc::sync_channel(1);
            if disk.pool.write(Job::Close(disk.clone(), tell)) {
                let _ = told.recv_timeout(until.saturating_duration_since(Instant::now()));
            }
        }
    }

    pub fn gauges(&self) -> Vec<DiskGauge> {
        let mut all: Vec<DiskGauge> = self.all().iter().map(|d| d.gauge()).collect();
        all.sort_by(|a, b| a.route.cmp(&b.route));
        all
    }
}
