//! What goes on while control is replaced: gateway and telemetry; and how control and console are set upon them.

use crate::exit::Failure;
use crate::host::pulse::Pulse;
use crate::wire::caches::Caches;
use crate::wire::cost::{Costs, Sources};
use crate::wire::cron;
use crate::wire::door::Door;
use crate::wire::engines::{Engines, Lead, STREAMS, Saying, Shares, Spreading};
use crate::wire::export::Export;
use crate::wire::flights::Flights;
use crate::wire::jobs::{self, Jobs, Makes};
use crate::wire::outward::Outward;
use crate::wire::past::{Counted, Remembered};
use crate::wire::replicas::Replicas;
use crate::wire::slo::{Shown, Slos};
use crate::wire::start::{Around, open_store, start_control};
use crate::wire::state;
use crate::wire::streams;
use crate::wire::topics::{self, Topics};
use crate::wire::traces::{self, Kept, NoTraces};
use crate::wire::watch;
use arc_swap::ArcSwap;
use base::clock::Clock;
use base::{Incident, Learned, Names, Nanos};
use config::{Config, Generation};
use console::{Format, Upgrades};
use control::Control;
use control::ports::{Alone, Lead as _, Publish};
use gateway::Gateway;
use otlp::Receiver;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, Weak};
use std::time::{Duration, Instant};
use store::Embedded;
use telemetry::Recent;
use telemetry::prometheus::openmetrics;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longest wait for DNS at the start.
const NAMES: Duration = Duration::from_secs(3);
/// The same for the primaries of replications.
const DATABASES: Duration = Duration::from_secs(1);

/// What passes traffic and measures it.
pub struct Body {
    pub file: String,
    /// Of the config in service.
    pub text: String,
    /// Where the ledger is: a change of the config moves it at the next start only.
    pub data_dir: PathBuf,
    pub gateway: Arc<Mutex<Option<Gateway>>>,
    pub watch: watch::Watch,
    /// What the history has taken so far.
    pub counted: Arc<Mutex<Counted>>,
    pub current: Arc<ArcSwap<Config>>,
    pub outward: Outward,
    pub engines: Engines,
    /// Takes spans, where the config says so at the start.
    pub spans: Option<Mutex<Receiver>>,
    /// Takes what agents of other hosts send, likewise.
    pub agents: Option<Mutex<agent::gateway::Receiver>>,
    /// Sends to a collector, likewise.
    pub export: Option<Export>,
    /// Traces that are kept here, likewise.
    pub traces: Option<Arc<Kept>>,
    pub flights: Flights,
    pub names: Names,
    /// Answers services that keep values here, likewise.
    pub state: Option<Mutex<::state::Receiver>>,
    /// Streams of events, where the config asks for them at the start.
    pub streams: Option<Arc<::streams::Place>>,
    pub clock: Clock,
    pub door: Door,
    /// The service manager opened the sockets.
    pub managed: bool,
    pub readiness: Readiness,
    pub pulse: Pulse,
    pub upgrades: Arc<dyn Upgrades>,
    pub runtime: tokio::runtime::Runtime,
}

/// What runs beside `Control` to steer the body.
pub struct Steering {
    pub stop_console: oneshot::Sender<()>,
    pub console: JoinHandle<()>,
    /// Stops when dropped.
    pub slos: Slos,
    /// Likewise.
    pub costs: Costs,
    pub remembered: Remembered,
    /// `None`: no traces are kept.
    pub traces: Option<traces::Writing>,
    /// Gives up what it leads when dropped; `None`: this node is alone.
    pub lead: Option<Lead>,
    /// Says what this node runs; `None`: it is alone.
    pub saying: Option<Saying>,
    /// Has the overlays of all nodes together; `None`: it is alone.
    pub spreading: Option<Spreading>,
    /// Keeps this node's shares of limits; `None`: this node is alone.
    pub shares: Option<Shares>,
    /// Gone when nobody has the ledger open any more.
    pub ledger: Weak<Embedded>,
    /// The same of the queue of jobs, where there is one.
    pub queue: Weak<Embedded>,
    /// What goes on beside the topics of all nodes, and their copy; `None`: they are this node's own.
    pub topics: Option<topics::All>,
    /// And of the store of keys and sessions.
    pub state: Weak<Embedded>,
    /// What works on streams; it stops when dropped.
    pub streams: Option<streams::Work>,
    /// Makes jobs by the calendar; likewise.
    pub cron: Option<cron::Work>,
}

/// Makes the metrics page.
type Metrics = Arc<dyn Fn(Format) -> String + Send + Sync>;

