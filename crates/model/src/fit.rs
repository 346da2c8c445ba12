//! The result of learning: the demand matrix with its uncertainty, capacities, and what stays unexplained.
//! `demand` computes it; everything else (load line, moves, cost) reads it.

use crate::pattern::{Pattern, Pauses};
use base::{Discipline, Grade, Objective, ResourceInfo, RouteInfo, Signal, Statement, Traced};
use serde::{Deserialize, Serialize};

/// Of a core: with less, a quota cuts what is done into pieces.
pub(crate) const WHOLE: f64 = 0.9;

/// One entry of D: what one request of a route uses of a resource (resource-seconds, or bytes), itself only;
/// what its child calls use is in the children's rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    pub mean: f64,
    /// Standard error of `mean`.
    pub sd: f64,
    /// Squared coefficient of variation of one request's use, when known.
    pub scv: Option<f64>,
    pub grade: Grade,
}

impl Demand {
    pub const NONE: Demand = Demand {
        mean: 0.0,
        sd: 0.0,
        scv: None,
        grade: Grade::Prior,
    };
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceFit {
    pub info: ResourceInfo,
    /// All instances together, per second.
    pub capacity: f64,
    pub capacity_sd: f64,
    /// Whether capacity was measured or declared (false: a default was taken).
    pub capacity_known: bool,
    /// Busy per second that no request causes.
    pub background: f64,
    pub background_sd: f64,
    /// Seconds of it that go along with one request of each route, though the request's own way does not explain
    /// them (a neighbour on the machine that works for the same traffic); empty: none.
    #[serde(default)]
    pub alongside: Vec<f64>,
    /// Times that one try of each route comes to it, where it tells how often somebody comes; empty: not known.
    #[serde(default)]
    pub visits: Vec<f64>,
    /// A database on the gateway's own machine, which is busier by what it uses.
    #[serde(default)]
    pub here: bool,
    /// Mean utilisation seen, 0 to 1.
    pub utilisation: f64,
    /// Highest 10 s mean of utilisation seen.
    pub utilisation_max: f64,
    /// Mean number of waiters, when seen.
    pub waiting: Option<f64>,
    pub instances: u32,
    pub grade: Grade,
    /// What weakens this column: `burst residual`, `background not measured`, `learning since 40 s` …
    pub notes: Vec<String>,
    /// What the kernel tells beside its use.
    #[serde(default)]
    pub signs: Vec<Sign>,
}

/// One signal of a resource over the span: its mean, and that in the calmest and in the busiest quarter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sign {
    pub signal: Signal,
    pub mean: f64,
    pub calm: f64,
    pub busy: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteFit {
    pub info: RouteInfo,
    /// Declared, or assumed from the low-load latency.
    pub objective: Objective,
    /// Requests per second over the fitted span, all causes.
    pub rate: f64,
    /// Of those, from outside (no parent route).
    pub entry_rate: f64,
    /// Number of requests seen.
    pub count: f64,
    /// Response time at the lowest load quartile: mean and variance, seconds.
    pub low_mean: f64,
    pub low_var: f64,
    /// p99 over the whole span, and at the top load quartile, seconds.
    pub p99: f64,
    pub p99_top: f64,
    pub errors: f64,
    /// Attempts per request (1 without retries; below 1 with cache hits).
    pub amplification: f64,
    pub bytes_out: f64,
    /// Rows read and returned per request, and database calls.
    pub db_calls: f64,
    pub db_rows: f64,
    pub db_returned: f64,
    /// Share of its in-flight time that no resource and no child explains.
    pub unexplained: f64,
    /// Ghost cache hit ratio for each lifetime of `GHOST_TTLS`, and its lookups.
    pub ghost: Option<Ghost>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ghost {
    pub lookups: f64,
    pub ratio: Vec<f64>,
    pub bytes: f64,
}

/// How the time that nothing explains moves with the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Growth {
    /// Too little data, or too little unexplained time, to tell.
    #[default]
    Unknown,
    /// The same at every load: a plain delay, as far as seen.
    Constant,
    /// More at higher load: work waits for something unseen.
    Grows,
}

/// What was learned from a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    pub routes: Vec<RouteFit>,
    pub resources: Vec<ResourceFit>,
    /// `demand[route][resource]`.
    pub demand: Vec<Vec<Demand>>,
    /// `calls[parent][child]`: mean number of child requests that one parent request causes. A parent that causes none may have an
    /// empty row: most do, and rows of thousands of routes would be gigabytes.
    pub calls: Vec<Vec<f64>>,
    /// `child_seconds[parent]`: mean time per parent request spent waiting for children (sum, not critical path).
    pub child_seconds: Vec<f64>,
    /// Seconds of history used.
    pub span_s: f64,
    /// Share of all in-flight time that nothing explains (the closure test).
    pub unexplained: f64,
    /// How each route's unexplained time moves with the load; empty: not known.
    #[serde(default)]
    pub growth: Vec<Growth>,
    /// Burstiness of the entry traffic: log-OU sigma and tau (seconds).
    pub burst_sigma: f64,
    pub burst_tau_s: f64,
    /// Requests per second from outside, per second of the span (for the twin and forecasts).
    pub entry_rates: Vec<f64>,
    /// What databases do most.
    #[serde(default)]
    pub statements: Vec<Statement>,
    /// How routes work, as their spans show it.
    #[serde(default)]
    pub traced: Vec<Traced>,
    /// What no demand shows: retries, hot keys, bursts, pauses, backlogs.
    #[serde(default)]
    pub patterns: Vec<Pattern>,
}

