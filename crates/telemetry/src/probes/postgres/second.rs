//! What one second of a database was, from looks at its connections and from its counters. Pure.

use super::locks::{Locks, Waited};
use super::overhead::Overhead;
use super::pools::Pools;
use super::sql::{Backend, Counter};
use super::tag::Origins;
use super::worker::{Answer, Facts, Look, Used};
use crate::probes::counter::Counters;
use base::{Names, Nanos, RouteIx, Statement};
use std::collections::{BTreeMap, BTreeSet};

/// Statements and locks remembered.
const STATEMENTS: usize = 1000;
/// Statements told to the model, those that use most.
const TOLD: usize = 20;
/// What was seen counts for half after about this many seconds.
pub(super) const FADE: f64 = 0.98;
/// Fewer looks at a statement do not tell how it spends its time.
const LOOKS: f64 = 20.0;
/// Counters of one second that are larger than this many seconds are those of a longer gap.
const GAP_S: f64 = 5.0;

/// What connections that work do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    Cpu,
    Lock,
    Wal,
    Io,
    /// Waits inside the server for memory that several share.
    Latch,
    /// Waits for its client, or for other processes: nothing of the database is used.
    Other,
}

impl Backend {
    /// `None`: it does not work.
    pub fn doing(&self) -> Option<Doing> {
        if self.state != "active" {
            return None;
        }
        Some(match (self.wait_type.as_str(), self.wait.as_str()) {
            ("", _) => Doing::Cpu,
            ("Lock", _) => Doing::Lock,
            ("IO", wait) if wait.starts_with("WAL") => Doing::Wal,
            ("LWLock", "WALWrite") => Doing::Wal,
            ("IO" | "BufferPin", _) => Doing::Io,
            ("LWLock", _) => Doing::Latch,
            _ => Doing::Other,
        })
    }
    /// Its transaction is open, and it has nothing to do.
    pub fn idles(&self) -> bool {
        self.state.starts_with("idle in transaction")
    }
    /// Works, or keeps its transaction open: whoever uses it holds it.
    pub fn held(&self) -> bool {
        self.state == "active" || self.idles()
    }
}

/// What is remembered of a database from second to second.
#[derive(Default)]
pub struct Memory {
    seen: BTreeMap<i64, Seen>,
    whole: Share,
    counters: Counters<(i64, u8)>,
    read: Option<f64>,
    locks: Locks,
    disks: (bool, bool),
    /// Looks, which fade as what they saw does.
    looks: f64,
    overhead: Overhead,
    pub pools: Pools,
    pub cores: Option<f64>,
}

/// How time was spent, in looks that fade.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    /// On a processor. Of more that want one than there are, each has its part of them: a statement takes longer then, and uses
    /// no more.
    cpu: f64,
    all: f64,
}

impl Share {
    fn cpu(&self) -> f64 {
        self.cpu / self.all.max(1e-9)
    }
}

#[derive(Clone, Debug, Default)]
struct Seen {
    share: Share,
    routes: BTreeMap<RouteIx, f64>,
    waits: BTreeMap<String, f64>,
    holds: BTreeMap<String, f64>,
    looks: f64,
    /// Of the looks, those that found its transaction open after it, with nothing to do.
    idle: f64,
    /// Sums of what it used in the seconds since, which fade, and their number.
    used: Counter,
    seconds: f64,
}

/// One route's part of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Use {
    pub calls: f64,
    pub seconds: f64,
    pub squares: f64,
    pub rows: f64,
    pub returned: f64,
}

/// What the second was. Means over its looks; `None` where nothing tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Second {
    /// Seconds of its processors.
    pub cpu: Option<f64>,
    /// Share of looks that found the disk at work, and how many waited behind.
    pub wal: (f64, f64),
    pub io: (f64, f64),
    /// Whether either was ever seen at work.
    pub disks: (bool, bool),
    /// By what is waited for.
    pub locks: BTreeMap<String, Waited>,
    pub connections: f64,
    pub routes: BTreeMap<RouteIx, Use>,
    pub looked: bool,
}

impl Memory {
    /// Its counters are those of another server now, or began anew.
    pub fn replaced(&mut self) {
        self.counters = Counters::default();
        self.read = None;
    }

    /// `cores`: processors that the database has, when known.
    pub fn new(cores: Option<f64>) -> Memory {
        Memory {
            cores,
            ..Memory::default()
        }
    }