/// Why traffic is not served, for `/readyz`; `None`: it is.
pub type Readiness = Arc<Mutex<Option<&'static str>>>;

/// Takes generations into service, and tells the others which config that is.
pub struct Service {
    gateway: Arc<Mutex<Option<Gateway>>>,
    current: Arc<ArcSwap<Config>>,
    mind: Arc<RwLock<Option<Arc<Config>>>>,
    recent: Recent,
    clock: Clock,
}

impl Publish for Service {
    fn publish(&self, generation: Generation) {
        // What was learned under another config is not mixed with what comes; a canary changes nothing for the others.
        let other = **self.current.load() != *generation.base;
        if other {
            self.recent.incident(Incident {
                window: self.clock.now().0 / 1_000_000_000,
                what: format!("generation {}", generation.number),
            });
        }
        self.current.store(generation.base.clone());
        *self.mind.write().unwrap_or_else(|e| e.into_inner()) = Some(generation.base.clone());
        if let Some(g) = &*self.gateway.lock().unwrap_or_else(|e| e.into_inner()) {
            g.apply(Arc::new(generation));
            if other {
                g.learn(&Learned::default());
            }
        }
    }

    fn learned(&self, learned: &Learned) {
        if let Some(g) = &*self.gateway.lock().unwrap_or_else(|e| e.into_inner()) {
            g.learn(learned);
        }
    }
}

impl Body {
    pub fn with_gateway<T>(&self, ask: impl FnOnce(&Gateway) -> T) -> Option<T> {
        let gateway = self.gateway.lock().unwrap_or_else(|e| e.into_inner());
        gateway.as_ref().map(ask)
    }

