//! The one thread that writes: takes what waits, does it in one transaction, commits, then answers.
//! The group sizes itself: alone a write is committed at once, under load many share one sync of the disk.

use super::copy::{Copy, Step};
use super::queue::{Ask, Jobs, Said, Settle};
use super::schema::{checksum, io, open_writer};
use super::vacuum;
use crate::ack::Reply;
use crate::{
    Appended, Bounds, Error, Etag, Expect, JobId, MAX_STREAMS, Named, NewEvent, NewJob,
    Precondition, Put,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Most writes, and most bytes, in one transaction.
const GROUP_OPS: usize = 512;
const GROUP_BYTES: usize = 4 << 20;

/// One write that waits for its turn.
#[derive(Debug)]
pub enum Write {
    Append {
        stream: String,
        expect: Expect,
        events: Vec<NewEvent>,
        reply: Reply<Appended>,
    },
    Put {
        put: Put,
        now_ms: u64,
        /// A power cut may undo it.
        relaxed: bool,
        reply: Reply<Etag>,
    },
    Delete {
        key: String,
        precondition: Precondition,
        now_ms: u64,
        relaxed: bool,
        reply: Reply<bool>,
    },
    Sweep {
        limit: usize,
        now_ms: u64,
        reply: Reply<usize>,
    },
    /// Lets the oldest events go.
    Trim {
        before_ms: u64,
        limit: usize,
        reply: Reply<u64>,
    },
    Queue(Ask),
    /// Jobs and the value of a key, both or neither.
    Marked {
        jobs: Vec<NewJob>,
        bounds: Bounds,
        mark: Put,
        now_ms: u64,
        reply: Reply<Vec<JobId>>,
    },
    /// Jobs whose names are not known yet.
    Named {
        named: Named,
        bounds: Bounds,
        now_ms: u64,
        reply: Reply<usize>,
    },
    /// Of a file whose events are the copy of a log elsewhere.
    Copy(Step),
    /// All that there is, by what is in another file. It is a transaction of its own.
    Replace {
        with: PathBuf,
        reply: Reply<()>,
    },
}

/// Version and position of an event.
type Spot = (u64, u64);

/// Keys whose time is over that go with jobs that are named.
const SWEPT: usize = 64;

/// What an event takes in tables and indexes beside its own bytes, at most.
const EVENT: u64 = 512;

impl Write {
    pub fn bytes(&self) -> usize {
        match self {
            Write::Append { events, .. } => events.iter().map(|e| e.data.len()).sum(),
            Write::Put { put, .. } => put.value.len(),
            Write::Delete { .. } | Write::Sweep { .. } | Write::Trim { .. } => 0,
            Write::Queue(ask) => ask.bytes(),
            Write::Marked { jobs, .. } => jobs.iter().map(|j| j.head.len() + j.payload.len()).sum(),
            Write::Named { named, .. } => named.bytes(),
            Write::Copy(step) => step.bytes(),
            Write::Replace { .. } => 0,
        }
    }

    /// Whether its commit need not wait for the disk. What has expired may come back, and is swept again.
    fn is_relaxed(&self) -> bool {
        match self {
            Write::Put { relaxed, .. } | Write::Delete { relaxed, .. } => *relaxed,
            Write::Sweep { .. } | Write::Trim { .. } => true,
            Write::Copy(step) => step.is_relaxed(),
            Write::Append { .. } | Write::Queue(_) => false,
            Write::Marked { .. } | Write::Named { .. } | Write::Replace { .. } => false,
        }
    }

    pub fn fail(self, e: Error) {
        match self {
            Write::Append { reply, .. } => reply.send(Err(e)),
            Write::Put { reply, .. } => reply.send(Err(e)),
            Write::Delete { reply, .. } => reply.send(Err(e)),
            Write::Sweep { reply, .. } => reply.send(Err(e)),
            Write::Trim { reply, .. } => reply.send(Err(e)),
            Write::Queue(ask) => ask.fail(e),
            Write::Marked { reply, .. } => reply.send(Err(e)),
            Write::Named { reply, .. } => reply.send(Err(e)),
            Write::Copy(step) => step.fail(e),
            Write::Replace { reply, .. } => reply.send(Err(e)),
        }
    }
}

/// The connection and what the writer knows by heart.
pub struct State {
    pub(super) db: Connection,
    pub(super) path: PathBuf,
    pub(super) known: Known,
    pub(super) jobs: Jobs,
    /// Commits do not wait for the disk at present.
    relaxed: bool,
    /// Bytes that wait in the queue of writes.
    waiting: Arc<AtomicUsize>,
}

/// Of events and keys.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub position: u64,
    /// Whose copy its events are.
    pub copy: Option<Copy>,
    /// Streams there are.
    streams: u64,
    etag: u64,
}

