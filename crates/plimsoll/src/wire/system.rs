//! A running Plimsoll: gateway, telemetry, control and console, started in the order in which they need each other.

use crate::exit::Failure;
use crate::host::pulse::Pulse;
use crate::wire::body::{Body, Steering};
use crate::wire::door::Door;
use crate::wire::engines::{self, Engines};
use crate::wire::export::{self, Export};
use crate::wire::flights::Flights;
use crate::wire::outward::{self, Outward};
use crate::wire::start::first_generation;
use crate::wire::tap::Tap;
use crate::wire::watch::{self, Windows};
use crate::wire::{agents, spans, state, streams, topics, traces};
use arc_swap::ArcSwap;
use base::clock::Clock;
use base::{Finding, Names};
use config::{Address, Config};
use console::Upgrades;
use control::Control;
use gateway::Gateway;
use gateway::request::quota::Quotas;
use otlp::Receiver;
use serde_json::Value;
use socket2::Socket;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use telemetry::recording::{Limits, Progress as Recorded, Stage};
use tokio::runtime::Handle;

/// Windows close 10 s late; the rest is for a busy machine.
const RECORDING_ENDS: Duration = Duration::from_secs(30);
/// For answers of the console under way, and for whoever still reads the ledger.
const CONSOLE_ENDS: Duration = Duration::from_secs(2);
const LEDGER_CLOSES: Duration = Duration::from_secs(10);
/// For what is held of quotas to be given back.
const QUOTAS_SETTLE: Duration = Duration::from_secs(3);

/// Everything that runs; `stop` ends it in order.
pub struct System {
    pub control: Arc<Control>,
    pub address: Address,
    /// Where TLS is spoken beside it.
    pub tls: Option<SocketAddr>,
    pub console: Address,
    steering: Steering,
    body: Body,
}

/// What a process needs to go on where another one, or the service manager, opened the sockets.
#[derive(Default)]
pub struct Start {
    pub inherited: Vec<Socket>,
    /// The service manager opened them.
    pub managed: bool,
    pub upgrades: Option<Arc<dyn Upgrades>>,
}

/// A system whose control and console have stopped: traffic goes on, and another process can own the ledger.
pub struct Released {
    address: Address,
    tls: Option<SocketAddr>,
    console: Address,
    body: Body,
}

/// Passes on what is purged by people, and what requests change.
fn outward(gateway: &Gateway, config: &Arc<ArcSwap<Config>>) -> Result<Outward, Failure> {
    let tally = gateway.tally("purge_hook", outward::NAMES);
    let outward = Outward::start(config.clone(), tally)?;
    let changed = outward.clone();
    gateway.tell_changes(Box::new(move |purge| changed.changed(purge)));
    Ok(outward)
}

/// Sends metrics and traces to a collector, where the config says so.
fn export(
    config: &Arc<ArcSwap<Config>>,
    names: &Names,
    clock: Clock,
    runtime: &Handle,
) -> std::io::Result<Option<(Export, export::Sink)>> {
    let Some(otlp) = config.load().export.otlp.clone() else {
        return Ok(None);
    };
    let parts = export::Parts {
        names: names.clone(),
        clock,
        config: config.clone(),
        runtime: runtime.clone(),
    };
    Export::start(&otlp, parts).map(Some)
}

impl System {
    /// Starts everything from a config's text; `file` is its name in messages.
    pub fn start(file: &str, text: &str) -> Result<System, Failure> {
        System::start_with(file, text, Start::default())
    }

