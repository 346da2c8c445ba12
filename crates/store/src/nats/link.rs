//! One connection and the thread that owns it. What is asked of one key is done in the order in which it was asked, that of
//! different keys side by side. Without a connection everything fails at once, and another one is tried for again and again.
//!
//! The library would reconnect by itself and then send what had waited: a write that nobody waits for any more could undo a newer one.
//! So a connection that broke is given up with all that waited for it, and its runtime with it.

use super::Standing;
use super::conn::Conn;
use super::fault::Fault;
use super::target::Target;
use crate::Error;
use crate::ack::{Ack, Reply, pair};
use std::future::Future;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{
    UnboundedReceiver, UnboundedSender, error::TryRecvError, unbounded_channel,
};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Longest wait for an answer, and for a connection.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(200);
/// JetStream is asked this often whether it is there.
const QUIET: Duration = Duration::from_secs(1);
/// How long what is under way may still take when it is closed.
const CLOSES: Duration = Duration::from_secs(3);
/// Calls that wait at once, and their bytes; beyond, `Error::Busy`.
const QUEUE: usize = 4096;
const QUEUE_BYTES: usize = 64 << 20;
/// Calls that are under way at once: one of each lane, and a key is always of the same lane.
const LANES: usize = 64;

/// Follows something for as long as a connection lasts; why it ended, and with it the connection.
pub type Following = Box<dyn Fn(Conn) -> Pin<Box<dyn Future<Output = Fault> + Send>> + Send>;
type Work = Box<dyn FnOnce(Conn) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

struct Ask {
    lane: usize,
    work: Work,
}

#[derive(Default)]
struct State {
    /// Why there is no connection.
    away: Option<String>,
    /// Why it does not take what is written.
    refuses: Option<String>,
}

/// What the thread and those who ask share.
struct Shared {
    place: String,
    state: Mutex<State>,
    failed: AtomicU64,
    waiting: AtomicUsize,
    bytes: AtomicUsize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn engine(&self) -> String {
        format!("nats at {}", self.place)
    }

    fn away(&self) -> Option<Error> {
        let why = self.state().away.clone()?;
        let engine = self.engine();
        Some(Error::Away { engine, why })
    }

    fn turned(&self, fault: Fault) -> Error {
        let engine = self.engine();
        match fault {
            Fault::Lost(why) => Error::Away { engine, why },
            Fault::Said { why, .. } => {
                self.state().refuses = Some(why.clone());
                Error::Refused { engine, why }
            }
            Fault::Own(e) => e,
        }
    }
}

/// Who waits for an answer; told that the connection broke when it is dropped.
struct Told<T> {
    reply: Option<Reply<T>>,
    bytes: usize,
    shared: Arc<Shared>,
}

impl<T> Told<T> {
    fn tell(mut self, said: Result<T, Error>) {
        self.end(said);
    }

    fn end(&mut self, said: Result<T, Error>) {
        let Some(reply) = self.reply.take() else {
            return;
        };
        self.shared.waiting.fetch_sub(1, Relaxed);
        self.shared.bytes.fetch_sub(self.bytes, Relaxed);
        if let Err(Error::Away { .. } | Error::Busy | Error::Refused { .. }) = said {
            self.shared.failed.fetch_add(1, Relaxed);
        }
        reply.send(said);
    }
}

impl<T> Drop for Told<T> {
    fn drop(&mut self) {
        if self.reply.is_some() {
            let broke = || Error::Away {
                engine: self.shared.engine(),
                why: "the connection broke".into(),
            };
            let away = self.shared.away().unwrap_or_else(broke);
            self.end(Err(away));
        }
    }
}

/// Dropped, it ends when what is under way has.
pub struct Link {
    asks: UnboundedSender<Ask>,
    shared: Arc<Shared>,
}

impl Link {
    pub fn start(target: Target, following: Option<Following>) -> Result<Link, Error> {
        let (asks, waiting) = unbounded_channel();
        let shared = Arc::new(Shared {
            place: target.place().to_owned(),
            state: Mutex::default(),
            failed: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        });
        let theirs = shared.clone();
        let run = move || run(&theirs, &target, following.as_ref(), waiting);
        let thread = std::thread::Builder::new().name("nats".into()).spawn(run);
        thread.map_err(|e| Error::Io {
            path: "nats".into(),
            why: format!("no thread: {e}"),
        })?;
        Ok(Link { asks, shared })
    }

    pub fn place(&self) -> &str {
        &self.shared.place
    }

    /// Why there is no connection.
    pub fn away(&self) -> Option<String> {
        self.shared.state().away.clone()
    }

    /// Tells how it is, without keeping it open.
    pub fn stander(&self) -> impl Fn() -> Standing + Send + Sync + use<> {
        let shared = self.shared.clone();
        move || {
            let state = shared.state();
            Standing {
                place: shared.place.clone(),
                wrong: state.away.clone().or_else(|| state.refuses.clone()),
                failed: shared.failed.load(Relaxed),
            }
        }
    }

