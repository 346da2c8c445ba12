//! What the gateway and the upstreams say of finished requests, put into windows.

use base::window::CallCell;
use base::window::UseCell;
use base::{Arm, Cell, CellKey, InstanceIx, ResourceIx, RouteIx, Window};
use std::collections::BTreeMap;

/// One finished request, or one try of it.
pub struct Done<'a> {
    pub route: usize,
    pub arm: u8,
    pub instance: usize,
    pub parent: Option<usize>,
    pub start: f64,
    pub end: f64,
    /// Answered without an attempt.
    pub hit: bool,
    /// Whether the route has a cache at all.
    pub cached: bool,
    /// It came to nothing.
    pub failed: bool,
    pub uses: &'a [Used],
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub column: usize,
    pub busy: f64,
    pub wait: Option<f64>,
    pub calls: f64,
    pub rows: f64,
    pub returned: f64,
}

pub struct Recorder {
    pub windows: Vec<Window>,
    requests: Vec<BTreeMap<CellKey, Cell>>,
    attempts: Vec<BTreeMap<CellKey, Cell>>,
    direct: bool,
}

impl Recorder {
    pub fn new(seconds: u64, direct: bool) -> Recorder {
        let n = seconds as usize;
        Recorder {
            windows: (0..seconds)
                .map(|index| Window {
                    index,
                    ..Window::default()
                })
                .collect(),
            requests: vec![BTreeMap::new(); n],
            attempts: vec![BTreeMap::new(); n],
            direct,
        }
    }

    /// One try, from its own start.
    pub fn attempt(&mut self, d: &Done) {
        let key = CellKey {
            route: RouteIx(d.route as u16),
            arm: Arm(d.arm),
            instance: InstanceIx(d.instance as u16),
        };
        spread(&mut self.attempts, key, d);
        let last = self.windows.get_mut(d.end.floor() as usize);
        if let Some(w) = last.filter(|_| self.direct) {
            d.uses.iter().for_each(|u| tell(w, key, u));
        }
    }

    /// The whole request, once its last try is over.
    pub fn request(&mut self, d: &Done) {
        let key = CellKey {
            route: RouteIx(d.route as u16),
            arm: Arm(d.arm),
            instance: InstanceIx::NONE,
        };
        spread(&mut self.requests, key, d);
        let last = d.end.floor() as usize;
        let (Some(parent), Some(w)) = (d.parent, self.windows.get_mut(last)) else {
            return;
        };
        let (p, c) = (RouteIx(parent as u16), key.route);
        let seconds = d.end - d.start;
        match w.calls.iter_mut().find(|x| (x.parent, x.child) == (p, c)) {
            Some(x) => {
                x.count += 1;
                x.seconds += seconds;
            }
            None => w.calls.push(CallCell {
                parent: p,
                child: c,
                count: 1,
                seconds,
            }),
        }
    }

    pub fn finish(mut self) -> Vec<Window> {
        for (i, w) in self.windows.iter_mut().enumerate() {
            w.requests = std::mem::take(&mut self.requests[i])
                .into_values()
                .collect();
            w.attempts = std::mem::take(&mut self.attempts[i])
                .into_values()
                .collect();
            w.uses.sort_by_key(|u| (u.key, u.resource));
            w.calls.sort_by_key(|c| (c.parent, c.child));
        }
        self.windows
    }
}

fn tell(w: &mut Window, key: CellKey, u: &Used) {
    let resource = ResourceIx(u.column as u16);
    let at = w
        .uses
        .iter()
        .position(|c| c.key == key && c.resource == resource)
        .unwrap_or_else(|| {
            w.uses.push(UseCell {
                key,
                resource,
                count: 0,
                weight: 1.0,
                of: 0.0,
                busy_s: 0.0,
                busy_sq: 0.0,
                wait_s: 0.0,
                waits: 0,
                calls: 0.0,
                rows: 0.0,
                returned: 0.0,
            });
            w.uses.len() - 1
        });
    let c = &mut w.uses[at];
    c.count += 1;
    c.busy_s += u.busy;
    c.busy_sq += u.busy * u.busy;
    if let Some(wait) = u.wait {
        c.wait_s += wait;
        c.waits += 1;
    }
    c.calls += u.calls;
    c.rows += u.rows;
    c.returned += u.returned;
}

/// Puts one life into the windows that it crosses.
fn spread(windows: &mut [BTreeMap<CellKey, Cell>], key: CellKey, d: &Done) {
    let (first, last) = (d.start.floor() as usize, d.end.floor() as usize);
    let seconds = d.end - d.start;
    for (i, cells) in windows.iter_mut().enumerate().take(last + 1).skip(first) {
        let inside = (d.end.min(i as f64 + 1.0) - d.start.max(i as f64)).max(0.0);
        let c = cells.entry(key).or_insert_with(|| Cell::new(key));
        c.life += if seconds > 0.0 { inside / seconds } else { 1.0 };
        c.in_flight_s += inside;
        c.arrivals += u32::from(i == first);
        if i == last {
            c.ends += 1;
            c.errors += u32::from(d.failed);
            c.seconds += seconds;
            c.seconds_sq += seconds * seconds;
            c.bytes_out += 1024.0;
            c.cache_hits += u32::from(d.hit);
            c.cache_misses += u32::from(d.cached && !d.hit);
            c.latency.record_secs(seconds);
        }
    }
}
