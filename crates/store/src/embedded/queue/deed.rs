//! What is done to a queue and to what is kept beside it, as an entry of a log that several nodes apply: all that it depends on is in it, and
//! in what was done before. Its fields are the format of entries (`nats::topics::codec`): renamed, it is another one.

#![cfg_attr(
    not(feature = "nats"),
    allow(dead_code, reason = "what is followed is an engine")
)]

use super::topics::acceptable_events;
use super::writes::{Jobs, Lending};
use super::{acceptable, acceptable_end, acceptable_reason};
use crate::embedded::Embedded;
use crate::embedded::writer::State;
use crate::{
    Bounds, Cancel, Error, Etag, Finish, JobId, Leased, MAX_ROWS, NewJob, NewMessage, Precondition,
    Published, Put, TopicBounds,
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

/// Times are milliseconds since the Unix epoch, by the clock of whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deed {
    Publish {
        topic: String,
        events: Vec<NewMessage>,
        bounds: TopicBounds,
    },
    Enqueue {
        jobs: Vec<NewJob>,
        bounds: Bounds,
    },
    Lease {
        lane: String,
        most: usize,
        until_ms: u64,
        now_ms: u64,
    },
    Finish {
        id: JobId,
        attempt: u32,
        how: Finish,
        now_ms: u64,
    },
    Cancel {
        id: JobId,
        now_ms: u64,
    },
    Redrive {
        id: JobId,
        due_ms: u64,
        expires_ms: u64,
    },
    Discard {
        id: JobId,
        reason: String,
        now_ms: u64,
    },
    Forget {
        ended_ms: u64,
        dead_ms: u64,
        most: usize,
    },
    Extend {
        id: JobId,
        attempt: u32,
        until_ms: u64,
    },
    Expire {
        lane: String,
        now_ms: u64,
        most: usize,
    },
    Trim {
        topic: String,
        before_ms: u64,
        most: usize,
    },
    Put {
        put: Put,
        now_ms: u64,
    },
    Delete {
        key: String,
        precondition: Precondition,
        now_ms: u64,
    },
    Sweep {
        most: usize,
        now_ms: u64,
    },
}

/// What came of it: the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    Published(Result<Vec<Published>, Error>),
    Accepted(Result<Vec<JobId>, Error>),
    Leased(Vec<Leased>),
    Changed(bool),
    Cancelled(Cancel),
    Many(usize),
    Kept(Result<Etag, Error>),
    Deleted(Result<bool, Error>),
}

impl Done {
    /// Whether somebody may want to look: at events, or at what is kept beside them.
    pub fn is_news(&self) -> bool {
        match self {
            Done::Published(Ok(all)) => all.iter().any(|p| !p.duplicate),
            Done::Accepted(said) => said.is_ok(),
            Done::Kept(said) => said.is_ok(),
            Done::Deleted(said) => said.is_ok(),
            _ => false,
        }
    }
}

impl Deed {
    /// Everything in it that is opaque, in a fixed order.
    pub fn blobs(&mut self) -> Vec<&mut Vec<u8>> {
        match self {
            Deed::Publish { events, .. } => {
                let each = events.iter_mut();
                each.flat_map(|e| [&mut e.head, &mut e.payload]).collect()
            }
            Deed::Enqueue { jobs, .. } => {
                let each = jobs.iter_mut();
                each.flat_map(|j| [&mut j.head, &mut j.payload]).collect()
            }
            Deed::Finish {
                how: Finish::Done { result } | Finish::Dead { result, .. },
                ..
            } => vec![result],
            Deed::Put { put, .. } => vec![&mut put.value],
            _ => Vec::new(),
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            Deed::Publish { events, .. } => {
                let size = |e: &NewMessage| e.head.len() + e.payload.len();
                events.iter().map(size).sum()
            }
            Deed::Enqueue { jobs, .. } => jobs.iter().map(|j| j.head.len() + j.payload.len()).sum(),
            Deed::Finish {
                how: Finish::Done { result } | Finish::Dead { result, .. },
                ..
            } => result.len(),
            Deed::Put { put, .. } => put.value.len(),
            _ => 0,
        }
    }