impl Known {
    pub fn read(db: &Connection) -> rusqlite::Result<Known> {
        let number = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i64>(0));
        let last = number("SELECT coalesce(max(position), 0) FROM event")?;
        let trimmed = number("SELECT value FROM counter WHERE name = 'trimmed'")?;
        Ok(Known {
            position: last.max(trimmed) as u64,
            copy: Copy::read(db)?,
            streams: number("SELECT count(*) FROM stream")? as u64,
            etag: number("SELECT value FROM counter WHERE name = 'etag'")? as u64,
        })
    }
}

/// What becomes of an append.
pub(super) enum Verdict<'e> {
    /// Its events are there, by their ids.
    Known(Appended),
    Conflict(Error),
    /// The stream's number (`None`: it is new) and version, and what it does not hold yet.
    Fresh {
        id: Option<i64>,
        actual: u64,
        fresh: Vec<&'e NewEvent>,
    },
}

/// An answer that is sent only after the commit, or turned into its failure.
pub(super) type Answer = Box<dyn FnOnce(Option<&Error>) + Send>;

/// Keeps what to say to whoever asked for one write; passes a failure of the engine on.
impl Settle for Vec<Answer> {
    fn settle<T: Send + 'static>(
        &mut self,
        reply: Reply<T>,
        said: Said<T>,
    ) -> rusqlite::Result<()> {
        let (said, failure) = match said {
            Ok(said) => (said, Ok(())),
            Err(e) => (Err(Error::Stopped(e.to_string())), Err(e)),
        };
        self.push(Box::new(move |failed| {
            reply.send(match failed {
                Some(e) => Err(e.clone()),
                None => said,
            })
        }));
        failure
    }
}

impl State {
    pub fn new(path: &Path, bytes: u64, waiting: Arc<AtomicUsize>) -> Result<State, Error> {
        let db = open_writer(path, bytes)?;
        let known = Known::read(&db).map_err(|e| io(path, e))?;
        let last_job = known.copy.as_ref().map(Copy::last_job);
        Ok(State {
            jobs: Jobs::open(&db, path, bytes, last_job)?,
            known,
            db,
            path: path.to_path_buf(),
            relaxed: false,
            waiting,
        })
    }

    /// Does one write inside the open transaction. A refusal (a conflict) is an answer and changes nothing;
    /// an `Err` is a failure of the engine.
    fn apply(&mut self, write: Write, answers: &mut Vec<Answer>) -> rusqlite::Result<()> {
        match write {
            Write::Append {
                stream,
                expect,
                events,
                reply,
            } => {
                let said = match &self.known.copy {
                    Some(copy) => Ok(Err(copy.is_not_written())),
                    None => self.append(&stream, expect, &events, true),
                };
                answers.settle(reply, said)
            }
            Write::Put {
                put, now_ms, reply, ..
            } => answers.settle(reply, self.put(&put, now_ms)),
            Write::Delete {
                key,
                precondition,
                now_ms,
                reply,
                ..
            } => answers.settle(reply, self.delete(&key, precondition, now_ms)),
            Write::Sweep {
                limit,
                now_ms,
                reply,
            } => answers.settle(reply, self.sweep(limit, now_ms).map(Ok)),
            Write::Trim {
                before_ms,
                limit,
                reply,
            } => {
                let said = match &self.known.copy {
                    Some(copy) => Ok(Err(copy.is_not_written())),
                    None => self.trim(before_ms, limit).map(Ok),
                };
                answers.settle(reply, said)
            }
            Write::Queue(ask) => match &self.known.copy {
                Some(copy) => {
                    ask.fail(copy.is_not_written());
                    Ok(())
                }
                None => self.jobs.apply(&self.db, ask, answers),
            },
            Write::Marked {
                jobs,
                bounds,
                mark,
                now_ms,
                reply,
            } => answers.settle(reply, self.marked(&jobs, bounds, &mark, now_ms)),
            Write::Named {
                named,
                bounds,
                now_ms,
                reply,
            } => answers.settle(reply, self.named(named, bounds, now_ms)),
            Write::Copy(step) => self.step(step, answers),
            // `run` does it by itself.
            Write::Replace { reply, .. } => answers.settle(reply, Ok(Err(Error::Busy))),
        }
    }

