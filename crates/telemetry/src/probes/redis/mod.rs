//! Redis (and Valkey): the one thread that runs every command, its memory, its clients, and what takes long.

mod client;
mod evict;
mod info;
mod resp;

use super::counter::Counters;
use super::postgres::base;
use super::reader::{PATIENCE, Reader};
use super::{Probe, Reading};
use base::{InstanceIx, Nanos, Signal, Statement};
use client::Store;
use config::Secret;
use evict::{Evictions, FADE, Rates};
use info::{Command, Info, seconds_in};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// So many stores are read.
const MOST: usize = 16;
/// A command with fewer calls, in what has not faded, is forgotten.
const FORGOTTEN: f64 = 0.5;
/// Commands told, those that take most of the time.
const COMMANDS: usize = 8;
/// A restart, or a slow command, is told for this long, seconds.
const TELL_S: f64 = 60.0;

/// One store.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisTarget {
    pub resource: String,
    pub url: Secret,
    /// A PEM file of those who may sign its certificate.
    pub ca: Option<PathBuf>,
}

#[derive(Default)]
pub struct Redis {
    stores: BTreeMap<String, Known>,
}

struct Known {
    url: Secret,
    ca: Option<PathBuf>,
    reader: Reader<Store>,
    counters: Counters<String>,
    evictions: Evictions,
    /// Calls and seconds of each command, which fade, and the seconds in which they were counted.
    used: BTreeMap<String, (f64, f64)>,
    seconds: f64,
    /// Which run of which role was seen last; what changed when.
    run: Option<(String, String)>,
    news: Option<(Nanos, String)>,
    slow: Option<i64>,
    slowest: Option<(Nanos, f64, String)>,
}

impl Probe for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn read(&mut self, r: &mut Reading<'_>) {
        let targets = r.targets;
        let wanted = || targets.stores.iter().take(MOST);
        self.stores.retain(|name, s| {
            let same = |t: &RedisTarget| t.resource == *name && t.url == s.url && t.ca == s.ca;
            !s.reader.has_ended() && wanted().any(same)
        });
        for t in wanted() {
            if !self.stores.contains_key(&t.resource) {
                match Reader::start("redis", client::reader(&t.url, t.ca.as_deref())) {
                    Ok(reader) => drop(
                        self.stores
                            .insert(t.resource.clone(), Known::new(t, reader)),
                    ),
                    Err(e) => r.blind("redis", &t.resource, format!("no thread: {e}")),
                }
            }
        }
        self.stores.values_mut().for_each(|s| s.reader.ask());
        let until = Instant::now() + PATIENCE;
        for t in wanted() {
            let Some(known) = self.stores.get_mut(&t.resource) else {
                continue;
            };
            match known.reader.get(until) {
                Ok((store, ago)) => known.tell(t, &store, r.now - ago, r),
                Err(why) => r.blind("redis", &t.resource, why),
            }
        }
    }
}

impl Known {
    fn new(t: &RedisTarget, reader: Reader<Store>) -> Known {
        Known {
            url: t.url.clone(),
            ca: t.ca.clone(),
            reader,
            counters: Counters::default(),
            evictions: Evictions::default(),
            used: BTreeMap::new(),
            seconds: 0.0,
            run: None,
            news: None,
            slow: None,
            slowest: None,
        }
    }

    /// `now`: when it was so.
    fn tell(&mut self, t: &RedisTarget, store: &Store, now: Nanos, r: &mut Reading<'_>) {
        let (info, base) = (&store.info, base(&t.resource));
        self.compare(info, now);
        let number = |key: &str| info.number(key);
        let thread = format!("db.{base}");
        let commands = info.commands();
        if let Some(busy) = self.busy(info, &commands, now) {
            r.cell(&thread, InstanceIx::NONE, busy, Some(1.0));
        }
        let came = info.round_trips();
        if let Some(n) = came.and_then(|n| self.counters.rate("came".into(), now, n)) {
            r.signal(&thread, InstanceIx::NONE, Signal::RoundTrips, n);
        }
        let full = self.full(store, now);
        for (name, level, most) in [
            (
                format!("mem.{base}"),
                "used_memory",
                full.then_some("maxmemory"),
            ),
            (
                format!("slots.{base}.connections"),
                "connected_clients",
                Some("maxclients"),
            ),
        ] {
            // A most of 0 is none.
            let most = most.and_then(number).filter(|m| *m > 0.0);
            if let Some(c) = number(level).and_then(|v| r.cell(&name, InstanceIx::NONE, v, most)) {
                c.level = Some(c.busy);
            }
        }
        let statements = self.commands(base, commands, now);
        r.statements.extend(statements);
        self.notes(t, store, now, r);
    }

