//! The queue of the embedded engine: what is asked of the writer (`writes`, `ends`), what readers see (`reads`), and large
//! payloads as files beside the database (`files`).

pub(crate) mod deed;
mod ends;
mod files;
mod lanes;
mod reads;
mod topics;
mod writes;

use super::{Embedded, Write};
use crate::ack::Reply;
use crate::queue::{
    MAX_JOBS, acceptable, acceptable_end, acceptable_marked, acceptable_named, acceptable_reason,
};
use crate::{
    Ack, Bounds, Cancel, Carried, Entry, Error, Finish, Job, JobId, Kv, Lane, Leased, Marked,
    Named, NewJob, Payload, Put, Queue, State,
};

#[cfg(feature = "nats")]
pub use files::name_of;
pub use files::{is_name, payloads};
pub use lanes::Lanes;
pub use writes::{Jobs, Said, Settle};

/// One write to the queue that waits for its turn.
#[derive(Debug)]
pub enum Ask {
    Enqueue {
        jobs: Vec<NewJob>,
        bounds: Bounds,
        reply: Reply<Vec<JobId>>,
    },
    Lease {
        lane: String,
        most: usize,
        until_ms: u64,
        now_ms: u64,
        reply: Reply<Vec<Leased>>,
    },
    Finish {
        id: JobId,
        attempt: u32,
        how: Finish,
        now_ms: u64,
        reply: Reply<bool>,
    },
    Cancel {
        id: JobId,
        now_ms: u64,
        reply: Reply<Cancel>,
    },
    Redrive {
        id: JobId,
        due_ms: u64,
        expires_ms: u64,
        reply: Reply<bool>,
    },
    Discard {
        id: JobId,
        reason: String,
        now_ms: u64,
        reply: Reply<bool>,
    },
    Forget {
        ended_ms: u64,
        dead_ms: u64,
        most: usize,
        reply: Reply<usize>,
    },
    Topic(topics::Ask),
}

impl Ask {
    pub fn bytes(&self) -> usize {
        match self {
            Ask::Enqueue { jobs, .. } => jobs.iter().map(|j| j.head.len() + j.payload.len()).sum(),
            Ask::Finish { how, .. } => match how {
                Finish::Done { result } | Finish::Dead { result, .. } => result.len(),
                Finish::Retry { .. } | Finish::Release { .. } => 0,
            },
            Ask::Topic(ask) => ask.bytes(),
            _ => 0,
        }
    }

    pub fn fail(self, e: Error) {
        match self {
            Ask::Enqueue { reply, .. } => reply.send(Err(e)),
            Ask::Lease { reply, .. } => reply.send(Err(e)),
            Ask::Finish { reply, .. } => reply.send(Err(e)),
            Ask::Cancel { reply, .. } => reply.send(Err(e)),
            Ask::Redrive { reply, .. } => reply.send(Err(e)),
            Ask::Discard { reply, .. } => reply.send(Err(e)),
            Ask::Forget { reply, .. } => reply.send(Err(e)),
            Ask::Topic(ask) => ask.fail(e),
        }
    }
}

impl Marked for Embedded {
    fn enqueue_marked(
        &self,
        jobs: Vec<NewJob>,
        bounds: Bounds,
        mark: Put,
        now_ms: u64,
    ) -> Ack<Vec<JobId>> {
        if let Err(e) = acceptable_marked(&jobs, &mark) {
            return Ack::ready(Err(e));
        }
        self.submit(|reply| Write::Marked {
            jobs,
            bounds,
            mark,
            now_ms,
            reply,
        })
    }

    fn enqueue_named(&self, named: Named, bounds: Bounds, now_ms: u64) -> Ack<usize> {
        if let Err(e) = acceptable_named(&named) {
            return Ack::ready(Err(e));
        }
        self.submit(|reply| Write::Named {
            named,
            bounds,
            now_ms,
            reply,
        })
    }

    fn mark(&self, key: &str, now_ms: u64) -> Result<Option<Entry>, Error> {
        self.get(key, now_ms)
    }
}

