//! The gateway as its owner sees it: start, apply a generation, look at the gauges, shut down.

use crate::access::{self, Access, AccessTap};
use crate::acme;
use crate::attempt::mirror;
use crate::files;
use crate::gate::{Kept, Moment};
use crate::jobs::{self, Jobs};
use crate::listen::{self, Accepting, Clients, Fresh, Port, SocketFile};
use crate::replicas::Groups;
use crate::request::cache::{Changes, Disks, Second};
use crate::request::projection::Positions;
use crate::request::quota::{self, Quotas};
use crate::request::rate;
use crate::snapshot::Snapshot;
use crate::state::{self, State};
use crate::timing::Sizes;
use crate::tls;
use crate::upstream::check;
use crate::upstream::discover::{self, Found};
use crate::worker::Worker;
use arc_swap::ArcSwap;
use base::clock::Clock;
use base::window::CLOSE_AFTER_S;
use base::{Details, Finding, InstanceIx, Names, ResourceIx, RouteIx, Sample};
use config::{Address, Generation};
use socket2::Socket;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::{Builder, Handle, LocalOptions};
use tokio::sync::{mpsc, watch};

/// Routes whose open requests are counted.
const ROUTES: usize = 4096;
/// Connections on their way from one thread to another.
const HANDED: usize = 1024;
/// Details of requests to be kept that one thread's ring holds; a pointer each.
const DETAILS: usize = 1024;
/// Longest time for the last lines of the access log.
const LAST_LINES: Duration = Duration::from_secs(2);
/// Longest time for what goes to the caches' disks last.
const LAST_WRITES: Duration = Duration::from_secs(5);

pub struct Options {
    /// Traffic threads; `None`: what the configuration says, else one per core.
    pub threads: Option<usize>,
    /// Samples that one thread's ring holds until telemetry takes them.
    pub ring: usize,
    /// Somebody takes the details of requests that are kept as traces.
    pub details: bool,
    /// Where active checks run; `None`: no checks.
    pub control: Option<Handle>,
    /// Listening sockets that came with the process; those on the address to listen on are used instead of new ones.
    pub inherited: Vec<Socket>,
    /// The file of a Unix socket is left at the end: it is the service manager's.
    pub keep_file: bool,
    /// Connections wait in the system's queue until `open`.
    pub paused: bool,
    /// Requests open for longer than this are told by `long_open`: their windows close before their samples come.
    pub long: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            threads: None,
            ring: 16 * 1024,
            details: false,
            control: None,
            inherited: Vec::new(),
            keep_file: false,
            paused: false,
            long: Duration::from_secs(CLOSE_AFTER_S),
        }
    }
}

/// What all threads of a gateway see.
pub struct Shared {
    pub(crate) current: ArcSwap<Snapshot>,
    /// Goes up with every change of `current`.
    pub(crate) version: AtomicU64,
    pub(crate) kept: Kept,
    pub(crate) changes: Arc<Changes>,
    pub(crate) second: Arc<Second>,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) rates: Arc<rate::Shared>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) state: Arc<State>,
    pub(crate) projections: Arc<Positions>,
    pub(crate) replications: Arc<Groups>,
    pub(crate) names: Names,
    pub(crate) clock: Clock,
    pub(crate) draining: AtomicBool,
    /// Another process takes the fresh connections.
    pub(crate) handed_over: AtomicBool,
    /// When each thread was last seen at work, nanoseconds.
    pub(crate) beats: Vec<AtomicU64>,
    pub(crate) dropped: AtomicU64,
    pub(crate) access: Access,
    /// Copies of requests on their way to whoever sends them.
    pub(crate) copies: Arc<mirror::Line>,
    /// Who is connected, and how many were not let in.
    pub(crate) clients: Clients,
    pub(crate) sizes: Sizes,
    /// Connections per thread.
    pub(crate) loads: Vec<AtomicU32>,
    /// Open requests per thread and route. One thread's count can go below zero; their sum does not.
    pub(crate) open: Vec<Vec<AtomicI32>>,
    pub(crate) long: Duration,
    /// By thread, requests open for longer than `long`, as of the last second.
    pub(crate) long_open: Vec<Mutex<Vec<(RouteIx, u32)>>>,
    pub(crate) hand: Vec<mpsc::Sender<Fresh>>,
    pub(crate) tls: tls::Place,
    /// `None`: no certificate is got from an authority.
    pub(crate) acme: Mutex<Option<acme::Standing>>,
    /// Of the files that snapshots are made of, as they were last seen.
    seen_files: Mutex<Vec<tls::Stamp>>,
    generation: Mutex<Arc<Generation>>,
    found: Mutex<Found>,
    /// Every name has been asked for once.
    asked: AtomicBool,
}

