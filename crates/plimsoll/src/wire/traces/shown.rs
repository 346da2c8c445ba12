//! What the thread of the traces shares with the receiver, telemetry and the console.

use super::Queue;
use super::places::Places;
use ::traces::pace::{WHYS, why};
use ::traces::row::{LIST, Place, key_of, place_of};
use ::traces::{Ask, Fates, Found, Hold, Line, Lines, Unpacker, View, Wanted, hex};
use arc_swap::ArcSwap;
use base::clock::Clock;
use base::{Finding, Nanos};
use control::ports::{SystemWall, Wall};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use store::{Embedded, Error, Kv, entries};
use telemetry::prometheus::Page;

/// Rows that are read at once, and for one answer at most: then it says where to go on.
const PAGE: usize = 500;
const LOOK: usize = 40_000;

pub struct Kept {
    clock: Clock,
    hold: Mutex<Hold>,
    lines: Mutex<Lines>,
    queue: Mutex<Queue>,
    /// Only the thread that writes opens and closes it.
    store: RwLock<Option<Embedded>>,
    standing: Mutex<Standing>,
    /// Of what is stored.
    places: Mutex<Places>,
    /// By `WHYS`: traces that gave way to the rate.
    dropped: [AtomicU64; WHYS.len()],
    /// Requests that were to be kept and are not.
    lost: AtomicU64,
    /// Requests that were kept, and nothing was told of them beside their sample.
    bare: AtomicU64,
    wanted: ArcSwap<Wanted>,
}

#[derive(Default)]
struct Standing {
    traces: usize,
    bytes: u64,
    size: u64,
    /// Why nothing is stored now.
    wrong: Option<String>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

impl Kept {
    pub fn new(clock: Clock, queue: Queue, wanted: Wanted) -> Kept {
        Kept {
            clock,
            hold: Mutex::default(),
            lines: Mutex::default(),
            queue: Mutex::new(queue),
            store: RwLock::default(),
            standing: Mutex::default(),
            places: Mutex::default(),
            dropped: Default::default(),
            lost: AtomicU64::new(0),
            bare: AtomicU64::new(0),
            wanted: ArcSwap::from_pointee(wanted),
        }
    }

    /// Attributes of services' spans that are kept, from now on.
    pub fn want(&self, wanted: Wanted) {
        if **self.wanted.load() != wanted {
            self.wanted.store(Arc::new(wanted));
        }
    }

    pub fn attributes(&self) -> Arc<Wanted> {
        self.wanted.load_full()
    }

    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    pub fn hold(&self) -> MutexGuard<'_, Hold> {
        lock(&self.hold)
    }

