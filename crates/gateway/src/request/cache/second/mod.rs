//! What several nodes have together: a second level behind memory and disk, on `engines.shared`.
//!
//! `change` is what nodes tell each other, `order` what a node knows of it and what that says of an answer, `news` the thread that
//! tells and hears; `level` is one route's part, `fetch` a request's wait for it, `writer` the thread that stores. Nothing of it waits
//! on a traffic thread, and without the engine each node goes on with what it has.

mod change;
mod fetch;
mod level;
mod news;
mod order;
mod writer;

pub use self::fetch::Outcome;
pub use self::level::{Level, SecondGauge};

use self::change::Change;
use self::order::Order;
use super::{Disks, Marks, Purge, Store};
use crate::gate::{Kept, Making, Moment};
use base::Nanos;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use store::SecondLevel;

/// Who has not heard for so long asks nobody: what is there may be out of date.
const FRESH: Duration = Duration::from_secs(1);

/// One for all routes.
pub struct Second {
    engine: OnceLock<Arc<dyn SecondLevel>>,
    /// When the gateway's clock showed what.
    clock: OnceLock<(Instant, Nanos)>,
    /// Some route has a level; else nothing here costs anything.
    any: AtomicBool,
    order: Mutex<Order>,
    /// There is something to tell.
    wake: Condvar,
    levels: Mutex<Vec<Weak<Level>>>,
    writer: OnceLock<SyncSender<writer::Job>>,
    marks: Arc<Marks>,
    disks: Arc<Disks>,
    /// When news was last heard, on the gateway's clock; 0: never, or not since it failed.
    heard_at: AtomicU64,
}

/// What tells this process from all other nodes; not 0. The seed of a hasher is random.
fn node() -> u64 {
    RandomState::new().hash_one(std::process::id()).max(1)
}

impl Second {
    pub fn of(kept: &Kept) -> Arc<Second> {
        let marks = kept.get("cache", Marks::default);
        let disks = Disks::of(kept);
        kept.get("cache", || Second {
            engine: OnceLock::new(),
            clock: OnceLock::new(),
            any: AtomicBool::new(false),
            order: Mutex::new(Order::new(node())),
            wake: Condvar::new(),
            levels: Mutex::default(),
            writer: OnceLock::new(),
            marks,
            disks,
            heard_at: AtomicU64::new(0),
        })
    }

    /// Where the answers are; set once, by whoever owns the gateway.
    pub fn set_engine(&self, engine: Arc<dyn SecondLevel>) {
        let _ = self.engine.set(engine);
    }

    /// The route's part; `None` where no thread can be had.
    pub fn open(
        self: &Arc<Self>,
        m: &Making<'_>,
        config: &config::sections::CacheShared,
        store: &Arc<Store>,
    ) -> Option<Arc<Level>> {
        self.clock.get_or_init(|| (Instant::now(), m.moment.now));
        if self.writer.get().is_none() {
            let started = writer::start().and_then(|queue| {
                let _ = self.writer.set(queue);
                news::start(self)
            });
            started
                .inspect_err(|e| tracing::error!(error = %e, "no threads for shared caches"))
                .ok()?;
        }
        let mut is_new = false;
        let level = m.kept.get(&m.route.name, || {
            is_new = true;
            Level::new(self, &m.route.name, store)
        });
        level.set(config);
        if is_new {
            let mut levels = self.levels.lock().unwrap_or_else(|e| e.into_inner());
            levels.retain(|l| l.strong_count() > 0);
            levels.push(Arc::downgrade(&level));
            self.any.store(true, Relaxed);
        }
        Some(level)
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn moment(&self) -> Moment {
        let (since, then) = *self.clock.get_or_init(|| (Instant::now(), Nanos::ZERO));
        Moment {
            now: then + since.elapsed(),
            unix: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    fn levels(&self) -> Vec<Arc<Level>> {
        let levels = self.levels.lock().unwrap_or_else(|e| e.into_inner());
        levels.iter().filter_map(Weak::upgrade).collect()
    }

    /// News is heard, so that what is there can be judged.
    fn is_usable(&self, now: Nanos) -> bool {
        let heard = self.heard_at.load(Relaxed);
        heard > 0 && now.since(Nanos(heard)) <= FRESH
    }

    /// `path` is without query. Never waits.
    pub fn path_changed(&self, host: &[u8], path: &[u8]) {
        self.say(|| Change::path(host, path));
    }

    pub fn group_changed(&self, host: &[u8], group: &str) {
        self.say(|| Change::group(host, group));
    }

    pub fn purged(&self, purge: &Purge) {
        self.say(|| Change::Purge(purge.clone()));
    }

    fn say(&self, change: impl FnOnce() -> Change) {
        if self.any.load(Relaxed) {
            self.order().say(change());
            self.wake.notify_one();
        }
    }

    /// Changes that other nodes have not been told yet; `None`: nothing is shared.
    pub fn untold(&self) -> Option<usize> {
        (self.any.load(Relaxed)).then(|| self.order().waiting())
    }

    pub fn gauges(&self) -> Vec<SecondGauge> {
        let mut all: Vec<_> = self.levels().iter().map(|l| l.gauge()).collect();
        all.sort_by(|a, b| a.route.cmp(&b.route));
        all
    }
}
