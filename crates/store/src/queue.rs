//! `Queue`: jobs that wait until they are due, are lent to one worker at a time, and end in exactly one way.

use crate::bounds::{limit, name};
use crate::{Ack, Entry, Error, MAX_NAME, MAX_VALUE, Put};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Largest payload of one job, bytes.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// Largest head of one job, bytes.
pub const MAX_HEAD: usize = 64 << 10;
/// Most jobs in one `enqueue` or `lease`.
pub const MAX_JOBS: usize = 512;

/// Names one job. The secret keeps anybody from guessing the ids of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId {
    /// Place in the order of acceptance, from 1.
    pub seq: u64,
    pub secret: u128,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:032x}", self.seq, self.secret)
    }
}

impl FromStr for JobId {
    type Err = Error;
    fn from_str(text: &str) -> Result<JobId, Error> {
        let bad = || Error::Invalid(format!("`{}` is no id of a job", text.escape_debug()));
        let hex = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_hexdigit());
        let (seq, secret) = text.split_once('-').ok_or_else(bad)?;
        if !hex(seq) || !hex(secret) || secret.len() != 32 {
            return Err(bad());
        }
        let seq = u64::from_str_radix(seq, 16).map_err(|_| bad())?;
        let secret = u128::from_str_radix(secret, 16).map_err(|_| bad())?;
        Ok(JobId { seq, secret })
    }
}

/// A job before it is stored. Times are milliseconds since the Unix epoch, by the caller's clock. Written down, what is opaque is not part
/// of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewJob {
    /// Random; see [`JobId`].
    pub secret: u128,
    /// What is drained, paused and bounded together.
    pub lane: String,
    /// Tenants of a lane are served in turns; empty: nobody in particular.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// How many times as many of its jobs as of others come in a turn, from 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,
    /// Jobs of a lane with the same key are lent in the order of acceptance, one at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Dead, it holds up those of its key that came after it, until it is redriven, discarded or forgotten; one that was never tried, as its
    /// time was over, does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocks: bool,
    pub enqueued_ms: u64,
    /// Not lent before.
    pub due_ms: u64,
    /// Not lent from then on: it ends as dead.
    pub expires_ms: u64,
    /// For people.
    pub title: String,
    /// Opaque to the store, as is the payload.
    #[serde(skip)]
    pub head: Vec<u8>,
    #[serde(skip)]
    pub payload: Vec<u8>,
}

pub(crate) fn one() -> u32 {
    1
}

pub(crate) fn is_one(weight: &u32) -> bool {
    *weight == 1
}

/// Jobs of one tenant in a row, while others wait.
const TURN: u32 = 4;
/// However much it weighs.
const LONGEST_TURN: u32 = 1024;

/// Jobs in a turn of a tenant of this weight.
pub(crate) fn turn(weight: u32) -> usize {
    weight.max(1).saturating_mul(TURN).min(LONGEST_TURN) as usize
}

/// Jobs that are accepted once, by names of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Names are keys beside the queue.
    pub jobs: Vec<(String, NewJob)>,
    /// How long a name is known that is not settled, milliseconds.
    pub known_ms: u64,
    /// Names that nobody brings again: they are forgotten.
    pub settled: Vec<String>,
}

impl Named {
    pub fn bytes(&self) -> usize {
        let size = |(name, job): &(String, NewJob)| name.len() + job.head.len() + job.payload.len();
        self.jobs.iter().map(size).sum()
    }
}

/// How much may wait in one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    pub jobs: u64,
    /// Of heads and payloads.
    pub bytes: u64,
}

impl Bounds {
    pub const NONE: Bounds = Bounds {
        jobs: u64::MAX,
        bytes: u64::MAX,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Until it is due.
    Waiting,
    /// A worker has it.
    Leased,
    /// For those with the same key that came before, one that blocks and is dead among them.
    Behind,
    Done,
    /// Given up; may be redriven.
    Dead,
    Cancelled,
}

impl State {
    pub const ALL: [State; 6] = [
        State::Waiting,
        State::Leased,
        State::Behind,
        State::Done,
        State::Dead,
        State::Cancelled,
    ];

    pub fn has_ended(self) -> bool {
        matches!(self, State::Done | State::Dead | State::Cancelled)
    }

    pub fn name(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Leased => "leased",
            State::Behind => "behind",
            State::Done => "done",
            State::Dead => "dead",
            State::Cancelled => "cancelled",
        }
    }
}