    /// Connections are taken when all parts stand.
    pub fn start_with(file: &str, text: &str, start: Start) -> Result<System, Failure> {
        let (config, first) = first_generation(file, text)?;
        let names = Names::default();
        let clock = Clock::start();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("control")
            .enable_all()
            .build()?;
        let door = Door::new(&config.console, &start.inherited, start.managed)?;
        let taken = start
            .inherited
            .iter()
            .map(Socket::try_clone)
            .collect::<Result<Vec<_>, _>>()?;
        let options = gateway::Options {
            control: Some(runtime.handle().clone()),
            inherited: start.inherited,
            keep_file: start.managed,
            paused: true,
            details: config.traces.size > 0 || config.export.otlp.is_some(),
            ..Default::default()
        };
        let (mut gateway, rings) = Gateway::start(Arc::new(first), names.clone(), clock, options)
            .map_err(|e| {
            Failure::new(e.to_string())
                .help("set `listen:` to a free address; `ss -ltnp` shows who has it")
        })?;
        let address = gateway.listens().clone();
        let tls = gateway.tls_address();
        let details = gateway.take_details();
        let current = Arc::new(ArcSwap::from_pointee(config));
        let engines = Engines::open(&current.load())?;
        gateway.set_counter(engines.counter());
        gateway.set_second(engines.second());
        replicas::start(runtime.handle(), gateway.replications());
        let outward = outward(&gateway, &current)?;
        let kept = (current.load().traces.size > 0)
            .then(|| traces::queue(clock, current.load().otlp.is_some(), &current.load().traces));
        let (kept_sink, kept) = kept.unzip();
        let spans = match &current.load().otlp {
            Some(otlp) => Some(spans::start(
                otlp,
                &taken,
                gateway.spans(),
                clock,
                runtime.handle(),
                kept.clone(),
            )?),
            None => None,
        };
        let agents = match &current.load().agents {
            Some(a) => Some(agents::start(a, &taken, clock, runtime.handle())?),
            None => None,
        };
        let streams = streams::place(&current.load());
        let state = match &current.load().state {
            Some(s) => Some(state::serve(
                s,
                &taken,
                gateway.state(),
                topics::api(&gateway, current.clone(), clock),
                streams.clone(),
                runtime.handle(),
            )?),
            None => None,
        };
        let gateway = Arc::new(Mutex::new(Some(gateway)));
        let (export, export_sink) = export(&current, &names, clock, runtime.handle())?.unzip();
        let flights = Flights::default();
        let tap = Tap::new(
            names.clone(),
            clock,
            current.clone(),
            export_sink,
            kept_sink,
        )
        .with_details(details)
        .with_flights(flights.clone());
        let watch = watch::Watch::start(watch::Parts {
            rings,
            agents: agents.as_ref().map(|a| a.probe(names.clone())),
            names: names.clone(),
            clock,
            config: current.clone(),
            gateway: gateway.clone(),
            spans: spans.as_ref().map(Receiver::evidence),
            heard: Some(tap.heard()),
        })?;
        let counted = Arc::new(Mutex::new(watch.counted()));
        let body = Body {
            counted,
            file: file.to_owned(),
            text: text.to_owned(),
            data_dir: current.load().data_dir.clone(),
            pulse: Pulse::new(gateway.clone(), clock),
            gateway,
            watch,
            current,
            outward,
            engines,
            spans: spans.map(Mutex::new),
            agents: agents.map(Mutex::new),
            export,
            traces: kept,
            flights,
            names,
            state: state.map(Mutex::new),
            streams,
            clock,
            door,
            managed: start.managed,
            readiness: Arc::new(Mutex::new(Some("it is starting"))),
            upgrades: start.upgrades.unwrap_or_else(|| Arc::new(NoUpgrades)),
            runtime,
        };
        let (control, steering) = body.steer()?;
        body.wait_for_names();
        body.with_gateway(Gateway::open);
        body.say(None);
        Ok(System {
            control,
            address,
            tls,
            console: body.door.address()?,
            steering,
            body,
        })
    }

    /// The console's address, as people open it.
    pub fn shown_console(&self) -> String {
        match (&self.console, self.body.door.is_encrypted()) {
            (Address::Unix(_), _) => self.console.to_string(),
            (Address::Ip(at), true) => format!("https://{at}"),
            (Address::Ip(at), false) => format!("http://{at}"),
        }
    }

