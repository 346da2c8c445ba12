//! `plimsoll run`: serves until it is told to stop; takes a changed file, and a new binary, into service without a break.

use crate::cli::RunArgs;
use crate::exit::{Exit, Failure};
use crate::host::{notify, pulse, sockets};
use crate::interrupt::Interrupts;
use crate::terminal;
use crate::upgrade::{Candidate, Channel, OLDER, Outcome, Program, Successor, Upgrading};
use crate::wire::system::{Start, System};
use ::notify::{RecursiveMode, Watcher};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Editors write a file in several steps: this long after the last one it is read.
const SETTLE: Duration = Duration::from_millis(100);
/// How soon control is tried again when it cannot come back after an upgrade that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// The running service.
struct Service {
    file: PathBuf,
    program: Program,
    upgrading: Arc<Upgrading>,
    /// Earlier processes that may still have connections.
    older: Vec<Channel>,
    signals: Signals,
}

struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
    usr1: Signal,
    usr2: Signal,
    /// An upgrade asked for over the console.
    asked: mpsc::Receiver<()>,
}

/// Why serving as before has ended.
enum Next {
    Stop,
    HandOver(Candidate),
}

pub fn run(args: RunArgs) -> Result<Exit, Failure> {
    terminal::log();
    let program = Program::this()?;
    let successor = Successor::from_environment()?;
    let files = raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (upgrading, asked) = Upgrading::new();
    let upgrading = Arc::new(upgrading);
    let signals = runtime.block_on(async { Signals::new(asked) })?;
    let file = args.config.path();
    let (system, older) = start(&file, successor, &upgrading)?;
    let connections = system.control.generation().base.limits.connections;
    if let Some(few) = too_few(files, connections) {
        tracing::warn!("{few}");
    }
    let encrypted = match system.tls {
        Some(tls) if Some(tls) == system.address.ip() => " (TLS)".to_owned(),
        Some(tls) => format!(" and {tls} (TLS)"),
        None => String::new(),
    };
    println!(
        "listening on {}{encrypted}; console on {}",
        system.address,
        system.shown_console()
    );
    notify::ready("serving");
    pulse::keep_watchdog(system.pulse());
    let mut service = Service {
        file,
        program,
        upgrading,
        older,
        signals,
    };
    service.serve(system, runtime)
}

/// Starts with sockets of its own, of the service manager, or of the process before.
fn start(
    file: &Path,
    successor: Option<Successor>,
    upgrading: &Arc<Upgrading>,
) -> Result<(System, Vec<Channel>), Failure> {
    let shown = file.display().to_string();
    let begin = |text: &str, inherited, managed| {
        let upgrades = Some(upgrading.clone() as Arc<dyn console::Upgrades>);
        let start = Start {
            inherited,
            managed,
            upgrades,
        };
        System::start_with(&shown, text, start)
    };
    let Some(successor) = successor else {
        let inherited = sockets::from_manager();
        let managed = !inherited.is_empty();
        let system = begin(&read(file)?, inherited, managed)?;
        return Ok((system, Vec::new()));
    };
    let text = read(file).map_err(|e| successor.fail(e))?;
    let (successor, taken) = successor.take(&shown, &text)?;
    let system = begin(&text, taken.listening, taken.managed).map_err(|e| successor.fail(e))?;
    let mut older = taken.older;
    older.push(successor.serving()?);
    Ok((system, older))
}

impl Service {
    fn serve(&mut self, mut system: System, runtime: Runtime) -> Result<Exit, Failure> {
        loop {
            match runtime.block_on(self.until_told(&mut system))? {
                Next::Stop => {
                    println!("stopping: requests in flight end first");
                    notify::stopping();
                    // A process that was to take over notices that this one has ended.
                    runtime.shutdown_background();
                    system.stop();
                    return Ok(Exit::Ok);
                }
                Next::HandOver(candidate) => match self.hand_over(system, candidate) {
                    None => return Ok(Exit::Ok),
                    Some(same) => system = same,
                },
            }
        }
    }

