//! Objectives at work: a thread that counts and judges once a second, keeps it in the store, and tells the notifiers.

pub mod context;
mod incidents;
mod metrics;
mod notify;
mod shown;
mod store;

use self::incidents::Incidents;
use self::notify::Notifiers;
pub use self::shown::Shown;
use self::store::Keeper;
use crate::wire::path::Path;
use crate::wire::thread::Thread;
use crate::wire::watch::Answered;
use ::slo::machine::Turn;
use ::slo::{Change, Kind, Objective, Scope, Tick, Watch, objectives};
use ::store::Embedded;
use arc_swap::ArcSwap;
use base::RouteIx;
use config::Config;
use console::DataPath;
use control::Control;
use control::ports::{SystemWall, Wall};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;
use telemetry::answers::{Answers, Limits, of};

const SECOND: Duration = Duration::from_secs(1);
/// Requests that are open for longer are told by the gateway before they end.
const HANGS: Duration = Duration::from_secs(10);

/// The running thread; it stops when this is dropped, and what is counted by then is stored.
pub struct Slos {
    shown: Arc<Shown>,
    /// Ends first: the last that it wrote is stored by the other.
    _incidents: Incidents,
    _thread: Thread,
}

/// What the thread works with.
struct Work {
    answered: Answered,
    path: Path,
    config: Arc<ArcSwap<Config>>,
    /// The configuration whose objectives are watched.
    known: Option<Arc<Config>>,
    control: Weak<Control>,
    keeper: Keeper,
    shown: Arc<Shown>,
    notifiers: Notifiers,
    /// Requests that hung a second ago.
    stuck: BTreeMap<RouteIx, u32>,
}

impl Slos {
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        answered: Answered,
        path: Path,
        config: Arc<ArcSwap<Config>>,
        store: Arc<Embedded>,
        shown: Arc<Shown>,
        control: Weak<Control>,
        file: PathBuf,
    ) -> io::Result<Slos> {
        let stop = Arc::new(AtomicBool::new(false));
        let keeper = Keeper::new(store);
        let notifiers = Notifiers::new(shown.clone(), stop.clone());
        let incidents = (shown.clone(), config.clone(), file, control.clone());
        let mut work = Work {
            answered,
            path,
            config,
            known: None,
            control,
            keeper,
            shown: shown.clone(),
            notifiers,
            stuck: BTreeMap::new(),
        };
        // Before traffic comes: from the first answer on it is known what is late.
        work.open();
        let _thread = Thread::start("slo", stop, work, || SECOND, Work::turn, Work::close)?;
        let (theirs, config, file, control) = incidents;
        let _incidents = Incidents::start(theirs, config, file, control)?;
        Ok(Slos {
            shown,
            _incidents,
            _thread,
        })
    }

    pub fn shown(&self) -> Arc<Shown> {
        self.shown.clone()
    }
}

impl Work {
    fn open(&mut self) {
        let now_ms = SystemWall.now_ms();
        let shown = self.shown.clone();
        let mut watch = shown.watch();
        let (names, alerts) = self.keeper.begin(now_ms);
        watch.restore(names, alerts);
        let changes = self.configure(&mut watch, now_ms);
        self.changed(&watch, &changes, now_ms);
        watch.rows(&self.keeper.rows(now_ms));
        self.answered
            .take(&limits(watch.list(), &self.config.load()));
    }

    /// Takes a configuration that is new; alerts may end by it.
    fn configure(&mut self, watch: &mut Watch, now_ms: u64) -> Vec<Change> {
        let config = self.config.load_full();
        if self.known.as_ref().is_some_and(|k| Arc::ptr_eq(k, &config)) {
            return Vec::new();
        }
        let changes = watch.objectives(objectives(&config), now_ms);
        self.keeper.names(watch.names(), now_ms);
        self.notifiers.configure(&config.alerts);
        self.known = Some(config);
        changes
    }