    /// Takes another text of the config into service, and its certificate files as they are now.
    pub fn reload(&mut self, text: String) -> Result<(), Failure> {
        let config = config::check_text(&self.body.file, &text).config;
        let wrong = config.map_or_else(Vec::new, |c| {
            [gateway::check(&c), engines::check(&c)].concat()
        });
        if !wrong.is_empty() {
            return Err(failure(&wrong));
        }
        (self.control.reload(text.clone())).map_err(|f| failure(&f))?;
        self.body.text = text;
        let users = self.body.current.load().console.clone();
        self.body.door.renew(&users)?;
        let wrong = self.body.with_gateway(Gateway::reload_certificates);
        match wrong.unwrap_or_default() {
            wrong if wrong.is_empty() => Ok(()),
            wrong => Err(failure(&wrong)),
        }
    }

    /// The listening sockets, and the console's, for a process that shall go on with them.
    pub fn sockets(&self) -> Result<Vec<Socket>, Failure> {
        let listening = self.body.with_gateway(Gateway::sockets).transpose()?;
        let mut all = listening.unwrap_or_default();
        all.push(self.body.door.socket.try_clone()?);
        for listener in self.body.report_sockets()? {
            all.push(listener.into());
        }
        Ok(all)
    }

    /// Whether the service manager opened the sockets.
    pub fn is_managed(&self) -> bool {
        self.body.managed
    }

    /// Whether it lives, as `/livez` tells it.
    pub fn pulse(&self) -> &Pulse {
        &self.body.pulse
    }

    /// Stops control and console, and closes the ledger. Traffic goes on with the present generation.
    pub fn release(self) -> Result<Released, (Released, Failure)> {
        let System {
            control,
            address,
            tls,
            console,
            steering,
            body,
        } = self;
        body.pulse.forget();
        if let Some(export) = &body.export {
            // It holds the parts that the metrics page is made of.
            export.shown().set_source(None);
        }
        give_back(&body, body.with_gateway(Gateway::quotas));
        body.with_gateway(|g| {
            g.jobs().set_queue(None);
            // What is under way goes on with an engine that several use.
            if body.engines.kv().is_none() {
                g.state().lend(None);
            }
            if body.engines.kv().or(body.engines.values()).is_none() {
                g.quotas().lend(None);
            }
        });
        let events = steering.streams.as_ref().map(|s| s.store.clone());
        let events = events.unwrap_or_default();
        let topics = steering.topics.as_ref().map(|t| t.copy.clone());
        let topics = topics.unwrap_or_default();
        drop(steering.topics);
        drop(steering.streams);
        drop(steering.cron);
        // The next process takes them: the sockets listen on.
        let _ = body.take_reports(false);
        drop(steering.remembered);
        drop(steering.traces);
        drop(steering.slos);
        drop(steering.costs);
        drop(steering.lead);
        drop(steering.saying);
        drop(steering.spreading);
        drop(steering.shares);
        control.stop();
        drop(control);
        let _ = steering.stop_console.send(());
        let mut serving = steering.console;
        body.runtime.block_on(async {
            if tokio::time::timeout(CONSOLE_ENDS, &mut serving)
                .await
                .is_err()
            {
                serving.abort();
                let _ = serving.await;
            }
        });
        let until = Instant::now() + LEDGER_CLOSES;
        let in_use = || {
            let (ledger, queue, state) = (&steering.ledger, &steering.queue, &steering.state);
            let stores = [ledger, queue, state, &events, &topics];
            stores.map(Weak::strong_count).iter().sum::<usize>()
        };
        while in_use() > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let released = Released {
            address,
            tls,
            console,
            body,
        };
        match in_use() {
            0 => Ok(released),
            _ => Err((
                released,
                Failure::new(
                    "the ledger, the queue of jobs, or the store of keys or of streams is still in use",
                ),
            )),
        }
    }

    /// Writes what happens from the next second on to a folder, until a limit or `stop_recording`.
    pub fn record(&self, folder: &Path, limits: Limits) -> Result<Recorded, Failure> {
        let folder = std::path::absolute(folder)?;
        let begun = self.body.watch.recordings().record(&folder, limits);
        begun.map_err(|f| failure(&[f]))
    }