    pub fn second(&mut self, a: &Answer, origins: &Origins, names: &Names) -> Second {
        let mut s = Second {
            looked: !a.looks.is_empty(),
            ..Second::default()
        };
        self.fade();
        let n = a.looks.len().max(1) as f64;
        let mut working = 0.0;
        for look in &a.looks {
            working += self.look(look, &mut s, n, origins, names);
            self.pools.look(&look.backends, a.at);
        }
        self.disks.0 |= s.wal.0 > 0.0;
        self.disks.1 |= s.io.0 > 0.0;
        s.disks = self.disks;
        s.locks = self.locks.second(&a.looks, a.at);
        let gap = self.read.replace(a.at).is_none_or(|t| a.at - t > GAP_S);
        match &a.used {
            Used::Statements(all) => self.used(all, a, gap, &mut s),
            Used::Whole(seconds, _) => {
                let rate = self
                    .counters
                    .rate((0, 3), Nanos::from_secs_f64(a.at), *seconds);
                s.cpu = rate.filter(|_| !gap).map(|r| r * self.whole.cpu());
            }
        }
        // What its processes used is not guessed from times, which have waits for a processor in them and leave work out.
        if let Some(spent) = a.spent.filter(|_| !gap) {
            s.cpu = Some(spent.clients + spent.others);
        }
        // Without a look at states, counters cannot tell work from waits; without counters, looks tell both.
        if s.looked && s.cpu.is_none() && !gap {
            s.cpu = Some(working / n);
        }
        s
    }

    fn fade(&mut self) {
        let fade = |s: &mut Share| (s.cpu, s.all) = (s.cpu * FADE, s.all * FADE);
        self.looks *= FADE;
        self.overhead.fade(FADE);
        fade(&mut self.whole);
        for seen in self.seen.values_mut() {
            fade(&mut seen.share);
            let lists = seen.waits.values_mut().chain(seen.holds.values_mut());
            lists
                .chain(seen.routes.values_mut())
                .for_each(|v| *v *= FADE);
            seen.looks *= FADE;
            seen.idle *= FADE;
            seen.seconds *= FADE;
            let u = &mut seen.used;
            (u.calls, u.seconds, u.rows) = (u.calls * FADE, u.seconds * FADE, u.rows * FADE);
        }
        self.seen.retain(|_, s| s.looks > 0.01);
    }

    /// Takes one look; answers with how many processors were at work.
    fn look(
        &mut self,
        look: &Look,
        s: &mut Second,
        n: f64,
        origins: &Origins,
        names: &Names,
    ) -> f64 {
        let (mut wal, mut io) = (0.0, 0.0);
        self.looks += 1.0;
        let computing = |b: &&Backend| b.doing() == Some(Doing::Cpu);
        let cpu = look.backends.iter().filter(computing).count() as f64;
        let part = self.cores.map_or(1.0, |c| (c / cpu).min(1.0));
        let on_cpu = |d: Doing| if d == Doing::Cpu { part } else { 0.0 };
        for b in &look.backends {
            s.connections += 1.0 / n;
            let doing = b.doing();
            let on = look.awaited(b);
            wal += f64::from(doing == Some(Doing::Wal));
            io += f64::from(doing == Some(Doing::Io));
            if let Some(d) = doing {
                self.whole.all += 1.0;
                self.whole.cpu += on_cpu(d);
            }
            let Some(seen) = self.seen(b.query_id) else {
                continue;
            };
            seen.looks += 1.0;
            seen.idle += f64::from(b.idles());
            if let Some(d) = doing {
                seen.share.all += 1.0;
                seen.share.cpu += on_cpu(d);
            }
            if let Some(route) = origins.route(&b.comment, names) {
                *seen.routes.entry(route).or_default() += 1.0;
            }
            if !on.is_empty() {
                *seen.waits.entry(on.to_owned()).or_default() += 1.0;
            }
            let holds = look.blocked.iter().filter(|l| l.by.contains(&b.pid));
            // Who waits in the queue for the same lock blocks others, too; the holder is the one that does not wait.
            let waits = look.waits(b);
            for l in holds.filter(|_| !waits) {
                *seen.holds.entry(l.on.clone()).or_default() += 1.0;
            }
        }
        for (of, count) in [(&mut s.wal, wal), (&mut s.io, io)] {
            of.0 += f64::from(count > 0.0) / n;
            of.1 += f64::max(count - 1.0, 0.0) / n;
        }
        cpu * part
    }

    fn seen(&mut self, id: i64) -> Option<&mut Seen> {
        let room = self.seen.len() < STATEMENTS || self.seen.contains_key(&id);
        (id != 0 && room).then(|| self.seen.entry(id).or_default())
    }

