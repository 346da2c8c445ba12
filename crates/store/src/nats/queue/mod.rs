//! Jobs for several nodes: `Queue` over one stream of JetStream.
//!
//! A job is a message with all that it is, acknowledged before it is accepted; how it stands is another one under a subject beside it,
//! of which the last counts. Each change names the message that it was decided on (compare and set): of two nodes that want the same
//! job one has it. Every node follows the stream without the payloads and keeps an [`Index`] of all jobs, on which
//! everything is decided ([`pick`], [`decide`]: pure); [`work`] writes it down.

mod decide;
mod index;
mod marks;
mod note;
mod pick;
mod watch;
mod work;

use super::bucket;
use super::link::Link;
use super::target::Target;
use super::{Options, Standing, subject};
use crate::queue::{MAX_JOBS, acceptable, acceptable_end, acceptable_reason};
use crate::{
    Ack, Bounds, Cancel, Carried, Error, Finish, Job, JobId, Lane, Leased, NewJob, Queue, State,
};
use index::Index;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use tokio::sync::watch as channel;

/// Told of each job that has ended, or whose attempt has, wherever that was.
pub type Heard = Box<dyn Fn(JobId) + Send + Sync>;

/// What this node leased and has not given back.
#[derive(Default)]
struct Held {
    leased: BTreeMap<JobId, u32>,
    /// Whether it has those is not known: nobody works on them.
    doubtful: Vec<(JobId, u32)>,
}

struct Shared {
    stream: String,
    /// This node, from its start to its end.
    me: u64,
    index: Mutex<Index>,
    /// The number up to which the stream was followed, and whether all was read once.
    seen: channel::Sender<(u64, bool)>,
    held: Mutex<Held>,
    heard: OnceLock<Heard>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(|e| e.into_inner())
}

/// Share it behind an `Arc`. Opening it connects in the background: it may be away. Dropped, it gives back what it leased.
pub struct Jobs {
    link: Link,
    shared: Arc<Shared>,
    prefix: String,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Jobs").field(&self.link.place()).finish()
    }
}

impl Jobs {
    /// # Errors
    /// When the options say nothing of jobs, the URL or the CA's file cannot be used, or there is no thread.
    pub fn open(options: &Options) -> Result<Jobs, Error> {
        let bucket = bucket::of_jobs(options)
            .ok_or_else(|| Error::Invalid("the nats engine is not to have jobs".into()))?;
        let stream = bucket.stream();
        let target = Target::new(options, vec![bucket])?;
        let shared = Arc::new(Shared {
            stream,
            me: RandomState::new().hash_one(std::process::id()),
            index: Mutex::default(),
            seen: channel::channel((0, false)).0,
            held: Mutex::default(),
            heard: OnceLock::new(),
        });
        let theirs = shared.clone();
        let follow = move |conn| watch::follow(theirs.clone(), conn);
        Ok(Jobs {
            link: Link::start(target, Some(Box::new(follow)))?,
            shared,
            prefix: options.prefix.clone(),
        })
    }

    /// Once.
    pub fn listen(&self, heard: Heard) {
        let _ = self.shared.heard.set(heard);
    }

    /// Asked how it is; does not keep it open.
    pub fn stander(&self) -> impl Fn() -> Standing + Send + Sync + use<> {
        self.link.stander()
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Until all was read once, bounded.
    fn whole(&self) -> Result<(), Error> {
        if self.shared.seen.borrow().1 {
            return Ok(());
        }
        let shared = self.shared.clone();
        let read = self
            .link
            .ask("", 0, move |_| async move { shared.whole().await });
        read.wait()
    }

    fn index(&self) -> Result<MutexGuard<'_, Index>, Error> {
        self.whole()?;
        Ok(lock(&self.shared.index))
    }
}

/// Where something is that is kept beside jobs.
fn of_mark(stream: &str, key: &str) -> String {
    subject::of_stream(&format!("{stream}.mark"), key)
}

/// What is done one after another.
fn of(id: JobId) -> String {
    id.seq.to_string()
}

impl Queue for Jobs {
    fn enqueue(&self, jobs: Vec<NewJob>, bounds: Bounds) -> Ack<Vec<JobId>> {
        if let Err(e) = acceptable(&jobs) {
            return Ack::ready(Err(e));
        }
        let first = jobs.first();
        let key = first.map_or_else(String::new, |j| match &j.key {
            Some(key) => format!("{}/{key}", j.lane),
            None => j.secret.to_string(),
        });
        let bytes = jobs.iter().map(|j| j.head.len() + j.payload.len()).sum();
        let shared = self.shared.clone();
        self.link.write(&key, bytes, move |conn| {
            work::enqueue(conn, shared, jobs, bounds)
        })
    }

