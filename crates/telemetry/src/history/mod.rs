//! The last hour of closed windows, and a way to be told of each new one.

use base::{History, Incident, ResourceInfo, ResourceIx, RouteInfo, Statement, Traced, Window};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, RwLock};
use tokio::sync::broadcast;

/// Seconds kept.
pub const KEEP_S: usize = 3600;
/// Bytes kept at most; the oldest windows go first. A window takes about 200 bytes, plus 112 for each request or attempt cell,
/// 8 for each bucket of its latencies and 60 for each resource or ghost: 200 routes that all have a few requests a second are 72 KiB,
/// and eight minutes of them fit. A fit looks at five.
pub const KEEP_BYTES: usize = 40 << 20;
/// Windows a slow subscriber may lag behind before it loses the oldest.
const LAG: usize = 64;
const INCIDENTS: usize = 1000;

/// Everything of a [`History`] that is not a window.
#[derive(Clone, Debug, Default)]
pub struct Shell {
    pub routes: Vec<RouteInfo>,
    pub resources: Vec<ResourceInfo>,
    /// Service and number of instances, sorted by name.
    pub instances: Vec<(String, u32)>,
}

/// The ring of recent windows. Cheap to clone; shared by all threads.
#[derive(Clone)]
pub struct Recent {
    inner: Arc<RwLock<Ring>>,
    news: broadcast::Sender<Arc<Window>>,
}

struct Ring {
    windows: VecDeque<(Arc<Window>, usize)>,
    bytes: usize,
    incidents: VecDeque<Incident>,
    statements: Vec<Statement>,
    traced: Vec<Traced>,
    serial: BTreeSet<ResourceIx>,
    keep: usize,
    keep_bytes: usize,
}

/// Says of resources, in the order of their numbers, which are known to be on one thread.
pub fn mark_serial(resources: &mut [ResourceInfo], serial: &BTreeSet<ResourceIx>) {
    for i in serial.iter().filter_map(|s| s.get()) {
        if let Some(info) = resources.get_mut(i) {
            info.serial = true;
        }
    }
}

/// Memory that a window takes, bytes: what its lists have room for, not only what they hold.
pub fn bytes(w: &Window) -> usize {
    fn room<T>(list: &Vec<T>) -> usize {
        list.capacity() * size_of::<T>()
    }
    let cells = w.requests.iter().chain(&w.attempts);
    let histograms: usize = cells.map(|c| c.latency.heap()).sum();
    size_of::<Window>()
        + room(&w.requests)
        + room(&w.attempts)
        + histograms
        + room(&w.uses)
        + room(&w.calls)
        + room(&w.resources)
        + room(&w.signals)
        + room(&w.ghosts)
}

impl Default for Recent {
    fn default() -> Self {
        Recent::new(KEEP_S, KEEP_BYTES)
    }
}

impl Recent {
    pub fn new(keep: usize, keep_bytes: usize) -> Recent {
        Recent {
            inner: Arc::new(RwLock::new(Ring {
                windows: VecDeque::new(),
                bytes: 0,
                incidents: VecDeque::new(),
                statements: Vec::new(),
                traced: Vec::new(),
                serial: BTreeSet::new(),
                keep: keep.max(1),
                keep_bytes,
            })),
            news: broadcast::channel(LAG).0,
        }
    }

    /// Adds a closed window; windows come in order.
    pub fn push(&self, w: Window) {
        let size = bytes(&w);
        let w = Arc::new(w);
        {
            let mut r = self.inner.write().unwrap_or_else(|e| e.into_inner());
            r.bytes += size;
            r.windows.push_back((w.clone(), size));
            while r.windows.len() > r.keep || (r.bytes > r.keep_bytes && r.windows.len() > 1) {
                if let Some((_, size)) = r.windows.pop_front() {
                    r.bytes -= size;
                }
            }
        }
        // Nobody listening is no error.
        let _ = self.news.send(w);
    }

    /// Notes something that makes older windows unlike newer ones.
    pub fn incident(&self, incident: Incident) {
        let mut r = self.inner.write().unwrap_or_else(|e| e.into_inner());
        if r.incidents.len() >= INCIDENTS {
            r.incidents.pop_front();
        }
        r.incidents.push_back(incident);
    }