    /// # Errors
    /// When it is nothing that every node takes.
    pub fn acceptable(&self) -> Result<(), Error> {
        let (times, most) = self.numbers();
        if times.iter().any(|ms| *ms > i64::MAX as u64) || most > MAX_ROWS {
            return Err(Error::Invalid("a time or a number out of reach".into()));
        }
        match self {
            Deed::Publish { topic, events, .. } => {
                acceptable_events(topic, events)?;
                events.iter().try_for_each(|e| without_tenants(&e.jobs))
            }
            Deed::Enqueue { jobs, .. } => {
                acceptable(jobs)?;
                without_tenants(jobs)
            }
            Deed::Finish { how, .. } => acceptable_end(how),
            Deed::Discard { reason, .. } => acceptable_reason(reason),
            Deed::Put { put, .. } => put.fits(),
            _ => Ok(()),
        }
    }

    fn numbers(&self) -> (Vec<u64>, usize) {
        match self {
            Deed::Lease {
                until_ms,
                now_ms,
                most,
                ..
            } => (vec![*until_ms, *now_ms], *most),
            Deed::Finish { now_ms, how, .. } => match how {
                Finish::Retry { at_ms, .. } | Finish::Release { at_ms, .. } => {
                    (vec![*now_ms, *at_ms], 0)
                }
                Finish::Done { .. } | Finish::Dead { .. } => (vec![*now_ms], 0),
            },
            Deed::Cancel { now_ms, .. }
            | Deed::Discard { now_ms, .. }
            | Deed::Put { now_ms, .. }
            | Deed::Delete { now_ms, .. } => (vec![*now_ms], 0),
            Deed::Expire { now_ms, most, .. } | Deed::Sweep { now_ms, most } => {
                (vec![*now_ms], *most)
            }
            // Larger ones are as the largest there is.
            Deed::Forget { most, .. } | Deed::Trim { most, .. } => (Vec::new(), *most),
            Deed::Publish { .. }
            | Deed::Enqueue { .. }
            | Deed::Redrive { .. }
            | Deed::Extend { .. } => (Vec::new(), 0),
        }
    }
}

/// Whose turn it is among tenants is in nobody's file.
fn without_tenants(jobs: &[NewJob]) -> Result<(), Error> {
    match jobs.iter().all(|j| j.tenant.is_empty()) {
        true => Ok(()),
        false => Err(Error::Invalid("what is of a topic has no tenant".into())),
    }
}

impl State {
    pub(in crate::embedded) fn done(&mut self, deed: Deed) -> rusqlite::Result<Done> {
        Ok(match deed {
            Deed::Put { put, now_ms } => Done::Kept(self.put(&put, now_ms)?),
            Deed::Delete {
                key,
                precondition,
                now_ms,
            } => Done::Deleted(self.delete(&key, precondition, now_ms)?),
            Deed::Sweep { most, now_ms } => Done::Many(self.sweep(most, now_ms)?),
            deed => self.jobs.done(&self.db, deed)?,
        })
    }
}

impl Jobs {
    /// Writes large payloads to their files; it changes nothing else.
    ///
    /// # Errors
    /// When one cannot be kept.
    pub fn keep_payloads(&self, deed: &Deed) -> Result<(), Error> {
        let payloads: Vec<&Vec<u8>> = match deed {
            Deed::Publish { events, .. } => events.iter().map(|e| &e.payload).collect(),
            Deed::Enqueue { jobs, .. } => jobs.iter().map(|j| &j.payload).collect(),
            _ => return Ok(()),
        };
        for payload in payloads {
            if payload.len() > super::files::INLINE {
                self.files.keep(payload).map_err(|e| self.unkept(&e))?;
            }
        }
        Ok(())
    }

