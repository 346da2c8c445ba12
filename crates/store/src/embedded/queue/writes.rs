//! What the writer does for the queue inside its transaction: accepting and lending.

use super::ends::is_blocked;
use super::files::{Files, INLINE};
use super::lanes::{Lanes, size};
use super::{Ask, signed};
use crate::embedded::schema::{free, io, used};
use crate::queue::turn;
use crate::{Bounds, Error, JobId, Leased, NewJob, Payload};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};

/// Most tenants that one lease looks at; the next goes on from there.
const TENANTS: usize = 256;
/// What a job takes in tables and indexes beside its own bytes, at most.
const ROW: u64 = 1024;

/// Bytes of the file system that nothing new takes: what ends has to be written, too, and the write-ahead log has to be emptied into
/// the file.
const SPARE: u64 = 16 << 20;

/// What the writer knows of the queue by heart.
#[derive(Debug)]
pub struct Jobs {
    pub(super) lanes: Lanes,
    seq: u64,
    /// Bytes of the file at which no more jobs are taken, and how many were left when the transaction began.
    most: u64,
    left: u64,
    /// The same of the file system, once this transaction has asked for it, and which folder is in it.
    room: Option<u64>,
    dir: PathBuf,
    /// It holds what all nodes have: what they took is taken here, too.
    is_copy: bool,
    pub(super) files: Files,
    /// Files that may belong to nobody once this is committed.
    pub(super) loose: Vec<String>,
}

/// What a failed commit takes back.
pub struct Before {
    lanes: Lanes,
    seq: u64,
}

impl Jobs {
    /// Voids the leases of whoever had the file open before, and the files that belong to no job. `last`: number of the last job of a
    /// file that is a copy, whose leases are those of all nodes and end in their time.
    pub fn open(db: &Connection, path: &Path, most: u64, last: Option<u64>) -> Result<Jobs, Error> {
        let jobs = || -> rusqlite::Result<Jobs> {
            let lanes = Lanes::read(db)?;
            if last.is_none() {
                db.execute(
                    "UPDATE job SET state = 0, due_ms = 0
                     WHERE state = 1 AND lane IN (SELECT id FROM lane)",
                    [],
                )?;
            }
            let seq: i64 =
                db.query_row("SELECT coalesce(max(seq), 0) FROM job", [], |r| r.get(0))?;
            let mut jobs = Jobs {
                lanes,
                seq: last.unwrap_or(0).max(seq as u64),
                most,
                left: 0,
                room: None,
                is_copy: last.is_some(),
                dir: path.parent().map(Path::to_path_buf).unwrap_or_default(),
                files: Files::beside(path),
                loose: Vec::new(),
            };
            jobs.loose = jobs.files.names();
            jobs.drop_loose(db)?;
            Ok(jobs)
        };
        jobs().map_err(|e| io(path, e))
    }

    /// The first thing in a transaction.
    pub fn measure(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.left = match self.most {
            u64::MAX => u64::MAX,
            most => most.saturating_sub(used(db)?),
        };
        self.room = None;
        Ok(())
    }

    /// Bytes of the file system that something new may take.
    fn room(&self) -> u64 {
        let free = match self.is_copy {
            true => None,
            false => free(&self.dir),
        };
        free.map_or(u64::MAX, |free| free.saturating_sub(SPARE))
    }

    /// Takes so much of the room that is left: in the file, and beside it.
    ///
    /// # Errors
    /// `DiskFull`. When the file has no room: `full`.
    pub fn take(
        &mut self,
        rows: u64,
        beside: u64,
        full: impl FnOnce(u64) -> Error,
    ) -> Result<(), Error> {
        let room = self.room.unwrap_or_else(|| self.room());
        let Some(room) = room.checked_sub(rows + beside) else {
            let path = self.dir.display().to_string();
            return Err(Error::DiskFull { path });
        };
        let Some(left) = self.left.checked_sub(rows) else {
            return Err(full(self.most));
        };
        (self.room, self.left) = (Some(room), left);
        Ok(())
    }

    /// Number of the last job that was accepted.
    pub fn last(&self) -> u64 {
        self.seq
    }