    /// What databases do most; none leaves what was known before.
    pub fn statements(&self, statements: Vec<Statement>) {
        if !statements.is_empty() {
            let mut r = self.inner.write().unwrap_or_else(|e| e.into_inner());
            r.statements = statements;
        }
    }

    /// What spans show of routes; none where none came lately.
    pub fn traced(&self, traced: Vec<Traced>) {
        let mut r = self.inner.write().unwrap_or_else(|e| e.into_inner());
        r.traced = traced;
    }

    /// Resources whose instances are known to work on one thread.
    pub fn serial(&self, serial: BTreeSet<ResourceIx>) {
        let mut r = self.inner.write().unwrap_or_else(|e| e.into_inner());
        r.serial = serial;
    }

    /// Every window from now on, in order; a reader that lags by more than 64 is told so by the channel.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Window>> {
        self.news.subscribe()
    }

    /// The newest closed window.
    pub fn latest(&self) -> Option<Arc<Window>> {
        let r = self.inner.read().unwrap_or_else(|e| e.into_inner());
        r.windows.back().map(|w| w.0.clone())
    }

    /// The windows of the last `seconds`, counted from the newest, oldest first.
    pub fn windows(&self, seconds: u64) -> Vec<Arc<Window>> {
        let r = self.inner.read().unwrap_or_else(|e| e.into_inner());
        let end = r.windows.back().map_or(0, |w| w.0.index + 1);
        let from = end.saturating_sub(seconds);
        let skip = r.windows.partition_point(|w| w.0.index < from);
        r.windows.iter().skip(skip).map(|w| w.0.clone()).collect()
    }

    /// The same as the model reads it. The windows are shared, not copied.
    pub fn history(&self, seconds: u64, shell: Shell) -> History {
        let windows = self.windows(seconds);
        let from = windows.first().map_or(0, |w| w.index);
        let r = self.inner.read().unwrap_or_else(|e| e.into_inner());
        let mut resources = shell.resources;
        mark_serial(&mut resources, &r.serial);
        History {
            routes: shell.routes,
            resources,
            instances: shell.instances,
            windows,
            incidents: r
                .incidents
                .iter()
                .filter(|i| i.window >= from)
                .cloned()
                .collect(),
            statements: r.statements.clone(),
            traced: r.traced.clone(),
        }
    }

    /// Windows held and their bytes.
    pub fn size(&self) -> (usize, usize) {
        let r = self.inner.read().unwrap_or_else(|e| e.into_inner());
        (r.windows.len(), r.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Cell, CellKey, InstanceIx, RouteIx};

    fn window(index: u64, cells: u16) -> Window {
        Window {
            index,
            requests: (0..cells)
                .map(|i| {
                    Cell::new(CellKey {
                        route: RouteIx(i),
                        arm: base::Arm::BASE,
                        instance: InstanceIx::NONE,
                    })
                })
                .collect(),
            ..Window::default()
        }
    }

    #[test]
    fn the_oldest_go_first_by_count_and_by_bytes() {
        let r = Recent::new(3, usize::MAX);
        let mut news = r.subscribe();
        (0..5).for_each(|i| r.push(window(i, 0)));
        assert_eq!(
            r.windows(10).iter().map(|w| w.index).collect::<Vec<_>>(),
            [2, 3, 4]
        );
        assert_eq!(r.windows(2).len(), 2);
        assert_eq!(news.try_recv().map(|w| w.index).ok(), Some(0));
        let r = Recent::new(100, 10_000);
        (0..5).for_each(|i| r.push(window(i, 20)));
        assert!(r.size().1 <= 10_000 && r.size().0 < 5);
    }

    #[test]
    fn a_history_has_the_incidents_of_its_windows() {
        let r = Recent::default();
        (0..10).for_each(|i| r.push(window(i, 1)));
        for window in [1, 8] {
            r.incident(Incident {
                window,
                what: "deploy".into(),
            });
        }
        r.serial(BTreeSet::from([ResourceIx(1), ResourceIx(7)]));
        let shell = Shell {
            resources: ["cpu.a", "cpu.b"].map(ResourceInfo::from_name).to_vec(),
            ..Shell::default()
        };
        let h = r.history(3, shell);
        assert_eq!((h.windows.len(), h.incidents.len()), (3, 1));
        assert_eq!(
            (h.resources[0].serial, h.resources[1].serial),
            (false, true)
        );
    }
}
