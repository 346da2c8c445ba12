//! PostgreSQL: what its processors, locks, disks and connections do, for whom, and which statements want an index.
//!
//! A thread of its own looks at the connections ten times a second and at the counters once a second. What it cannot
//! see makes the answer less certain and is said with what to do; it never holds up the collector.

mod blind;
mod locks;
mod open;
mod overhead;
mod plan;
mod pools;
mod processes;
mod second;
mod sql;
mod tag;
mod tls;
mod worker;

use super::{Probe, Proc, Reading};
use base::window::UseCell;
use base::{Arm, CellKey, InstanceIx, Statement};
use config::Secret;
pub use open::{open, said};
use second::{Memory, Second};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
pub use tag::{Origins, shape};
use worker::{Answer, Used, Worker};

/// So many databases are read.
const MOST: usize = 16;
/// How long the collector waits for all of them together.
const PATIENCE: Duration = Duration::from_millis(100);
/// A restart or a reset of the counters is told for this long, seconds.
const TELL_S: f64 = 60.0;

/// One database.
#[derive(Clone, Debug, PartialEq)]
pub struct PostgresTarget {
    pub resource: String,
    pub url: Secret,
    /// A PEM file of those who may sign its certificate.
    pub ca: Option<PathBuf>,
    /// Cores, as declared.
    pub cores: Option<f64>,
}

/// What stands after `db.` in the names of a database's resources.
pub fn base(resource: &str) -> &str {
    resource.strip_prefix("db.").unwrap_or(resource)
}

pub struct Postgres {
    proc: Proc,
    databases: BTreeMap<String, Database>,
}

impl Postgres {
    pub fn new(proc: Proc) -> Postgres {
        Postgres {
            proc,
            databases: BTreeMap::new(),
        }
    }
}

struct Database {
    url: Secret,
    ca: Option<PathBuf>,
    worker: Worker,
    memory: Memory,
    /// When it was started and whether it is a standby, as seen last, and what changed when.
    server: Option<(f64, bool)>,
    news: Option<(f64, String)>,
}

/// On the machine we run on.
impl Default for Postgres {
    fn default() -> Postgres {
        Postgres::new(Proc::host())
    }
}

impl Probe for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let targets = r.targets;
        let wanted = || targets.databases.iter().take(MOST);
        self.databases.retain(|name, d| {
            let same =
                |t: &PostgresTarget| t.url == d.url && t.ca == d.ca && t.cores == d.memory.cores;
            !d.worker.has_ended() && wanted().any(|t| t.resource == *name && same(t))
        });
        for t in wanted() {
            if !self.databases.contains_key(&t.resource) {
                match Worker::start(&t.url, t.ca.as_deref(), self.proc.clone()) {
                    Ok(worker) => drop(
                        self.databases
                            .insert(t.resource.clone(), Database::new(t, worker)),
                    ),
                    Err(e) => r.blind("postgres", &t.resource, format!("no thread: {e}")),
                }
            }
        }
        self.databases.values_mut().for_each(|d| d.worker.ask());
        let until = Instant::now() + PATIENCE;
        for t in wanted() {
            let Some(d) = self.databases.get_mut(&t.resource) else {
                continue;
            };
            match d.worker.get(until) {
                Ok(answer) => d.tell(t, &answer, r),
                Err(why) => r.blind("postgres", &t.resource, why),
            }
        }
    }
}

impl Database {
    fn new(t: &PostgresTarget, worker: Worker) -> Database {
        Database {
            url: t.url.clone(),
            ca: t.ca.clone(),
            worker,
            memory: Memory::new(t.cores),
            server: None,
            news: None,
        }
    }

