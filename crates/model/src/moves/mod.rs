//! The moves: changes that can lift the line. One file each, one line each in `MOVES`.
//! A move says where it applies, what it does to the system, how big it is, and how it is carried out and undone.

mod batch;
mod bulkhead;
mod cache;
mod compress;
pub mod edit;
mod hold;
mod index;
mod limit;
mod lock;
mod offload;
mod page;
mod pool;
mod read_replica;
mod replica;
mod resize;
mod retry;
mod shard;
mod statement;

pub use edit::{Edit, transform};

use crate::fit::Fit;
use crate::loadline::LoadLine;
use crate::loadline::saturation::{loads, lowest, saturation};
use crate::twin::System;
use config::{Config, Op};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Cache,
    Pool,
    Limit,
    Retry,
    Replica,
    Resize,
    Index,
    Batch,
    /// A bound on the rows of one answer.
    Page,
    Lock,
    Compress,
    Bulkhead,
    Offload,
    ReadReplica,
    Shard,
    /// Only asked about, never proposed: more or less traffic.
    Traffic,
}

impl Kind {
    pub fn label(self) -> &'static str {
        match self {
            Kind::Cache => "cache",
            Kind::Pool => "pool",
            Kind::Limit => "limit",
            Kind::Retry => "retry",
            Kind::Replica => "replica",
            Kind::Resize => "resize",
            Kind::Index => "index",
            Kind::Batch => "batch",
            Kind::Page => "page",
            Kind::Lock => "lock",
            Kind::Compress => "compress",
            Kind::Bulkhead => "bulkhead",
            Kind::Offload => "offload",
            Kind::ReadReplica => "read-replica",
            Kind::Shard => "shard",
            Kind::Traffic => "traffic",
        }
    }
}

/// How a change is carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Operations on the config; whoever applies them fills in the values they replace.
    Patch { ops: Vec<Op> },
    /// More instances, by the driver of the service.
    Replicas { service: String, add: u32 },
    /// Something only people can do.
    Instruction { text: String },
}

/// A move at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub kind: Kind,
    /// The route, service or resource it is about.
    pub subject: String,
    pub title: String,
    pub evidence: String,
    pub edits: Vec<Edit>,
    pub action: Action,
    /// 1 (config, now) to 5 (redesign).
    pub size: u8,
    /// Dollars per hour more.
    pub cost_per_hour: f64,
    pub reverse: String,
    /// What to mind.
    pub guards: Vec<String>,
    /// Relative uncertainty of the effect, in the logarithm: an effect of x0.3 at 0.1 is between about
    /// `0.3^1.16` and `0.3^0.84` (90 %).
    pub uncertainty: f64,
    /// Protects what is there; does not lift the line.
    pub protects: bool,
}

impl Candidate {
    pub fn transform(&self, system: &System) -> System {
        transform(system, &self.edits)
    }
}

/// What moves look at.
pub struct Context<'a> {
    pub fit: &'a Fit,
    pub system: &'a System,
    pub line: &'a LoadLine,
    /// Entry rate that should be carried.
    pub target: f64,
    pub config: Option<&'a Config>,
    pub saturation: Vec<f64>,
    /// Use of each resource per entry request.
    pub loads: Vec<f64>,
    /// Requests of each route per entry request.
    pub visits: Vec<f64>,
}

impl<'a> Context<'a> {
    pub fn new(
        fit: &'a Fit,
        system: &'a System,
        line: &'a LoadLine,
        target: f64,
        config: Option<&'a Config>,
    ) -> Context<'a> {
        let visits = System::visits(&system.fit, &system.shares());
        Context {
            saturation: saturation(system),
            loads: loads(&system.fit, &visits),
            visits,
            fit,
            system,
            line,
            target,
            config,
        }
    }

    /// Resources that hold the line: the first to saturate, those near it, and those below the target.
    pub fn hot(&self) -> Vec<usize> {
        let Some((_, first)) = lowest(&self.saturation) else {
            return Vec::new();
        };
        let bound = (1.15 * first).max(1.1 * self.target).min(3.0 * first);
        (0..self.saturation.len())
            .filter(|&k| self.saturation[k] <= bound)
            .collect()
    }

    /// Share of a resource's use that a route causes itself.
    pub fn share(&self, route: usize, resource: usize) -> f64 {
        self.visits[route] * self.fit.demand[route][resource].mean / self.loads[resource].max(1e-12)
    }

    pub fn utilisation(&self, resource: usize) -> f64 {
        let r = &self.fit.resources[resource];
        (r.background + self.line.current * self.loads[resource]) / r.capacity.max(1e-12)
    }

    pub fn price(&self, service: &str) -> Option<f64> {
        self.config
            .and_then(|c| c.service(service))
            .and_then(|s| s.price_per_hour)
    }
}

/// Where a move applies, and how.
pub type Applies = fn(&Context) -> Vec<Candidate>;

/// Every move, in the order in which equal ones are preferred.
pub const MOVES: &[(Kind, Applies)] = &[
    (Kind::Cache, cache::applies),
    (Kind::Pool, pool::applies),
    (Kind::Retry, retry::applies),
    (Kind::Compress, compress::applies),
    (Kind::Limit, limit::applies),
    (Kind::Limit, hold::applies),
    (Kind::Bulkhead, bulkhead::applies),
    (Kind::Replica, replica::applies),
    (Kind::Resize, resize::applies),
    (Kind::Index, index::applies),
    (Kind::Batch, batch::applies),
    (Kind::Page, page::applies),
    (Kind::Lock, lock::applies),
    (Kind::Offload, offload::applies),
    (Kind::ReadReplica, read_replica::applies),
    (Kind::Shard, shard::applies),
];

/// All candidates of all moves.
pub fn candidates(cx: &Context) -> Vec<Candidate> {
    MOVES.iter().flat_map(|(_, applies)| applies(cx)).collect()
}

pub use batch::of as batch;
pub use cache::of as cache;
pub use index::of as index;
pub use limit::of as limit;
pub use offload::of as offload;
pub use pool::of as pool;
pub use replica::of as replica;
pub use resize::of as resize;

/// An operation that sets `path` to `value`.
fn set(path: &[&str], value: serde_json::Value) -> Op {
    Op {
        path: path.iter().map(|s| s.to_string()).collect(),
        value: Some(value),
        base: None,
    }
}

/// `10s`, `5m`, `1h` as the config writes it.
fn duration_text(s: f64) -> String {
    match s {
        s if s >= 3600.0 && s % 3600.0 == 0.0 => format!("{}h", s / 3600.0),
        s if s >= 60.0 && s % 60.0 == 0.0 => format!("{}m", s / 60.0),
        s if s.fract() == 0.0 => format!("{s}s"),
        s => format!("{:.0}ms", s * 1e3),
    }
}
