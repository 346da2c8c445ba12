//! The threads that wait for disks, so that no traffic thread does: some that read, one that writes. Their queues are
//! bounded, and who finds one full goes on without.

use super::keeper::Job;
use super::reader::Reading;
use super::{Disk, keeper};
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

const READERS: usize = 3;
/// Reads that wait for a thread.
const READS: usize = 256;
/// Writes that wait; their bytes are bounded beside.
const WRITES: usize = 256;
/// How often a folder that could not be opened is tried again, and lines are written that nobody waits for.
const TICK: Duration = Duration::from_millis(200);
/// How often who insists looks for a place in the queue.
const LOOK: Duration = Duration::from_millis(1);

pub struct Pool {
    reads: SyncSender<Reading>,
    writes: SyncSender<Job>,
    disks: Mutex<Vec<Weak<Disk>>>,
}

impl Pool {
    /// Its threads end when nobody has it any more.
    pub fn start() -> io::Result<Arc<Pool>> {
        let (reads, read) = mpsc::sync_channel(READS);
        let (writes, written) = mpsc::sync_channel(WRITES);
        let pool = Arc::new(Pool {
            reads,
            writes,
            disks: Mutex::default(),
        });
        let read = Arc::new(Mutex::new(read));
        for n in 0..READERS {
            let read = read.clone();
            let name = format!("cache-read-{n}");
            Builder::new().name(name).spawn(move || reader(&read))?;
        }
        let of = Arc::downgrade(&pool);
        let writer = move || writer(&written, &of);
        Builder::new().name("cache-write".into()).spawn(writer)?;
        Ok(pool)
    }

    /// False: it is refused.
    pub fn read(&self, reading: Reading) -> bool {
        self.reads.try_send(reading).is_ok()
    }

    /// The same.
    pub fn write(&self, job: Job) -> bool {
        self.writes.try_send(job).is_ok()
    }

    /// Waits for a place in the queue; not for traffic threads. False: there was none in time.
    pub fn insist(&self, mut job: Job, until: Instant) -> bool {
        loop {
            job = match self.writes.try_send(job) {
                Err(TrySendError::Full(job)) if Instant::now() < until => job,
                sent => return sent.is_ok(),
            };
            thread::sleep(LOOK);
        }
    }

    /// A disk that is to be looked after.
    pub fn add(&self, disk: &Arc<Disk>) {
        let mut disks = self.disks();
        disks.retain(|d| d.strong_count() > 0);
        disks.push(Arc::downgrade(disk));
    }

    fn disks(&self) -> MutexGuard<'_, Vec<Weak<Disk>>> {
        self.disks.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn all(&self) -> Vec<Arc<Disk>> {
        self.disks().iter().filter_map(Weak::upgrade).collect()
    }
}

fn reader(read: &Mutex<Receiver<Reading>>) {
    loop {
        let next = read.lock().unwrap_or_else(|e| e.into_inner()).recv();
        match next {
            Ok(reading) => reading.run(),
            Err(_) => return,
        }
    }
}

fn writer(jobs: &Receiver<Job>, pool: &Weak<Pool>) {
    loop {
        match jobs.recv_timeout(TICK) {
            Ok(job) => job.run(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some(pool) = pool.upgrade() else { return };
        pool.all().iter().for_each(keeper::tend);
    }
}
