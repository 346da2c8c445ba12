//! One database on a thread of its own: whatever it does, the collector does not wait for it.

use super::blind::words;
use super::locks::FORGET_S;
use super::open::{open_with, said};
use super::plan::{indexable, scans};
use super::processes::{Processes, Spent};
use super::sql::{self, Backend, Blocked, Counter, Holder, OLDEST, Server};
use crate::probes::Proc;
use base::{Nanos, Scan};
use config::Secret;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_postgres::{Client, Error};

/// Connections are looked at this often.
const LOOK: Duration = Duration::from_millis(100);
/// A database that takes longer than this is left, and connected to again.
const DEADLINE: Duration = Duration::from_secs(2);
/// Between two tries to connect.
const RETRY: Duration = Duration::from_secs(2);
/// Texts, plans, tables and settings are read this often.
const SLOWLY: Duration = Duration::from_secs(60);
/// The first time after this, and sooner when a statement is among the heaviest that was not before.
const FIRST: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(10);
/// Statements whose plan is asked for.
const PLANS: usize = 8;
/// Looks kept between two readings.
const LOOKS: usize = 50;

const POOLER: &str = "its URL leads to a pooler, on whose connections our settings would stay for others: give the address \
                      of the database itself";
/// Tables for whose rows somebody has waited, at most.
const CONTENDED: usize = 16;

/// All connections at one moment, who of them waits for whom, and who holds tables for which somebody has waited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    pub backends: Vec<Backend>,
    pub blocked: Vec<Blocked>,
    pub holders: Vec<Holder>,
}

/// What statements use, or only what all of them use.
#[derive(Clone, Debug, PartialEq)]
pub enum Used {
    Statements(Vec<Counter>),
    /// Seconds in all; and why no more is known.
    Whole(f64, String),
}

/// What hardly changes, as it was read last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub server: Server,
    /// Empty: not a statement of an application.
    pub texts: BTreeMap<i64, String>,
    pub scans: BTreeMap<i64, Scan>,
    /// Why plans are not known.
    pub no_plans: Option<String>,
}

/// What happened since the last reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Seconds on the worker's own clock.
    pub at: f64,
    pub looks: Vec<Look>,
    pub used: Used,
    /// `None`: its processes are not seen.
    pub spent: Option<Spent>,
    /// The process that all others of the server come from, where it is seen.
    pub root: Option<u32>,
    pub facts: Arc<Facts>,
}

/// The thread ends when this is dropped.
pub struct Worker {
    thread: JoinHandle<()>,
    ask: mpsc::Sender<()>,
    answers: Receiver<Result<Answer, String>>,
    owed: Option<Instant>,
}

impl Worker {
    /// Fails when the system gives no thread.
    pub fn start(url: &Secret, ca: Option<&Path>, proc: Proc) -> std::io::Result<Worker> {
        let (ask, asked) = mpsc::channel(1);
        let (answer, answers) = sync_channel(1);
        let (url, ca) = (url.clone(), ca.map(Path::to_owned));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("postgres".into())
            .spawn(move || runtime.block_on(serve(&url, ca.as_deref(), &proc, asked, &answer)))?;
        Ok(Worker {
            thread,
            ask,
            answers,
            owed: None,
        })
    }

    /// It reads no more, which it should not: start another.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks for what happened since the last answer; `get` takes it.
    pub fn ask(&mut self) {
        if self.owed.is_none() && self.ask.try_send(()).is_ok() {
            self.owed = Some(Instant::now());
        }
    }

    /// The answer if it comes before `until`. One that comes too late is taken the next time: its counters say
    /// themselves from when they are.
    pub fn get(&mut self, until: Instant) -> Result<Answer, String> {
        let answer = match self.answers.try_recv() {
            Err(TryRecvError::Empty) => {
                let left = until.saturating_duration_since(Instant::now());
                self.answers.recv_timeout(left).ok()
            }
            now => now.ok(),
        };
        match (answer, self.owed) {
            (Some(answer), _) => {
                self.owed = None;
                answer
            }
            (None, Some(since)) => Err(format!(
                "it has not answered for {:.1} s: overloaded, stalled or unreachable",
                since.elapsed().as_secs_f64()
            )),
            (None, None) => Err("its reader has ended".into()),
        }
    }
}