    /// Bytes of the file at which no more is taken.
    pub fn most(&self) -> u64 {
        self.most
    }

    pub fn before(&self) -> Before {
        Before {
            lanes: self.lanes.clone(),
            seq: self.seq,
        }
    }

    pub fn take_back(&mut self, before: Before) {
        (self.lanes, self.seq) = (before.lanes, before.seq);
        self.loose.clear();
    }

    /// The last thing before a commit.
    pub fn write_counts(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.lanes.write(db)
    }

    /// After a commit: removes files that no job has any more.
    pub fn drop_loose(&mut self, db: &Connection) -> rusqlite::Result<()> {
        for name in std::mem::take(&mut self.loose) {
            let mut used = db.prepare_cached(
                "SELECT 1 FROM job WHERE file = ?1 UNION ALL SELECT 1 FROM message WHERE file = ?1 LIMIT 1",
            )?;
            if !used.exists([&name])? {
                self.files.drop(&name);
            }
        }
        Ok(())
    }

    pub fn enqueue(
        &mut self,
        db: &Connection,
        jobs: &[NewJob],
        bounds: Bounds,
    ) -> rusqlite::Result<Result<Vec<JobId>, Error>> {
        if let Err(full) = self.lanes.have_room(jobs, bounds) {
            return Ok(Err(full));
        }
        let in_rows = jobs.iter().map(|j| size(j).min(INLINE as u64) + ROW);
        let beside = jobs.iter().map(|j| in_file(&j.payload));
        if let Err(full) = self.take(in_rows.sum(), beside.sum(), file_is_full) {
            return Ok(Err(full));
        }
        let mut files = Vec::new();
        for job in jobs {
            files.push(match job.payload.len() > INLINE {
                false => None,
                true => match self.files.keep(&job.payload) {
                    Ok(name) => Some(name),
                    Err(e) => return Ok(Err(self.unkept(&e))),
                },
            });
        }
        let ids = jobs.iter().zip(&files);
        let ids = ids.map(|(job, file)| {
            let brought = Brought {
                file: file.as_deref(),
                bytes: size(job),
                message: None,
            };
            self.insert(db, job, &brought)
        });
        ids.collect::<rusqlite::Result<Vec<_>>>().map(Ok)
    }

    pub(super) fn unkept(&self, e: &std::io::Error) -> Error {
        let path = self.files.path("").display().to_string();
        match e.kind() {
            std::io::ErrorKind::StorageFull => Error::DiskFull { path },
            _ => Error::Io {
                path,
                why: e.to_string(),
            },
        }
    }

