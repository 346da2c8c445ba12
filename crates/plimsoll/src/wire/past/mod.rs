//! What is remembered of counts and latencies: a thread that takes what was counted every ten seconds, and stores it.
//! Nothing on the data path waits for it, and without a disk it goes on in memory.

mod counted;
mod disk;
mod kept;

pub use self::counted::Counted;
pub use self::disk::{aside, is_whole};
pub use self::kept::Kept;

use self::disk::Disk;
use crate::wire::slo::Shown;
use crate::wire::thread::Thread;
use ::past::{Bounds, FINE_MS, Past, Row, Series};
use arc_swap::ArcSwap;
use config::Config;
use config::sections::History;
use control::ports::{SystemWall, Wall};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Slots are taken just after their end.
const AFTER_MS: u64 = 2;
/// A clock that is off by more than this has been set: what is stored is read anew.
const JUMP_MS: u64 = 120_000;

/// The running thread; it stops when this is dropped, and what is counted by then is stored.
pub struct Remembered {
    kept: Arc<Kept>,
    _thread: Thread,
}

struct Work {
    counted: Arc<Mutex<Counted>>,
    slos: Arc<Shown>,
    config: Arc<ArcSwap<Config>>,
    kept: Arc<Kept>,
    disk: Disk,
    /// When the last turn was, by the wall and by a clock that nobody sets.
    last: (u64, Instant),
}

impl Remembered {
    /// Reads what is stored, on the thread of the history, then goes on from there: nobody who starts Plimsoll waits for it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        counted: Arc<Mutex<Counted>>,
        slos: Arc<Shown>,
        config: Arc<ArcSwap<Config>>,
    ) -> io::Result<Remembered> {
        let now = config.load_full();
        let kept = Arc::new(Kept::new(bounds(&now.history)));
        let mut work = Work {
            counted,
            slos,
            kept: kept.clone(),
            disk: Disk::new(file(&now), now.history.size),
            config,
            last: (SystemWall.now_ms(), Instant::now()),
        };
        let begin = move || {
            work.read(work.last.0);
            work.kept.set_known();
            work
        };
        let _thread = Thread::start_with(
            "history",
            Arc::default(),
            begin,
            || until_end(SystemWall.now_ms()),
            |w| w.turn(SystemWall.now_ms()),
            |w| w.close(SystemWall.now_ms()),
        )?;
        Ok(Remembered { kept, _thread })
    }

    pub fn kept(&self) -> Arc<Kept> {
        self.kept.clone()
    }
}

impl Work {
    /// What is stored becomes what is remembered.
    fn read(&mut self, now_ms: u64) {
        let mut past = Past::new(bounds(&self.config.load().history));
        self.disk.read(&mut past, now_ms);
        *self.kept.write() = past;
        self.kept.say(self.disk.wrong());
    }

    fn turn(&mut self, now_ms: u64) {
        let (last_ms, at) = self.last;
        let passed = at.elapsed().as_millis() as u64;
        let same_slot = now_ms / FINE_MS == last_ms / FINE_MS;
        if same_slot && passed < FINE_MS {
            return;
        }
        self.last = (now_ms, Instant::now());
        if now_ms.abs_diff(last_ms + passed) > JUMP_MS {
            tracing::warn!("the clock was set: the history is read anew");
            self.read(now_ms);
        }
        let come = self.counted();
        let rows = {
            let mut past = self.kept.write();
            past.set_bounds(bounds(&self.config.load().history));
            past.push(now_ms, come)
        };
        self.store(&rows, now_ms);
    }

    /// What came since the last turn.
    fn counted(&self) -> Vec<(Series, u64)> {
        let mut counted = self.counted.lock().unwrap_or_else(|e| e.into_inner());
        counted.take(&self.slos.watch().status())
    }

    fn store(&mut self, rows: &[Row], now_ms: u64) {
        self.disk.add(rows);
        if self.disk.try_again() {
            self.join(now_ms);
        }
        // Nobody but this thread changes it.
        self.disk.write(&self.kept.reading(), now_ms);
        self.kept.say(self.disk.wrong());
    }

    /// What was counted while the file could not be opened comes after what it holds.
    fn join(&mut self, now_ms: u64) {
        let series = self.kept.reading().series().to_vec();
        let waited = self.disk.take_waiting();
        self.read(now_ms);
        let mut past = self.kept.write();
        for row in waited {
            let named = |c: &(u32, u64)| Some((series.get(c.0 as usize)?.clone(), c.1));
            let counts = row.counts.iter().filter_map(named).collect();
            self.disk.add(&past.push_slot(row.slot, counts));
        }
    }

    fn close(&mut self, now_ms: u64) {
        let come = self.counted();
        let rows = self.kept.write().push_open(now_ms, come);
        self.store(&rows, now_ms);
    }
}

/// Until just after the end of the slot.
fn until_end(now_ms: u64) -> Duration {
    Duration::from_millis(FINE_MS - now_ms % FINE_MS + AFTER_MS)
}

fn bounds(history: &History) -> Bounds {
    let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    Bounds {
        counts_ms: ms(history.counts),
        buckets_ms: ms(history.histograms),
        bytes: usize::try_from(history.size).unwrap_or(usize::MAX),
    }
}

pub fn file(config: &Config) -> PathBuf {
    let own = config.history.path.clone();
    own.unwrap_or_else(|| config.data_dir.join("history.db"))
}