    /// Reloads on a change of the file or SIGHUP, opens the access log anew on SIGUSR1, starts an upgrade on SIGUSR2;
    /// returns on SIGTERM or SIGINT, or when a new process is ready to take over.
    async fn until_told(&mut self, system: &mut System) -> Result<Next, Failure> {
        let (changed, mut changes) = mpsc::channel(1);
        let _watcher = watch(&self.file, changed);
        let mut candidate: Option<JoinHandle<Result<Candidate, Failure>>> = None;
        loop {
            tokio::select! {
                _ = self.signals.term.recv() => return Ok(Next::Stop),
                _ = self.signals.int.recv() => return Ok(Next::Stop),
                _ = self.signals.hup.recv() => reload(system, &self.file),
                _ = self.signals.usr1.recv() => system.reopen_access_log(),
                _ = self.signals.usr2.recv(), if candidate.is_none() => {
                    candidate = self.begin_upgrade(system);
                }
                Some(()) = self.signals.asked.recv(), if candidate.is_none() => {
                    candidate = self.begin_upgrade(system);
                }
                Some(()) = changes.recv() => {
                    tokio::time::sleep(SETTLE).await;
                    while changes.try_recv().is_ok() {}
                    reload(system, &self.file);
                }
                ready = done(&mut candidate) => {
                    candidate = None;
                    match ready {
                        Ok(candidate) => return Ok(Next::HandOver(candidate)),
                        Err(e) => self.failed(&e),
                    }
                }
            }
        }
    }

    /// Starts the new process, which tries itself out while this one serves.
    fn begin_upgrade(&mut self, system: &System) -> Option<JoinHandle<Result<Candidate, Failure>>> {
        self.upgrading.set(Outcome::UnderWay);
        self.older.retain(Channel::is_open);
        let longest = system.control.generation().base.upgrade.ready;
        let sockets = self.may_upgrade(system).and_then(|()| system.sockets());
        let begun = sockets.and_then(|s| self.program.start(&s, system.is_managed(), &self.older));
        match begun {
            Ok(candidate) => {
                tracing::info!(
                    pid = candidate.pid(),
                    "upgrade: the new process is trying itself out"
                );
                Some(tokio::task::spawn_blocking(move || {
                    candidate.ready(longest)
                }))
            }
            Err(e) => {
                self.failed(&e);
                None
            }
        }
    }

    /// What would be lost with this process is a reason to go on with it.
    fn may_upgrade(&self, system: &System) -> Result<(), Failure> {
        if self.older.len() > OLDER {
            let n = self.older.len();
            return Err(
                Failure::new(format!("{n} older processes still have connections")).help(
                    "wait for them, shorten `upgrade.drain`, or end one of them with SIGTERM",
                ),
            );
        }
        let status = system.control.status();
        if let Some((service, address)) = status.instances.first() {
            return Err(Failure::new(format!(
                "the instance {address} of {service} was started by this process, and would end with it"
            ))
            .help("take the overlay back that asked for it, or start the instance by other means"));
        }
        if status.trial.is_some() {
            return Err(
                Failure::new("a trial is under way, and would end with this process")
                    .help("wait for its verdict, or take it back with `plimsoll rollback`"),
            );
        }
        Ok(())
    }

    fn failed(&self, why: &Failure) {
        tracing::error!("upgrade: failed, and this process goes on as before: {why}");
        self.upgrading.set(Outcome::Failed(why.to_string()));
    }

