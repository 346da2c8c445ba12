//! What a world is made of.

use base::{Class, Discipline, History, ResourceInfo, RouteInfo, Scope};

/// How a station serves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StationKind {
    /// Processor sharing by this many cores.
    Cpu(f64),
    /// First come, first served, by this many servers.
    Line(usize),
    /// This many slots, held from `Enter` to `Leave`.
    Slots(usize),
    /// So many bytes, of which each request holds some from `Enter` to `Leave`; nobody waits for them.
    Level { bytes: f64, each: f64 },
}

impl StationKind {
    /// Of one copy: cores, servers, slots or bytes.
    pub fn capacity(self) -> f64 {
        match self {
            StationKind::Cpu(cores) => cores,
            StationKind::Line(n) | StationKind::Slots(n) => n as f64,
            StationKind::Level { bytes, .. } => bytes,
        }
    }
}

/// What probes tell of a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum See {
    /// Busy time, capacity, and waiters where someone queues.
    All,
    /// Only how many wait.
    Waiters,
    /// Nothing: the station has no column at all.
    Nothing,
}

/// Something that requests use; one copy per instance of its service.
#[derive(Clone, Debug)]
pub struct Station {
    /// `class.service[.detail]`.
    pub name: String,
    pub kind: StationKind,
    pub service: Option<usize>,
    pub see: See,
    /// Busy per second that no request causes, all copies together; of a level what is always held.
    pub background: f64,
    /// The slots inside which this one is used.
    pub within: Option<usize>,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// Service of `mean` seconds with this squared coefficient of variation.
    Use {
        station: usize,
        mean: f64,
        scv: f64,
    },
    /// The same, told as so many database calls, rows read and rows returned.
    Query {
        station: usize,
        mean: f64,
        scv: f64,
        calls: f64,
        rows: f64,
        returned: f64,
    },
    Enter(usize),
    Leave(usize),
    Delay {
        mean: f64,
        scv: f64,
    },
    /// One after the other.
    Call {
        route: usize,
        times: u32,
    },
}

#[derive(Clone, Debug)]
pub struct Route {
    pub name: String,
    pub service: usize,
    /// Share of the entry traffic; 0: only called by others.
    pub weight: f64,
    pub steps: Vec<Step>,
    /// Share of requests that a cache answers without an attempt.
    pub hit: f64,
    /// Share of tries that come to nothing and are made again; the last of `TRIES` never does.
    pub fails: f64,
}

/// Tries of one request, at most.
pub const TRIES: u32 = 3;

impl Route {
    /// Mean number of tries of one request, cache hits among them.
    pub fn tries(&self) -> f64 {
        let again: f64 = (0..TRIES).map(|n| self.fails.powi(n as i32)).sum();
        (1.0 - self.hit) * again
    }
}

/// The other arm: some routes done differently, for a share of the entry requests and all they cause.
#[derive(Clone, Debug)]
pub struct Canary {
    pub share: f64,
    /// `(route, its steps, its cache hit share)`.
    pub routes: Vec<(usize, Vec<Step>, f64)>,
}

#[derive(Clone, Debug)]
pub struct World {
    /// Name and number of instances.
    pub services: Vec<(String, usize)>,
    pub stations: Vec<Station>,
    pub routes: Vec<Route>,
    pub canary: Option<Canary>,
}

/// The entry traffic.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Highest planned rate, requests per second.
    pub rate: f64,
    /// The rate swings between `1 - swing` and 1 of it, with this period.
    pub swing: f64,
    pub period_s: f64,
    /// Standard deviation of each route's own slow log-rate (30 s memory).
    pub mix_sd: f64,
    /// Log-OU bursts of the whole.
    pub burst_sigma: f64,
    pub burst_tau_s: f64,
}

impl Load {
    pub fn steady(rate: f64) -> Load {
        Load {
            rate,
            swing: 0.35,
            period_s: 240.0,
            mix_sd: 0.1,
            burst_sigma: 0.0,
            burst_tau_s: 4.0,
        }
    }
}

/// What the instruments tell.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Every answer tells what it used (`Server-Timing`).
    pub direct: bool,
    /// Waiters are counted.
    pub waiters: bool,
    /// Background is told apart.
    pub background: bool,
    /// The probe's clock is this much behind, and each reading this uncertain.
    pub lag_s: f64,
    pub jitter_s: f64,
    /// Busy time is counted in ticks of this length; 0: exactly.
    pub tick_s: f64,
}

impl Default for Seen {
    fn default() -> Self {
        Seen {
            direct: false,
            waiters: true,
            background: true,
            lag_s: 0.0,
            jitter_s: 0.002,
            tick_s: 0.0,
        }
    }
}

impl World {
    /// What happens in `seconds` of this load, as gateway and probes see it.
    pub fn run(&self, seed: u64, seconds: u64, load: &Load, seen: &Seen) -> History {
        crate::engine::Engine::new(self, seed, seconds, load, seen).run()
    }

    /// Position of a station among the visible ones: its `ResourceIx`.
    pub fn column(&self, station: usize) -> Option<usize> {
        (self.stations[station].see != See::Nothing).then(|| {
            self.stations[..station]
                .iter()
                .filter(|s| s.see != See::Nothing)
                .count()
        })
    }

    /// True demand per request of `route` at each visible station but slots (their hold depends on the load).
    pub fn demand(&self, route: usize) -> Vec<f64> {
        let d = self.work(route);
        (0..d.len())
            .filter(|&s| self.stations[s].see != See::Nothing)
            .map(|s| d[s])
            .collect()
    }

    /// How many of a station there are.
    pub fn copies(&self, station: usize) -> usize {
        let service = self.stations[station].service;
        service.map_or(1, |s| self.services[s].1)
    }

    /// True demand per request of `route` at each station, seen or not, slots not among them.
    pub(crate) fn work(&self, route: usize) -> Vec<f64> {
        let mut d = vec![0.0; self.stations.len()];
        for step in &self.routes[route].steps {
            if let Step::Use { station, mean, .. } | Step::Query { station, mean, .. } = step {
                d[*station] += mean * self.routes[route].tries();
            }
        }
        d
    }

    pub(crate) fn shell(&self) -> History {
        let service = |s: usize| self.services[s].0.clone();
        History {
            routes: self
                .routes
                .iter()
                .map(|r| RouteInfo {
                    name: r.name.clone(),
                    service: service(r.service),
                    safe: true,
                    ..RouteInfo::default()
                })
                .collect(),
            resources: self
                .stations
                .iter()
                .filter(|s| s.see != See::Nothing)
                .map(|s| self.resource(s))
                .collect(),
            instances: self
                .services
                .iter()
                .map(|(n, c)| (n.clone(), *c as u32))
                .collect(),
            ..History::default()
        }
    }

    fn resource(&self, s: &Station) -> ResourceInfo {
        let mut info = ResourceInfo::from_name(&s.name);
        info.class = Class::from_name(&s.name);
        info.discipline = match s.kind {
            StationKind::Cpu(_) => Discipline::Ps,
            StationKind::Line(_) => Discipline::Fcfs,
            StationKind::Slots(_) => Discipline::Slots,
            StationKind::Level { .. } => Discipline::Level,
        };
        // Links here are servers, too: what goes through them is in seconds.
        if info.discipline == Discipline::Fcfs {
            (info.unit, info.size) = ("servers".to_owned(), Some(1.0));
        }
        info.service = s.service.map(|i| self.services[i].0.clone());
        info.scope = match s.service {
            Some(_) => Scope::PerInstance,
            None => Scope::Shared,
        };
        info.within = s.within.map(|w| self.stations[w].name.clone());
        info
    }
}
