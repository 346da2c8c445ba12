//! What readers see of the queue.

use super::super::readers::Readers;
use super::ends::{forgotten_before, late};
use super::{code, signed, state};
use crate::{Error, Job, JobId, Lane, MAX_ROWS, State};
use rusqlite::{Connection, OptionalExtension, Row, params};

const JOB: &str = "SELECT j.seq, j.secret, l.name, j.tenant, j.key, j.state, j.attempts, j.enqueued_ms, j.due_ms, j.expires_ms,
    j.ended_ms, j.title, j.reason, j.bytes FROM job j JOIN lane l ON l.id = j.lane";

/// Of what a job carries: head, payload, file.
type Parts = (Vec<u8>, Vec<u8>, Option<String>);

impl Readers {
    pub fn job(&self, id: JobId) -> Result<Option<Job>, Error> {
        self.with(|db| {
            db.prepare_cached(&format!("{JOB} WHERE j.seq = ?1 AND j.secret = ?2"))
                .and_then(|mut s| {
                    s.query_row(params![signed(id.seq), id.secret.to_be_bytes()], job)
                        .optional()
                })
                .map_err(self.sql())
        })
    }

    pub fn find(&self, lane: &str, secret: u128) -> Result<Option<JobId>, Error> {
        self.with(|db| {
            let sql = "SELECT j.seq FROM job j JOIN lane l ON l.id = j.lane WHERE l.name = ?1 AND j.secret = ?2";
            let seq = db.prepare_cached(sql).and_then(|mut s| {
                s.query_row(params![lane, secret.to_be_bytes()], |r| r.get::<_, i64>(0))
                    .optional()
            });
            let id = |seq: i64| JobId {
                seq: seq as u64,
                secret,
            };
            seq.map(|s| s.map(id)).map_err(self.sql())
        })
    }

    /// Head, payload, and the name of the file that has the payload instead. Of one that has ended otherwise than dead nothing is kept.
    pub fn carried(&self, id: JobId) -> Result<Option<Parts>, Error> {
        let sql = "SELECT coalesce(m.head, j.head), coalesce(m.payload, j.payload), coalesce(m.file, j.file)
                   FROM job j LEFT JOIN message m ON m.position = j.message
                   WHERE j.seq = ?1 AND j.secret = ?2 AND j.state NOT IN (3, 5)";
        self.with(|db| {
            db.prepare_cached(sql)
                .and_then(|mut s| {
                    s.query_row(params![signed(id.seq), id.secret.to_be_bytes()], |r| {
                        Ok((r.get(0)?, r.get(1)?, r.get(2)?))
                    })
                    .optional()
                })
                .map_err(self.sql())
        })
    }

    pub fn put_off(&self, lane: &str, now_ms: u64) -> Result<u64, Error> {
        // The index has all that is asked for but the state: of the few that are leased their rows are read.
        let sql = "WITH l AS (SELECT id FROM lane WHERE name = ?1)
                   SELECT (SELECT count(*) FROM job INDEXED BY job_due WHERE lane = (SELECT id FROM l) AND due_ms > ?2 AND state <= 1)
                        - (SELECT count(*) FROM job WHERE lane = (SELECT id FROM l) AND state = 1 AND due_ms > ?2)
                        + (SELECT count(*) FROM job WHERE lane = (SELECT id FROM l) AND state = 2)";
        self.with(|db| {
            let count = db.prepare_cached(sql).and_then(|mut s| {
                s.query_row(params![lane, signed(now_ms)], |r| r.get::<_, i64>(0))
            });
            count.map(|n| n as u64).map_err(self.sql())
        })
    }

    pub fn result(&self, id: JobId) -> Result<Option<Vec<u8>>, Error> {
        self.with(|db| {
            db.prepare_cached("SELECT result FROM job WHERE seq = ?1 AND secret = ?2")
                .and_then(|mut s| {
                    s.query_row(params![signed(id.seq), id.secret.to_be_bytes()], |r| {
                        r.get(0)
                    })
                    .optional()
                })
                .map_err(self.sql())
                .map(Option::flatten)
        })
    }