    /// Gives the work away; `None` when all of it has ended here. Otherwise this process goes on.
    fn hand_over(&self, system: System, candidate: Candidate) -> Option<System> {
        let longest = system.control.generation().base.upgrade.ready;
        let (mut released, why) = match system.release() {
            Ok(released) => match candidate.take_over(longest) {
                Ok(successor) => {
                    tracing::info!(
                        pid = successor.pid(),
                        "upgrade: the new process serves; connections here end by themselves"
                    );
                    notify::main_process(successor.pid());
                    let interrupts = Interrupts::catch().ok();
                    released.hand_over(|| interrupts.as_ref().is_some_and(|i| i.count() > 0));
                    return None;
                }
                Err(why) => (released, why),
            },
            Err((released, why)) => (released, candidate.end(why)),
        };
        self.failed(&why);
        // Traffic goes on meanwhile.
        loop {
            released = match released.resume() {
                Ok(system) => return Some(system),
                Err((released, e)) => {
                    tracing::error!("control does not come back, and is tried again: {e}");
                    released
                }
            };
            std::thread::sleep(AGAIN);
        }
    }
}

impl Signals {
    fn new(asked: mpsc::Receiver<()>) -> std::io::Result<Signals> {
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
            usr2: signal(SignalKind::user_defined2())?,
            asked,
        })
    }
}

/// What became of the new process's trials; never without one.
async fn done(
    candidate: &mut Option<JoinHandle<Result<Candidate, Failure>>>,
) -> Result<Candidate, Failure> {
    match candidate {
        Some(task) => task
            .await
            .unwrap_or_else(|e| Err(Failure::new(e.to_string()))),
        None => std::future::pending().await,
    }
}

/// Raises the soft limit of open files to the hard one, and tells it; `None`: no limit.
fn raise_file_limit() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused: what is there is what there is.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current
}

/// A client takes one file and its request one more; the rest of Plimsoll takes a few.
pub fn too_few(files: Option<u64>, connections: usize) -> Option<String> {
    let needed = 2 * connections as u64 + 200;
    let files = files.filter(|f| *f < needed)?;
    Some(format!(
        "at most {files} files may be open, and {connections} connections with a request each need {needed}: raise \
         LimitNOFILE (ulimit -Hn), or lower limits.connections"
    ))
}

/// Watches the folder, not the file: editors and config maps replace it.
fn watch(file: &Path, changed: mpsc::Sender<()>) -> Option<::notify::RecommendedWatcher> {
    let file = std::fs::canonicalize(file).ok()?;
    let (folder, name) = (file.parent()?.to_path_buf(), file.file_name()?.to_owned());
    let seen = move |event: ::notify::Result<::notify::Event>| {
        let Ok(event) = event else { return };
        let ours = event
            .paths
            .iter()
            .any(|p: &PathBuf| p.file_name() == Some(&name) || p.is_symlink());
        if ours && !event.kind.is_access() {
            // Full: a reload is due anyway.
            let _ = changed.try_send(());
        }
    };
    let started = ::notify::recommended_watcher(seen)
        .and_then(|mut w| w.watch(&folder, RecursiveMode::NonRecursive).map(|()| w));
    started
        .map_err(|e| tracing::warn!("the file is not watched ({e}); send SIGHUP to reload"))
        .ok()
}

fn reload(system: &mut System, file: &Path) {
    notify::reloading();
    let outcome = read(file).and_then(|text| system.reload(text));
    notify::ready("serving");
    match outcome {
        Ok(()) => tracing::info!("{} is in service", file.display()),
        Err(e) => tracing::error!(
            "{} was not taken; the old one stays in service: {e}",
            file.display()
        ),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|e| {
        Failure::new(format!("{}: {e}", file.display()))
            .help("write one with `plimsoll init`, or name it with --config")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_files_is_raised_and_one_that_is_too_low_is_told() {
        let hard = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raise_file_limit(), hard);
        assert_eq!(too_few(None, 20_000), None);
        assert_eq!(too_few(Some(40_200), 20_000), None);
        let said = too_few(Some(20_000), 20_000).unwrap();
        assert!(
            said.contains("LimitNOFILE") && said.contains("40200"),
            "{said}"
        );
    }
}