    /// How many jobs were not there before. Their names are known from the same commit on.
    fn named(
        &mut self,
        named: Named,
        bounds: Bounds,
        now_ms: u64,
    ) -> rusqlite::Result<Result<usize, Error>> {
        let (mut names, mut fresh) = (HashSet::new(), Vec::new());
        for (name, job) in named.jobs {
            let is_new = self.holds(&name, Precondition::Absent, now_ms)?.is_ok();
            if is_new && names.insert(name) {
                fresh.push(job);
            }
        }
        if !fresh.is_empty()
            && let Err(e) = self.jobs.enqueue(&self.db, &fresh, bounds)?
        {
            return Ok(Err(e));
        }
        for name in names {
            let put = Put {
                expires_ms: Some(now_ms.saturating_add(named.known_ms)),
                ..Put::new(name, Vec::new())
            };
            if let Err(e) = self.put(&put, now_ms)? {
                return Ok(Err(e));
            }
        }
        for name in &named.settled {
            let gone = self.delete(name, Precondition::Any, now_ms)?;
            debug_assert!(gone.is_ok());
        }
        // Names of whoever never came back to settle them.
        self.sweep(SWEPT, now_ms)?;
        Ok(Ok(fresh.len()))
    }

    /// What refuses comes before anything is changed.
    fn marked(
        &mut self,
        jobs: &[NewJob],
        bounds: Bounds,
        mark: &Put,
        now_ms: u64,
    ) -> rusqlite::Result<Result<Vec<JobId>, Error>> {
        if let Err(e) = self.holds(&mark.key, mark.precondition, now_ms)? {
            return Ok(Err(e));
        }
        let ids = match jobs.is_empty() {
            true => Vec::new(),
            false => match self.jobs.enqueue(&self.db, jobs, bounds)? {
                Ok(ids) => ids,
                Err(e) => return Ok(Err(e)),
            },
        };
        Ok(self.put(mark, now_ms)?.map(|_| ids))
    }