impl Shared {
    fn apply(&self, generation: Arc<Generation>, current: &mut Arc<Generation>) {
        let moment = moment(&self.clock);
        let found = self.found.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let snapshot = Snapshot::compile(&generation, &self.names, &self.kept, moment, &found);
        self.current.store(Arc::new(snapshot));
        self.version.fetch_add(1, Release);
        *current = generation;
        self.kept.sweep();
        self.access.wake();
        for finding in self.tls.load(&current.base, false) {
            tracing::error!("the old certificates stay in service: {finding}");
        }
    }

    /// Reads the files again that have changed, and those of certificates `anyway`.
    pub(crate) fn load_tls(&self, anyway: bool) -> Vec<Finding> {
        let mut current = self.generation.lock().unwrap_or_else(|e| e.into_inner());
        let stamps = tls::stamps(files::of_snapshots(&current.base));
        let mut seen = self.seen_files.lock().unwrap_or_else(|e| e.into_inner());
        if std::mem::replace(&mut *seen, stamps.clone()) != stamps {
            self.apply(current.clone(), &mut current);
        }
        self.tls.load(&current.base, anyway)
    }

    pub(crate) fn generation(&self) -> Arc<Generation> {
        let current = self.generation.lock().unwrap_or_else(|e| e.into_inner());
        current.clone()
    }

    /// Where names are now; with news the present generation is made anew.
    pub(crate) fn set_found(&self, found: Found, news: bool) {
        *self.found.lock().unwrap_or_else(|e| e.into_inner()) = found;
        if news {
            let mut current = self.generation.lock().unwrap_or_else(|e| e.into_inner());
            self.apply(current.clone(), &mut current);
        }
        self.asked.store(true, Release);
    }

    /// Goes on with the next generation when the present one has expired, with control dead or not.
    pub(crate) fn expire(&self, unix: u64) {
        let mut current = self.generation.lock().unwrap_or_else(|e| e.into_inner());
        while let Some(expiry) = &current.expiry
            && unix >= expiry.at
        {
            let next = expiry.next.clone();
            tracing::info!(from = current.number, to = next.number, "overlay expired");
            self.apply(next, &mut current);
        }
    }
}

fn moment(clock: &Clock) -> Moment {
    Moment {
        now: clock.now(),
        unix: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    }
}

/// A running data path. Dropping it without `shutdown` ends it at once.
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
    address: Address,
    tls_address: Option<SocketAddr>,
    /// The same as the threads have, to be handed on.
    sockets: Vec<Socket>,
    /// Of the Unix socket, if there is one and it is ours.
    file: Option<SocketFile>,
    accepting: watch::Sender<Accepting>,
    kill: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    log: Option<JoinHandle<()>>,
    details: Vec<rtrb::Consumer<Box<Details>>>,
}

