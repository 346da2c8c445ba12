//! What the model reads: routes, resources, and the windows of a stretch of time.
//! Live telemetry and recordings both become one of these.

use crate::{Class, Discipline, Scope, Statement, Traced, Window};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What "good" means for a route, and how often it must be met.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// Seconds within which a good answer is complete.
    pub latency_s: f64,
    /// Share of good requests, such as 0.99.
    pub target: f64,
    /// Nobody declared it: 2.5 × the p99 at low load, 99 %.
    pub assumed: bool,
}

/// A row of the demand matrix. Indexed by `RouteIx`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteInfo {
    pub name: String,
    /// The service it goes to; empty when unknown.
    pub service: String,
    pub objective: Option<Objective>,
    /// GET or HEAD only: may be answered from a cache.
    pub safe: bool,
    /// Has a cache in the current generation, with this lifetime in seconds.
    pub cached_ttl_s: Option<f64>,
}

/// A column of the demand matrix. Indexed by `ResourceIx`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceInfo {
    /// `class.service[.detail]`, such as `cpu.front`, `lock.front.stock`, `pool.catalogue.db`.
    pub name: String,
    pub class: Class,
    pub discipline: Discipline,
    pub scope: Scope,
    /// The service whose requests may use it; `None`: any route may.
    pub service: Option<String>,
    /// What one unit of capacity is: `cores`, `servers`, `slots`, `bytes/s`.
    pub unit: String,
    /// Capacity when the windows carry none.
    pub size: Option<f64>,
    /// The slot resource that is held while this one is used (a database inside a pool).
    pub within: Option<String>,
    /// Dollars per hour of the whole resource.
    pub price_per_hour: Option<f64>,
    /// It is not (all) on the gateway's own machine, and so no part of `cpu.host`.
    #[serde(default)]
    pub elsewhere: bool,
    /// An instance is known to do all its work on one thread: more cores do nothing for it.
    #[serde(default)]
    pub serial: bool,
}

impl ResourceInfo {
    /// What the name alone tells: class, discipline and service from `class.service[.detail]`. Links are measured in bytes, and
    /// one whose speed nobody tells is not full at one byte.
    pub fn from_name(name: &str) -> ResourceInfo {
        let discipline = Discipline::from_name(name);
        let is_link = name.starts_with("net.");
        let service = name
            .split('.')
            .nth(1)
            .filter(|s| !s.is_empty() && *s != "host" && name != "peers.clients")
            .map(str::to_owned);
        ResourceInfo {
            name: name.to_owned(),
            class: Class::from_name(name),
            discipline,
            scope: if service.is_some() {
                Scope::PerInstance
            } else {
                Scope::Shared
            },
            service,
            unit: match discipline {
                _ if name.starts_with("peers.") => "connections held up",
                _ if is_link => "bytes/s",
                Discipline::Ps => "cores",
                Discipline::Fcfs => "servers",
                Discipline::Slots => "slots",
                Discipline::Level => "bytes",
            }
            .to_owned(),
            size: match discipline {
                Discipline::Fcfs if !is_link => Some(1.0),
                _ => None,
            },
            within: None,
            price_per_hour: None,
            elsewhere: false,
            serial: false,
        }
    }
}

impl ResourceInfo {
    /// Time that the other side of a connection takes: it delays, and has no capacity that could run out.
    pub fn is_delay(&self) -> bool {
        self.name.starts_with("peers.")
    }
}

/// Something that makes the windows before it unfit to be mixed with those after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Index of the window in which it happened.
    pub window: u64,
    /// What: `deploy`, `overlay applied`, `instance added`.
    pub what: String,
}

/// A stretch of time, ready for the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    pub routes: Vec<RouteInfo>,
    pub resources: Vec<ResourceInfo>,
    /// `service` → number of instances, sorted by name.
    pub instances: Vec<(String, u32)>,
    /// Sorted by index; gaps are allowed. Shared with whoever remembers them: a history is read anew every few seconds.
    pub windows: Vec<Arc<Window>>,
    pub incidents: Vec<Incident>,
    /// What databases do most, as probes saw it last.
    #[serde(default)]
    pub statements: Vec<Statement>,
    /// How routes work, as their spans showed it last.
    #[serde(default)]
    pub traced: Vec<Traced>,
}

impl History {
    /// The same with only the last `n` seconds.
    pub fn last(&self, n: u64) -> History {
        let end = self.windows.last().map_or(0, |w| w.index + 1);
        let from = end.saturating_sub(n);
        History {
            windows: self
                .windows
                .iter()
                .filter(|w| w.index >= from)
                .cloned()
                .collect(),
            ..self.clone_shell()
        }
    }
    /// The windows, to be changed: those that are shared are copied first.
    pub fn windows_mut(&mut self) -> impl Iterator<Item = &mut Window> {
        self.windows.iter_mut().map(Arc::make_mut)
    }
    /// Everything but the windows.
    pub fn clone_shell(&self) -> History {
        History {
            routes: self.routes.clone(),
            resources: self.resources.clone(),
            instances: self.instances.clone(),
            windows: Vec::new(),
            incidents: self.incidents.clone(),
            statements: self.statements.clone(),
            traced: self.traced.clone(),
        }
    }
}