    /// With the last one: another run, which may be another server, has counters of its own.
    fn compare(&mut self, info: &Info, now: Nanos) {
        let run = (info.text("run_id").to_owned(), info.text("role").to_owned());
        match self.run.replace(run.clone()) {
            Some(before) if before.0 != run.0 => {
                let text = "restarted, or another server is there: its counters began anew";
                self.news = Some((now, text.into()));
                self.counters = Counters::default();
                self.evictions = Evictions::default();
                self.used.clear();
                self.slow = None;
            }
            Some(before) if before.1 != run.1 => {
                self.news = Some((now, format!("failed over: it is a {} now", run.1)));
            }
            _ => {}
        }
    }

    /// Seconds per second that the thread is taken: its processor time, or the time in its commands where that is longer. A thread
    /// that its machine does not let run has taken a command nevertheless, and others wait for it.
    fn busy(&mut self, info: &Info, commands: &[Command], now: Nanos) -> Option<f64> {
        let cpu = self.counters.rate("cpu".into(), now, info.cpu()?.0);
        let taken =
            seconds_in(commands).and_then(|s| self.counters.rate("commands".into(), now, s));
        cpu.map(|cpu| cpu.max(taken.unwrap_or(0.0).min(1.0)))
    }

    /// Whether its memory is a limit: a cache that evicts what is not asked for any more is full, and fine.
    fn full(&mut self, store: &Store, now: Nanos) -> bool {
        let info = &store.info;
        let mut rate = |name: &str, total: Option<f64>| {
            self.counters.rate(format!("memory {name}"), now, total?)
        };
        self.evictions.second(Rates {
            hits: rate("hits", info.number("keyspace_hits")),
            misses: rate("misses", info.number("keyspace_misses")),
            evicted: rate("evicted", info.number("evicted_keys")),
            refused: rate("refused", evict::refused(info)),
        });
        self.evictions.hurts(info.text("maxmemory_policy"))
    }

    /// The commands that take most of the thread's time, of about the last minute: a slow one may run in every tenth second only.
    fn commands(&mut self, base: &str, all: Vec<Command>, now: Nanos) -> Vec<Statement> {
        self.seconds = self.seconds * FADE + 1.0;
        for u in self.used.values_mut() {
            *u = (u.0 * FADE, u.1 * FADE);
        }
        for c in all {
            let mut rate =
                |what, value| self.counters.rate(format!("{what} {}", c.name), now, value);
            let both = rate("calls", c.calls).zip(rate("seconds", c.seconds));
            if let Some((calls, seconds)) = both.filter(|b| b.0 > 0.0) {
                let sum = self.used.entry(c.name).or_default();
                *sum = (sum.0 + calls, sum.1 + seconds);
            }
        }
        self.used.retain(|_, u| u.0 > FORGOTTEN);
        let statement = |(name, (calls, seconds)): (&String, &(f64, f64))| Statement {
            database: format!("db.{base}"),
            text: name.clone(),
            calls: calls / self.seconds,
            seconds: seconds / calls,
            ..Statement::default()
        };
        let mut all: Vec<Statement> = self.used.iter().map(statement).collect();
        all.sort_by(|a, b| (b.calls * b.seconds).total_cmp(&(a.calls * a.seconds)));
        all.truncate(COMMANDS);
        all
    }

    fn notes(&mut self, t: &RedisTarget, store: &Store, now: Nanos, r: &mut Reading<'_>) {
        let info = &store.info;
        let newest = store.slow.iter().map(|s| s.0).max();
        let before = self.slow;
        self.slow = newest.or(before).or(Some(-1));
        let new = store
            .slow
            .iter()
            .filter(|s| before.is_some_and(|b| s.0 > b));
        if let Some(s) = new.max_by(|a, b| a.1.total_cmp(&b.1)) {
            self.slowest = Some((now, s.1, s.2.clone()));
        }
        let mut rate = |key: &str| {
            let value = info.number(key)?;
            self.counters
                .rate(key.to_owned(), now, value)
                .filter(|v| *v > 0.0)
        };
        let (evicted, rejected) = (rate("evicted_keys"), rate("rejected_connections"));
        let too_small = self.evictions.hurts(info.text("maxmemory_policy"));
        let mut note = |text: String| r.note("redis", &t.resource, text);
        let recent = |at: &Nanos| now.since(*at).as_secs_f64() < TELL_S;
        if let Some((_, what)) = self.news.as_ref().filter(|n| recent(&n.0)) {
            note(what.clone());
        }
        if let Some((_, seconds, name)) = self.slowest.as_ref().filter(|s| recent(&s.0)) {
            note(format!(
                "{name} held its only thread for {:.0} ms: everybody else waited meanwhile; split it, or run it elsewhere",
                1e3 * seconds
            ));
        }
        if let Some(n) = evicted.filter(|_| too_small) {
            note(format!(
                "it evicts {n:.0} keys/s that are asked for again: its memory is too small; raise maxmemory, or keep less"
            ));
        }
        if rejected.is_some() {
            note("it refuses connections: raise maxclients, or use smaller pools".into());
        }
        if info.cpu().is_some_and(|c| !c.1) {
            note("its version does not tell the time of its main thread: that of the whole process is taken".into());
        }
        if let Some(why) = &store.no_slow {
            note(format!("slow commands are not seen: {why}"));
        }
    }
}