/// The part of a disk that a control group may use. The kernel gives it in slices, and of a database's nobody else is in it.
pub(crate) fn is_limit_of_a_disk(name: &str) -> bool {
    name.starts_with("disk.") && name.ends_with(".limit")
}

impl ResourceFit {
    /// What one instance offers per second.
    pub fn each(&self) -> f64 {
        self.capacity / self.instances.max(1) as f64
    }

    pub fn sign(&self, signal: Signal) -> Option<&Sign> {
        self.signs.iter().find(|s| s.signal == signal)
    }

    /// A processor, whether requests share it or one thread takes one after the other.
    pub fn is_processor(&self) -> bool {
        self.info.discipline == Discipline::Ps || self.info.serial && !self.is_store()
    }
    /// A part of a core. The kernel gives it as so much of each period; machines have whole ones.
    pub fn is_quota(&self) -> bool {
        let cores = self.info.discipline == Discipline::Ps && self.info.unit == "cores";
        cores && self.capacity_known && self.each() < WHOLE
    }
    /// One thread that takes one after the other: who comes back to it waits again.
    pub fn is_one_thread(&self) -> bool {
        self.info.serial && self.info.discipline == Discipline::Fcfs
    }
    /// Of the limit of a disk, what fits into a slice passes at once.
    pub fn is_limit_of_a_disk(&self) -> bool {
        is_limit_of_a_disk(&self.info.name)
    }
    /// A database or a store, and not the processor of a service.
    pub fn is_store(&self) -> bool {
        self.info.name.starts_with("db.")
    }
    /// Whether nobody of route `r` passes by its one thread, however little is to be done there: it is that of their service, or a
    /// store's, who saw them come.
    pub fn is_surely_used_by(&self, r: usize) -> bool {
        let comes = || self.visits.get(r).is_some_and(|v| *v > 0.0);
        self.info.serial && (!self.is_store() || comes())
    }
    /// What goes alongside `visits` requests of each route.
    pub fn alongside(&self, visits: &[f64]) -> f64 {
        self.alongside.iter().zip(visits).map(|(a, v)| a * v).sum()
    }
}

impl Fit {
    /// Whether a request of `parent` asks `child` again because an answer failed.
    pub fn asks_again(&self, parent: usize, child: usize) -> bool {
        let name = |r: usize| &self.routes[r].info.name;
        let is = |p: &Pattern| match p {
            Pattern::Retries(x) => {
                x.caller.as_ref() == Some(name(parent)) && x.route == *name(child)
            }
            _ => false,
        };
        self.patterns.iter().any(is)
    }

    /// The pauses that break an objective at any load: the worst of them.
    pub fn pauses(&self) -> Option<&Pauses> {
        let breaking = self.patterns.iter().filter_map(|p| match p {
            Pattern::Pauses(x) if x.breaks => Some(x),
            _ => None,
        });
        breaking.max_by(|a, b| a.misses.total_cmp(&b.misses))
    }

    /// Use of resource `k` by `visits` requests of each route, with what goes alongside.
    pub fn load(&self, visits: &[f64], k: usize) -> f64 {
        let own = visits.iter().zip(&self.demand).map(|(v, d)| v * d[k].mean);
        own.sum::<f64>() + self.resources[k].alongside(visits)
    }

    /// Requests of each route per entry request of `entry` (itself included): `(I - calls)^-1`, cut at 16 hops.
    pub fn tree(&self, entry: usize) -> Vec<f64> {
        let n = self.routes.len();
        let mut total = vec![0.0; n];
        let mut level = vec![0.0; n];
        level[entry] = 1.0;
        for _ in 0..16 {
            let mut next = vec![0.0; n];
            for (parent, &w) in level.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                total[parent] += w;
                for (child, &c) in self.calls[parent].iter().enumerate() {
                    next[child] += w * c;
                }
            }
            if next.iter().all(|&x| x < 1e-9) {
                break;
            }
            level = next;
        }
        total
    }

    /// Demand of one entry request of `entry` on every resource, with that of all it causes.
    pub fn total_demand(&self, entry: usize) -> Vec<f64> {
        let tree = self.tree(entry);
        (0..self.resources.len())
            .map(|k| {
                tree.iter()
                    .zip(&self.demand)
                    .map(|(w, row)| w * row[k].mean)
                    .sum()
            })
            .collect()
    }
}