    pub fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    pub fn store(&self) -> RwLockWriteGuard<'_, Option<Embedded>> {
        self.store.write().unwrap_or_else(|e| e.into_inner())
    }

    pub fn reading(&self) -> RwLockReadGuard<'_, Option<Embedded>> {
        self.store.read().unwrap_or_else(|e| e.into_inner())
    }

    pub fn places(&self) -> MutexGuard<'_, Places> {
        lock(&self.places)
    }

    /// More was to be written than may be in a second; `label`: why the trace was to be kept.
    pub fn drop_one(&self, label: &str) {
        if let Some(count) = self.dropped.get(why(label)) {
            count.fetch_add(1, Relaxed);
        }
    }

    fn dropped(&self) -> [u64; WHYS.len()] {
        std::array::from_fn(|i| self.dropped.get(i).map_or(0, |n| n.load(Relaxed)))
    }

    pub fn lose(&self, n: u64) {
        self.lost.fetch_add(n, Relaxed);
    }

    pub fn bare(&self) {
        self.bare.fetch_add(1, Relaxed);
    }

    pub fn count<'a>(&self, all: impl Iterator<Item = &'a Line>) {
        let mut lines = lock(&self.lines);
        all.for_each(|l| lines.count(&l.service, l.severity));
    }

    /// How much is stored, of how much.
    pub fn stand(&self, traces: usize, bytes: u64, size: u64) {
        let mut standing = lock(&self.standing);
        (standing.traces, standing.bytes, standing.size) = (traces, bytes, size);
    }

    /// Says what is wrong with the disk, once.
    pub fn say(&self, wrong: Option<String>) {
        let mut standing = lock(&self.standing);
        if standing.wrong == wrong {
            return;
        }
        match &wrong {
            Some(why) => tracing::error!("{why}"),
            None => tracing::info!("traces are kept again"),
        }
        standing.wrong = wrong;
    }

    pub fn metrics(&self) -> String {
        let counts = self.hold().counts;
        let mut page = Page::default();
        {
            let standing = lock(&self.standing);
            let wrong = f64::from(u8::from(standing.wrong.is_some()));
            for (name, kind, help, value) in [
                (
                    "plimsoll_traces_kept_total",
                    "counter",
                    "Traces that were picked to be kept.",
                    counts.traces as f64,
                ),
                (
                    "plimsoll_traces_lost_total",
                    "counter",
                    "Requests or traces that were to be kept and found no room, or no disk.",
                    self.lost.load(Relaxed) as f64,
                ),
                (
                    "plimsoll_traces_bare_total",
                    "counter",
                    "Requests of which more were to be told than telemetry could take: without path, client and decisions.",
                    self.bare.load(Relaxed) as f64,
                ),
                (
                    "plimsoll_traces_stored",
                    "gauge",
                    "Traces on the disk.",
                    standing.traces as f64,
                ),
                (
                    "plimsoll_traces_bytes",
                    "gauge",
                    "Disk that they take.",
                    standing.bytes as f64,
                ),
                (
                    "plimsoll_traces_not_stored",
                    "gauge",
                    "Whether none are stored, as the disk fails.",
                    wrong,
                ),
            ] {
                page.family(name, kind, help);
                page.row("", &[], value);
            }
        }
        page.family(
            "plimsoll_traces_dropped_total",
            "counter",
            "Traces that were not written, as no more is in a second than `traces.rate`, by why they were to be kept.",
        );
        for (why, n) in WHYS.into_iter().zip(self.dropped()) {
            page.row("", &[("why", why)], n as f64);
        }
        page.family(
            "plimsoll_otlp_kept_total",
            "counter",
            "Spans and log lines of services: kept with a trace, let go with it, of no known request, left out of a full one, without a trace.",
        );
        for (signal, fates) in [("spans", counts.spans), ("logs", counts.lines)] {
            for (fate, n) in named(&fates) {
                page.row("", &[("signal", signal), ("fate", fate)], n as f64);
            }
        }
        let lines = lock(&self.lines);
        if lines.all().next().is_some() {
            page.family(
                "plimsoll_otlp_log_lines_total",
                "counter",
                "Log lines that services sent, kept or not.",
            );
            for (service, severity, n) in lines.all() {
                let labels = [("service", service), ("severity", severity.word())];
                page.row("", &labels, n as f64);
            }
        }
        page.finish()
    }

    fn with_store<T>(
        &self,
        ask: impl FnOnce(&Embedded) -> Result<T, Error>,
    ) -> Result<T, Vec<Finding>> {
        let said = |what: String| {
            vec![Finding::error("traces-away", what).help("`plimsoll status` says why")]
        };
        match &*self.reading() {
            Some(store) => ask(store).map_err(|e| said(format!("traces cannot be read: {e}"))),
            None => Err(said("the file of traces is not open now".into())),
        }
    }
}