    /// Changes the value of a key, in its turn: as a whole it waits as long as one answer may take.
    pub fn change<T, F>(
        &self,
        key: &str,
        bytes: usize,
        make: impl FnOnce(Conn) -> F + Send + 'static,
    ) -> Ack<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        self.write(key, bytes, move |conn: Conn| async move {
            let slow = |_| Err(Fault::Lost(conn.slow()));
            let done = timeout(PATIENCE, make(conn.clone())).await;
            done.unwrap_or_else(slow)
        })
    }

    /// Writes something; each answer is waited for by itself.
    pub fn write<T, F>(
        &self,
        key: &str,
        bytes: usize,
        make: impl FnOnce(Conn) -> F + Send + 'static,
    ) -> Ack<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let shared = self.shared.clone();
        self.ask(key, bytes, move |conn: Conn| async move {
            let done = make(conn).await;
            if done.is_ok() {
                shared.state().refuses = None;
            }
            done
        })
    }

    /// Asks something; each answer is waited for by itself.
    pub fn ask<T, F>(
        &self,
        key: &str,
        bytes: usize,
        make: impl FnOnce(Conn) -> F + Send + 'static,
    ) -> Ack<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let shared = self.shared.clone();
        let (reply, ack) = pair();
        let waiting = shared.waiting.fetch_add(1, Relaxed);
        let held = shared.bytes.fetch_add(bytes, Relaxed);
        let told = Told {
            reply: Some(reply),
            bytes,
            shared: shared.clone(),
        };
        if let Some(away) = shared.away() {
            told.tell(Err(away));
        } else if waiting >= QUEUE || held > QUEUE_BYTES {
            told.tell(Err(Error::Busy));
        } else {
            let work: Work = Box::new(move |conn: Conn| {
                Box::pin(async move {
                    let said = make(conn.clone()).await;
                    if let Err(Fault::Lost(why)) = &said {
                        conn.give_up(why);
                    }
                    told.tell(said.map_err(|fault| shared.turned(fault)));
                })
            });
            // Dropped by a thread that is gone, it tells so.
            let lane = lane(key);
            let _ = self.asks.send(Ask { lane, work });
        }
        ack
    }
}

fn lane(key: &str) -> usize {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    hash as usize % LANES
}

fn run(
    shared: &Shared,
    target: &Target,
    following: Option<&Following>,
    mut asks: UnboundedReceiver<Ask>,
) {
    loop {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let why = match runtime {
            Ok(runtime) => {
                let ended = runtime.block_on(life(shared, target, following, &mut asks));
                // Whoever looks up a name may be held up for long.
                runtime.shutdown_background();
                match ended {
                    Some(why) => why,
                    None => return,
                }
            }
            Err(e) => format!("no runtime: {e}"),
        };
        shared.state().away = Some(why);
        let until = Instant::now() + AGAIN;
        loop {
            match asks.try_recv() {
                // It says that it is away.
                Ok(ask) => drop(ask),
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) if Instant::now() < until => {
                    std::thread::sleep(AGAIN / 10);
                }
                Err(TryRecvError::Empty) => break,
            }
        }
    }
}

/// Connects, and works until the connection breaks: why. `None`: nobody can ask any more.
async fn life(
    shared: &Shared,
    target: &Target,
    following: Option<&Following>,
    asks: &mut UnboundedReceiver<Ask>,
) -> Option<String> {
    let conn = match Conn::open(target).await {
        Ok(conn) => conn,
        Err(why) => return Some(why),
    };
    shared.state().away = None;
    if let Some(following) = following {
        let (ended, conn) = (following(conn.clone()), conn.clone());
        tokio::spawn(async move { conn.give_up(&ended.await.to_string()) });
    }
    let mut tasks = JoinSet::new();
    let lanes: Vec<UnboundedSender<Work>> = (0..LANES)
        .map(|_| {
            let (lane, mut works) = unbounded_channel::<Work>();
            let conn = conn.clone();
            tasks.spawn(async move {
                while let Some(work) = works.recv().await {
                    work(conn.clone()).await;
                }
            });
            lane
        })
        .collect();
    let mut look = interval(QUIET);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            why = conn.broken() => {
                // Before those who waited are told.
                shared.state().away = Some(why.clone());
                return Some(why);
            }
            ask = asks.recv() => match ask {
                Some(Ask { lane, work }) => {
                    if let Some(lane) = lanes.get(lane) {
                        let _ = lane.send(work);
                    }
                }
                None => {
                    drop(lanes);
                    let end = async { while tasks.join_next().await.is_some() {} };
                    let _ = timeout(CLOSES, end).await;
                    return None;
                }
            },
            _ = look.tick() => {
                let conn = conn.clone();
                tokio::spawn(async move {
                    if let Err(Fault::Lost(why)) = conn.is_there().await {
                        conn.give_up(&why);
                    }
                });
            }
        }
    }
}