impl Gateway {
    /// Binds the listen address and starts the traffic threads. The consumers are their rings, in order.
    ///
    /// # Errors
    /// When an address cannot be bound, a certificate cannot be used, or a thread cannot start.
    pub fn start(
        generation: Arc<Generation>,
        names: Names,
        clock: Clock,
        options: Options,
    ) -> io::Result<(Gateway, Vec<rtrb::Consumer<Sample>>)> {
        let wanted = options.threads.or(generation.base.threads);
        let n = wanted
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
            .clamp(1, 256);
        let tls = tls::Place::default();
        let wrong = tls.load(&generation.base, true);
        if !wrong.is_empty() {
            let all: Vec<String> = wrong.iter().map(Finding::to_string).collect();
            return Err(io::Error::new(io::ErrorKind::InvalidInput, all.join("\n")));
        }
        let opened = listen::open(&generation.base, n, &options.inherited)?;
        let listen::Opened {
            address,
            tls_address,
            ports,
        } = opened;
        let sockets = ports.iter().flatten().map(|p| p.listener.try_clone());
        let sockets = sockets.collect::<io::Result<_>>()?;
        let first = match options.paused {
            true => Accepting::NotYet,
            false => Accepting::Yes,
        };
        let kept = Kept::default();
        let found = Found::default();
        let snapshot = Snapshot::compile(&generation, &names, &kept, moment(&clock), &found);
        let (hand, handed): (Vec<_>, Vec<_>) = (0..n).map(|_| mpsc::channel(HANDED)).unzip();
        let open = || (0..ROUTES).map(|_| AtomicI32::new(0)).collect();
        let shared = Arc::new(Shared {
            current: ArcSwap::from_pointee(snapshot),
            version: AtomicU64::new(1),
            changes: kept.get("cache", Changes::default),
            second: Second::of(&kept),
            jobs: kept.get("jobs", Jobs::default),
            rates: kept.get("rates", rate::Shared::default),
            quotas: kept.get("quotas", Quotas::default),
            state: kept.get("state", State::default),
            projections: kept.get("projections", Positions::default),
            replications: kept.get("replication", Groups::default),
            copies: kept.get("mirror", mirror::Line::default),
            clients: Clients::new(&kept),
            kept,
            names,
            clock,
            draining: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
            beats: (0..n).map(|_| AtomicU64::new(clock.now().0)).collect(),
            dropped: AtomicU64::new(0),
            access: Access::default(),
            sizes: Sizes::default(),
            loads: (0..n).map(|_| AtomicU32::new(0)).collect(),
            open: (0..n).map(|_| open()).collect(),
            long: options.long,
            long_open: (0..n).map(|_| Mutex::default()).collect(),
            hand,
            tls,
            seen_files: Mutex::default(),
            acme: Mutex::default(),
            generation: Mutex::new(generation),
            found: Mutex::new(found),
            asked: AtomicBool::new(false),
        });
        let (accepting, kill) = (watch::Sender::new(first), watch::Sender::new(false));
        let own = address.path().filter(|_| !options.keep_file);
        let file = own.map(SocketFile::at);
        let mut gateway = Gateway {
            shared: shared.clone(),
            address,
            tls_address,
            sockets,
            file,
            accepting,
            kill,
            threads: Vec::with_capacity(n),
            log: None,
            details: Vec::new(),
        };
        let mut lines = Vec::with_capacity(n);
        let mut consumers = Vec::with_capacity(n);
        for (index, (ports, handed)) in ports.into_iter().zip(handed).enumerate() {
            let (producer, consumer) = rtrb::RingBuffer::new(options.ring.max(1));
            consumers.push(consumer);
            let (line, written) = AccessTap::pair();
            lines.push(written);
            let (tells, told) = rtrb::RingBuffer::new(if options.details { DETAILS } else { 1 });
            if options.details {
                gateway.details.push(told);
            }
            let shared = shared.clone();
            let (accepting, kill) = (gateway.accepting.subscribe(), gateway.kill.subscribe());
            let runtime = move || {
                let worker = Rc::new(Worker::new(index, shared, producer, line, tells));
                run(worker, ports, handed, accepting, kill);
            };
            let name = format!("traffic-{index}");
            gateway
                .threads
                .push(std::thread::Builder::new().name(name).spawn(runtime)?);
        }
        gateway.log = Some(access::start(shared.clone(), lines)?);
        if let Some(control) = &options.control {
            check::start(control, &shared);
            mirror::start(control, &shared);
            jobs::start(control, &shared);
            rate::shared::start(control, &shared);
            quota::start(control, &shared);
            state::start(control, &shared);
            discover::start(control, &shared);
            control.spawn(tls::watch(Arc::downgrade(&shared)));
            control.spawn(acme::run(Arc::downgrade(&shared)));
        }
        Ok((gateway, consumers))
    }

    /// What is told of requests that are kept, one ring per thread: of each, before its sample. Once, and empty where
    /// `Options::details` is not set.
    pub fn take_details(&mut self) -> Vec<rtrb::Consumer<Box<Details>>> {
        std::mem::take(&mut self.details)
    }

    /// Takes connections, after a start that was `paused`.
    pub fn open(&self) {
        self.accepting.send_replace(Accepting::Yes);
    }

    /// The listening sockets, for another process that shall go on with them.
    ///
    /// # Errors
    /// When no more files can be open.
    pub fn sockets(&self) -> io::Result<Vec<Socket>> {
        self.sockets.iter().map(Socket::try_clone).collect()
    }

    /// Traffic threads that have not been seen at work for longer than this.
    pub fn stalled(&self, longest: Duration) -> Vec<usize> {
        let now = self.shared.clock.now();
        let stalled =
            |beat: &AtomicU64| now.0.saturating_sub(beat.load(Relaxed)) > longest.as_nanos() as u64;
        let beats = self.shared.beats.iter().enumerate();
        beats.filter(|(_, b)| stalled(b)).map(|(i, _)| i).collect()
    }

