//! A running Plimsoll: gateway, telemetry, control and console, started in the order in which they need each other.

use crate::exit::Failure;
use crate::wire::compose::Composer;
use crate::wire::mind::ModelMind;
use crate::wire::watch::{self, Windows};
use arc_swap::ArcSwap;
use base::clock::Clock;
use base::{Incident, Names};
use config::{Config, Document, Generation};
use control::ports::{Publish, SystemWall};
use control::{Control, Parts};
use gateway::Gateway;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};
use store::Embedded;
use telemetry::Recent;
use telemetry::recording::{Limits, Progress as Recorded, Stage};
use tokio::sync::oneshot;

/// Windows close 10 s late; the rest is for a busy machine.
const RECORDING_ENDS: Duration = Duration::from_secs(30);

/// Everything that runs; `stop` ends it in order.
pub struct System {
    pub control: Arc<Control>,
    pub address: SocketAddr,
    pub console: SocketAddr,
    gateway: Arc<Mutex<Option<Gateway>>>,
    watch: watch::Watch,
    stop_console: Option<oneshot::Sender<()>>,
    runtime: Option<tokio::runtime::Runtime>,
}

/// Takes generations into service, and tells the others which config that is.
struct Service {
    gateway: Arc<Mutex<Option<Gateway>>>,
    current: Arc<ArcSwap<Config>>,
    mind: Arc<RwLock<Option<Arc<Config>>>>,
    recent: Recent,
    clock: Clock,
}

impl Publish for Service {
    fn publish(&self, generation: Generation) {
        // What was learned under another config is not mixed with what comes; a canary changes nothing for the others.
        if **self.current.load() != *generation.base {
            self.recent.incident(Incident {
                window: self.clock.now().0 / 1_000_000_000,
                what: format!("generation {}", generation.number),
            });
        }
        self.current.store(generation.base.clone());
        *self.mind.write().unwrap_or_else(|e| e.into_inner()) = Some(generation.base.clone());
        if let Some(g) = &*self.gateway.lock().unwrap_or_else(|e| e.into_inner()) {
            g.apply(Arc::new(generation));
        }
    }
}

impl System {
    /// Starts everything from a config's text; `file` is its name in messages.
    pub fn start(file: &str, text: &str) -> Result<System, Failure> {
        let (config, first) = first_generation(file, text)?;
        let names = Names::default();
        let clock = Clock::start();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("control")
            .enable_all()
            .build()?;
        let options = gateway::Options {
            control: Some(runtime.handle().clone()),
            ..Default::default()
        };
        let (gateway, rings) = Gateway::start(Arc::new(first), names.clone(), clock, options)
            .map_err(|e| {
                Failure::new(e.to_string())
                    .help("set `listen:` to a free address; `ss -ltnp` shows who has it")
            })?;
        let address = gateway.address();
        let gateway = Arc::new(Mutex::new(Some(gateway)));
        let current = Arc::new(ArcSwap::from_pointee(config));
        let watch = watch::Watch::start(watch::Parts {
            rings,
            names,
            clock,
            config: current.clone(),
            gateway: gateway.clone(),
        })?;
        let mind = Arc::new(RwLock::new(Some(current.load_full())));
        let service = Service {
            gateway: gateway.clone(),
            current: current.clone(),
            mind: mind.clone(),
            recent: watch.recent(),
            clock,
        };
        let control = Arc::new(start_control(
            file,
            text,
            &current.load(),
            service,
            watch.windows(),
            mind,
        )?);
        let console = current.load().console;
        let stop = start_console(&runtime, console, &control, &watch)?;
        Ok(System {
            control,
            address,
            console,
            gateway,
            watch,
            stop_console: Some(stop),
            runtime: Some(runtime),
        })
    }

    /// Writes what happens from the next second on to a folder, until a limit or `stop_recording`.
    pub fn record(&self, folder: &Path, limits: Limits) -> Result<Recorded, Failure> {
        let folder = std::path::absolute(folder)?;
        let begun = self.watch.recordings().record(&folder, limits);
        begun.map_err(|f| failure(&[f]))
    }