/// A connection and what was read over it.
struct Link {
    client: Client,
    facts: Arc<Facts>,
    /// When the slow facts are due, and since when.
    due: Instant,
    read: Instant,
    looks: Vec<Look>,
    latest: Vec<Counter>,
    processes: Processes,
    /// And when somebody was last seen to.
    contended: BTreeMap<String, Instant>,
}

async fn serve(
    url: &Secret,
    ca: Option<&Path>,
    proc: &Proc,
    mut asked: mpsc::Receiver<()>,
    answers: &SyncSender<Result<Answer, String>>,
) {
    let began = Instant::now();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut link: Result<Link, String> = Err("it is being connected to".into());
    let mut tried: Option<Instant> = None;
    loop {
        let ask = tokio::select! {
            ask = asked.recv() => match ask {
                Some(()) => true,
                None => return,
            },
            _ = ticks.tick() => false,
        };
        if link.is_err() && tried.is_none_or(|t| t.elapsed() >= RETRY) {
            tried = Some(Instant::now());
            link = within(self::link(url, ca, proc)).await;
        }
        let step = match &mut link {
            Ok(link) if ask => within(answer(link, began)).await.map(Some),
            Ok(link) => within(look(link)).await.map(|()| None),
            Err(why) if ask => Err(why.clone()),
            Err(_) => continue,
        };
        match step {
            Ok(None) => {}
            // Full: nobody reads any more.
            Ok(Some(answer)) => drop(answers.try_send(Ok(answer))),
            Err(why) => {
                if ask {
                    let _ = answers.try_send(Err(why.clone()));
                }
                link = Err(why);
            }
        }
    }
}

async fn within<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match timeout(DEADLINE, work).await {
        Ok(done) => done,
        Err(_) => Err(format!(
            "no answer within {} s: overloaded, stalled or unreachable",
            DEADLINE.as_secs()
        )),
    }
}

async fn link(url: &Secret, ca: Option<&Path>, proc: &Proc) -> Result<Link, String> {
    let opened = open_with(url, ca, DEADLINE, sql::SESSION).await;
    let client = opened.map_err(|why| match why.contains("startup parameter") {
        true => format!("{why}: {POOLER}"),
        false => why,
    })?;
    let server = sql::server(&client).await.map_err(said)?;
    if !server.bounded {
        return Err(POOLER.into());
    }
    if server.version < OLDEST {
        return Err(format!(
            "this is PostgreSQL {}; 14 or later is needed",
            server.version / 10_000
        ));
    }
    let facts = Facts {
        server,
        ..Facts::default()
    };
    Ok(Link {
        client,
        facts: Arc::new(facts),
        due: Instant::now() + FIRST,
        read: Instant::now(),
        looks: Vec::new(),
        latest: Vec::new(),
        processes: Processes::new(proc.clone()),
        contended: BTreeMap::new(),
    })
}

async fn look(link: &mut Link) -> Result<(), String> {
    let backends = sql::backends(&link.client).await.map_err(said)?;
    let tables: Vec<&str> = link.contended.keys().map(String::as_str).collect();
    let waits = backends.iter().any(|b| b.wait_type == "Lock");
    let (blocked, holders) = match waits || !tables.is_empty() {
        true => sql::locks(&link.client, &tables).await.map_err(said)?,
        false => Default::default(),
    };
    let now = Instant::now();
    for b in blocked.iter().filter(|b| !b.on.is_empty()) {
        if link.contended.len() < CONTENDED || link.contended.contains_key(&b.on) {
            link.contended.insert(b.on.clone(), now);
        }
    }
    let lately = |last: &Instant| (now - *last).as_secs_f64() < FORGET_S;
    link.contended.retain(|_, last| lately(last));
    if link.looks.len() < LOOKS {
        link.looks.push(Look {
            backends,
            blocked,
            holders,
        });
    }
    let unknown = || {
        let texts = &link.facts.texts;
        heaviest(link).any(|c| !texts.contains_key(&c.query_id))
    };
    let now = Instant::now();
    if now >= link.due || (now >= link.read + SOON && unknown()) {
        (link.read, link.due) = (now, now + SLOWLY);
        match facts(link).await {
            Ok(new) => link.facts = Arc::new(new),
            Err(why) if link.client.is_closed() => return Err(why),
            // What is known of texts and plans stays.
            Err(why) => Arc::make_mut(&mut link.facts).no_plans = Some(why),
        }
    }
    Ok(())
}