    /// What an append means for what is there; it changes nothing.
    pub(super) fn judge<'e>(
        &self,
        stream: &str,
        expect: Expect,
        events: &'e [NewEvent],
    ) -> rusqlite::Result<Verdict<'e>> {
        let known: Option<(i64, i64)> = self
            .db
            .prepare_cached("SELECT id, version FROM stream WHERE name = ?1")?
            .query_row([stream], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        let actual = known.map_or(0, |(_, v)| v as u64);
        let (fresh, before) = match known {
            Some((id, _)) => self.fresh(id, events)?,
            None => (unnamed_or_first(events), None),
        };
        if let (true, Some((version, position))) = (fresh.is_empty(), before) {
            return Ok(Verdict::Known(Appended {
                version,
                position,
                added: 0,
            }));
        }
        let expected = match expect {
            Expect::Any => None,
            Expect::Empty => Some(0),
            Expect::Version(v) => Some(v),
        };
        if let Some(expected) = expected.filter(|v| *v != actual) {
            return Ok(Verdict::Conflict(Error::Conflict {
                stream: stream.into(),
                expected: expected.to_string(),
                actual,
            }));
        }
        Ok(Verdict::Fresh {
            id: known.map(|k| k.0),
            actual,
            fresh,
        })
    }

    /// `bounded`: the file's own bound counts. A copy takes what the others took.
    pub(super) fn append(
        &mut self,
        stream: &str,
        expect: Expect,
        events: &[NewEvent],
        bounded: bool,
    ) -> rusqlite::Result<Result<Appended, Error>> {
        let (known, actual, fresh) = match self.judge(stream, expect, events)? {
            Verdict::Known(appended) => return Ok(Ok(appended)),
            Verdict::Conflict(e) => return Ok(Err(e)),
            Verdict::Fresh { id, actual, fresh } => (id, actual, fresh),
        };
        if let Err(full) = self.room(known.is_none(), &fresh, bounded) {
            return Ok(Err(full));
        }
        let last = actual + fresh.len() as u64;
        let id = self.touch(stream, known, last)?;
        self.insert(stream, id, actual, &fresh)?;
        Ok(Ok(Appended {
            version: last,
            position: self.known.position,
            added: fresh.len(),
        }))
    }

    /// The events that the stream does not hold yet; and the place of the last one that it does.
    fn fresh<'e>(
        &self,
        stream: i64,
        events: &'e [NewEvent],
    ) -> rusqlite::Result<(Vec<&'e NewEvent>, Option<Spot>)> {
        let (mut fresh, mut before) = (Vec::with_capacity(events.len()), None);
        let mut find = self
            .db
            .prepare_cached("SELECT version, position FROM event WHERE stream = ?1 AND id = ?2")?;
        for e in unnamed_or_first(events) {
            let at = match e.id.is_empty() {
                true => None,
                false => find
                    .query_row(params![stream, e.id], |r| {
                        Ok((r.get::<_, i64>(0)? as u64, r.get::<_, i64>(1)? as u64))
                    })
                    .optional()?,
            };
            match at {
                None => fresh.push(e),
                at => before = before.max(at),
            }
        }
        Ok((fresh, before))
    }

    pub(super) fn room(
        &mut self,
        new_stream: bool,
        fresh: &[&NewEvent],
        bounded: bool,
    ) -> Result<(), Error> {
        if new_stream && self.known.streams >= MAX_STREAMS {
            return Err(Error::Full {
                what: "the store".into(),
                holds: format!("{} streams", self.known.streams),
                limit: MAX_STREAMS.to_string(),
            });
        }
        let bytes = fresh.iter().map(|e| e.data.len() as u64 + EVENT).sum();
        let full = |most: u64| Error::Full {
            what: "the file of events".into(),
            holds: "events up to its bound".into(),
            limit: format!("{most} bytes"),
        };
        match bounded {
            true => self.jobs.take(bytes, 0, full),
            false => Ok(()),
        }
    }

    /// Sets the version of a stream, which is made when it is not known; its number.
    fn touch(&mut self, name: &str, known: Option<i64>, version: u64) -> rusqlite::Result<i64> {
        match known {
            Some(id) => {
                self.db
                    .prepare_cached("UPDATE stream SET version = ?2 WHERE id = ?1")?
                    .execute(params![id, version as i64])?;
                Ok(id)
            }
            None => {
                self.db
                    .prepare_cached("INSERT INTO stream(name, version) VALUES (?1, ?2)")?
                    .execute(params![name, version as i64])?;
                self.known.streams += 1;
                Ok(self.db.last_insert_rowid())
            }
        }
    }

    fn insert(
        &mut self,
        stream: &str,
        id: i64,
        actual: u64,
        fresh: &[&NewEvent],
    ) -> rusqlite::Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO event(position, stream, version, kind, at_ms, data, checksum, id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for (version, e) in (actual + 1..).zip(fresh) {
            self.known.position += 1;
            insert.execute(params![
                self.known.position as i64,
                id,
                version as i64,
                e.kind,
                e.at_ms as i64,
                e.data,
                checksum(stream, version, &e.id, &e.kind, e.at_ms, &e.data),
                (!e.id.is_empty()).then_some(&e.id),
            ])?;
        }
        Ok(())
    }

    /// Goes by positions from the first on, so that what is left has no gaps.
    pub(super) fn trim(&mut self, before_ms: u64, limit: usize) -> rusqlite::Result<u64> {
        let first: Option<i64> = self
            .db
            .query_row("SELECT min(position) FROM event", [], |r| r.get(0))?;
        let Some(first) = first else { return Ok(0) };
        let end = (first + limit as i64).min(self.known.position as i64 + 1);
        let kept: Option<i64> = self
            .db
            .prepare_cached("SELECT min(position) FROM event WHERE position < ?1 AND at_ms >= ?2")?
            .query_row(params![end, before_ms.min(i64::MAX as u64) as i64], |r| {
                r.get(0)
            })?;
        let until = kept.unwrap_or(end);
        let gone = self
            .db
            .prepare_cached("DELETE FROM event WHERE position < ?1")?
            .execute([until])?;
        if gone > 0 {
            self.db
                .prepare_cached("UPDATE counter SET value = ?1 WHERE name = 'trimmed'")?
                .execute([until - 1])?;
        }
        Ok(gone as u64)
    }

    /// The live etag of a key, or why the precondition does not hold.
    fn holds(
        &self,
        key: &str,
        precondition: Precondition,
        now_ms: u64,
    ) -> rusqlite::Result<Result<Option<Etag>, Error>> {
        let actual = self
            .db
            .prepare_cached(
                "SELECT etag FROM kv WHERE key = ?1 AND (expires_ms IS NULL OR expires_ms > ?2)",
            )?
            .query_row(params![key, now_ms as i64], |r| r.get::<_, i64>(0))
            .optional()?
            .map(|e| Etag(e as u64));
        let ok = match precondition {
            Precondition::Any => true,
            Precondition::Absent => actual.is_none(),
            Precondition::Is(etag) => actual == Some(etag),
        };
        Ok(if ok {
            Ok(actual)
        } else {
            Err(Error::Stale {
                key: key.into(),
                actual,
            })
        })
    }

    pub(super) fn put(&mut self, put: &Put, now_ms: u64) -> rusqlite::Result<Result<Etag, Error>> {
        if let Err(e) = self.holds(&put.key, put.precondition, now_ms)? {
            return Ok(Err(e));
        }
        self.known.etag += 1;
        self.db
            .prepare_cached(
                "INSERT INTO kv(key, value, etag, expires_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT(key) DO UPDATE SET value = ?2, etag = ?3, expires_ms = ?4",
            )?
            .execute(params![
                put.key,
                put.value,
                self.known.etag as i64,
                put.expires_ms.map(|t| t.min(i64::MAX as u64) as i64)
            ])?;
        Ok(Ok(Etag(self.known.etag)))
    }

    pub(super) fn delete(
        &mut self,
        key: &str,
        precondition: Precondition,
        now_ms: u64,
    ) -> rusqlite::Result<Result<bool, Error>> {
        let was = match self.holds(key, precondition, now_ms)? {
            Ok(actual) => actual.is_some(),
            Err(e) => return Ok(Err(e)),
        };
        self.db
            .prepare_cached("DELETE FROM kv WHERE key = ?1")?
            .execute([key])?;
        Ok(Ok(was))
    }

    pub(super) fn sweep(&mut self, limit: usize, now_ms: u64) -> rusqlite::Result<usize> {
        self.db
            .prepare_cached(
                "DELETE FROM kv WHERE key IN (SELECT key FROM kv WHERE expires_ms <= ?1 ORDER BY expires_ms, key LIMIT ?2)",
            )?
            .execute(params![now_ms as i64, limit as i64])
    }

    /// One transaction for all of `writes`. After an `Err` nothing more may be written.
    fn group(&mut self, writes: &mut VecDeque<Write>) -> Result<(), Error> {
        let mut answers = Vec::with_capacity(writes.len());
        let (known, jobs) = (self.known.clone(), self.jobs.before());
        let Err(e) = self.commit(writes, &mut answers) else {
            answers.into_iter().for_each(|answer| answer(None));
            // A file that stays is found at the next start.
            let _ = self.jobs.drop_loose(&self.db);
            return Ok(());
        };
        let mut failed = io(&self.path, e);
        let is_full = matches!(failed, Error::DiskFull { .. }) && self.roll_back().is_ok();
        if is_full {
            self.known = known;
            self.jobs.take_back(jobs);
        } else {
            failed = Error::Stopped(failed.to_string());
        }
        answers.into_iter().for_each(|answer| answer(Some(&failed)));
        writes
            .drain(..)
            .for_each(|write| write.fail(failed.clone()));
        match is_full {
            true => Ok(()),
            false => Err(failed),
        }
    }

    /// Gives free pages back, some at once; when to go on, if there are more. On a full disk that is after the next write; what else fails is
    /// the end, as it is in a write.
    fn give_back(&mut self) -> Result<Option<Duration>, Error> {
        let more = self.relax(true).and_then(|()| vacuum::step(&self.db));
        match more.map_err(|e| io(&self.path, e)) {
            Ok(more) => Ok(more.then_some(vacuum::NEXT)),
            Err(Error::DiskFull { .. }) => Ok(None),
            Err(failed) => Err(Error::Stopped(failed.to_string())),
        }
    }

    /// A full disk is noticed before anything is committed: what was begun can be undone.
    fn roll_back(&self) -> rusqlite::Result<()> {
        match self.db.is_autocommit() {
            true => Ok(()),
            false => self.db.execute_batch("ROLLBACK"),
        }
    }

    /// Whether the next commit waits for the disk; one that does takes those before along.
    pub(super) fn relax(&mut self, relaxed: bool) -> rusqlite::Result<()> {
        if relaxed == self.relaxed {
            return Ok(());
        }
        let mode = if relaxed { "NORMAL" } else { "FULL" };
        self.db
            .execute_batch(&format!("PRAGMA synchronous={mode}"))?;
        self.relaxed = relaxed;
        Ok(())
    }

    /// Takes from `writes` what it has begun; the rest stays there after a failure.
    fn commit(
        &mut self,
        writes: &mut VecDeque<Write>,
        answers: &mut Vec<Answer>,
    ) -> rusqlite::Result<()> {
        let etag = self.known.etag;
        self.relax(writes.iter().all(Write::is_relaxed))?;
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.jobs.measure(&self.db)?;
        while let Some(write) = writes.pop_front() {
            self.apply(write, answers)?;
        }
        if self.known.etag != etag {
            self.db
                .prepare_cached("UPDATE counter SET value = ?1 WHERE name = 'etag'")?
                .execute([self.known.etag as i64])?;
        }
        self.jobs.write_counts(&self.db)?;
        self.db.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

/// Without those that have the id of one before them.
fn unnamed_or_first(events: &[NewEvent]) -> Vec<&NewEvent> {
    let mut seen = HashSet::new();
    let mut all = Vec::with_capacity(events.len());
    for e in events {
        if e.id.is_empty() || seen.insert(e.id.as_str()) {
            all.push(e);
        }
    }
    all
}

/// Runs until every sender is gone, or until a write fails.
pub fn run(mut state: State, queue: Receiver<Write>) {
    let (mut group, mut next) = (VecDeque::new(), None);
    // When to look for free pages, if nobody writes until then.
    let mut idle = Some(vacuum::FIRST);
    loop {
        let first = next.take().map_or_else(|| wait(&queue, idle), Ok);
        idle = Some(vacuum::FIRST);
        let done = match first {
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => state.give_back().map(|again| idle = again),
            Ok(Write::Replace { with, reply }) => state.replace(&with).map(|said| reply.send(said)),
            Ok(first) => {
                next = gather(first, &mut group, &queue, &state.waiting);
                state.group(&mut group)
            }
        };
        if let Err(stopped) = done {
            // What SQLite holds in memory may differ from the disk now: give the file up, answer everyone.
            drop(state);
            next.into_iter().for_each(|w| w.fail(stopped.clone()));
            while let Ok(write) = queue.recv() {
                write.fail(stopped.clone());
            }
            return;
        }
    }
}

fn wait(queue: &Receiver<Write>, longest: Option<Duration>) -> Result<Write, RecvTimeoutError> {
    match longest {
        Some(longest) => queue.recv_timeout(longest),
        None => queue.recv().map_err(RecvTimeoutError::from),
    }
}

/// Puts what waits into one group; what came that needs a transaction of its own.
fn gather(
    first: Write,
    group: &mut VecDeque<Write>,
    queue: &Receiver<Write>,
    waiting: &AtomicUsize,
) -> Option<Write> {
    let mut bytes = first.bytes();
    group.push_back(first);
    let mut alone = None;
    while group.len() < GROUP_OPS && bytes < GROUP_BYTES {
        match queue.try_recv() {
            Ok(next @ Write::Replace { .. }) => {
                alone = Some(next);
                break;
            }
            Ok(next) => {
                bytes += next.bytes();
                group.push_back(next);
            }
            Err(_) => break,
        }
    }
    waiting.fetch_sub(bytes, Relaxed);
    alone
}