    pub(super) fn insert(
        &mut self,
        db: &Connection,
        job: &NewJob,
        brought: &Brought<'_>,
    ) -> rusqlite::Result<JobId> {
        let lane = self.lanes.make(db, &job.lane)?;
        let behind = match &job.key {
            None => false,
            Some(key) => db
                .prepare_cached(
                    "SELECT 1 FROM job WHERE lane = ?1 AND key = ?2 AND key IS NOT NULL AND state <= 2 LIMIT 1",
                )?
                .exists(params![lane.id, key])?
                || is_blocked(db, lane.id, key, i64::MAX)?,
        };
        self.seq += 1;
        let payload: &[u8] = if brought.file.is_some() {
            b""
        } else {
            &job.payload
        };
        db.prepare_cached(
            "INSERT INTO job(seq, secret, lane, tenant, key, state, enqueued_ms, due_ms, expires_ms, bytes, title, head, payload,
             file, message, blocks, weight) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            self.seq as i64,
            job.secret.to_be_bytes(),
            lane.id,
            job.tenant,
            job.key,
            if behind { 2 } else { 0 },
            signed(job.enqueued_ms),
            signed(job.due_ms),
            signed(job.expires_ms),
            signed(brought.bytes),
            job.title,
            job.head,
            payload,
            brought.file,
            brought.message,
            job.blocks,
            job.weight,
        ])?;
        lane.add(1, brought.bytes);
        Ok(JobId {
            seq: self.seq,
            secret: job.secret,
        })
    }

    /// Tenants in turns: first the one whose turn is not over, then from the one after it.
    pub(super) fn lease(
        &mut self,
        db: &Connection,
        ask: &Lending<'_>,
    ) -> rusqlite::Result<Vec<Leased>> {
        let Some(lane) = self.lanes.get(ask.lane).filter(|l| l.waiting > 0) else {
            return Ok(Vec::new());
        };
        let (id, mut last, mut rest) = (lane.id, lane.turn.clone(), lane.rest);
        let mut taken = Vec::new();
        // The first of those that were passed by because nothing of theirs is due.
        let mut idle: Option<String> = None;
        for _ in 0..TENANTS {
            let left = ask.most - taken.len();
            if left == 0 {
                break;
            }
            let is_new = rest == 0;
            if is_new {
                let next = next_tenant(db, id, &last)?.filter(|t| idle.as_ref() != Some(t));
                let Some(tenant) = next else { break };
                rest = turn(weight(db, id, &tenant, ask.now_ms)?);
                last = tenant;
            }
            let (before, most) = (taken.len(), rest.min(left));
            let due = self.lend(db, id, &last, most, ask, &mut taken)?;
            match due {
                0 if is_new => {
                    idle.get_or_insert_with(|| last.clone());
                }
                0 => {}
                _ => idle = None,
            }
            // With nothing more that is due its turn is over.
            rest = match due == most {
                true => rest - (taken.len() - before),
                false => 0,
            };
        }
        if let Some(lane) = self.lanes.by_id(id) {
            (lane.turn, lane.rest) = (last, rest);
        }
        Ok(taken)
    }

    /// How many jobs of this tenant were due, of at most so many.
    fn lend(
        &mut self,
        db: &Connection,
        lane: i64,
        tenant: &str,
        most: usize,
        ask: &Lending<'_>,
        taken: &mut Vec<Leased>,
    ) -> rusqlite::Result<usize> {
        let mut select = db.prepare_cached(
            "SELECT j.seq, j.secret, j.attempts, j.enqueued_ms, j.expires_ms, coalesce(m.head, j.head),
             coalesce(m.payload, j.payload), coalesce(m.file, j.file), coalesce(m.position, 0)
             FROM job j LEFT JOIN message m ON m.position = j.message
             WHERE j.lane = ?1 AND j.tenant = ?2 AND j.due_ms <= ?3 AND j.state <= 1 ORDER BY j.due_ms, j.seq LIMIT ?4",
        )?;
        let due = select.query_map(
            params![lane, tenant, signed(ask.now_ms), most as i64],
            |r| {
                let file: Option<String> = r.get(7)?;
                Ok(Leased {
                    id: JobId {
                        seq: r.get::<_, i64>(0)? as u64,
                        secret: u128::from_be_bytes(r.get(1)?),
                    },
                    tenant: tenant.to_owned(),
                    attempt: r.get::<_, u32>(2)?.saturating_add(1),
                    enqueued_ms: r.get::<_, i64>(3)? as u64,
                    expires_ms: r.get::<_, i64>(4)? as u64,
                    head: r.get(5)?,
                    position: r.get::<_, i64>(8)? as u64,
                    payload: match file {
                        Some(name) => Payload::File(self.files.path(&name)),
                        None => Payload::Inline(r.get(6)?),
                    },
                })
            },
        )?;
        let due: Vec<Leased> = due.collect::<rusqlite::Result<_>>()?;
        let all = due.len();
        for job in due {
            if job.expires_ms <= ask.now_ms {
                self.expire(db, job.id, ask.now_ms)?;
                continue;
            }
            db.prepare_cached(
                "UPDATE job SET state = 1, attempts = ?2, due_ms = ?3 WHERE seq = ?1",
            )?
            .execute(params![
                job.id.seq as i64,
                job.attempt,
                signed(ask.until_ms.max(ask.now_ms + 1))
            ])?;
            taken.push(job);
        }
        Ok(all)
    }
}

pub(super) fn file_is_full(most: u64) -> Error {
    Error::Full {
        what: "the file of the queue".into(),
        holds: "jobs up to its bound".into(),
        limit: format!("{most} bytes"),
    }
}