    /// Where it listens, with the port that was found when port 0 was asked for.
    pub fn listens(&self) -> &Address {
        &self.address
    }

    /// The same where it is no Unix socket.
    pub fn address(&self) -> SocketAddr {
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        self.address.ip().unwrap_or(unspecified)
    }

    /// Where it speaks TLS; `None`: nowhere.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Reads the certificate files again. With a finding the old ones stay in service.
    pub fn reload_certificates(&self) -> Vec<Finding> {
        self.shared.load_tls(true)
    }

    /// Goes on with another generation. Requests under way end with the one that they began with.
    /// A change of `listen`, `tls.listen`, `threads` or `data_dir` needs a restart.
    pub fn apply(&self, generation: Arc<Generation>) {
        let lock = self.shared.generation.lock();
        let mut current = lock.unwrap_or_else(|e| e.into_inner());
        self.shared.apply(generation, &mut current);
    }

    /// Enforces the expiry of the present generation; the gateway does so itself once a second.
    pub fn expire(&self, unix_s: u64) {
        self.shared.expire(unix_s);
    }

    /// Whether every name among the instances has been asked for, whatever the answer. Needs `Options::control`.
    pub fn has_asked_names(&self) -> bool {
        self.shared.asked.load(Acquire)
    }

    /// All instances: their service, their number and their address.
    pub fn instances(&self) -> Vec<(Arc<str>, InstanceIx, Address)> {
        let snapshot = self.shared.current.load();
        let all = snapshot.instances.iter();
        all.map(|(_, _, i)| (i.service.clone(), i.ix, i.address.clone()))
            .collect()
    }

    /// Opens the file of the access log anew, after it was moved.
    pub fn reopen_access_log(&self) {
        self.shared.access.reopen();
    }

    /// What upstreams told of the size of their resources.
    pub fn told_sizes(&self) -> Vec<(ResourceIx, InstanceIx, f64)> {
        self.shared.sizes.all()
    }

    /// The span ids that it gives out, for those who meet them again.
    pub fn spans(&self) -> Arc<base::trace::SpanIds> {
        crate::request::trace::spans(&self.shared.kept)
    }

    /// The queue of jobs: set, paused and looked at by whoever owns the gateway.
    pub fn jobs(&self) -> Arc<Jobs> {
        self.shared.jobs.clone()
    }

    /// Who counts for the limits that several nodes share; set by whoever owns the gateway. `None`: each limit does what its
    /// `fail` says.
    pub fn set_counter(&self, counter: Option<Arc<dyn store::Counter>>) {
        self.shared.rates.set_engine(counter);
    }

    /// This node's shares of those limits by group, as far as they are known.
    pub fn shares(&self) -> BTreeMap<String, f64> {
        let groups = self.shared.kept.all::<rate::shared::Group>();
        let known =
            |g: &Arc<rate::shared::Group>| Some((g.name().to_owned(), self.shared.rates.known(g)?));
        groups.iter().filter_map(known).collect()
    }

    /// What `shares` said in an earlier process: it holds until the engine has answered.
    pub fn remember_shares(&self, shares: BTreeMap<String, f64>) {
        self.shared.rates.remember(shares);
    }

    /// What quotas are counted in: lent and taken back by whoever owns the gateway.
    pub fn quotas(&self) -> Arc<Quotas> {
        self.shared.quotas.clone()
    }

    /// How far projections are: told by whoever pushes to them.
    pub fn projections(&self) -> Arc<Positions> {
        self.shared.projections.clone()
    }

    /// Where keys and sessions are: lent and taken back by whoever owns the gateway.
    pub fn state(&self) -> Arc<State> {
        self.shared.state.clone()
    }

    /// What is known of databases with replicas: told by whoever owns the gateway, on the gateway's clock.
    pub fn replications(&self) -> (Arc<Groups>, Clock) {
        (self.shared.replications.clone(), self.shared.clock)
    }

    /// Whether of every replication somebody takes writes.
    pub fn knows_primaries(&self) -> bool {
        let (groups, now) = (self.shared.replications.all(), self.shared.clock.now());
        groups.iter().all(|g| g.primary(now).is_some())
    }

    /// The name of a route's jobs; `None`: it takes none.
    pub fn takes_jobs(&self, route: &str) -> Option<Arc<str>> {
        let snapshot = self.shared.current.load();
        let mut takes = snapshot.routes().filter(|r| r.asynchronous.is_some());
        let found = takes.find(|r| *r.name == *route)?;
        Some(found.name.clone())
    }