    pub fn jobs(
        &self,
        lane: &str,
        state: State,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Job>, Error> {
        self.with(|db| {
            let mut select = db
                .prepare_cached(&format!(
                    "{JOB} WHERE l.name = ?1 AND j.state = ?2 AND j.seq > ?3 ORDER BY j.seq LIMIT ?4"
                ))
                .map_err(self.sql())?;
            let limit = limit.min(MAX_ROWS) as i64;
            let rows = select
                .query_map(params![lane, code(state), signed(after), limit], job)
                .map_err(self.sql())?;
            rows.collect::<Result<_, _>>().map_err(self.sql())
        })
    }

    /// Whether a job that belongs to no tenant may be lent.
    pub fn has_due(&self, lane: &str, now_ms: u64) -> Result<bool, Error> {
        self.with(|db| {
            db.prepare_cached(
                "SELECT 1 FROM lane l JOIN job j ON j.lane = l.id AND j.tenant = '' AND j.due_ms <= ?2 AND j.state <= 1
                 WHERE l.name = ?1 LIMIT 1",
            )
            .and_then(|mut s| s.exists(params![lane, signed(now_ms)]))
            .map_err(self.sql())
        })
    }

    /// Whether the time of any of the oldest has come.
    pub fn has_late(&self, lane: &str, now_ms: u64, most: usize) -> Result<bool, Error> {
        let look = |db: &Connection| -> rusqlite::Result<bool> {
            let id: Option<i64> = db
                .prepare_cached("SELECT id FROM lane WHERE name = ?1")?
                .query_row([lane], |r| r.get(0))
                .optional()?;
            match id {
                Some(id) => Ok(!late(db, id, now_ms, most)?.is_empty()),
                None => Ok(false),
            }
        };
        self.with(|db| look(db).map_err(self.sql()))
    }

    /// Whether `forget` would find any.
    pub fn has_ended(&self, ended_ms: u64, dead_ms: u64) -> Result<bool, Error> {
        let look = |db: &Connection| -> rusqlite::Result<bool> {
            for (state, before) in forgotten_before(ended_ms, dead_ms) {
                let mut any = db.prepare_cached(
                    "SELECT 1 FROM job WHERE state = ?1 AND ended_ms < ?2 AND ended_ms IS NOT NULL LIMIT 1",
                )?;
                if any.exists(params![code(state), signed(before)])? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        self.with(|db| look(db).map_err(self.sql()))
    }

    pub fn ahead(&self, job: &Job, most: u64) -> Result<u64, Error> {
        // Along the index of each state, and no further than `most` rows.
        let of = |state: State| {
            format!(
                "SELECT 1 FROM job WHERE lane = (SELECT id FROM lane WHERE name = ?1) AND state = {} AND seq < ?2",
                code(state)
            )
        };
        let all = [State::Waiting, State::Leased, State::Behind].map(of);
        let sql = format!(
            "SELECT count(*) FROM ({} LIMIT ?3)",
            all.join(" UNION ALL ")
        );
        self.with(|db| {
            let count = db.prepare_cached(&sql).and_then(|mut s| {
                let most = signed(most.min(i64::MAX as u64));
                s.query_row(params![job.lane, signed(job.id.seq), most], |r| {
                    r.get::<_, i64>(0)
                })
            });
            count.map(|n| n as u64).map_err(self.sql())
        })
    }

    /// Jobs that it has, those among them that have ended and are kept.
    pub fn jobs_held(&self) -> Result<u64, Error> {
        self.with(|db| {
            let count = db.prepare_cached("SELECT count(*) FROM job");
            let count = count.and_then(|mut s| s.query_row([], |r| r.get::<_, i64>(0)));
            count.map(|n| n as u64).map_err(self.sql())
        })
    }

    pub fn lanes(&self) -> Result<Vec<Lane>, Error> {
        // The oldest of each state is the first in its index.
        let oldest = |state| {
            format!(
                "(SELECT enqueued_ms FROM job WHERE lane = l.id AND state = {state} ORDER BY seq LIMIT 1)"
            )
        };
        let [waiting, leased, behind] = [0, 1, 2].map(oldest);
        let sql = format!(
            "SELECT name, waiting, bytes, dead, {waiting}, {leased}, {behind} FROM lane l ORDER BY name"
        );
        self.with(|db| {
            let mut select = db.prepare_cached(&sql).map_err(self.sql())?;
            let rows = select
                .query_map([], |r| {
                    let number = |i| r.get::<_, i64>(i).map(|n| n as u64);
                    let mut oldest = None;
                    for i in 4..=6 {
                        let at = r.get::<_, Option<i64>>(i)?.map(|n| n as u64);
                        oldest = oldest.into_iter().chain(at).min();
                    }
                    Ok(Lane {
                        name: r.get(0)?,
                        waiting: number(1)?,
                        bytes: number(2)?,
                        dead: number(3)?,
                        oldest_ms: oldest,
                    })
                })
                .map_err(self.sql())?;
            rows.collect::<Result<_, _>>().map_err(self.sql())
        })
    }
}

fn job(r: &Row<'_>) -> rusqlite::Result<Job> {
    let number = |i| r.get::<_, i64>(i).map(|n| n as u64);
    Ok(Job {
        id: JobId {
            seq: number(0)?,
            secret: u128::from_be_bytes(r.get(1)?),
        },
        lane: r.get(2)?,
        tenant: r.get(3)?,
        key: r.get(4)?,
        state: state(r.get(5)?),
        attempts: r.get(6)?,
        enqueued_ms: number(7)?,
        due_ms: number(8)?,
        expires_ms: number(9)?,
        ended_ms: r.get::<_, Option<i64>>(10)?.map(|n| n as u64),
        title: r.get(11)?,
        reason: r.get(12)?,
        bytes: number(13)?,
    })
}
