//! `Topics` for several nodes, with the jobs of their subscriptions and what is kept beside them: what is done to them is in the order of a
//! stream of JetStream, and each node does it to a file of its own, which it reads.
//!
//! Which event is the same one, who gets it, which events give way, who has a lease and whether it still holds is judged when a message is
//! applied, by the messages before it: the same at every node. What would come to nothing, as the copy knows, is not asked for. ADR 369.

mod codec;

use super::conn::Conn;
use super::fault::{Fault, odd};
use super::link::Link;
use super::log::{self, Closing, Following, Inner, Kind, STAYS};
use super::{Options, Standing, bucket, subject};
use crate::embedded::copy::{Deed, Done, Outcome};
use crate::queue::MAX_JOBS;
use crate::{
    Ack, Bounds, Cancel, Carried, Embedded, Entry, Error, Etag, Finish, Job, JobId, Kv, Lane,
    Leased, MAX_ROWS, Message, NewJob, NewMessage, Precondition, Published, Put, Queue, State,
    Topic, TopicBounds, Topics as Trait,
};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

/// Leases that are given back at the end, and those for which nobody waited: more end in their time.
const HELD: usize = 16 << 10;

/// Told when an event was published, or what is kept beside them was changed, at whatever node.
pub type News = Box<dyn Fn() + Send + Sync>;

/// Topics of several nodes. Share it behind an `Arc`; dropping it finishes what was asked for, and gives back what it has leased.
pub struct Topics {
    link: Link,
    inner: Closing,
    held: Arc<Mutex<Held>>,
    /// So that they do not wait for one another.
    turns: AtomicU64,
}

/// What this process has leased.
#[derive(Default)]
struct Held {
    /// With the attempt, and until when.
    leased: HashMap<JobId, (u32, u64)>,
    /// Lent when nobody waited any more.
    lost: Vec<(JobId, u32)>,
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(|e| e.into_inner())
}

impl Held {
    fn take(&mut self, leased: &[Leased], until_ms: u64, now_ms: u64) {
        if self.leased.len() + leased.len() > HELD {
            self.leased.retain(|_, (_, until)| *until > now_ms);
        }
        for job in leased {
            if self.leased.len() < HELD {
                self.leased.insert(job.id, (job.attempt, until_ms));
            }
        }
    }

    fn lose(&mut self, leased: Vec<Leased>) {
        let room = HELD.saturating_sub(self.lost.len());
        let lost = leased.into_iter().take(room);
        self.lost.extend(lost.map(|j| (j.id, j.attempt)));
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topics").field(&self.inner.0.copy).finish()
    }
}

impl Topics {
    /// `copy`: this node's file, empty or of the same stream. Follows in the background: NATS may be away.
    ///
    /// # Errors
    /// When the options say nothing of topics, the URL or the CA's file cannot be used, or there is no thread.
    pub fn open(options: &Options, copy: Arc<Embedded>, news: News) -> Result<Topics, Error> {
        let bucket = bucket::of_topics(options)
            .ok_or_else(|| Error::Invalid("the nats engine is not to have topics".into()))?;
        let held: Arc<Mutex<Held>> = Arc::default();
        let lost = held.clone();
        let kind = Kind {
            what: "topics",
            read: codec::read,
            news,
            late: Box::new(move |outcome| {
                if let Outcome::Done(Done::Leased(leased)) = outcome {
                    lock(&lost).lose(leased);
                }
            }),
        };
        let (link, inner) = log::start(options, bucket, copy, kind)?;
        Ok(Topics {
            link,
            inner,
            held,
            turns: AtomicU64::new(0),
        })
    }

    /// Asked how it is; does not keep it open.
    pub fn stander(&self) -> impl Fn() -> Standing + Send + Sync + use<> {
        self.link.stander()
    }

    pub fn following(&self) -> Following {
        self.inner.0.following(&self.link)
    }

    fn copy(&self) -> &Embedded {
        &self.inner.0.copy
    }

    /// Does it in its turn among those with the same key.
    fn act<T: Send + 'static>(
        &self,
        key: &str,
        deed: Deed,
        told: impl FnOnce(Done) -> Result<T, Fault> + Send + 'static,
    ) -> Ack<T> {
        if let Err(e) = deed.acceptable() {
            return Ack::ready(Err(e));
        }
        let (inner, bytes) = (self.inner.0.clone(), deed.bytes());
        self.link.write(key, bytes, move |conn| async move {
            inner.follows().await?;
            told(inner.act(&conn, deed).await?)
        })
    }

    fn turn(&self) -> String {
        self.turns.fetch_add(1, Relaxed).to_string()
    }

    fn give_back(&self, id: JobId, attempt: u32, how: Finish, now_ms: u64) -> Ack<bool> {
        let deed = Deed::Finish {
            id,
            attempt,
            how,
            now_ms,
        };
        self.act(&of(id), deed, changed)
    }
}

