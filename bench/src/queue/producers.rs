//! Who is compared, and producers that each wait for their own acknowledgement.

use super::jetstream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Bounds, Embedded, NewJob, Queue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

pub const PAYLOAD: usize = 1024;

/// What one turn gave.
pub struct Turn {
    /// Acknowledged a second.
    pub rate: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

pub enum Contender {
    Store(Arc<Embedded>),
    /// A connection for each producer.
    Redis(Vec<TcpStream>),
    Postgres(Vec<Arc<Statement>>),
    JetStream(Vec<jetstream::Producer>),
}

/// Times of one producer, and its connection for the next turn.
type Produced = Result<(Vec<Duration>, Option<Kept>), String>;

enum Kept {
    Redis(TcpStream),
    JetStream(jetstream::Producer),
}

pub struct Statement {
    client: tokio_postgres::Client,
    insert: tokio_postgres::Statement,
}

pub fn ours(dir: &Path) -> Result<Arc<Embedded>, String> {
    let store = Embedded::open(dir.join("queue.db")).map_err(|e| e.to_string())?;
    Ok(Arc::new(store))
}

pub async fn redis(server: &peers::Redis, producers: usize) -> Result<Contender, String> {
    let mut all = Vec::new();
    for _ in 0..producers {
        let stream = TcpStream::connect(server.address()).await.map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        all.push(stream);
    }
    Ok(Contender::Redis(all))
}

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS job(id bigserial PRIMARY KEY, state int NOT NULL, due_ms bigint NOT NULL, payload bytea NOT NULL);
CREATE INDEX IF NOT EXISTS job_due ON job(due_ms, id) WHERE state = 0";

pub async fn postgres(server: &peers::Postgres, producers: usize) -> Result<Contender, String> {
    server.sql(TABLE)?;
    let mut all = Vec::new();
    for _ in 0..producers {
        let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls)
            .await
            .map_err(|e| e.to_string())?;
        // It ends with its client.
        tokio::spawn(connection);
        let insert = client
            .prepare("INSERT INTO job(state, due_ms, payload) VALUES (0, $1, $2) RETURNING id")
            .await
            .map_err(|e| e.to_string())?;
        all.push(Arc::new(Statement { client, insert }));
    }
    Ok(Contender::Postgres(all))
}

impl Contender {
    pub async fn turn(&mut self, producers: usize, lasts: Duration) -> Result<Turn, String> {
        let began = Instant::now();
        let until = began + lasts;
        let mut tasks: JoinSet<Produced> = JoinSet::new();
        match self {
            Contender::Store(store) => {
                for p in 0..producers {
                    let store = store.clone();
                    tasks.spawn(async move {
                        let mut times = Vec::new();
                        while Instant::now() < until {
                            let began = Instant::now();
                            let jobs = vec![job(p as u128)];
                            let put = store.enqueue(jobs, Bounds::NONE);
                            put.await.map_err(|e| e.to_string())?;
                            times.push(began.elapsed());
                        }
                        Ok((times, None))
                    });
                }
            }
            Contender::Redis(streams) => {
                for mut stream in std::mem::take(streams) {
                    tasks.spawn(async move {
                        let (ask, mut answer) = (xadd(), [0; 256]);
                        let mut times = Vec::new();
                        while Instant::now() < until {
                            let began = Instant::now();
                            stream.write_all(&ask).await.map_err(text)?;
                            let n = stream.read(&mut answer).await.map_err(text)?;
                            if n == 0 || answer[0] != b'$' {
                                return Err(String::from_utf8_lossy(&answer[..n]).into_owned());
                            }
                            times.push(began.elapsed());
                        }
                        Ok((times, Some(Kept::Redis(stream))))
                    });
                }
            }
            Contender::Postgres(statements) => {
                for s in statements.iter().cloned() {
                    tasks.spawn(async move {
                        let (due, payload) = (0i64, vec![b'x'; PAYLOAD]);
                        let mut times = Vec::new();
                        while Instant::now() < until {
                            let began = Instant::now();
                            (s.client.query_one(&s.insert, &[&due, &payload]).await)
                                .map_err(|e| e.to_string())?;
                            times.push(began.elapsed());
                        }
                        Ok((times, None))
                    });
                }
            }
            Contender::JetStream(all) => {
                for mut producer in std::mem::take(all) {
                    tasks.spawn(async move {
                        let mut times = Vec::new();
                        while Instant::now() < until {
                            let began = Instant::now();
                            producer.put().await?;
                            times.push(began.elapsed());
                        }
                        Ok((times, Some(Kept::JetStream(producer))))
                    });
                }
            }
        }
        let mut all = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (times, kept) = done.map_err(|e| e.to_string())??;
            all.extend(times);
            match (&mut *self, kept) {
                (Contender::Redis(all), Some(Kept::Redis(stream))) => all.push(stream),
                (Contender::JetStream(all), Some(Kept::JetStream(p))) => all.push(p),
                _ => {}
            }
        }
        let took = began.elapsed().as_secs_f64();
        all.sort_unstable();
        let at = |share: f64| {
            let i = (all.len() as f64 * share) as usize;
            all.get(i).map_or(0.0, |t| t.as_secs_f64() * 1e3)
        };
        Ok(Turn {
            rate: all.len() as f64 / took,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
        })
    }
}

fn text(e: std::io::Error) -> String {
    e.to_string()
}

pub fn job(secret: u128) -> NewJob {
    NewJob {
        secret,
        lane: "orders".into(),
        tenant: String::new(),
        weight: 1,
        key: None,
        blocks: false,
        enqueued_ms: 1,
        due_ms: 1,
        expires_ms: u64::MAX,
        title: "POST /orders".into(),
        head: Vec::new(),
        payload: vec![b'x'; PAYLOAD],
    }
}

fn xadd() -> Vec<u8> {
    let payload = "x".repeat(PAYLOAD);
    let words = ["XADD", "orders", "*", "p", &payload];
    let mut ask = format!("*{}\r\n", words.len());
    for word in words {
        ask += &format!("${}\r\n{word}\r\n", word.len());
    }
    ask.into_bytes()
}
