//! A file whose events, or topics with the jobs of their subscriptions, are the copy of a log elsewhere: it is written by nothing but the entries of that log, one after another. What an
//! entry does depends on the entries before it and on nothing else, so that all copies are the same, also of those that were made later.
//!
//! Entries and how far they were applied are one transaction. It need not wait for the disk: what a power cut takes is applied again.

#![cfg_attr(
    not(feature = "nats"),
    allow(dead_code, reason = "what is followed is an engine")
)]

use super::Embedded;
use super::queue::Settle;
pub use super::queue::deed::{Deed, Done};
use super::writer::{Answer, State, Verdict, Write};
use crate::ack::Reply;
use crate::{Ack, Appended, Error, Expect, NewEvent};
use rusqlite::{Connection, OptionalExtension, params};

/// Names of the counters that say how far it is.
const SOURCE: &str = "copy-source";
const SEQ: &str = "copy-seq";
const AT_MS: &str = "copy-at-ms";
const POSITION: &str = "copy-position";
const JOB: &str = "copy-job";

/// How far a copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Number of the last entry, and when it was written; 0: none was.
    pub seq: u64,
    pub at_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Which log: when its stream was made, milliseconds since the Unix epoch.
    pub source: u64,
    pub reached: Reached,
    /// Of the last event then: one that came in another way is noticed.
    position: u64,
    /// Number of the last job then: those that are gone have left no row.
    job: u64,
}

/// What is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Append {
        stream: String,
        expect: Expect,
        events: Vec<NewEvent>,
    },
    Trim {
        before_ms: u64,
        limit: usize,
    },
    /// To topics, and what is kept beside them.
    Deed(Deed),
    /// Not written by us.
    Nothing,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub seq: u64,
    pub at_ms: u64,
    pub command: Command,
}

/// What became of an entry: the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Appended(Result<Appended, Error>),
    Trimmed(u64),
    Done(Done),
    Nothing,
}

impl Outcome {
    /// Whether somebody may want to look.
    pub fn is_news(&self) -> bool {
        match self {
            Outcome::Appended(_) | Outcome::Trimmed(_) => true,
            Outcome::Done(done) => done.is_news(),
            Outcome::Nothing => false,
        }
    }
}

/// What is known of an append before it is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreseen {
    Known(Appended),
    /// As far as the copy knows.
    Conflict(Error),
    Fresh,
}

#[derive(Debug)]
pub enum Step {
    Begin {
        source: u64,
        reply: Reply<Reached>,
    },
    Foresee {
        stream: String,
        expect: Expect,
        events: std::sync::Arc<Vec<NewEvent>>,
        reply: Reply<Foreseen>,
    },
    Apply {
        entries: Vec<Entry>,
        reply: Reply<Vec<Outcome>>,
    },
}

impl Command {
    pub fn bytes(&self) -> usize {
        match self {
            Command::Append { events, .. } => events.iter().map(|e| e.data.len()).sum(),
            Command::Deed(deed) => deed.bytes(),
            Command::Trim { .. } | Command::Nothing => 0,
        }
    }
}

impl Step {
    pub fn bytes(&self) -> usize {
        match self {
            Step::Begin { .. } | Step::Foresee { .. } => 0,
            Step::Apply { entries, .. } => entries.iter().map(|e| e.command.bytes()).sum(),
        }
    }

    pub fn is_relaxed(&self) -> bool {
        !matches!(self, Step::Begin { .. })
    }

    pub fn fail(self, e: Error) {
        match self {
            Step::Begin { reply, .. } => reply.send(Err(e)),
            Step::Foresee { reply, .. } => reply.send(Err(e)),
            Step::Apply { reply, .. } => reply.send(Err(e)),
        }
    }
}

impl Copy {
    pub fn new(source: u64, seq: u64) -> Copy {
        Copy {
            source,
            reached: Reached { seq, at_ms: 0 },
            position: 0,
            job: 0,
        }
    }

    /// Whether all its events came by the log, when the last one of the file is at `position`.
    pub fn is_all(&self, position: u64) -> bool {
        self.position == position
    }

    pub fn last_job(&self) -> u64 {
        self.job
    }

    /// `None`: the file is of its own.
    pub fn read(db: &Connection) -> rusqlite::Result<Option<Copy>> {
        let number = |name: &str| {
            db.prepare_cached("SELECT value FROM counter WHERE name = ?1")?
                .query_row([name], |r| r.get::<_, i64>(0))
                .optional()
        };
        let Some(source) = number(SOURCE)? else {
            return Ok(None);
        };
        let of = |name: &str| Ok::<_, rusqlite::Error>(number(name)?.unwrap_or(0) as u64);
        Ok(Some(Copy {
            source: source as u64,
            reached: Reached {
                seq: of(SEQ)?,
                at_ms: of(AT_MS)?,
            },
            position: of(POSITION)?,
            job: of(JOB)?,
        }))
    }

    fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut put = db.prepare_cached(
            "INSERT INTO counter(name, value) VALUES (?1, ?2)
             ON CONFLICT(name) DO UPDATE SET value = ?2",
        )?;
        for (name, value) in [
            (SOURCE, self.source),
            (SEQ, self.reached.seq),
            (AT_MS, self.reached.at_ms),
            (POSITION, self.position),
            (JOB, self.job),
        ] {
            put.execute(params![name, value as i64])?;
        }
        Ok(())
    }

    pub fn is_not_written(&self) -> Error {
        Error::Invalid(
            "its events are a copy of those that several nodes keep on NATS (`engines.durable`): nothing is written here alone; name that \
             engine again, or move the file away to begin anew"
                .into(),
        )
    }
}

