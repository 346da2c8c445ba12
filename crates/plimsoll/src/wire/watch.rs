//! Telemetry wired to the gateway and to control: rings in, windows out.

use crate::exit::Failure;
use crate::wire::flights::{Asked, Flights};
use crate::wire::past::Counted;
use crate::wire::path::Path;
use crate::wire::recordings::Recordings;
use crate::wire::spans::{self, SpanProbe};
use crate::wire::{gates, shell, stateful};
use agent::gateway::AgentProbe;
use arc_swap::ArcSwap;
use base::clock::Clock;
use base::{Finding, History, InstanceIx, Names, RouteIx, Sample};
use config::Config;
use console::Format;
use gateway::Gateway;
use gateway::request::identity::charges::Charge;
use otlp::Evidence;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use telemetry::answers::{Answers, Limits};
use telemetry::probes::postgres::{Origins, PostgresTarget, shape};
use telemetry::probes::redis::RedisTarget;
use telemetry::probes::scrape::ScrapeTarget;
use telemetry::probes::{Probe, Proc};
use telemetry::{Heard, InstanceTarget, PoolGauge, Recent, Setup, Targets, Telemetry};

type Shared = Arc<Mutex<Option<Gateway>>>;

/// Longest wait for telemetry when the process ends.
const CATCH_UP: Duration = Duration::from_secs(2);

/// What telemetry is started from.
pub struct Parts {
    pub rings: Vec<rtrb::Consumer<Sample>>,
    pub names: Names,
    pub clock: Clock,
    pub config: Arc<ArcSwap<Config>>,
    pub gateway: Shared,
    /// What spans tell; `None`: none are taken.
    pub spans: Option<Arc<Mutex<Evidence>>>,
    /// What agents of other hosts tell; `None`: there are none.
    pub agents: Option<AgentProbe>,
    /// Hears every sample; `None`: nobody does.
    pub heard: Option<Heard>,
}

/// The running collector, and what readers need beside it.
pub struct Watch {
    telemetry: Arc<Telemetry>,
    names: Names,
    clock: Clock,
    config: Arc<ArcSwap<Config>>,
    gateway: Shared,
    spans: Option<Arc<Mutex<Evidence>>>,
}

impl Watch {
    pub fn start(parts: Parts) -> Result<Watch, Failure> {
        let Parts {
            rings,
            names,
            clock,
            config,
            gateway,
            spans,
            agents,
            heard,
        } = parts;
        let [g1, g2, g3, g4] = [(); 4].map(|()| gateway.clone());
        let (config2, names2) = (config.clone(), names.clone());
        let spans_told = spans.iter().map(|s| probe(s, &names, &config));
        let agents = agents.map(|a| Box::new(a) as Box<dyn Probe>);
        let more_probes = spans_told.chain(agents);
        let setup = Setup {
            clock,
            names: names.clone(),
            rings,
            dropped: Box::new(move || with(&g1, Gateway::dropped)),
            targets: Box::new(move || targets(&g2, &config2.load(), &names2)),
            in_flight: Box::new(move || with(&g3, Gateway::in_flight)),
            open: Box::new(move || with(&g4, Gateway::long_open)),
            proc: Some(Proc::host()),
            probes_off: config.load().probes_off.clone(),
            more_probes: more_probes.collect(),
            heard,
        };
        let telemetry = Arc::new(Telemetry::start(setup)?);
        Ok(Watch {
            telemetry,
            names,
            clock,
            config,
            gateway,
            spans,
        })
    }

    /// Control's view of the windows.
    pub fn windows(&self) -> Windows {
        Windows {
            recent: self.telemetry.recent().clone(),
            names: self.names.clone(),
            clock: self.clock,
            config: self.config.clone(),
        }
    }

    /// Counts against objectives.
    pub fn answers(&self) -> Answered {
        Answered {
            telemetry: self.telemetry.clone(),
            names: self.names.clone(),
            gateway: self.gateway.clone(),
        }
    }

    /// Counts for the history.
    pub fn counted(&self) -> Counted {
        let gateway = self.gateway.clone();
        let business = move || with(&gateway, Gateway::business);
        Counted::new(
            self.telemetry.clone(),
            self.names.clone(),
            Box::new(business),
        )
    }

    /// Returns when what has happened is counted.
    pub fn catch_up(&self) {
        if !self.telemetry.catch_up(CATCH_UP) {
            tracing::warn!("the last requests are not counted: telemetry does not get its turn");
        }
    }