async fn answer(link: &mut Link, began: Instant) -> Result<Answer, String> {
    let used = used(link).await?;
    let (at, looks) = (began.elapsed(), std::mem::take(&mut link.looks));
    let now = Nanos::from_secs_f64(at.as_secs_f64());
    Ok(Answer {
        at: at.as_secs_f64(),
        used,
        spent: link.processes.read(now, &link.facts.server, &looks),
        root: link.processes.root,
        looks,
        facts: link.facts.clone(),
    })
}

async fn used(link: &mut Link) -> Result<Used, String> {
    let why = match &link.facts.server.statements {
        None => {
            "pg_stat_statements is missing: CREATE EXTENSION pg_stat_statements, and name it in \
                 shared_preload_libraries"
                .to_owned()
        }
        Some(schema) => match sql::counters(&link.client, schema).await {
            Ok(all) => {
                link.latest.clone_from(&all);
                return Ok(Used::Statements(all));
            }
            // The database answers, only this it does not tell.
            Err(e) if e.code().is_some() => words(&e),
            Err(e) => return Err(words(&e)),
        },
    };
    let whole = sql::active(&link.client).await.map_err(said)?;
    Ok(Used::Whole(whole, why))
}

/// The statements that have used most, and a few more. The counters come sorted.
fn heaviest(link: &Link) -> impl Iterator<Item = &Counter> {
    link.latest.iter().take(4 * PLANS)
}

/// Settings, texts, plans and tables. What one statement does not tell does not keep back the others.
async fn facts(link: &Link) -> Result<Facts, String> {
    let c = &link.client;
    let mut facts = Facts {
        server: sql::server(c).await.map_err(said)?,
        ..Facts::default()
    };
    let Some(schema) = &facts.server.statements else {
        return Ok(facts);
    };
    let ids: Vec<i64> = heaviest(link).map(|s| s.query_id).collect();
    facts.texts = ids.iter().map(|id| (*id, String::new())).collect();
    let texts = sql::texts(c, schema, &ids).await.map_err(said)?;
    let own = |text: &String| text.contains("/*plimsoll*/");
    facts.texts.extend(texts.into_iter().filter(|t| !own(&t.1)));
    let planned: Vec<(i64, String)> = ids
        .iter()
        .map(|id| (*id, facts.texts[id].clone()))
        .filter(|(_, text)| sql::has_plan(text))
        .take(PLANS)
        .collect();
    for (id, text) in planned {
        match scan(c, &text).await {
            Ok(Some(scan)) => drop(facts.scans.insert(id, scan)),
            Ok(None) => {}
            Err(e) if e.code().is_none() => return Err(words(&e)),
            Err(e)
                if e.code() == Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE) =>
            {
                facts.no_plans = Some(
                    "plans are not shown to this role, so that missing indexes are not found: \
                     GRANT pg_read_all_data TO the role of the URL"
                        .into(),
                );
            }
            // A statement that has no plan without its values.
            Err(_) => {}
        }
    }
    Ok(facts)
}

/// The whole table that a statement reads for want of an index.
async fn scan(c: &Client, text: &str) -> Result<Option<Scan>, Error> {
    for found in scans(&sql::plan(c, text).await?) {
        let Some(table) = sql::table(c, &found.table).await? else {
            continue;
        };
        let columns = indexable(&found.filter, &table.columns);
        // With an index on the first of them the planner has decided against it, and knows why.
        let led = columns.first().is_some_and(|c| table.led_by.contains(c));
        if !columns.is_empty() && !led {
            return Ok(Some(Scan {
                table: found.table,
                columns,
                rows: table.rows.max(0.0),
                bytes: table.bytes,
            }));
        }
    }
    Ok(None)
}