    /// Ends the recording and waits for it: about ten seconds, until its last windows have closed.
    pub fn stop_recording(&self) -> Result<Recorded, Failure> {
        let deadline = Instant::now() + RECORDING_ENDS;
        self.watch.stop_recording().map_err(|f| failure(&[f]))?;
        while Instant::now() < deadline {
            match self.watch.recordings().now() {
                Some(r) if r.stage == Stage::Ended => return Ok(r),
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
        Err(Failure::new(
            "the recording does not end: telemetry stands still",
        ))
    }

    /// Opens the file of the access log anew, after it was moved.
    pub fn reopen_access_log(&self) {
        if let Some(g) = &*self.gateway.lock().unwrap_or_else(|e| e.into_inner()) {
            g.reopen_access_log();
        }
    }

    /// What telemetry remembers.
    pub fn windows(&self) -> Windows {
        self.watch.windows()
    }

    /// Stops accepting, lets requests in flight end, then ends the rest.
    pub fn stop(mut self) {
        let gateway = self
            .gateway
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .take();
        if let Some(g) = gateway {
            let drained = g.shutdown();
            tracing::info!(
                took_ms = drained.took.as_millis() as u64,
                cut = drained.cut,
                "drained"
            );
        }
        self.control.stop();
        drop(self.watch);
        if let Some(c) = self.stop_console.take() {
            // The console may be gone already.
            let _ = c.send(());
        }
        if let Some(r) = self.runtime.take() {
            r.shutdown_timeout(Duration::from_secs(2));
        }
    }
}

fn first_generation(file: &str, text: &str) -> Result<(Config, Generation), Failure> {
    let checked = config::check_text(file, text);
    let (Some(config), false) = (checked.config, text.is_empty()) else {
        let shown = config::report::render(&checked.findings, &checked.document, false);
        return Err(Failure::new(format!("the config is not good:\n{shown}"))
            .help("`plimsoll check` shows the same"));
    };
    let (document, _) = Document::parse(file, text);
    let composed = config::compose(&document, &[], 0, 0).map_err(|f| failure(&f))?;
    Ok((config, composed.generation))
}

fn start_control(
    file: &str,
    text: &str,
    config: &Config,
    service: Service,
    windows: Windows,
    mind: Arc<RwLock<Option<Arc<Config>>>>,
) -> Result<Control, Failure> {
    std::fs::create_dir_all(&config.data_dir).map_err(|e| {
        Failure::new(format!("data_dir {}: {e}", config.data_dir.display()))
            .help("create it, or name another folder")
    })?;
    let store = Arc::new(open_store(&config.data_dir)?);
    Control::start(Parts {
        document: text.to_owned(),
        data_dir: config.data_dir.clone(),
        log: store.clone(),
        kv: store,
        compose: Arc::new(Composer {
            file: file.to_owned(),
        }),
        publish: Arc::new(service),
        windows: Arc::new(windows),
        mind: Arc::new(ModelMind {
            config: mind,
            seed: 1,
            canary_share: 0.5,
        }),
        wall: Arc::new(SystemWall),
        cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
    })
    .map_err(|f| failure(&f))
}

fn open_store(dir: &Path) -> Result<Embedded, Failure> {
    let file = dir.join("control.db");
    Embedded::open(&file).map_err(|e| {
        Failure::new(format!("the ledger {}: {e}", file.display()))
            .help("is another Plimsoll using this data_dir?")
    })
}

fn start_console(
    runtime: &tokio::runtime::Runtime,
    at: SocketAddr,
    control: &Arc<Control>,
    watch: &watch::Watch,
) -> Result<oneshot::Sender<()>, Failure> {
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(at))
        .map_err(|e| {
            Failure::new(format!("the console cannot listen on {at}: {e}"))
                .help("set `console:` to a free address")
        })?;
    let state = console::State {
        control: control.clone(),
        recordings: Arc::new(watch.recordings()),
        metrics: Arc::new(watch.metrics()),
        ready: Arc::new(|| Ok(())),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    runtime.spawn(async move {
        let done = async {
            // Dropped or told: both mean stop.
            let _ = stopped.await;
        };
        if let Err(e) = console::serve(listener, state, done).await {
            tracing::error!("the console ended: {e}");
        }
    });
    Ok(stop)
}

/// Findings as one failure.
pub fn failure(findings: &[base::Finding]) -> Failure {
    Failure::new(
        findings
            .iter()
            .map(|f| f.to_string())
            .collect::<Vec<_>>()
            .join("\n"),
    )
}
