//! The loop of one outbox.

use super::plan::{Request, Row, Statements, appended, job_name, request, statements};
use crate::place::{Leads, Place, now_ms};
use config::sections::{Outbox, Target};
use serde::Serialize;
use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::Expect;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, Error};

/// Connects to the database of an outbox.
pub type Connect = Arc<dyn Fn(&Outbox) -> Later<Client> + Send + Sync>;

type Later<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// Makes jobs of rows, durable once it is answered, each once by its name; and forgets names that nobody brings again. How many
/// were new.
pub type Take = Arc<dyn Fn(&Outbox, Vec<Request>, Vec<String>) -> Later<usize> + Send + Sync>;

/// Where rows come from, and where they go.
#[derive(Clone)]
pub struct Parts {
    pub place: Arc<Place>,
    pub connect: Connect,
    pub take: Take,
    /// Whether this node relays to streams, and whether rows to jobs: where those are of several nodes, one does.
    pub leads: Leads,
    pub leads_jobs: Leads,
}

/// Between two looks whether this node shall.
const LED: Duration = Duration::from_secs(1);

/// Its transaction must be on the disk of the database when it says so: names are forgotten then.
const SURE: &str = "SET LOCAL synchronous_commit = on";

/// Longest time for one batch, and for a connection.
const DEADLINE: Duration = Duration::from_secs(10);
/// After a failure; doubled with each further one.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// How often rows are counted.
const COUNT: Duration = Duration::from_secs(5);
/// Rows that are fetched at once, and bytes of one batch.
const FETCHED: i32 = 16;
const BYTES: usize = 3 << 20;

/// How it stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Standing {
    pub name: String,
    pub table: String,
    /// Name of the stream or route; the other one is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The last batch went well.
    pub up: bool,
    /// What went wrong last, while it does.
    pub error: Option<String>,
    /// Another node does it: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
    /// Rows that became events or jobs, and those that had become one before.
    pub relayed: u64,
    pub repeated: u64,
    /// Rows in the table, counted up to 10000; `None`: not known yet.
    pub waiting: Option<u64>,
    /// Rows among them that can never go: too large, or without an id or a type.
    pub refused: u64,
    pub last_ms: Option<u64>,
}

impl Standing {
    pub fn of(outbox: &Outbox) -> Standing {
        let (stream, job) = match &outbox.to {
            Target::Stream(name) => (Some(name.clone()), None),
            Target::Job(route) => (None, Some(route.clone())),
        };
        Standing {
            name: outbox.name.clone(),
            table: outbox.table.clone(),
            stream,
            job,
            ..Standing::default()
        }
    }
}

struct Run {
    outbox: Outbox,
    statements: Statements,
    parts: Parts,
    standing: Arc<Mutex<Standing>>,
    counted: Option<Instant>,
    /// Names of jobs whose rows are gone for good, until that was told.
    settled: Vec<String>,
}