    /// Ends the recording and waits for it: about ten seconds, until its last windows have closed.
    pub fn stop_recording(&self) -> Result<Recorded, Failure> {
        let deadline = Instant::now() + RECORDING_ENDS;
        self.body
            .watch
            .stop_recording()
            .map_err(|f| failure(&[f]))?;
        while Instant::now() < deadline {
            match self.body.watch.recordings().now() {
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
        self.body.with_gateway(Gateway::reopen_access_log);
    }

    /// What telemetry remembers.
    pub fn windows(&self) -> Windows {
        self.body.watch.windows()
    }

    /// Tells `/readyz`, stops accepting, lets requests in flight end, then ends the rest.
    pub fn stop(self) {
        self.body.say(Some("it is stopping"));
        std::thread::sleep(self.body.current.load().limits.notice);
        if let Some(g) = self.body.take_gateway() {
            let quotas = g.quotas();
            told(g.shutdown());
            give_back(&self.body, Some(quotas));
        }
        self.body.pulse.forget();
        // What came last is counted before telemetry ends.
        self.body.watch.catch_up();
        drop(self.body.export);
        drop(self.steering.streams);
        drop(self.steering.cron);
        drop(self.steering.remembered);
        drop(self.steering.traces);
        drop(self.steering.slos);
        drop(self.steering.costs);
        drop(self.steering.lead);
        drop(self.steering.saying);
        drop(self.steering.spreading);
        drop(self.steering.shares);
        self.control.stop();
        drop(self.body.watch);
        // The console may be gone already.
        let _ = self.steering.stop_console.send(());
        self.body.runtime.shutdown_timeout(Duration::from_secs(2));
    }
}

impl Released {
    /// Goes on as if nothing had been released.
    pub fn resume(self) -> Result<System, (Released, Failure)> {
        let steered = self.body.steer();
        let reports = self.body.take_reports(true);
        match steered.and_then(|s| reports.map(|()| s).map_err(Failure::from)) {
            Ok((control, steering)) => Ok(System {
                control,
                address: self.address,
                tls: self.tls,
                console: self.console,
                steering,
                body: self.body,
            }),
            Err(e) => Err((self, e)),
        }
    }

    /// Lets the connections end by themselves, as long as the configuration says or until `hurry`.
    pub fn hand_over(mut self, hurry: impl Fn() -> bool) {
        self.body.pulse.silence();
        let longest = self.body.current.load().upgrade.drain;
        self.body.door.hand_over();
        // What the threads are asked goes on without a gateway, so it is taken out first.
        if let Some(g) = self.body.take_gateway() {
            let quotas = g.quotas();
            told(g.hand_over(longest, hurry));
            give_back(&self.body, Some(quotas));
        }
        if let Some(export) = self.body.export.take() {
            self.body.watch.catch_up();
            drop(export);
        }
        drop(self.body.watch);
        self.body.runtime.shutdown_timeout(Duration::from_secs(2));
    }
}

/// What is held of quotas is for others again.
fn give_back(body: &Body, quotas: Option<Arc<Quotas>>) {
    let Some(quotas) = quotas else {
        return;
    };
    let given_back = quotas.give_back(body.clock.now(), Duration::ZERO);
    let settled = async { tokio::time::timeout(QUOTAS_SETTLE, given_back).await };
    let settled = body.runtime.block_on(settled);
    match settled {
        Ok(Ok(())) => {}
        Ok(Err(e)) => tracing::warn!("what is held of quotas is not given back: {e}"),
        Err(_) => tracing::warn!("what is held of quotas is not given back in time"),
    }
}

fn told(drained: gateway::Drained) {
    tracing::info!(
        took_ms = drained.took.as_millis() as u64,
        cut = drained.cut,
        "drained"
    );
}

/// For a system that no command runs as a service.
struct NoUpgrades;

impl Upgrades for NoUpgrades {
    fn start(&self) -> Result<Value, Vec<Finding>> {
        let what = "this Plimsoll was not started by `plimsoll run`";
        Err(vec![Finding::error("upgrade-refused", what)])
    }
    fn progress(&self) -> Value {
        Value::Null
    }
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