    /// Asks for the end of the recording under way.
    pub fn stop_recording(&self) -> Result<(), Finding> {
        self.telemetry.stop_recording()
    }

    /// The windows that have closed.
    pub fn recent(&self) -> Recent {
        self.telemetry.recent().clone()
    }

    /// Writes what happens to folders.
    pub fn recordings(&self) -> Recordings {
        Recordings {
            telemetry: self.telemetry.clone(),
            names: self.names.clone(),
            clock: self.clock,
            config: self.config.clone(),
        }
    }

    /// When requests were in a service.
    pub fn flights(&self, flights: &Flights) -> Asked {
        let gateway = self.gateway.clone();
        Asked {
            flights: flights.clone(),
            names: self.names.clone(),
            clock: self.clock,
            instances: Box::new(move || instances(&gateway)),
        }
    }

    /// What the gateway tells of itself.
    pub fn path(&self) -> Path {
        Path {
            gateway: self.gateway.clone(),
            names: self.names.clone(),
        }
    }

    /// What the probes had to say in the last second.
    pub fn probes(&self) -> impl Fn() -> Value + Send + Sync + 'static {
        let telemetry = self.telemetry.clone();
        move || serde_json::to_value(telemetry.notes()).unwrap_or_default()
    }

    /// Requests by route and who asked, since the last time.
    pub fn charges(&self) -> impl Fn() -> Vec<Charge> + Send + 'static {
        let gateway = self.gateway.clone();
        move || with(&gateway, Gateway::take_charges)
    }

    /// What came of copies of requests.
    pub fn mirrors(&self) -> impl Fn() -> Value + Send + Sync + 'static {
        let gateway = self.gateway.clone();
        move || serde_json::to_value(with(&gateway, Gateway::mirrors)).unwrap_or_default()
    }

    /// Whether instances keep sessions in their memory, with what to do about it.
    pub fn stateful(&self) -> impl Fn() -> Value + Send + Sync + 'static {
        let gateway = self.gateway.clone();
        move || stateful::shown(&with(&gateway, Gateway::stateful))
    }

    /// The metrics page: what telemetry counts, then what the gates decided.
    pub fn metrics(&self) -> impl Fn(Format) -> String + Send + Sync + 'static {
        let (telemetry, gateway) = (self.telemetry.clone(), self.gateway.clone());
        let spans = self.spans.clone();
        move |format| {
            let gates = with(&gateway, |g| gates::page(&g.gauges()));
            let spans = spans.as_deref().map(spans::page).unwrap_or_default();
            telemetry.prometheus(format == Format::OpenMetrics) + &gates + &spans
        }
    }
}

fn probe(
    evidence: &Arc<Mutex<Evidence>>,
    names: &Names,
    config: &Arc<ArcSwap<Config>>,
) -> Box<dyn Probe> {
    Box::new(SpanProbe {
        evidence: evidence.clone(),
        names: names.clone(),
        config: config.clone(),
    })
}

/// Answers and requests that hang, for the objectives of routes.
pub struct Answered {
    telemetry: Arc<Telemetry>,
    names: Names,
    gateway: Shared,
}

impl Answered {
    /// Answers since the last time; from now on these limits hold, by name of route.
    pub fn take(&self, limits: &BTreeMap<&str, Limits>) -> Vec<Answers> {
        let names = self.names.routes.all();
        let of = |name: &Arc<str>| limits.get(&**name).copied().unwrap_or_default();
        self.telemetry.take_answers(names.iter().map(of).collect())
    }

    /// Requests that have been open for more than 10 s, by route.
    pub fn stuck(&self) -> Vec<(RouteIx, u32)> {
        with(&self.gateway, Gateway::long_open)
    }

    pub fn route(&self, name: &str) -> Option<RouteIx> {
        self.names.routes.find(name)
    }
}

/// Asks the gateway, or answers with nothing when it has been stopped.
fn with<T: Default>(gateway: &Shared, ask: impl FnOnce(&Gateway) -> T) -> T {
    gateway
        .lock()
        .unwrap_or_else(|e| e.into_inner())
        .as_ref()
        .map_or_else(T::default, ask)
}

