//! The process driver: brings the number of local instances of a service to its target, one step per call.

use super::{Instances, child};
use crate::ledger::{Lane, Started};
use base::Finding;
use config::sections::Service;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Milliseconds to begin accepting connections; to drain after leaving the generation; from asking to killing.
const START_MS: u64 = 30_000;
const DRAIN_MS: u64 = 2_000;
const GRACE_MS: u64 = 5_000;
/// Early ends after which a service is not tried again until its target changes.
const TRIES: u32 = 3;
/// Ready for so long, its failures are forgotten; what accepts and ends at once is no better than what never accepts.
const STEADY_MS: u64 = 10_000;
const FINDINGS: usize = 64;

pub struct Process {
    data_dir: PathBuf,
    lane: Lane,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    running: Vec<Running>,
    failed: BTreeMap<String, Failed>,
    findings: VecDeque<Finding>,
}

/// Early ends of a service in a row, under one target.
#[derive(Default)]
struct Failed {
    times: u32,
    asked: u32,
    last: Option<Finding>,
}

struct Running {
    child: Child,
    started: Started,
    log: PathBuf,
    stage: Stage,
    since_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Starting,
    Ready,
    /// Out of the generation; requests in flight may end.
    Draining,
    /// Asked to end.
    Ending,
}

impl Process {
    pub fn new(data_dir: PathBuf, lane: Lane) -> Process {
        Process {
            data_dir,
            lane,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what an earlier life of Plimsoll has left running. Blocks for at most the grace.
    pub fn recover(&self) -> Result<(), Finding> {
        let left = self.lane.started()?;
        left.iter()
            .filter(|s| child::runs(s))
            .for_each(|s| child::terminate(s.pid));
        wait_until(|| !left.iter().any(child::runs));
        for s in &left {
            if child::runs(s) {
                child::kill(s.pid);
            }
            self.lane.remove_started(s)?;
        }
        Ok(())
    }

    /// One step: sees who has ended, who is ready, starts and ends what the targets ask for.
    pub fn reconcile(&self, services: &[Service], now_ms: u64) -> Result<(), Finding> {
        let mut inner = self.lock();
        // Read in turn: who came here with older ones would start what has just been given up.
        let targets = self.lane.targets()?;
        self.look(&mut inner, now_ms)?;
        for service in services {
            let asked = targets
                .iter()
                .find(|t| t.service == service.name)
                .map_or(0, |t| t.extra);
            self.steer(&mut inner, service, asked, now_ms)?;
        }
        // A service that the file no longer has.
        inner
            .failed
            .retain(|name, _| services.iter().any(|s| s.name == *name));
        for r in inner.running.iter_mut() {
            if !services.iter().any(|s| s.name == r.started.service) {
                r.drain(now_ms);
            }
        }
        Ok(())
    }

    /// Moves each process on by itself: ended, ready, drained, killed.
    fn look(&self, inner: &mut Inner, now_ms: u64) -> Result<(), Finding> {
        let mut running = std::mem::take(&mut inner.running);
        let mut result = Ok(());
        running.retain_mut(|r| {
            let waited = now_ms.saturating_sub(r.since_ms);
            if let Ok(Some(status)) = r.child.try_wait() {
                if let Err(e) = self.lane.remove_started(&r.started) {
                    result = Err(e.into());
                }
                if matches!(r.stage, Stage::Starting | Stage::Ready) {
                    inner.ended_early(r, &status.to_string());
                }
                return false;
            }
            match r.stage {
                Stage::Starting if child::accepts(r.started.address) => {
                    r.enter(Stage::Ready, now_ms);
                }
                Stage::Ready if waited >= STEADY_MS => {
                    if let Some(failed) = inner.failed.get_mut(&r.started.service) {
                        failed.times = 0;
                    }
                }
                Stage::Starting if waited >= START_MS => {
                    inner.ended_early(r, "it does not accept connections after 30 s");
                    child::terminate(r.started.pid);
                    r.enter(Stage::Ending, now_ms);
                }
                Stage::Draining if waited >= DRAIN_MS => {
                    child::terminate(r.started.pid);
                    r.enter(Stage::Ending, now_ms);
                }
                Stage::Ending if waited >= GRACE_MS => child::kill(r.started.pid),
                _ => {}
            }
            true
        });
        inner.running = running;
        result
    }

    fn steer(
        &self,
        inner: &mut Inner,
        service: &Service,
        asked: u32,
        now_ms: u64,
    ) -> Result<(), Finding> {
        let room = service.start.as_ref().map_or(0, |s| {
            s.max_instances
                .saturating_sub(service.instances_in_file(&inner.running))
        });
        let wanted = asked.min(room) as usize;
        let mine = |r: &&mut Running| {
            r.started.service == service.name && matches!(r.stage, Stage::Starting | Stage::Ready)
        };
        let have = inner.running.iter_mut().filter(mine).count();
        // The newest goes first.
        inner
            .running
            .iter_mut()
            .rev()
            .filter(mine)
            .take(have.saturating_sub(wanted))
            .for_each(|r| r.drain(now_ms));
        let failed = inner.failed.entry(service.name.clone()).or_default();
        if failed.asked != asked {
            // Another target is another chance: the command may have been repaired.
            *failed = Failed {
                asked,
                ..Failed::default()
            };
        }
        if have < wanted && failed.times < TRIES {
            self.start(inner, service, now_ms)?;
        }
        Ok(())
    }

    fn start(&self, inner: &mut Inner, service: &Service, now_ms: u64) -> Result<(), Finding> {
        let Some(recipe) = &service.start else {
            return Ok(());
        };
        let failed = |what: String| {
            Finding::error("instance-not-started", what).help(format!(
                "check `services.{}.start.command`; it is run as it stands, without a shell",
                service.name
            ))
        };
        let port = child::free_port().map_err(|e| failed(format!("no free port: {e}")))?;
        let log = self
            .data_dir
            .join("instances")
            .join(format!("{}-{port}.log", file_name(&service.name)));
        let spawned = match child::spawn(&recipe.command, port, &log) {
            Ok(child) => child,
            Err(e) => {
                let program = recipe.command.first().map_or("", |c| c.as_str());
                let finding = failed(format!(
                    "an instance of `{}` cannot be started (`{program}`): {e}",
                    service.name
                ));
                inner.fail(&service.name, finding);
                return Ok(());
            }
        };
        let running = Running {
            started: Started {
                service: service.name.clone(),
                address: SocketAddr::from(([127, 0, 0, 1], port)),
                pid: spawned.id(),
                start_ticks: child::start_ticks(spawned.id()).unwrap_or(0),
            },
            child: spawned,
            log,
            stage: Stage::Starting,
            since_ms: now_ms,
        };
        let noted = self.lane.add_started(&running.started);
        inner.running.push(running);
        Ok(noted?)
    }

    /// Whether any was started and has not ended.
    pub fn has_any(&self) -> bool {
        !self.lock().running.is_empty()
    }

    /// Instances that accept connections.
    pub fn ready(&self) -> Instances {
        let mut found = Instances::new();
        for r in &self.lock().running {
            if r.stage == Stage::Ready {
                let list = found.entry(r.started.service.clone()).or_default();
                list.push(r.started.address);
            }
        }
        found
    }

    /// Why a service cannot get to its target, once it is not tried any more.
    pub fn given_up(&self, service: &str) -> Option<Finding> {
        let inner = self.lock();
        let failed = inner.failed.get(service).filter(|f| f.times >= TRIES)?;
        failed.last.clone()
    }

    /// The latest findings, oldest first.
    pub fn findings(&self) -> Vec<Finding> {
        self.lock().findings.iter().cloned().collect()
    }

    /// Ends all of them: asks, waits for the grace, kills.
    pub fn stop_all(&self) {
        let mut inner = self.lock();
        for r in &inner.running {
            child::terminate(r.started.pid);
        }
        let running = &mut inner.running;
        wait_until(|| {
            running.retain_mut(|r| !matches!(r.child.try_wait(), Ok(Some(_))));
            running.is_empty()
        });
        for mut r in running.drain(..) {
            child::kill(r.started.pid);
            // Reaps it; after a kill this does not block for long.
            let _ = r.child.wait();
        }
        for s in self.lane.started().unwrap_or_default() {
            // Left in the lane, it would only be looked for at the next start.
            let _ = self.lane.remove_started(&s);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop_all();
    }
}

impl Running {
    fn enter(&mut self, stage: Stage, now_ms: u64) {
        self.stage = stage;
        self.since_ms = now_ms;
    }
    fn drain(&mut self, now_ms: u64) {
        if matches!(self.stage, Stage::Starting | Stage::Ready) {
            self.enter(Stage::Draining, now_ms);
        }
    }
}

impl Inner {
    fn fail(&mut self, service: &str, finding: Finding) {
        let failed = self.failed.entry(service.to_owned()).or_default();
        failed.times += 1;
        failed.last = Some(finding.clone());
        if self.findings.len() == FINDINGS {
            self.findings.pop_front();
        }
        self.findings.push_back(finding);
    }

    fn ended_early(&mut self, r: &Running, how: &str) {
        let finding = Finding::error(
            "instance-ended",
            format!(
                "the instance of `{}` at {} ended by itself ({how}): {}",
                r.started.service,
                r.started.address,
                child::last_line(&r.log)
            ),
        )
        .help(format!("its output is in {}", r.log.display()));
        self.fail(&r.started.service, finding);
    }
}

/// How many instances the file itself names.
trait InFile {
    fn instances_in_file(&self, running: &[Running]) -> u32;
}

impl InFile for Service {
    fn instances_in_file(&self, running: &[Running]) -> u32 {
        self.instances
            .iter()
            .filter(|a| !running.iter().any(|r| r.started.address == **a))
            .count() as u32
    }
}

fn file_name(service: &str) -> String {
    service
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

/// Asks every 10 ms, for at most the grace.
fn wait_until(mut done: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_millis(GRACE_MS);
    while !done() && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
}