    fn tell(&mut self, t: &PostgresTarget, a: &Answer, r: &mut Reading<'_>) {
        let base = base(&t.resource);
        r.servers.extend(a.root.map(|pid| (base.to_owned(), pid)));
        let started = a.facts.server.started;
        if self.server.is_some_and(|before| before.0 != started) {
            self.memory.replaced();
        }
        let s = self.memory.second(a, &r.targets.origins, r.names);
        cells(base, t.cores, a, &s, r);
        for (application, held, size) in self.memory.pools.sized() {
            let name = format!("pool.{}.{base}", word(&application));
            r.cell(&name, InstanceIx::NONE, held, Some(size));
        }
        let database = r.names.resources.intern(&format!("db.{base}"));
        for (&route, u) in s.routes.iter().filter(|_| !database.is_none()) {
            r.uses.push(UseCell {
                key: CellKey {
                    route,
                    arm: Arm::BASE,
                    instance: InstanceIx::NONE,
                },
                resource: database,
                count: u.calls.round() as u32,
                weight: 1.0,
                of: 0.0,
                busy_s: u.seconds,
                busy_sq: u.squares,
                wait_s: 0.0,
                waits: 0,
                calls: u.calls,
                rows: u.rows,
                returned: u.returned,
            });
        }
        let statements: Vec<Statement> = self.memory.statements(base, &a.facts, r.names);
        r.statements.extend(statements);
        self.notes(t, a, &s, r);
    }

    fn notes(&mut self, t: &PostgresTarget, a: &Answer, s: &Second, r: &mut Reading<'_>) {
        let server = &a.facts.server;
        if let Some((started, standby)) = self.server.replace((server.started, server.standby)) {
            if standby != server.standby {
                let now = if server.standby {
                    "a standby"
                } else {
                    "the primary"
                };
                self.news = Some((a.at, format!("failed over: it is {now} now")));
            } else if server.started > started + 1.0 {
                self.news = Some((a.at, "restarted: its counters began anew".into()));
            }
        }
        let mut note = |text: String| r.note("postgres", &t.resource, text);
        if let Some((_, what)) = self.news.as_ref().filter(|(at, _)| a.at - at < TELL_S) {
            note(what.clone());
        }
        if !server.sees_all {
            note("states and texts of other roles are hidden, so that waits and routes are not told apart: \
                  GRANT pg_monitor TO the role of the URL".into());
        }
        if let Used::Whole(_, why) = &a.used {
            note(format!(
                "no times of statements, so that routes are told apart by regression only: {why}"
            ));
        } else if server.sees_all && s.looked && s.routes.is_empty() && !a.facts.texts.is_empty() {
            note(
                "no statement carries a route: have the application add sqlcommenter tags, \
                  such as /*route='search'*/"
                    .into(),
            );
        }
        if let Some(why) = &a.facts.no_plans {
            note(why.clone());
        }
        if server.standby {
            note("it is a standby: writes go elsewhere".into());
        }
        if s.connections >= 0.9 * server.connections && server.connections > 0.0 {
            note(format!(
                "{:.0} of {:.0} connection slots are taken: use smaller pools or a pooler, or raise max_connections",
                s.connections, server.connections
            ));
        }
    }
}

/// What each of its parts did.
fn cells(base: &str, cores: Option<f64>, a: &Answer, s: &Second, r: &mut Reading<'_>) {
    if let Some(cpu) = s.cpu
        && let Some(c) = r.cell(&format!("db.{base}"), InstanceIx::NONE, cpu, cores)
    {
        c.background = a.spent.map(|s| s.others);
    }
    if !s.looked || !a.facts.server.sees_all {
        return;
    }
    let disks = [("wal", s.wal, s.disks.0), ("io", s.io, s.disks.1)];
    for (name, (busy, waiting), _) in disks.into_iter().filter(|d| d.2) {
        if let Some(c) = r.cell(
            &format!("disk.{base}.{name}"),
            InstanceIx::NONE,
            busy,
            Some(1.0),
        ) {
            c.waiting = Some(waiting);
        }
    }
    for (lock, w) in s.locks.iter().filter(|l| l.1.known) {
        // Where only its waiters are seen, their number tells how long it is held.
        if let Some(c) = r.cell(
            &format!("lock.{base}.{}", word(lock)),
            InstanceIx::NONE,
            w.held.unwrap_or(0.0),
            None,
        ) {
            c.waiting = Some(w.waiting);
        }
    }
    let slots = format!("slots.{base}.connections");
    let offered = a.facts.server.connections;
    if let Some(c) = r.cell(&slots, InstanceIx::NONE, s.connections, Some(offered)) {
        c.level = Some(s.connections);
    }
}

/// A name as one part of a resource's name.
fn word(name: &str) -> String {
    let fit = |c: char| match c {
        c if c.is_ascii_alphanumeric() || c == '_' || c == '-' => c,
        _ => '-',
    };
    name.chars().take(40).map(fit).collect()
}

#[cfg(test)]
mod tests;
