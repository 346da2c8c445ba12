//! The loop of one outbox.

use super::plan::{Row, Statements, event, statements};
use crate::place::{Place, now_ms};
use config::sections::Outbox;
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
pub type Connect = Arc<
    dyn Fn(&Outbox) -> Pin<Box<dyn Future<Output = Result<Client, String>> + Send>> + Send + Sync,
>;

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
    pub stream: String,
    /// The last batch went well.
    pub up: bool,
    /// What went wrong last, while it does.
    pub error: Option<String>,
    /// Rows that became events, and those that had become one before.
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
        Standing {
            name: outbox.name.clone(),
            table: outbox.table.clone(),
            stream: outbox.stream.clone(),
            ..Standing::default()
        }
    }
}

struct Run {
    outbox: Outbox,
    statements: Statements,
    place: Arc<Place>,
    standing: Arc<Mutex<Standing>>,
    counted: Option<Instant>,
}

/// Runs until it is dropped.
pub async fn relay(
    outbox: Outbox,
    place: Arc<Place>,
    connect: Connect,
    standing: Arc<Mutex<Standing>>,
) {
    let mut run = Run {
        statements: statements(&outbox),
        outbox,
        place,
        standing,
        counted: None,
    };
    let (mut client, mut pause) = (None, FIRST);
    loop {
        let step = timeout(DEADLINE, async {
            let mut link = match client.take() {
                Some(link) => link,
                None => connect(&run.outbox).await?,
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

    /// How many rows became events.
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
        if rows.is_empty() {
            return Ok(0);
        }
        let now = now_ms();
        let events = rows.iter().map(|r| event(&self.outbox, r, now)).collect();
        let appended = self.place.append(&self.outbox.stream, Expect::Any, events);
        let appended = appended.await.map_err(|e| e.to_string())?;
        // On disk: from here on a crash leaves rows that are known by their ids.
        let places: Vec<&str> = rows.iter().map(|r| r.place.as_str()).collect();
        let ids: Vec<&str> = rows.iter().map(|r| r.id.as_str()).collect();
        tx.execute(&self.statements.delete, &[&places, &ids])
            .await
            .map_err(said)?;
        tx.commit().await.map_err(said)?;
        self.now(|s| {
            s.relayed += appended.added as u64;
            s.repeated += (rows.len() - appended.added) as u64;
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