    fn turn(&mut self) {
        let (now_ms, shown) = (SystemWall.now_ms(), self.shown.clone());
        let mut watch = shown.watch();
        let mut changes = self.configure(&mut watch, now_ms);
        let config = self.config.load_full();
        let come = self.answered.take(&limits(watch.list(), &config));
        let stuck = self.newly_stuck();
        let rows = watch.push(now_ms, |o| tick(o, &config, &self.answered, &come, &stuck));
        let control = self.control.upgrade();
        let catalog = self.shown.catalog();
        changes.extend(watch.evaluate(|o| {
            let response = context::response(o, &config, catalog.as_deref(), Timestamp::now());
            let instances = self.path.instances();
            context::of(control.as_deref(), &instances, o, response)
        }));
        self.changed(&watch, &changes, now_ms);
        for gone in watch.forget() {
            self.keeper.forget(&gone, now_ms);
        }
        for id in self.shown.untold() {
            if let Some(a) = watch.alerts().iter().find(|a| a.id == id) {
                self.keeper.alert(a, now_ms);
            }
        }
        drop(watch);
        self.keeper.store(&rows, now_ms);
        self.notifiers.wake(!changes.is_empty());
    }

    /// Says and stores which alerts have begun or ended.
    fn changed(&self, watch: &Watch, changes: &[Change], now_ms: u64) {
        for change in changes {
            if let Some(a) = watch.alerts().iter().find(|a| a.id == change.alert) {
                match change.turn {
                    Turn::Fires => tracing::warn!("{}: {}", a.severity.word(), a.summary),
                    Turn::Ends => tracing::info!("{}: {}", a.severity.word(), a.summary),
                }
                self.keeper.alert(a, now_ms);
            }
        }
    }

    fn close(&mut self) {
        self.turn();
        let now_ms = SystemWall.now_ms();
        let row = self.shown.watch().open_row();
        self.keeper.store(&[row], now_ms);
        self.keeper.end();
    }

    /// How many more hang than a second ago, by route: each request is counted once on its way.
    fn newly_stuck(&mut self) -> BTreeMap<RouteIx, u64> {
        let now: BTreeMap<RouteIx, u32> = self.answered.stuck().into_iter().collect();
        let before = std::mem::replace(&mut self.stuck, now);
        let more = |(r, n): (&RouteIx, &u32)| {
            let more = n.saturating_sub(before.get(r).copied().unwrap_or(0));
            (*r, u64::from(more))
        };
        self.stuck.iter().map(more).collect()
    }
}

/// Time limits by route: its own, and its service's.
fn limits<'a>(
    list: impl Iterator<Item = &'a Objective>,
    config: &'a Config,
) -> BTreeMap<&'a str, Limits> {
    let mut limits: BTreeMap<&str, Limits> = BTreeMap::new();
    for o in list {
        let Kind::Latency { within } = o.kind else {
            continue;
        };
        match o.scope {
            Scope::Route => limits.entry(&o.name).or_default()[0] = Some(within),
            Scope::Service => {
                for r in config.routes.iter().filter(|r| r.to == o.name) {
                    limits.entry(&r.name).or_default()[1] = Some(within);
                }
            }
        }
    }
    limits
}

/// What came for an objective: of its route, or of all routes to its service. A request that hangs is late only
/// where the objective allows less than that; it has not failed.
fn tick(
    o: &Objective,
    config: &Config,
    answered: &Answered,
    come: &[Answers],
    stuck: &BTreeMap<RouteIx, u64>,
) -> Tick {
    let (place, mut tick) = (usize::from(o.scope == Scope::Service), Tick::default());
    let mine = config.routes.iter().filter(|r| match o.scope {
        Scope::Route => r.name == o.name,
        Scope::Service => r.to == o.name,
    });
    for ix in mine.filter_map(|r| answered.route(&r.name)) {
        let a = of(come, ix);
        tick.total += a.total;
        match o.kind {
            Kind::Latency { within } => {
                tick.bad += a.bad[place];
                if within <= HANGS {
                    tick.stuck += stuck.get(&ix).copied().unwrap_or(0);
                }
            }
            Kind::Availability => tick.bad += a.failed,
        }
    }
    tick
}