fn named(f: &Fates) -> [(&'static str, u64); 5] {
    [
        ("kept", f.kept),
        ("let_go", f.let_go),
        ("undecided", f.undecided),
        ("left_out", f.left_out),
        ("alone", f.alone),
    ]
}

fn unpacker() -> Result<Unpacker, Error> {
    let none = |e| Error::Stopped(format!("no memory to read traces: {e}"));
    Unpacker::new().map_err(none)
}

/// Through the whole list, as long as nobody knows what is in the file.
fn look_for(store: &Embedded, id: u128, now_ms: u64) -> Result<Option<Place>, Error> {
    let mut failed = None;
    let found = {
        let mut all = entries(store, LIST, now_ms, &mut failed);
        all.find_map(|e| place_of(&e.key).filter(|p| p.1 == id))
    };
    failed.map_or(Ok(found), Err)
}

/// Through the list from the newest on, until there are enough, or they are too old, or it has been looked at for long enough.
fn find(store: &Embedded, ask: &Ask, now_ms: u64) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut unpacker = unpacker()?;
    let mut after = (!ask.before.is_empty()).then(|| format!("{LIST}{}", ask.before));
    for _ in 0..LOOK / PAGE {
        let page = store.scan(LIST, after.as_deref(), PAGE, now_ms)?;
        for entry in &page {
            let Some(s) = unpacker.summary(&entry.value) else {
                continue;
            };
            if s.at_ms < ask.oldest_ms(now_ms) {
                return Ok(found);
            }
            if ask.fits(&s, now_ms) {
                found.traces.push(s);
            }
            if found.traces.len() >= ask.limit() {
                found.next = Some(entry.key[LIST.len()..].to_owned());
                return Ok(found);
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
            _ => return Ok(found),
        }
    }
    found.next = after.map(|key| key[LIST.len()..].to_owned());
    Ok(found)
}

impl console::Traces for Kept {
    fn list(&self, ask: &Ask) -> Result<Found, Vec<Finding>> {
        let wrong = |what| vec![Finding::error("traces-ask", what)];
        ask.check().map_err(wrong)?;
        if self.reading().is_none() {
            // `standing` says why.
            return Ok(Found::default());
        }
        self.with_store(|store| find(store, ask, SystemWall.now_ms()))
    }

    fn one(&self, id: &str) -> Result<View, Vec<Finding>> {
        let none = || {
            let what = format!("no trace `{id}` is kept");
            let help = "`plimsoll traces` lists those that are; an id has 32 hexadecimal digits";
            vec![Finding::error("trace-unknown", what).help(help)]
        };
        let id = hex::trace(id).ok_or_else(none)?;
        let (known, now_ms) = (self.places().is_known, SystemWall.now_ms());
        let trace = self.with_store(|store| {
            let place = match known {
                true => self.places().of(id),
                false => look_for(store, id, now_ms)?,
            };
            let Some(place) = place else { return Ok(None) };
            let entry = store.get(&key_of(place), now_ms)?;
            let mut unpacker = unpacker()?;
            Ok(entry.and_then(|e| unpacker.trace(&e.value)))
        })?;
        Ok(View::of(&trace.ok_or_else(none)?))
    }

    fn standing(&self) -> Value {
        let counts = self.hold().counts;
        let standing = lock(&self.standing);
        json!({
            "traces": standing.traces, "bytes": standing.bytes, "size": standing.size,
            "lost": self.lost.load(Relaxed), "wrong": standing.wrong,
            "dropped": self.dropped().iter().sum::<u64>(),
            "spans": fates(&counts.spans), "lines": fates(&counts.lines),
        })
    }
}

fn fates(f: &Fates) -> Value {
    named(f)
        .into_iter()
        .map(|(k, n)| (k.to_owned(), n.into()))
        .collect::<serde_json::Map<String, Value>>()
        .into()
}

/// Where none are kept.
pub struct NoTraces;

impl NoTraces {
    fn said<T>() -> Result<T, Vec<Finding>> {
        let what = "no traces are kept here: `traces.size` was 0 at the start";
        Err(vec![
            Finding::error("traces-unknown", what).help("set it, and restart"),
        ])
    }
}

impl console::Traces for NoTraces {
    fn list(&self, _: &Ask) -> Result<Found, Vec<Finding>> {
        NoTraces::said()
    }
    fn one(&self, _: &str) -> Result<View, Vec<Finding>> {
        NoTraces::said()
    }
    fn standing(&self) -> Value {
        Value::Null
    }
}