    /// Gives DNS a moment, so that the first requests find the instances that are given by name.
    pub fn wait_for_names(&self) {
        let until = Instant::now() + NAMES;
        let asked = || self.with_gateway(Gateway::has_asked_names);
        while asked() == Some(false) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Else the first reads would be refused for want of a primary.
        let until = Instant::now() + DATABASES;
        let known = || self.with_gateway(Gateway::knows_primaries);
        while known() == Some(false) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn take_gateway(&self) -> Option<Gateway> {
        self.gateway
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .take()
    }

    /// Where others report to: spans, agents, and services.
    pub fn report_sockets(&self) -> std::io::Result<Vec<TcpListener>> {
        let mut all = Vec::new();
        if let Some(spans) = &self.spans {
            let spans = lock(spans);
            for listener in spans.listeners() {
                all.push(listener.try_clone()?);
            }
        }
        if let Some(agents) = &self.agents {
            all.push(lock(agents).listener().try_clone()?);
        }
        if let Some(state) = &self.state {
            all.push(lock(state).listener().try_clone()?);
        }
        Ok(all)
    }

    /// Takes reports no more, or again.
    pub fn take_reports(&self, on: bool) -> std::io::Result<()> {
        use ::state::Receiver as Services;
        use agent::gateway::Receiver as Agents;
        taken(&self.spans, on, Receiver::close, Receiver::open)?;
        taken(&self.agents, on, Agents::close, Agents::open)?;
        taken(&self.state, on, Services::close, Services::open)
    }

    pub fn say(&self, not_ready: Option<&'static str>) {
        *self.readiness.lock().unwrap_or_else(|e| e.into_inner()) = not_ready;
    }

    /// `file`: this node's queue.
    fn makes(&self, file: &Weak<Embedded>) -> Makes {
        Makes {
            shared: self.engines.queue(),
            file: file.clone(),
        }
    }

    fn stream_work(
        &self,
        queue: &Weak<Embedded>,
        lead: Option<&Lead>,
    ) -> Result<Option<streams::Work>, Failure> {
        let Some(place) = &self.streams else {
            return Ok(None);
        };
        let shared = self.with_gateway(|g| (g.projections(), g.jobs()));
        let Some((positions, jobs)) = shared else {
            return Ok(None);
        };
        let queue = streams::Queue {
            makes: self.makes(queue),
            jobs,
            clock: self.clock,
        };
        let events = self.engines.events();
        let leading = lead.map(|l| l.leading.clone());
        let leads = |shared: bool| -> ::streams::Leads {
            match leading.clone().filter(|_| shared) {
                Some(leading) => Arc::new(move || leading.leads(STREAMS)),
                None => Arc::new(|| Ok(())),
            }
        };
        let nodes = streams::Nodes {
            events,
            leads: leads(events.is_some()),
            leads_jobs: leads(self.engines.queue().is_some()),
        };
        let runtime = self.runtime.handle();
        streams::start(
            &self.data_dir,
            place,
            &self.current,
            positions,
            queue,
            nodes,
            runtime,
        )
        .map(Some)
    }

    /// Opens the ledger, and starts control and console.
    pub fn steer(&self) -> Result<(Arc<Control>, Steering), Failure> {
        let config = self.current.load_full();
        let mind = Arc::new(RwLock::new(Some(config.clone())));
        let service = Service {
            gateway: self.gateway.clone(),
            current: self.current.clone(),
            mind: mind.clone(),
            recent: self.watch.recent(),
            clock: self.clock,
        };
        let store = open_store(&self.data_dir)?;
        // Before the queue of this node: none of their events comes into that.
        let of_all = match (self.engines.topics(), self.with_gateway(Gateway::jobs)) {
            (Some(engine), Some(jobs)) => {
                let (dir, runtime) = (&self.data_dir, self.runtime.handle());
                let opened = topics::open(dir, &self.current, jobs, engine, runtime);
                Some(opened?)
            }
            _ => None,
        };
        let queue =
            self.with_gateway(|g| jobs::open(&self.data_dir, &config, g, self.engines.queue()));
        let queue = queue.transpose()?.flatten();
        if let Some(waiting) = self.with_gateway(|g| Arc::downgrade(&g.jobs())) {
            (self.engines).listen(Box::new(move |id| {
                if let Some(waiting) = waiting.upgrade() {
                    waiting.ended(id);
                }
            }));
        }
        let (engine, values) = (self.engines.kv(), self.engines.values());
        let kept_state =
            self.with_gateway(|g| state::open(&self.data_dir, &config, g, engine, values));
        let kept_state = kept_state.transpose()?.flatten();
        let lead = self.engines.lead()?;
        let work = self.stream_work(&queue.clone().unwrap_or_default(), lead.as_ref())?;
        let handle = self.runtime.handle();
        let shown_streams = match &work {
            Some(work) => work.shown(handle),
            None => streams::Shown::nothing(handle),
        };
        let crons = self.with_gateway(|g| {
            let (makes, current) = (self.makes(queue.as_ref()?), self.current.clone());
            Some(cron::start(makes, current, g.jobs(), self.clock, handle))
        });
        let makes = self.makes(&queue.clone().unwrap_or_default());
        let jobs = Jobs::new(self.gateway.clone(), makes, self.current.clone());
        let following = of_all.as_ref().map(|all| all.following.clone());
        let topics = Topics::new(jobs.clone(), self.current.clone(), following);
        let ledger = Arc::downgrade(&store);
        let windows = self.watch.windows();
        let kept = store.clone();
        let shown = Arc::new(Shown::default());
        let saying = self.engines.say(self.current.clone())?;
        let nodes = saying.as_ref().map(|s| s.nodes.clone());
        let shares = (self.engines).keep_shares(store.clone(), self.gateway.clone())?;
        let leading = lead.as_ref().map(|l| l.leading.clone());
        let around = Around {
            lead: match &leading {
                Some(leading) => leading.clone(),
                None => Arc::new(Alone),
            },
            service,
            windows,
            config: mind,
            budgets: shown.clone(),
        };
        let control = start_control(&self.file, &self.text, &self.data_dir, store, around)?;
        let control = Arc::new(control);
        let spreading = self.engines.spread(&control)?;
        let spread = spreading.as_ref().map(|s| s.shown.clone());
        let slos = Slos::start(
            self.watch.answers(),
            self.watch.path(),
            self.current.clone(),
            kept.clone(),
            shown,
            Arc::downgrade(&control),
            PathBuf::from(&self.file),
        )?;
        let costs = Costs::start(
            Sources {
                windows: self.watch.windows(),
                path: self.watch.path(),
                charges: Box::new(self.watch.charges()),
            },
            self.current.clone(),
            kept,
            Arc::downgrade(&control),
        )?;
        let remembered =
            Remembered::start(self.counted.clone(), slos.shown(), self.current.clone())?;
        let start = |kept: &Arc<Kept>| {
            let (names, config) = (self.names.clone(), self.current.clone());
            traces::Writing::start(kept.clone(), names, self.clock, config)
        };
        let writing = self.traces.as_ref().map(start).transpose()?;
        self.pulse.listen_to(&control, self.runtime.handle());
        let (pulse, readiness) = (self.pulse.clone(), self.readiness.clone());
        let gateway = self.gateway.clone();
        let exported = self.export.as_ref().map(Export::shown);
        let metrics: Metrics = Arc::new({
            let (page, slos, costs) = (self.watch.metrics(), slos.shown(), costs.shown());
            let (jobs, kept) = (jobs.clone(), remembered.kept());
            let topics = topics.clone();
            let (exported, engines) = (exported.clone(), self.engines.clone());
            let (nodes, spread) = (nodes.clone(), spread.clone());
            let streams = shown_streams.clone();
            let replicas = Replicas(self.gateway.clone());
            let traces = self.traces.clone();
            move |format| {
                let traces = traces.as_ref().map(|t| t.metrics());
                let exported = exported.as_ref().map(|e| e.metrics());
                let all = page(format)
                    + &slos.metrics()
                    + &costs.metrics()
                    + &kept.metrics()
                    + &jobs.metrics()
                    + &topics.metrics()
                    + &streams.metrics()
                    + &engines.metrics(nodes.as_deref(), spread.as_deref())
                    + &replicas.metrics()
                    + &traces.unwrap_or_default()
                    + &exported.unwrap_or_default();
                match format {
                    Format::Text => all,
                    Format::OpenMetrics => openmetrics::from_text(&all),
                }
            }
        });
        if let Some(exported) = &exported {
            let page = metrics.clone();
            exported.set_source(Some(Arc::new(move || page(Format::Text))));
        }
        let state = console::State {
            control: control.clone(),
            file: Path::new(&self.file).into(),
            access: self.door.access.clone(),
            recordings: Arc::new(self.watch.recordings()),
            flights: Arc::new(self.watch.flights(&self.flights)),
            caches: Arc::new(Caches {
                gateway: self.gateway.clone(),
                outward: self.outward.clone(),
            }),
            jobs: Arc::new(jobs.clone()),
            topics: Arc::new(topics),
            streams: Arc::new(shown_streams),
            path: Arc::new(self.watch.path()),
            metrics,
            slos: slos.shown(),
            costs: costs.shown(),
            past: remembered.kept(),
            traces: match &self.traces {
                Some(kept) => kept.clone(),
                None => Arc::new(NoTraces),
            },
            probes: Arc::new(self.watch.probes()),
            mirrors: Arc::new(self.watch.mirrors()),
            stateful: Arc::new(self.watch.stateful()),
            agents: match &self.agents {
                Some(agents) => Arc::new(lock(agents).status()),
                None => Arc::new(|| json!([])),
            },
            export: Arc::new(move || exported.as_ref().map_or(Value::Null, |e| e.standing())),
            alive: Arc::new(move || pulse.check()),
            ready: Arc::new(move || {
                let not = readiness.lock().unwrap_or_else(|e| e.into_inner());
                not.map_or(Ok(()), |why| Err(why.to_owned()))
            }),
            upgrades: self.upgrades.clone(),
            engines: Arc::new({
                let engines = self.engines.clone();
                move || engines.shown(leading.as_deref(), nodes.as_deref(), spread.as_deref())
            }),
            quotas: Arc::new({
                let (gateway, clock) = (self.gateway.clone(), self.clock);
                move || quotas(&gateway, clock.now())
            }),
            replicas: Arc::new({
                let replicas = Replicas(self.gateway.clone());
                move || replicas.shown()
            }),
            certificate: Arc::new(move || certificate(&gateway)),
        };
        let (stop_console, console) = self.door.open(&self.runtime, state)?;
        let steering = Steering {
            stop_console,
            console,
            slos,
            costs,
            remembered,
            traces: writing,
            lead,
            saying,
            spreading,
            shares,
            ledger,
            queue: queue.unwrap_or_default(),
            topics: of_all,
            state: kept_state.unwrap_or_default(),
            streams: work,
            cron: crons.flatten(),
        };
        Ok((control, steering))
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

/// As `GET /api/v1/quotas` tells it.
fn quotas(gateway: &Mutex<Option<Gateway>>, now: Nanos) -> Value {
    let quotas = lock(gateway).as_ref().map(Gateway::quotas);
    quotas.map_or_else(|| json!([]), |q| json!(q.shown(now)))
}

/// As `GET /api/v1/certificate` tells it.
fn certificate(gateway: &Mutex<Option<Gateway>>) -> Value {
    let gateway = gateway.lock().unwrap_or_else(|e| e.into_inner());
    let standing = gateway.as_ref().and_then(|g| g.gauges().certificate);
    serde_json::to_value(standing).unwrap_or_default()
}

/// Closes a receiver, where there is one, and opens it again when it is `on`.
fn taken<R>(
    receiver: &Option<Mutex<R>>,
    on: bool,
    close: fn(&mut R),
    open: fn(&mut R) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let Some(receiver) = receiver else {
        return Ok(());
    };
    let mut receiver = lock(receiver);
    close(&mut receiver);
    if on { open(&mut receiver) } else { Ok(()) }
}