/// What a job carries: small ones with the row, large ones as a file beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    Inline(Vec<u8>),
    File(PathBuf),
}

impl Payload {
    /// # Errors
    /// When its file cannot be read.
    pub fn read(self) -> Result<Vec<u8>, Error> {
        match self {
            Payload::Inline(bytes) => Ok(bytes),
            Payload::File(path) => std::fs::read(&path).map_err(|e| Error::Io {
                path: path.display().to_string(),
                why: e.to_string(),
            }),
        }
    }
}

/// What a job brings to its worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    pub head: Vec<u8>,
    pub payload: Payload,
}

/// A job in the hands of a worker, until the time that it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    pub id: JobId,
    pub tenant: String,
    /// Number of the attempt that begins, from 1; on disk already.
    pub attempt: u32,
    pub enqueued_ms: u64,
    pub expires_ms: u64,
    /// Of the event of a topic that it carries; 0: it carries none.
    pub position: u64,
    pub head: Vec<u8>,
    pub payload: Payload,
}

/// What a worker says of a job that it has leased. Written down, the result is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    Done {
        #[serde(skip)]
        result: Vec<u8>,
    },
    /// The attempt has failed.
    Retry { at_ms: u64, reason: String },
    /// There was no attempt: it does not count.
    Release { at_ms: u64, reason: String },
    Dead {
        reason: String,
        /// What the last attempt was answered.
        #[serde(skip)]
        result: Vec<u8>,
    },
}

/// What came of a wish to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    Cancelled,
    /// An attempt is under way: when it succeeds the job is done, else it is cancelled.
    AfterAttempt,
    /// It had ended like this.
    Ended(State),
    Unknown,
}

/// A job as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub lane: String,
    pub tenant: String,
    pub key: Option<String>,
    pub state: State,
    pub attempts: u32,
    pub enqueued_ms: u64,
    /// Of a leased one: until when.
    pub due_ms: u64,
    /// 0: it is cancelled unless the attempt under way succeeds.
    pub expires_ms: u64,
    pub ended_ms: Option<u64>,
    pub title: String,
    /// Of the last attempt that failed, or of its end.
    pub reason: String,
    pub bytes: u64,
}

/// One lane in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    pub name: String,
    /// Jobs that have not ended, and their bytes.
    pub waiting: u64,
    pub bytes: u64,
    /// Dead ones that are kept.
    pub dead: u64,
    /// When the oldest that has not ended was accepted.
    pub oldest_ms: Option<u64>,
}

pub trait Queue: Send + Sync {
    /// Stores all or none. `Error::Full` when one would not fit into the bounds of its lane.
    fn enqueue(&self, jobs: Vec<NewJob>, bounds: Bounds) -> Ack<Vec<JobId>>;
    /// Lends up to `most` due jobs of a lane, tenants in turns, and counts the attempt. One that is not finished
    /// by `until_ms` is due again then. What is still leased when its worker's store is closed is due at once, with its attempt
    /// counted. A process that is killed closes nothing: an engine that one process has finds all leases void when it is opened anew, one
    /// that several nodes share lets them end in their time, which is by the nodes' clocks.
    fn lease(&self, lane: &str, most: usize, until_ms: u64, now_ms: u64) -> Ack<Vec<Leased>>;
    /// False: the worker does not have it (any more), and nothing has changed.
    fn finish(&self, id: JobId, attempt: u32, how: Finish, now_ms: u64) -> Ack<bool>;
    fn cancel(&self, id: JobId, now_ms: u64) -> Ack<Cancel>;
    /// A dead job waits again, with no attempts. False: there is no such dead job.
    fn redrive(&self, id: JobId, due_ms: u64, expires_ms: u64) -> Ack<bool>;
    /// A dead job is cancelled, and says why; it can not be redriven any more. False: there is no such dead job.
    fn discard(&self, id: JobId, reason: &str, now_ms: u64) -> Ack<bool>;
    /// Forgets up to `most` jobs that ended before: dead ones before `dead_ms`, others before `ended_ms`. How many.
    fn forget(&self, ended_ms: u64, dead_ms: u64, most: usize) -> Ack<usize>;
    fn job(&self, id: JobId) -> Result<Option<Job>, Error>;
    /// The job of a lane that has this secret, in whatever state it is. Looks at all of them: for what is seldom.
    fn find(&self, lane: &str, secret: u128) -> Result<Option<JobId>, Error>;
    /// What a job carries that has not ended, or is dead; `None`: there is no such job.
    fn carried(&self, id: JobId) -> Result<Option<Carried>, Error>;
    /// What the worker said of one that has ended.
    fn result(&self, id: JobId) -> Result<Option<Vec<u8>>, Error>;
    /// Jobs of a lane in one state with `seq` above `after`, in order.
    fn jobs(&self, lane: &str, state: State, after: u64, limit: usize) -> Result<Vec<Job>, Error>;
    /// How many jobs of its lane that have not ended were accepted before this one; `most` when there are more.
    fn ahead(&self, job: &Job, most: u64) -> Result<u64, Error>;
    /// How many jobs of a lane wait for a later time, or for others of their key.
    fn put_off(&self, lane: &str, now_ms: u64) -> Result<u64, Error>;
    /// Every lane that ever was, by name.
    fn lanes(&self) -> Result<Vec<Lane>, Error>;
}

