//! Cost at work: a thread that shares prices by what the last seconds used, and keeps it in the store.
//! Without a price it only looks whether there is one.

mod askers;
mod judge;
mod metrics;
mod shown;
mod store;

use self::askers::Waiting;
use self::judge::Judged;
pub use self::shown::Shown;
use self::store::Keeper;
use crate::wire::path::Path;
use crate::wire::thread::Thread;
use crate::wire::watch::Windows;
use ::cost::{Grain, prices, seen, share};
use ::store::Embedded;
use arc_swap::ArcSwap;
use base::Window;
use config::Config;
use console::DataPath;
use control::Control;
use control::ports::{SystemWall, Wall, Windows as _};
use gateway::request::identity::charges::Charge;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

const TURN: Duration = Duration::from_secs(5);
/// Windows that one turn takes at most: more are there after the machine has slept.
const MOST_S: u64 = 3600;

/// The running thread; it stops when this is dropped, and what is known by then is stored.
pub struct Costs {
    shown: Arc<Shown>,
    _thread: Thread,
}

/// Where it is known from what happened.
pub struct Sources {
    pub windows: Windows,
    pub path: Path,
    /// Requests by route and who asked, since the last time.
    pub charges: Box<dyn Fn() -> Vec<Charge> + Send>,
}

struct Work {
    from: Sources,
    config: Arc<ArcSwap<Config>>,
    control: Weak<Control>,
    keeper: Keeper,
    shown: Arc<Shown>,
    /// Windows below this index have been taken.
    next: u64,
    judged: Judged,
    askers: Waiting,
}

impl Costs {
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        from: Sources,
        config: Arc<ArcSwap<Config>>,
        store: Arc<Embedded>,
        control: Weak<Control>,
    ) -> io::Result<Costs> {
        let keeper = Keeper::new(store);
        let shown = Arc::new(Shown::new(config.clone()));
        let now_ms = SystemWall.now_ms();
        for grain in [Grain::Minute, Grain::Hour] {
            let stored = keeper.slots(grain, now_ms);
            stored
                .into_iter()
                .for_each(|s| shown.book().restore(grain, s));
        }
        let judged = keeper.judged(now_ms).unwrap_or_default();
        shown.unusual(judged.anomalies.clone());
        let work = Work {
            judged,
            askers: Waiting::default(),
            next: from.windows.index(),
            from,
            config,
            control,
            keeper,
            shown: shown.clone(),
        };
        let _thread = Thread::start(
            "cost",
            Arc::default(),
            work,
            || TURN,
            Work::turn,
            |w| w.keeper.end(),
        )?;
        Ok(Costs { shown, _thread })
    }

    pub fn shown(&self) -> Arc<Shown> {
        self.shown.clone()
    }
}

impl Work {
    fn turn(&mut self) {
        let (now_ms, index) = (SystemWall.now_ms(), self.from.windows.index());
        let prices = prices(&self.config.load(), &self.running());
        if prices.is_empty() {
            self.next = index;
            return;
        }
        let last_s = index.saturating_sub(self.next).min(MOST_S);
        let history = self.from.windows.history(last_s);
        let fresh = (history.windows.into_iter()).filter(|w| w.index >= self.next);
        let charges = self.askers.next((self.from.charges)());
        let control = self.control.upgrade();
        let fit = control.as_ref().and_then(|c| c.view().fit.clone());
        // What the calendar shows when the process's clock shows 0.
        let begun_s = (now_ms / 1000).saturating_sub(index);
        for (minute_s, windows) in minutes(fresh, begun_s) {
            let seen = seen(
                &history.routes,
                &history.resources,
                &windows,
                fit.as_deref(),
            );
            let mut slot = share(minute_s, &prices, &seen);
            askers::name(&mut slot, &charges, &history.routes);
            self.shown.push(&slot);
            self.keep(minute_s, now_ms);
            self.next = windows.last().map_or(self.next, |w| w.index + 1);
        }
        if self
            .judged
            .turn(&self.shown.book(), control.as_deref(), now_ms / 1000)
        {
            self.shown.unusual(self.judged.anomalies.clone());
            self.keeper.keep_judged(&self.judged, now_ms);
        }
    }

    fn running(&self) -> BTreeMap<String, u32> {
        let mut all = BTreeMap::new();
        for i in self.from.path.instances() {
            *all.entry(i.service).or_default() += 1;
        }
        all
    }

    /// Stores the minute and the hour as they are now.
    fn keep(&self, at_s: u64, now_ms: u64) {
        let book = self.shown.book();
        for grain in [Grain::Minute, Grain::Hour] {
            if let Some(slot) = book.slots(grain).get(&grain.floor(at_s)) {
                self.keeper.store(grain, slot, now_ms);
            }
        }
    }
}

/// Windows by the minute in which they began.
fn minutes(
    windows: impl Iterator<Item = Arc<Window>>,
    begun_s: u64,
) -> BTreeMap<u64, Vec<Arc<Window>>> {
    let mut all: BTreeMap<u64, Vec<Arc<Window>>> = BTreeMap::new();
    for w in windows {
        let minute_s = Grain::Minute.floor(begun_s + w.index);
        all.entry(minute_s).or_default().push(w);
    }
    all
}