    fn lease(&self, lane: &str, most: usize, until_ms: u64, now_ms: u64) -> Ack<Vec<Leased>> {
        let lending = work::Lending {
            lane: lane.to_owned(),
            most: most.min(MAX_JOBS),
            until_ms: until_ms.max(now_ms + 1),
            now_ms,
        };
        let shared = self.shared.clone();
        let key = format!("lease {lane}");
        self.link
            .write(&key, 0, move |conn| work::lease(conn, shared, lending))
    }

    fn finish(&self, id: JobId, attempt: u32, how: Finish, now_ms: u64) -> Ack<bool> {
        if let Err(e) = acceptable_end(&how) {
            return Ack::ready(Err(e));
        }
        let bytes = match &how {
            Finish::Done { result } | Finish::Dead { result, .. } => result.len(),
            Finish::Retry { .. } | Finish::Release { .. } => 0,
        };
        let shared = self.shared.clone();
        self.link.write(&of(id), bytes, move |conn| {
            work::finish(conn, shared, id, attempt, how, now_ms)
        })
    }

    fn cancel(&self, id: JobId, now_ms: u64) -> Ack<Cancel> {
        let shared = self.shared.clone();
        self.link.write(&of(id), 0, move |conn| {
            work::cancel(conn, shared, id, now_ms)
        })
    }

    fn redrive(&self, id: JobId, due_ms: u64, expires_ms: u64) -> Ack<bool> {
        let shared = self.shared.clone();
        self.link.write(&of(id), 0, move |conn| {
            work::redrive(conn, shared, id, due_ms, expires_ms)
        })
    }

    fn discard(&self, id: JobId, reason: &str, now_ms: u64) -> Ack<bool> {
        if let Err(e) = acceptable_reason(reason) {
            return Ack::ready(Err(e));
        }
        let (shared, reason) = (self.shared.clone(), reason.to_owned());
        self.link.write(&of(id), 0, move |conn| {
            work::discard(conn, shared, id, reason, now_ms)
        })
    }

    fn forget(&self, ended_ms: u64, dead_ms: u64, most: usize) -> Ack<usize> {
        let (shared, most) = (self.shared.clone(), most.min(MAX_JOBS));
        self.link.ask("forget", 0, move |conn| {
            work::forget(conn, shared, ended_ms, dead_ms, most)
        })
    }

    fn job(&self, id: JobId) -> Result<Option<Job>, Error> {
        {
            let index = self.index()?;
            if let Some(entry) = index.get(id) {
                return Ok(Some(index.shown(id.seq, entry)));
            }
        }
        // Another node may have accepted it a moment ago.
        let shared = self.shared.clone();
        let found = self.link.ask(&of(id), 0, move |conn| async move {
            shared.find(&conn, id).await.map(drop)
        });
        found.wait()?;
        let index = self.index()?;
        Ok(index.get(id).map(|entry| index.shown(id.seq, entry)))
    }

    fn find(&self, lane: &str, secret: u128) -> Result<Option<JobId>, Error> {
        Ok(self.index()?.find(lane, secret))
    }

    fn carried(&self, id: JobId) -> Result<Option<Carried>, Error> {
        let shared = self.shared.clone();
        let asked = self.link.ask(&of(id), 0, move |conn| async move {
            shared.carried(&conn, id).await
        });
        asked.wait()
    }

    fn result(&self, id: JobId) -> Result<Option<Vec<u8>>, Error> {
        let shared = self.shared.clone();
        let asked = self.link.ask(&of(id), 0, move |conn| async move {
            shared.result(&conn, id).await
        });
        asked.wait()
    }

    fn jobs(&self, lane: &str, state: State, after: u64, limit: usize) -> Result<Vec<Job>, Error> {
        Ok(self.index()?.jobs(lane, state, after, limit))
    }

    fn ahead(&self, job: &Job, most: u64) -> Result<u64, Error> {
        Ok(self.index()?.ahead(job, most))
    }

    fn put_off(&self, lane: &str, now_ms: u64) -> Result<u64, Error> {
        Ok(self.index()?.put_off(lane, now_ms))
    }

    fn lanes(&self) -> Result<Vec<Lane>, Error> {
        Ok(self.index()?.lanes())
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        let leased = std::mem::take(&mut lock(&self.shared.held).leased);
        let back: Vec<Ack<()>> = (leased.into_iter())
            .map(|(id, attempt)| {
                let shared = self.shared.clone();
                self.link.write(&of(id), 0, move |conn| async move {
                    work::give_up(&conn, &shared, id, attempt, true).await
                })
            })
            .collect();
        for ack in back {
            // Else it ends by itself in its time.
            let _ = ack.wait();
        }
    }
}