/// A queue that keeps something beside its jobs, in the same write.
pub trait Marked: Queue {
    /// Accepts jobs and changes a key, both or neither; `Error::Stale` when the key is not as expected. Without jobs only the key.
    fn enqueue_marked(
        &self,
        jobs: Vec<NewJob>,
        bounds: Bounds,
        mark: Put,
        now_ms: u64,
    ) -> Ack<Vec<JobId>>;
    /// Accepts those whose names are not known, each with its name; how many those are. One process has all of them accepted or none; of
    /// an engine that several nodes share, the first ones may have been when it fails.
    fn enqueue_named(&self, named: Named, bounds: Bounds, now_ms: u64) -> Ack<usize>;
    /// What such a key holds.
    fn mark(&self, key: &str, now_ms: u64) -> Result<Option<Entry>, Error>;
}

/// What every engine refuses.
pub(crate) fn acceptable(jobs: &[NewJob]) -> Result<(), Error> {
    if jobs.is_empty() || jobs.len() > MAX_JOBS {
        return Err(Error::Invalid(format!(
            "{} jobs at once; 1 to {MAX_JOBS} are taken",
            jobs.len()
        )));
    }
    for job in jobs {
        name("lane of a job", &job.lane)?;
        limit("the tenant of a job", job.tenant.len(), MAX_NAME)?;
        limit("the title of a job", job.title.len(), MAX_NAME)?;
        if let Some(key) = &job.key {
            name("ordering key of a job", key)?;
        }
        limit("the head of a job", job.head.len(), MAX_HEAD)?;
        limit("the payload of a job", job.payload.len(), MAX_PAYLOAD)?;
    }
    Ok(())
}

pub(crate) fn acceptable_marked(jobs: &[NewJob], mark: &Put) -> Result<(), Error> {
    mark.fits()?;
    match jobs.is_empty() {
        true => Ok(()),
        false => acceptable(jobs),
    }
}

pub(crate) fn acceptable_named(named: &Named) -> Result<(), Error> {
    let many = named.jobs.len() + named.settled.len();
    limit("jobs and names", many, 2 * MAX_JOBS)?;
    named.jobs.iter().try_for_each(|(key, job)| {
        name("name of a job", key)?;
        acceptable(std::slice::from_ref(job))
    })
}

pub(crate) fn acceptable_reason(reason: &str) -> Result<(), Error> {
    limit("a reason", reason.len(), MAX_NAME)
}

pub(crate) fn acceptable_end(how: &Finish) -> Result<(), Error> {
    match how {
        Finish::Done { result } => limit("a result", result.len(), MAX_VALUE),
        Finish::Dead { reason, result } => {
            acceptable_reason(reason)?;
            limit("a result", result.len(), MAX_VALUE)
        }
        Finish::Retry { reason, .. } | Finish::Release { reason, .. } => acceptable_reason(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_nothing_else_is_one() {
        let id = JobId {
            seq: 300_000,
            secret: 7,
        };
        assert_eq!(id.to_string().parse(), Ok(id));
        let odd = [
            "",
            "-",
            "1-2",
            "+1-00000000000000000000000000000007",
            "1-+0000000000000000000000000000007",
            "10000000000000000-00000000000000000000000000000007",
            "1-00000000000000000000000000000007-",
            "é-00000000000000000000000000000007",
        ];
        for odd in odd {
            assert!(odd.parse::<JobId>().is_err(), "{odd}");
        }
    }
}