impl Queue for Embedded {
    fn enqueue(&self, jobs: Vec<NewJob>, bounds: Bounds) -> Ack<Vec<JobId>> {
        if let Err(e) = acceptable(&jobs) {
            return Ack::ready(Err(e));
        }
        self.ask(|reply| Ask::Enqueue {
            jobs,
            bounds,
            reply,
        })
    }
    fn lease(&self, lane: &str, most: usize, until_ms: u64, now_ms: u64) -> Ack<Vec<Leased>> {
        self.ask(|reply| Ask::Lease {
            lane: lane.to_owned(),
            most: most.min(MAX_JOBS),
            until_ms,
            now_ms,
            reply,
        })
    }
    fn finish(&self, id: JobId, attempt: u32, how: Finish, now_ms: u64) -> Ack<bool> {
        if let Err(e) = acceptable_end(&how) {
            return Ack::ready(Err(e));
        }
        self.ask(|reply| Ask::Finish {
            id,
            attempt,
            how,
            now_ms,
            reply,
        })
    }
    fn cancel(&self, id: JobId, now_ms: u64) -> Ack<Cancel> {
        self.ask(|reply| Ask::Cancel { id, now_ms, reply })
    }
    fn redrive(&self, id: JobId, due_ms: u64, expires_ms: u64) -> Ack<bool> {
        self.ask(|reply| Ask::Redrive {
            id,
            due_ms,
            expires_ms,
            reply,
        })
    }
    fn discard(&self, id: JobId, reason: &str, now_ms: u64) -> Ack<bool> {
        if let Err(e) = acceptable_reason(reason) {
            return Ack::ready(Err(e));
        }
        self.ask(|reply| Ask::Discard {
            id,
            reason: reason.to_owned(),
            now_ms,
            reply,
        })
    }
    fn forget(&self, ended_ms: u64, dead_ms: u64, most: usize) -> Ack<usize> {
        self.ask(|reply| Ask::Forget {
            ended_ms,
            dead_ms,
            most: most.min(MAX_JOBS),
            reply,
        })
    }
    fn job(&self, id: JobId) -> Result<Option<Job>, Error> {
        self.readers.job(id)
    }
    fn find(&self, lane: &str, secret: u128) -> Result<Option<JobId>, Error> {
        self.readers.find(lane, secret)
    }
    fn carried(&self, id: JobId) -> Result<Option<Carried>, Error> {
        let found = self.readers.carried(id)?;
        Ok(found.map(|(head, payload, file)| Carried {
            head,
            payload: match file {
                Some(name) => Payload::File(payloads(&self.path).join(name)),
                None => Payload::Inline(payload),
            },
        }))
    }
    fn result(&self, id: JobId) -> Result<Option<Vec<u8>>, Error> {
        self.readers.result(id)
    }
    fn jobs(&self, lane: &str, state: State, after: u64, limit: usize) -> Result<Vec<Job>, Error> {
        self.readers.jobs(lane, state, after, limit)
    }
    fn ahead(&self, job: &Job, most: u64) -> Result<u64, Error> {
        self.readers.ahead(job, most)
    }
    fn put_off(&self, lane: &str, now_ms: u64) -> Result<u64, Error> {
        self.readers.put_off(lane, now_ms)
    }
    fn lanes(&self) -> Result<Vec<Lane>, Error> {
        self.readers.lanes()
    }
}

impl Embedded {
    fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Ask) -> Ack<T> {
        self.submit(|reply| Write::Queue(make(reply)))
    }
}

/// As SQLite keeps numbers.
fn signed(n: u64) -> i64 {
    n.min(i64::MAX as u64) as i64
}

/// A state as a number, and back.
fn code(state: State) -> i64 {
    match state {
        State::Waiting => 0,
        State::Leased => 1,
        State::Behind => 2,
        State::Done => 3,
        State::Dead => 4,
        State::Cancelled => 5,
    }
}

fn state(code: i64) -> State {
    let of = |s: &State| self::code(*s) == code;
    // The table is ours alone; what a stranger wrote is not lent.
    (State::ALL.into_iter())
        .find(of)
        .unwrap_or(State::Cancelled)
}