    fn done(&mut self, db: &Connection, deed: Deed) -> rusqlite::Result<Done> {
        Ok(match deed {
            Deed::Publish {
                topic,
                events,
                bounds,
            } => Done::Published(kept(self.publish(db, &topic, &events, bounds)?)?),
            Deed::Enqueue { jobs, bounds } => {
                Done::Accepted(kept(self.enqueue(db, &jobs, bounds)?)?)
            }
            Deed::Lease {
                lane,
                most,
                until_ms,
                now_ms,
            } => {
                // Of nobody's turn is anything left: that is in nobody's file.
                if let Some(lane) = self.lanes.get(&lane) {
                    lane.rest = 0;
                }
                Done::Leased(self.lease(
                    db,
                    &Lending {
                        lane: &lane,
                        most,
                        until_ms,
                        now_ms,
                    },
                )?)
            }
            Deed::Finish {
                id,
                attempt,
                how,
                now_ms,
            } => Done::Changed(self.finish(db, id, attempt, how, now_ms)?),
            Deed::Cancel { id, now_ms } => Done::Cancelled(self.cancel(db, id, now_ms)?),
            Deed::Redrive {
                id,
                due_ms,
                expires_ms,
            } => Done::Changed(self.redrive(db, id, due_ms, expires_ms)?),
            Deed::Discard { id, reason, now_ms } => {
                Done::Changed(self.discard(db, id, &reason, now_ms)?)
            }
            Deed::Forget {
                ended_ms,
                dead_ms,
                most,
            } => Done::Many(self.forget(db, ended_ms, dead_ms, most)?),
            Deed::Extend {
                id,
                attempt,
                until_ms,
            } => Done::Changed(self.extend(db, id, attempt, until_ms)?),
            Deed::Expire { lane, now_ms, most } => {
                Done::Many(self.expire_lane(db, &lane, now_ms, most)?)
            }
            Deed::Trim {
                topic,
                before_ms,
                most,
            } => Done::Many(self.trim(db, &topic, before_ms, most)?),
            // Of the values beside them.
            Deed::Put { .. } | Deed::Delete { .. } | Deed::Sweep { .. } => Done::Many(0),
        })
    }
}

impl Embedded {
    /// What comes of it without anything being done, as far as this copy knows; `None`: it has to be asked for.
    pub(crate) fn foreknow(&self, deed: &Deed) -> Result<Option<Done>, Error> {
        let readers = &self.readers;
        Ok(match deed {
            Deed::Publish {
                topic,
                events,
                bounds,
            } => {
                let refused = readers.refuses(topic, events, *bounds)?;
                refused.map(|e| Done::Published(Err(e)))
            }
            Deed::Lease { lane, now_ms, .. } => {
                (!readers.has_due(lane, *now_ms)?).then(|| Done::Leased(Vec::new()))
            }
            Deed::Expire { lane, now_ms, most } => {
                (!readers.has_late(lane, *now_ms, *most)?).then_some(Done::Many(0))
            }
            Deed::Trim {
                topic, before_ms, ..
            } => (!readers.has_old(topic, *before_ms)?).then_some(Done::Many(0)),
            Deed::Forget {
                ended_ms, dead_ms, ..
            } => (!readers.has_ended(*ended_ms, *dead_ms)?).then_some(Done::Many(0)),
            _ => None,
        })
    }
}

/// A refusal is the same at all nodes. What only this node's disk refuses is none: all is taken back, and applied again.
fn kept<T>(said: Result<T, Error>) -> rusqlite::Result<Result<T, Error>> {
    match said {
        Err(e @ (Error::DiskFull { .. } | Error::Io { .. })) => {
            let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            Err(rusqlite::Error::SqliteFailure(full, Some(e.to_string())))
        }
        said => Ok(said),
    }
}