    /// Delivers no more events to a subscription, or goes on with them. False: there is none to which they are pushed.
    pub fn pause_subscription(&self, lane: &str, paused: bool) -> bool {
        let snapshot = self.shared.current.load();
        let Some(found) = snapshot.subscriber(lane) else {
            return false;
        };
        self.shared.jobs.pause(&found.lane, paused);
        true
    }

    /// Milliseconds since 1970 on the calendar of jobs, which does not jump with the system's clock.
    pub fn jobs_now_ms(&self) -> u64 {
        self.shared.jobs.now_ms(self.shared.clock.now())
    }

    /// How fast the jobs of each route and the events of each subscription are delivered, and why.
    pub fn job_lanes(&self) -> Vec<jobs::Lane> {
        let snapshot = self.shared.current.load();
        let bound = |name: &str| jobs::bound_of(&snapshot, name, &self.shared.kept);
        self.shared.jobs.lanes(bound, self.shared.clock.now())
    }

    /// Requests open now, by route; routes without any are left out.
    pub fn open_requests(&self) -> Vec<(RouteIx, u32)> {
        let sum = |i: usize| {
            self.shared
                .open
                .iter()
                .map(|t| t[i].load(Relaxed))
                .sum::<i32>()
        };
        (0..ROUTES)
            .map(|i| (RouteIx(i as u16), sum(i).max(0) as u32))
            .filter(|(_, n)| *n > 0)
            .collect()
    }

    /// Stops accepting, answers what is under way with `Connection: close`, and returns when all connections have
    /// ended or `limits.drain` is over. Blocks; call it off the traffic threads.
    pub fn shutdown(self) -> Drained {
        let longest = self.shared.current.load().limits.drain;
        self.leave(Accepting::Last, longest, || false)
    }

    /// Leaves fresh connections, those in the queue too, to the process that has the `sockets`. Connections end with
    /// their next answer or when they have been idle for long, tunnels when they like; all do when `longest` is over
    /// or as soon as `hurry` says so.
    pub fn hand_over(mut self, longest: Duration, hurry: impl Fn() -> bool) -> Drained {
        self.shared.handed_over.store(true, SeqCst);
        // The other one has its connections, and with them the changes that must reach the disks.
        self.close_disks();
        if let Some(file) = self.file.take() {
            file.hand_over();
        }
        self.leave(Accepting::No, longest, hurry)
    }

    fn leave(mut self, how: Accepting, longest: Duration, hurry: impl Fn() -> bool) -> Drained {
        let began = Instant::now();
        self.shared.draining.store(true, SeqCst);
        self.sockets.clear();
        self.accepting.send_replace(how);
        while began.elapsed() < longest && !hurry() && self.threads.iter().any(|t| !t.is_finished())
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        let cut = self.shared.loads.iter().map(|l| l.load(Relaxed)).sum();
        self.stop();
        Drained {
            took: began.elapsed(),
            cut,
        }
    }

    fn close_disks(&self) {
        Disks::of(&self.shared.kept).close(LAST_WRITES);
    }

    fn stop(&mut self) {
        self.shared.draining.store(true, SeqCst);
        self.kill.send_replace(true);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a traffic thread panicked");
            }
        }
        self.close_disks();
        self.shared.access.stop();
        if let Some(log) = self.log.take() {
            let began = Instant::now();
            // A pipe that nobody reads must not keep the process.
            while !log.is_finished() && began.elapsed() < LAST_LINES {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug)]
pub struct Drained {
    pub took: Duration,
    /// Connections that were cut because the time was over.
    pub cut: u32,
}

fn run(
    worker: Rc<Worker>,
    ports: Vec<Port>,
    handed: mpsc::Receiver<Fresh>,
    accepting: watch::Receiver<Accepting>,
    mut kill: watch::Receiver<bool>,
) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(e) => return tracing::error!(error = %e, "no runtime for a traffic thread"),
    };
    runtime.block_on(async {
        tokio::task::spawn_local(worker.clone().tick());
        let work = async {
            if let Err(e) = listen::accept(worker.clone(), ports, handed, accepting).await {
                tracing::error!(error = %e, "a traffic thread cannot listen");
            }
            while worker.shared.loads[worker.index].load(Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            () = work => {}
            _ = kill.wait_for(|k| *k) => {}
        }
    });
}