fn instances(gateway: &Shared) -> Vec<InstanceTarget> {
    let target = |(service, instance, address): (Arc<str>, _, _)| InstanceTarget {
        service: service.to_string(),
        instance,
        address,
        pid: None,
    };
    let all = with(gateway, Gateway::instances);
    all.into_iter().map(target).collect()
}

fn targets(gateway: &Shared, config: &Config, names: &Names) -> Targets {
    Targets {
        instances: instances(gateway),
        also: Vec::new(),
        declared: config.resources.iter().map(|r| r.name.clone()).collect(),
        pools: with(gateway, |g| g.gauges().pools)
            .iter()
            .filter_map(pool)
            .chain(workers(gateway, config))
            .collect(),
        ports: with(gateway, ports),
        sizes: with(gateway, Gateway::told_sizes),
        scrapes: config.resources.iter().filter_map(scrape).collect(),
        databases: config.resources.iter().filter_map(postgres).collect(),
        stores: config.resources.iter().filter_map(redis).collect(),
        origins: origins(gateway, config, names),
    }
}

/// Where clients connect, Unix sockets apart.
fn ports(g: &Gateway) -> Vec<u16> {
    let all = g.listens().ip().into_iter().chain(g.tls_address());
    all.map(|at| at.port()).collect()
}

fn postgres(r: &config::Resource) -> Option<PostgresTarget> {
    Some(PostgresTarget {
        resource: r.name.clone(),
        url: r.postgres.clone()?,
        ca: r.ca.clone(),
        cores: r.capacity,
    })
}

fn redis(r: &config::Resource) -> Option<RedisTarget> {
    Some(RedisTarget {
        resource: r.name.clone(),
        url: r.redis.clone()?,
        ca: r.ca.clone(),
    })
}

/// How statements tell their route; nothing where nobody asks.
fn origins(gateway: &Shared, config: &Config, names: &Names) -> Origins {
    if config.resources.iter().all(|r| r.postgres.is_none()) {
        return Origins::default();
    }
    let path = |r: &config::Route| {
        let ix = names.routes.find(&r.name)?;
        Some((shape(&r.matcher.path.to_string()), ix))
    };
    Origins {
        spans: with(gateway, |g| Some(g.spans())),
        paths: config.routes.iter().filter_map(path).collect(),
    }
}

fn scrape(r: &config::Resource) -> Option<ScrapeTarget> {
    Some(ScrapeTarget {
        resource: r.name.clone(),
        rules: r.prometheus.clone()?,
        capacity: r.capacity,
    })
}

fn pool(p: &gateway::PoolGauge) -> Option<PoolGauge> {
    let (service, _) = p.name.split_once('/')?;
    Some(PoolGauge {
        service: service.to_owned(),
        detail: String::new(),
        instance: p.instance,
        in_use: f64::from(p.busy),
        waiting: f64::from(p.waiting),
        size: p.size.map(f64::from),
    })
}

/// The deliveries of each route's jobs, how many there may be at once, and what waits for one.
fn workers(gateway: &Shared, config: &Config) -> Vec<PoolGauge> {
    let takes = |r: &&config::Route| r.asynchronous.is_some();
    if !config.routes.iter().any(|r| takes(&r)) {
        return Vec::new();
    }
    let lanes = with(gateway, Gateway::job_lanes);
    let gauge = |r: &config::Route| {
        let lane = lanes.iter().find(|l| l.name == r.name)?;
        let depth = with(gateway, |g| g.jobs().depth(&r.name));
        Some(PoolGauge {
            service: r.to.clone(),
            detail: format!("jobs.{}", r.name),
            instance: InstanceIx::NONE,
            in_use: f64::from(lane.in_flight),
            waiting: depth.saturating_sub(u64::from(lane.in_flight)) as f64,
            size: r.asynchronous.as_ref().map(|a| f64::from(a.concurrency)),
        })
    };
    let all = config.routes.iter().filter(takes);
    all.filter_map(gauge).collect()
}

/// Control's `Windows` by telemetry's history, with names and config as they are now.
pub struct Windows {
    recent: Recent,
    names: Names,
    clock: Clock,
    config: Arc<ArcSwap<Config>>,
}

impl control::ports::Windows for Windows {
    fn history(&self, last_s: u64) -> History {
        let shell = shell::of(&self.names, &self.config.load());
        self.recent.history(last_s, shell)
    }

    fn index(&self) -> u64 {
        self.clock.now().0 / 1_000_000_000
    }
}