/// Bytes of the file that a payload gets of its own.
pub(super) fn in_file(payload: &[u8]) -> u64 {
    match payload.len() > INLINE {
        true => payload.len() as u64,
        false => 0,
    }
}

/// What a job brings beside its row.
pub(super) struct Brought<'a> {
    pub file: Option<&'a str>,
    /// As they count in its lane.
    pub bytes: u64,
    /// The message of a topic; `None`: head and payload are its own.
    pub message: Option<i64>,
}

/// What is asked of `lease`.
pub struct Lending<'a> {
    pub lane: &'a str,
    pub most: usize,
    pub until_ms: u64,
    pub now_ms: u64,
}

/// Of the tenant's first job that is due.
fn weight(db: &Connection, lane: i64, tenant: &str, now_ms: u64) -> rusqlite::Result<u32> {
    let weight = db
        .prepare_cached(
            "SELECT weight FROM job WHERE lane = ?1 AND tenant = ?2 AND due_ms <= ?3 AND state <= 1 ORDER BY due_ms, seq LIMIT 1",
        )?
        .query_row(params![lane, tenant, signed(now_ms)], |r| r.get(0))
        .optional()?;
    Ok(weight.unwrap_or(1))
}

/// The tenant after this one, round and round.
fn next_tenant(db: &Connection, lane: i64, after: &str) -> rusqlite::Result<Option<String>> {
    let first = |sql: &str, after: &str| {
        db.prepare_cached(sql)?
            .query_row(params![lane, after], |r| r.get(0))
            .optional()
    };
    let next = first(
        "SELECT tenant FROM job WHERE lane = ?1 AND tenant > ?2 AND state <= 1 ORDER BY tenant LIMIT 1",
        after,
    )?;
    match next {
        Some(next) => Ok(Some(next)),
        None => first(
            "SELECT tenant FROM job WHERE lane = ?1 AND tenant >= ?2 AND state <= 1 ORDER BY tenant LIMIT 1",
            "",
        ),
    }
}

/// An answer of the engine within the transaction; the outer `Err` is its failure.
pub type Said<T> = rusqlite::Result<Result<T, Error>>;

impl Jobs {
    /// Does what is asked; `settle` keeps what to say of it until the commit.
    pub fn apply(
        &mut self,
        db: &Connection,
        ask: Ask,
        settle: &mut impl Settle,
    ) -> rusqlite::Result<()> {
        match ask {
            Ask::Enqueue {
                jobs,
                bounds,
                reply,
            } => settle.settle(reply, self.enqueue(db, &jobs, bounds)),
            Ask::Lease {
                lane,
                most,
                until_ms,
                now_ms,
                reply,
            } => {
                let lending = Lending {
                    lane: &lane,
                    most,
                    until_ms,
                    now_ms,
                };
                settle.settle(reply, self.lease(db, &lending).map(Ok))
            }
            Ask::Finish {
                id,
                attempt,
                how,
                now_ms,
                reply,
            } => settle.settle(reply, self.finish(db, id, attempt, how, now_ms).map(Ok)),
            Ask::Cancel { id, now_ms, reply } => {
                settle.settle(reply, self.cancel(db, id, now_ms).map(Ok))
            }
            Ask::Redrive {
                id,
                due_ms,
                expires_ms,
                reply,
            } => settle.settle(reply, self.redrive(db, id, due_ms, expires_ms).map(Ok)),
            Ask::Discard {
                id,
                reason,
                now_ms,
                reply,
            } => settle.settle(reply, self.discard(db, id, &reason, now_ms).map(Ok)),
            Ask::Forget {
                ended_ms,
                dead_ms,
                most,
                reply,
            } => settle.settle(reply, self.forget(db, ended_ms, dead_ms, most).map(Ok)),
            Ask::Topic(ask) => self.apply_topic(db, ask, settle),
        }
    }
}

/// Keeps answers until the commit.
pub trait Settle {
    fn settle<T: Send + 'static>(
        &mut self,
        reply: crate::ack::Reply<T>,
        said: Said<T>,
    ) -> rusqlite::Result<()>;
}