    /// Counters of statements as uses of routes.
    fn used(&mut self, all: &[Counter], a: &Answer, gap: bool, s: &mut Second) {
        let now = Nanos::from_secs_f64(a.at);
        let mut ran = Vec::with_capacity(all.len());
        for c in all {
            let mut rate = |part, value| self.counters.rate((c.query_id, part), now, value);
            let rates = (
                rate(0, c.calls),
                rate(1, c.seconds),
                rate(2, c.squares),
                rate(3, c.rows),
            );
            let seen = self.seen.get_mut(&c.query_id);
            let (Some(calls), Some(seconds), Some(squares), Some(rows)) = rates else {
                continue;
            };
            let own = seen.as_ref().map(|s| s.share).filter(|s| s.all >= LOOKS);
            let cpu = own.unwrap_or(self.whole).cpu();
            if let Some(seen) = seen.filter(|_| !gap) {
                seen.seconds += 1.0;
                seen.used.calls += calls;
                seen.used.seconds += seconds;
                seen.used.rows += rows;
            }
            ran.push(Counter {
                query_id: c.query_id,
                calls,
                seconds: seconds * cpu,
                squares: squares * cpu * cpu,
                rows,
            });
        }
        self.counters.forget_before(now);
        if gap {
            return;
        }
        let told: f64 = ran.iter().map(|c| c.seconds).sum();
        s.cpu = (self.whole.all > 0.0).then_some(told);
        // What is new, or runs for the first time, uses processors that its counters do not tell: such a second is not compared.
        let counted: BTreeSet<i64> = ran.iter().map(|c| c.query_id).collect();
        let mut at_work = a.looks.iter().flat_map(|l| &l.backends);
        let whole = ran.len() == all.len()
            && at_work.all(|b| b.doing().is_none() || counted.contains(&b.query_id));
        if let Some(spent) = a.spent.filter(|_| whole) {
            let ours = |id: i64| a.facts.texts.get(&id).is_some_and(String::is_empty);
            let theirs = ran.iter().filter(|c| !ours(c.query_id));
            self.overhead.see(spent.clients, theirs);
        }
        // In no second more than its processes used beyond what its statements tell.
        let calls: f64 = ran.iter().map(|c| c.calls).sum();
        let left = a.spent.map_or(0.0, |spent| (spent.clients - told).max(0.0));
        let most = left / calls.max(1e-9);
        for c in &ran {
            self.share_out(&self.overhead.with(c, most), &a.facts, s);
        }
    }

    /// One statement's second, to the routes that it was seen of.
    fn share_out(&self, c: &Counter, facts: &Facts, s: &mut Second) {
        let Some(seen) = self.seen.get(&c.query_id) else {
            return;
        };
        let of_table = facts.scans.get(&c.query_id).map(|t| t.rows);
        let sum: f64 = seen.routes.values().sum();
        for (route, looks) in &seen.routes {
            let share = looks / sum;
            let u = s.routes.entry(*route).or_default();
            u.calls += c.calls * share;
            u.seconds += c.seconds * share;
            u.squares += c.squares * share;
            u.returned += c.rows * share;
            u.rows += share * of_table.map_or(c.rows, |rows| c.calls * rows);
        }
    }

    /// The statements that use most, or wait most, for the advice.
    pub fn statements(&self, base: &str, facts: &Facts, names: &Names) -> Vec<Statement> {
        let lock = |l: &BTreeMap<String, f64>| {
            let most = l.iter().max_by(|a, b| a.1.total_cmp(b.1))?;
            (*most.1 >= 1.0).then(|| (format!("lock.{base}.{}", most.0), *most.1))
        };
        let mut all: Vec<Statement> = self
            .seen
            .iter()
            .filter_map(|(id, seen)| {
                let (used, calls) = (&seen.used, seen.used.calls.max(1e-9));
                let waits = lock(&seen.waits);
                let sum: f64 = seen.routes.values().sum();
                let mut routes: Vec<(String, f64)> = seen
                    .routes
                    .iter()
                    .filter_map(|(r, n)| Some((names.routes.name(*r)?.to_string(), n / sum)))
                    .collect();
                routes.sort_by(|a, b| b.1.total_cmp(&a.1));
                routes.truncate(4);
                Some(Statement {
                    database: format!("db.{base}"),
                    text: facts.texts.get(id).filter(|t| !t.is_empty())?.clone(),
                    routes,
                    calls: used.calls / seen.seconds.max(1.0),
                    seconds: used.seconds / calls,
                    returned: used.rows / calls,
                    scan: facts.scans.get(id).cloned(),
                    waiting: waits.as_ref().map_or(0.0, |w| w.1 / seen.looks.max(1.0)),
                    waits_for: waits.map(|w| w.0),
                    holds: lock(&seen.holds).map(|h| h.0),
                    idle: seen.idle / self.looks.max(1.0),
                })
            })
            .collect();
        all.sort_by(|a, b| (b.calls * b.seconds).total_cmp(&(a.calls * a.seconds)));
        all.truncate(TOLD);
        all
    }
}