/// Runs until it is dropped.
pub async fn relay(outbox: Outbox, parts: Parts, standing: Arc<Mutex<Standing>>) {
    let mut run = Run {
        statements: statements(&outbox),
        outbox,
        parts,
        standing,
        counted: None,
        settled: Vec::new(),
    };
    let (mut client, mut pause) = (None, FIRST);
    loop {
        if run.is_elsewhere() {
            client = None;
            sleep(LED).await;
            continue;
        }
        let step = timeout(DEADLINE, async {
            let mut link = match client.take() {
                Some(link) => link,
                None => (run.parts.connect)(&run.outbox).await?,
            };
            let taken = run.batch(&mut link).await?;
            run.count(&link, taken).await?;
            client = Some(link);
            Ok::<_, String>(taken)
        });
        let late = |_| Err(format!("no answer within {} s", DEADLINE.as_secs()));
        match step.await.unwrap_or_else(late) {
            Ok(taken) => {
                run.say(None);
                pause = FIRST;
                if taken == 0 {
                    sleep(run.outbox.poll).await;
                }
            }
            Err(why) => {
                // A connection that failed is not used again: its transaction may hang in the air.
                client = None;
                run.say(Some(why));
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}

impl Run {
    fn now<T>(&self, change: impl FnOnce(&mut Standing) -> T) -> T {
        change(&mut self.standing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether another node relays.
    fn is_elsewhere(&self) -> bool {
        let elsewhere = match self.outbox.to {
            Target::Stream(_) => (self.parts.leads)().err(),
            Target::Job(_) => (self.parts.leads_jobs)().err(),
        };
        let is = elsewhere.is_some();
        self.now(|s| {
            s.elsewhere = elsewhere;
            if is {
                (s.up, s.error, s.waiting) = (true, None, None);
            }
        });
        is
    }

    fn say(&self, error: Option<String>) {
        let before = self.now(|s| {
            s.up = error.is_none();
            std::mem::replace(&mut s.error, error.clone())
        });
        let name = &self.outbox.name;
        match (before, error) {
            (None, Some(why)) => tracing::warn!("outbox {name}: {why}"),
            (Some(_), None) => tracing::info!("outbox {name}: it goes on"),
            _ => {}
        }
    }

    /// Has rows taken in; how many were not there before.
    async fn take(&mut self, rows: &[Row], now_ms: u64) -> Result<usize, String> {
        let stream = match &self.outbox.to {
            Target::Stream(stream) => stream,
            Target::Job(_) => {
                let requests = rows.iter().map(|r| request(&self.outbox, r)).collect();
                let taken = (self.parts.take)(&self.outbox, requests, self.settled.clone()).await?;
                self.settled.clear();
                return Ok(taken);
            }
        };
        if rows.is_empty() {
            return Ok(0);
        }
        let events = rows.iter().map(|r| appended(&self.outbox, r, now_ms));
        let done = (self.parts.place).append(stream, Expect::Any, events.collect());
        Ok(done.await.map_err(|e| e.to_string())?.added)
    }

    /// How many rows became events or jobs.
    async fn batch(&mut self, client: &mut Client) -> Result<usize, String> {
        let said = |e: Error| words(&e);
        let tx = client.transaction().await.map_err(said)?;
        let take = tx.prepare(&self.statements.take).await.map_err(said)?;
        let portal = tx.bind(&take, &[]).await.map_err(said)?;
        let (mut rows, mut bytes): (Vec<Row>, usize) = (Vec::new(), 0);
        'all: loop {
            let some = tx.query_portal(&portal, FETCHED).await.map_err(said)?;
            let last = some.len() < FETCHED as usize;
            for row in some {
                let row = Row {
                    place: row.get(0),
                    id: row.get(1),
                    kind: row.get(2),
                    data: row.get(3),
                    subject: row.get(4),
                };
                bytes += row.bytes();
                if bytes > BYTES && !rows.is_empty() {
                    break 'all;
                }
                rows.push(row);
            }
            if last || rows.len() >= self.outbox.batch as usize {
                break;
            }
        }
        let is_job = matches!(self.outbox.to, Target::Job(_));
        if rows.is_empty() {
            if !self.settled.is_empty() {
                self.take(&[], now_ms()).await?;
            }
            return Ok(0);
        }
        if is_job {
            tx.batch_execute(SURE).await.map_err(said)?;
        }
        let now = now_ms();
        let added = self.take(&rows, now).await?;
        // On disk: from here on a crash leaves rows that are known by their ids.
        let places: Vec<&str> = rows.iter().map(|r| r.place.as_str()).collect();
        let ids: Vec<&str> = rows.iter().map(|r| r.id.as_str()).collect();
        tx.execute(&self.statements.delete, &[&places, &ids])
            .await
            .map_err(said)?;
        tx.commit().await.map_err(said)?;
        if is_job {
            let names = rows.iter().map(|r| job_name(&self.outbox, r));
            self.settled = names.collect();
        }
        self.now(|s| {
            s.relayed += added as u64;
            s.repeated += (rows.len() - added) as u64;
            s.last_ms = Some(now);
        });
        Ok(rows.len())
    }

    async fn count(&mut self, client: &Client, taken: usize) -> Result<(), String> {
        let due = self.counted.is_none_or(|at| at.elapsed() >= COUNT);
        if !due && taken > 0 {
            return Ok(());
        }
        if due {
            self.counted = Some(Instant::now());
            let counted = client.query_one(&self.statements.count, &[]).await;
            let counted = counted.map_err(|e| words(&e))?;
            let [waiting, refused] = [0usize, 1].map(|i| counted.get::<_, i64>(i) as u64);
            self.now(|s| (s.waiting, s.refused) = (Some(waiting), refused));
        } else {
            self.now(|s| s.waiting = Some(s.refused));
        }
        Ok(())
    }
}

/// What the database says, without what stands around it.
fn words(e: &Error) -> String {
    match e.as_db_error() {
        Some(db) => format!("{}: {}", db.severity(), db.message()),
        None => match e.source() {
            Some(source) => format!("{e}: {source}"),
            None => e.to_string(),
        },
    }
}