impl State {
    pub(super) fn step(&mut self, step: Step, answers: &mut Vec<Answer>) -> rusqlite::Result<()> {
        match step {
            Step::Begin { source, reply } => {
                let said = self.begin(source);
                answers.settle(reply, said)
            }
            Step::Foresee {
                stream,
                expect,
                events,
                reply,
            } => {
                let said = self.foresee(&stream, expect, &events);
                answers.settle(reply, said)
            }
            Step::Apply { entries, reply } => {
                let said = self.apply_all(entries);
                answers.settle(reply, said)
            }
        }
    }

    fn begin(&mut self, source: u64) -> rusqlite::Result<Result<Reached, Error>> {
        let refused = |why: String| Ok(Err(Error::Invalid(why)));
        match &self.known.copy {
            Some(copy) if copy.source != source => refused(
                "its events are a copy of another stream of JetStream, or of one that was removed since: name the NATS and the prefix that \
                 they are of, or move the file away (and its -wal and -shm) to begin with what is there"
                    .into(),
            ),
            Some(copy) if copy.position != self.known.position => refused(format!(
                "it holds events up to position {}, and {} of them are from elsewhere: something else wrote to it; move the file away (and \
                 its -wal and -shm), and it is read again from JetStream",
                self.known.position,
                self.known.position.saturating_sub(copy.position),
            )),
            Some(copy) => Ok(Ok(copy.reached)),
            None if self.known.position > 0 => refused(format!(
                "it holds {} events of this node alone, which the others do not have: keep them here with `streams: {{ shared: false }}`, or move \
                 the file away (and its -wal and -shm) to go on with the events of all nodes",
                self.known.position
            )),
            None if self.jobs.last() > 0 => refused(
                "it holds jobs of this node alone, which the others do not have: move the file away (and its -wal, -shm and .payloads) to go on \
                 with what all nodes have"
                    .into(),
            ),
            None => {
                let copy = Copy::new(source, 0);
                copy.write(&self.db)?;
                self.known.copy = Some(copy);
                Ok(Ok(Reached::default()))
            }
        }
    }

    fn foresee(
        &mut self,
        stream: &str,
        expect: Expect,
        events: &[NewEvent],
    ) -> rusqlite::Result<Result<Foreseen, Error>> {
        let (is_new, fresh) = match self.judge(stream, expect, events)? {
            Verdict::Known(appended) => return Ok(Ok(Foreseen::Known(appended))),
            Verdict::Conflict(e) => return Ok(Ok(Foreseen::Conflict(e))),
            Verdict::Fresh { id, fresh, .. } => (id.is_none(), fresh),
        };
        Ok(self.room(is_new, &fresh, true).map(|()| Foreseen::Fresh))
    }

    fn apply_all(&mut self, entries: Vec<Entry>) -> rusqlite::Result<Result<Vec<Outcome>, Error>> {
        let Some(mut copy) = self.known.copy.clone() else {
            return Ok(Err(Error::Invalid("it is no copy".into())));
        };
        // What a disk may refuse comes before anything is changed.
        for entry in &entries {
            if let Command::Deed(deed) = &entry.command
                && let Err(e) = self.jobs.keep_payloads(deed)
            {
                return Ok(Err(e));
            }
        }
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            // The log tells them one after another; whoever begins anew may tell the last ones again.
            if entry.seq <= copy.reached.seq {
                outcomes.push(Outcome::Nothing);
                continue;
            }
            outcomes.push(match entry.command {
                Command::Append {
                    stream,
                    expect,
                    events,
                } => Outcome::Appended(self.append(&stream, expect, &events, false)?),
                Command::Trim { before_ms, limit } => {
                    Outcome::Trimmed(self.trim(before_ms, limit)?)
                }
                Command::Deed(deed) => Outcome::Done(self.done(deed)?),
                Command::Nothing => Outcome::Nothing,
            });
            copy.reached = Reached {
                seq: entry.seq,
                at_ms: entry.at_ms,
            };
        }
        copy.position = self.known.position;
        copy.job = self.jobs.last();
        copy.write(&self.db)?;
        self.known.copy = Some(copy);
        Ok(Ok(outcomes))
    }
}

impl Embedded {
    /// Whose copy its events are; `None`: they are its own.
    pub fn copy_of(&self) -> Result<Option<Copy>, Error> {
        self.readers
            .with(|db| Copy::read(db).map_err(self.readers.sql()))
    }

    /// Jobs that the file has, those among them that have ended and are kept.
    pub fn jobs_held(&self) -> Result<u64, Error> {
        self.readers.jobs_held()
    }

    /// Makes an empty file the copy of a log, or goes on with the one of that log: how far it is.
    pub(crate) fn begin_copy(&self, source: u64) -> Ack<Reached> {
        self.submit(|reply| Write::Copy(Step::Begin { source, reply }))
    }

    /// What would become of an append, as far as the copy knows.
    pub(crate) fn foresee(
        &self,
        stream: &str,
        expect: Expect,
        events: std::sync::Arc<Vec<NewEvent>>,
    ) -> Ack<Foreseen> {
        let stream = stream.to_owned();
        self.submit(|reply| {
            Write::Copy(Step::Foresee {
                stream,
                expect,
                events,
                reply,
            })
        })
    }

    /// Applies the next entries, all or none: what became of each.
    pub(crate) fn apply(&self, entries: Vec<Entry>) -> Ack<Vec<Outcome>> {
        self.submit(|reply| Write::Copy(Step::Apply { entries, reply }))
    }
}
