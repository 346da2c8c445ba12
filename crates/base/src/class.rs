//! What kinds of resource there are, how they queue, and how well a number is known.

use serde::{Deserialize, Serialize};

/// The class of a constraint. All but the last two are technical; the last is about the organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Compute,
    Memory,
    Storage,
    Network,
    /// A pool or a lock: work waits for a slot while nothing else is busy.
    PoolOrLock,
    /// N+1, missing index, unbounded result, hot key: the work itself is avoidable.
    DataDesign,
    Dependency,
    /// Requests that are tried again multiply the work.
    RetryStorm,
    PeopleAndProcess,
    Unknown,
}

impl Class {
    /// The class that a resource's name announces: `cpu. lock. pool. db. disk. net. peers. mem. dep.`
    pub fn from_name(resource: &str) -> Class {
        match resource.split('.').next().unwrap_or("") {
            "cpu" => Class::Compute,
            "lock" | "pool" | "slots" => Class::PoolOrLock,
            "disk" | "db" => Class::Storage,
            "net" | "peers" => Class::Network,
            "mem" => Class::Memory,
            "dep" => Class::Dependency,
            _ => Class::Unknown,
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Class::Compute => "compute",
            Class::Memory => "memory",
            Class::Storage => "storage",
            Class::Network => "network",
            Class::PoolOrLock => "pool or lock",
            Class::DataDesign => "data design",
            Class::Dependency => "dependency",
            Class::RetryStorm => "retry storm",
            Class::PeopleAndProcess => "people and process",
            Class::Unknown => "unknown",
        }
    }
}

/// How a resource serves several requests at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discipline {
    /// Processor sharing: everyone at once, each slower.
    Ps,
    /// First come, first served, by `capacity` servers.
    Fcfs,
    /// A number of slots, each held for as long as the holder likes.
    Slots,
    /// Not a queue but a level with a cliff, such as memory.
    Level,
}

impl Discipline {
    pub fn from_name(resource: &str) -> Discipline {
        match resource.split('.').next().unwrap_or("") {
            "lock" | "disk" | "net" => Discipline::Fcfs,
            "pool" | "slots" | "dep" => Discipline::Slots,
            "mem" => Discipline::Level,
            _ => Discipline::Ps,
        }
    }
}

/// Whether adding an instance of the service adds capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    Shared,
    PerInstance,
}

/// How a number is known. Ordered: the first is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Grade {
    /// Per-request or per-statement time.
    #[serde(rename = "direct")]
    Direct,
    /// The fit of busy time on the work in flight.
    #[serde(rename = "regression")]
    Regression,
    /// From waiters and queues.
    #[serde(rename = "waits")]
    Waits,
    /// A guess that no measurement has confirmed.
    #[serde(rename = "prior")]
    Prior,
}

impl Grade {
    pub fn label(self) -> &'static str {
        match self {
            Grade::Direct => "direct",
            Grade::Regression => "regression",
            Grade::Waits => "waits",
            Grade::Prior => "prior",
        }
    }
}