/// What is done one after another.
fn of(id: JobId) -> String {
    format!("job {}", id.seq)
}

fn changed(done: Done) -> Result<bool, Fault> {
    match done {
        Done::Changed(changed) => Ok(changed),
        _ => Err(odd()),
    }
}

fn many(done: Done) -> Result<usize, Fault> {
    match done {
        Done::Many(n) => Ok(n),
        _ => Err(odd()),
    }
}

impl Inner {
    /// Without a message where the copy knows that nothing would come of it.
    async fn act(&self, conn: &Conn, mut deed: Deed) -> Result<Done, Fault> {
        if let Some(done) = self.copy.foreknow(&deed)? {
            return Ok(done);
        }
        let subject = match &deed {
            Deed::Publish { topic, .. } => subject::of_stream(&self.stream, topic),
            _ => subject::of_all(&self.stream),
        };
        match self.ask(conn, subject, codec::value(&mut deed)).await? {
            Outcome::Done(done) => Ok(done),
            Outcome::Appended(_) | Outcome::Trimmed(_) | Outcome::Nothing => Err(odd()),
        }
    }

    /// Takes messages out of JetStream that were applied here: those of more than a day ago, and half of them when they take half of the
    /// stream's room.
    async fn make_room(&self, conn: &Conn) -> Result<(), Fault> {
        let info = conn.stream(&self.stream).await?;
        let number = |name: &str| info["state"][name].as_u64().ok_or_else(odd);
        let (first, last) = (number("first_seq")?, number("last_seq")?);
        let most = info["config"]["max_bytes"].as_u64().unwrap_or(u64::MAX);
        let end = last.min(*self.applied.borrow());
        if number("bytes")? > most / 2 && end > first + 1 {
            let half = first + (end - first) / 2;
            conn.purge_before(&self.stream, half).await?;
        }
        let stays = STAYS.as_millis() as u64;
        self.let_go(conn, |now_ms| now_ms.saturating_sub(stays))
            .await
    }
}

impl Trait for Topics {
    fn publish(
        &self,
        topic: &str,
        events: Vec<NewMessage>,
        bounds: TopicBounds,
    ) -> Ack<Vec<Published>> {
        let deed = Deed::Publish {
            topic: topic.to_owned(),
            events,
            bounds,
        };
        self.act(&self.turn(), deed, |done| match done {
            Done::Published(said) => Ok(said?),
            _ => Err(odd()),
        })
    }

    fn extend(&self, id: JobId, attempt: u32, until_ms: u64) -> Ack<bool> {
        let deed = Deed::Extend {
            id,
            attempt,
            until_ms,
        };
        let held = self.held.clone();
        self.act(&of(id), deed, move |done| {
            let changed = changed(done)?;
            if let Some(of) = lock(&held).leased.get_mut(&id).filter(|_| changed) {
                of.1 = until_ms;
            }
            Ok(changed)
        })
    }

    fn expire(&self, lane: &str, now_ms: u64, most: usize) -> Ack<usize> {
        let deed = Deed::Expire {
            lane: lane.to_owned(),
            now_ms,
            most: most.min(MAX_ROWS),
        };
        self.act(lane, deed, many)
    }

    fn trim(&self, topic: &str, before_ms: u64, most: usize) -> Ack<usize> {
        let deed = Deed::Trim {
            topic: topic.to_owned(),
            before_ms,
            most: most.min(MAX_ROWS),
        };
        self.act(topic, deed, many)
    }

    fn events(&self, topic: &str, after: u64, limit: usize) -> Result<Vec<Message>, Error> {
        self.copy().events(topic, after, limit)
    }

    fn topics(&self) -> Result<Vec<Topic>, Error> {
        self.copy().topics()
    }
}

impl Queue for Topics {
    fn enqueue(&self, jobs: Vec<NewJob>, bounds: Bounds) -> Ack<Vec<JobId>> {
        let deed = Deed::Enqueue { jobs, bounds };
        self.act(&self.turn(), deed, |done| match done {
            Done::Accepted(said) => Ok(said?),
            _ => Err(odd()),
        })
    }

    fn lease(&self, lane: &str, most: usize, until_ms: u64, now_ms: u64) -> Ack<Vec<Leased>> {
        let lost = std::mem::take(&mut lock(&self.held).lost);
        for (id, attempt) in lost {
            let (at_ms, reason) = (now_ms, String::new());
            let how = Finish::Release { at_ms, reason };
            // Else it ends in its time.
            drop(self.give_back(id, attempt, how, now_ms));
        }
        let deed = Deed::Lease {
            lane: lane.to_owned(),
            most: most.min(MAX_JOBS),
            until_ms,
            now_ms,
        };
        // Nothing is due, as most often: nobody is asked.
        if self.inner.0.is_following()
            && let Ok(Some(Done::Leased(none))) = self.copy().foreknow(&deed)
        {
            return Ack::ready(Ok(none));
        }
        let held = self.held.clone();
        self.act(&format!("lease {lane}"), deed, move |done| match done {
            Done::Leased(leased) => {
                lock(&held).take(&leased, until_ms, now_ms);
                Ok(leased)
            }
            _ => Err(odd()),
        })
    }

