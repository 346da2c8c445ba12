//! What was measured in one second: per route, arm and instance, and per resource.

use crate::{Arm, Histogram, InstanceIx, ResourceIx, RouteIx, SignalCell};
use serde::{Deserialize, Serialize};

/// Length of a window, seconds. The fit relies on it: at 10 s the routes' demands can no longer be told apart.
pub const WINDOW_S: f64 = 1.0;
/// A window closes this many seconds after its end; requests that end later count as `late`.
pub const CLOSE_AFTER_S: u64 = 10;
/// Lifetimes that the ghost cache tries, seconds.
pub const GHOST_TTLS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0];

/// What a cell counts: a route on one arm, at one instance (`NONE` in request cells).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellKey {
    pub route: RouteIx,
    pub arm: Arm,
    pub instance: InstanceIx,
}

/// Requests (or attempts) of one key in one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    pub key: CellKey,
    /// Started in this window.
    pub arrivals: u32,
    /// Ended in this window.
    pub ends: u32,
    /// Ended here with a status of 500 or more, or without any.
    pub errors: u32,
    /// Ended here and answered by a gate, not by an instance.
    pub refused: u32,
    /// Share of each request's life that lies in this window, summed: the regressor of the model, in requests.
    pub life: f64,
    /// Seconds spent in flight in this window, summed: divided by the window's length, the mean number in flight.
    pub in_flight_s: f64,
    /// Durations of those that ended here: sum and sum of squares, seconds.
    pub seconds: f64,
    pub seconds_sq: f64,
    /// Waits inside Plimsoll (pool, permit) of those that ended here, seconds.
    pub wait_s: f64,
    pub bytes_in: f64,
    pub bytes_out: f64,
    pub cache_hits: u32,
    pub cache_misses: u32,
    pub latency: Histogram,
}

impl Cell {
    pub fn new(key: CellKey) -> Cell {
        Cell {
            key,
            arrivals: 0,
            ends: 0,
            errors: 0,
            refused: 0,
            life: 0.0,
            in_flight_s: 0.0,
            seconds: 0.0,
            seconds_sq: 0.0,
            wait_s: 0.0,
            bytes_in: 0.0,
            bytes_out: 0.0,
            cache_hits: 0,
            cache_misses: 0,
            latency: Histogram::new(),
        }
    }
}

/// Use of one resource by the attempts of one key that ended in this window, as the upstream reported it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UseCell {
    pub key: CellKey,
    pub resource: ResourceIx,
    /// Attempts that reported it.
    pub count: u32,
    /// Attempts that one which was seen stands for: above 1 where only a sample of them tells, and everything here is
    /// scaled up to all.
    #[serde(default = "one")]
    pub weight: f64,
    /// Attempts among which `count` told of it, scaled as well; 0: all that the gateway counted.
    #[serde(default)]
    pub of: f64,
    /// Resource-seconds held: sum and sum of squares.
    pub busy_s: f64,
    pub busy_sq: f64,
    /// Seconds waited; `waits` tells how many attempts told their wait.
    pub wait_s: f64,
    pub waits: u32,
    /// Database calls, rows read and rows returned (only for `db` resources).
    pub calls: f64,
    pub rows: f64,
    pub returned: f64,
}

fn one() -> f64 {
    1.0
}

/// Requests of `child` caused by requests of `parent` that ended in this window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallCell {
    pub parent: RouteIx,
    pub child: RouteIx,
    pub count: u32,
    pub seconds: f64,
}

/// One resource (of one instance, or `NONE` when shared) in one window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceCell {
    pub resource: ResourceIx,
    pub instance: InstanceIx,
    /// Resource-seconds (or units) used in this window.
    pub busy: f64,
    /// What it offers per second (CPU cores, servers, slots, bytes); `None` when not known.
    pub capacity: Option<f64>,
    /// Waiter-seconds in this window.
    pub waiting: Option<f64>,
    /// A gauge, such as bytes of memory.
    pub level: Option<f64>,
    /// Part of `busy` that is known not to come from requests.
    pub background: Option<f64>,
}

/// What a cache on this route would have answered in this window, had it been on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GhostCell {
    pub route: RouteIx,
    pub lookups: u32,
    /// Hits for each lifetime of `GHOST_TTLS`.
    pub hits: [u32; GHOST_TTLS.len()],
    /// Distinct keys held now, and their bytes.
    pub keys: u32,
    pub bytes: f64,
}

/// One second of the system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Number of the second on the clock of the process or recording: it covers `[index, index + 1)` s.
    pub index: u64,
    pub requests: Vec<Cell>,
    pub attempts: Vec<Cell>,
    pub uses: Vec<UseCell>,
    pub calls: Vec<CallCell>,
    pub resources: Vec<ResourceCell>,
    #[serde(default)]
    pub signals: Vec<SignalCell>,
    pub ghosts: Vec<GhostCell>,
    /// Requests whose end came after their first window had closed.
    pub late: u32,
    /// Samples lost because a ring was full.
    pub dropped: u32,
}