    fn finish(&self, id: JobId, attempt: u32, how: Finish, now_ms: u64) -> Ack<bool> {
        let deed = Deed::Finish {
            id,
            attempt,
            how,
            now_ms,
        };
        let held = self.held.clone();
        self.act(&of(id), deed, move |done| {
            lock(&held).leased.remove(&id);
            changed(done)
        })
    }

    fn cancel(&self, id: JobId, now_ms: u64) -> Ack<Cancel> {
        self.act(&of(id), Deed::Cancel { id, now_ms }, |done| match done {
            Done::Cancelled(said) => Ok(said),
            _ => Err(odd()),
        })
    }

    fn redrive(&self, id: JobId, due_ms: u64, expires_ms: u64) -> Ack<bool> {
        let deed = Deed::Redrive {
            id,
            due_ms,
            expires_ms,
        };
        self.act(&of(id), deed, changed)
    }

    fn discard(&self, id: JobId, reason: &str, now_ms: u64) -> Ack<bool> {
        let deed = Deed::Discard {
            id,
            reason: reason.to_owned(),
            now_ms,
        };
        self.act(&of(id), deed, changed)
    }

    fn forget(&self, ended_ms: u64, dead_ms: u64, most: usize) -> Ack<usize> {
        let deed = Deed::Forget {
            ended_ms,
            dead_ms,
            most: most.min(MAX_JOBS),
        };
        let inner = self.inner.0.clone();
        self.link.write("forget", 0, move |conn| async move {
            inner.follows().await?;
            let gone = inner.act(&conn, deed).await.and_then(many);
            // Also of a stream that is full, and so takes no message.
            if !gone.as_ref().is_ok_and(|n| *n >= most) {
                inner.make_room(&conn).await?;
            }
            gone
        })
    }

    fn job(&self, id: JobId) -> Result<Option<Job>, Error> {
        self.copy().job(id)
    }

    fn find(&self, lane: &str, secret: u128) -> Result<Option<JobId>, Error> {
        self.copy().find(lane, secret)
    }

    fn carried(&self, id: JobId) -> Result<Option<Carried>, Error> {
        self.copy().carried(id)
    }

    fn result(&self, id: JobId) -> Result<Option<Vec<u8>>, Error> {
        self.copy().result(id)
    }

    fn jobs(&self, lane: &str, state: State, after: u64, limit: usize) -> Result<Vec<Job>, Error> {
        self.copy().jobs(lane, state, after, limit)
    }

    fn ahead(&self, job: &Job, most: u64) -> Result<u64, Error> {
        self.copy().ahead(job, most)
    }

    fn put_off(&self, lane: &str, now_ms: u64) -> Result<u64, Error> {
        self.copy().put_off(lane, now_ms)
    }

    fn lanes(&self) -> Result<Vec<Lane>, Error> {
        self.copy().lanes()
    }
}

/// What is kept beside topics: whether a subscription is paused, and since when a webhook fails.
impl Kv for Topics {
    fn get(&self, key: &str, now_ms: u64) -> Result<Option<Entry>, Error> {
        self.copy().get(key, now_ms)
    }

    fn put(&self, put: Put, now_ms: u64) -> Ack<Etag> {
        let key = put.key.clone();
        self.act(&key, Deed::Put { put, now_ms }, |done| match done {
            Done::Kept(said) => Ok(said?),
            _ => Err(odd()),
        })
    }

    fn delete(&self, key: &str, precondition: Precondition, now_ms: u64) -> Ack<bool> {
        let deed = Deed::Delete {
            key: key.to_owned(),
            precondition,
            now_ms,
        };
        self.act(key, deed, |done| match done {
            Done::Deleted(said) => Ok(said?),
            _ => Err(odd()),
        })
    }

    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now_ms: u64,
    ) -> Result<Vec<Entry>, Error> {
        self.copy().scan(prefix, after, limit, now_ms)
    }

    fn count(&self, prefix: &str, now_ms: u64) -> Result<u64, Error> {
        self.copy().count(prefix, now_ms)
    }

    fn sweep(&self, limit: usize, now_ms: u64) -> Ack<usize> {
        let deed = Deed::Sweep {
            most: limit.min(MAX_ROWS),
            now_ms,
        };
        self.act("sweep", deed, many)
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        let leased = std::mem::take(&mut lock(&self.held).leased);
        let back: Vec<Ack<bool>> = (leased.into_iter())
            .map(|(id, (attempt, _))| {
                let reason = "its node ended".to_owned();
                let how = Finish::Retry { at_ms: 0, reason };
                self.give_back(id, attempt, how, 0)
            })
            .collect();
        for ack in back {
            // Else it ends by itself in its time.
            let _ = ack.wait();
        }
    }
}
