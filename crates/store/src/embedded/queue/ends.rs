//! How a job ends, or does not end yet: inside the writer's transaction.

use super::writes::Jobs;
use super::{code, signed, state};
use crate::{Cancel, Finish, JobId, State};
use rusqlite::{Connection, OptionalExtension, params};

/// What a decision about one job needs of its row.
struct Row {
    lane: i64,
    key: Option<String>,
    state: State,
    attempts: u32,
    expires_ms: i64,
    bytes: u64,
    file: Option<String>,
    /// Of a topic, that it carries.
    message: Option<i64>,
    blocks: bool,
}

fn row(db: &Connection, id: JobId) -> rusqlite::Result<Option<Row>> {
    db.prepare_cached(
        "SELECT lane, key, state, attempts, expires_ms, bytes, file, message, blocks FROM job WHERE seq = ?1 AND secret = ?2",
    )?
    .query_row(params![signed(id.seq), id.secret.to_be_bytes()], |r| {
        Ok(Row {
            lane: r.get(0)?,
            key: r.get(1)?,
            state: state(r.get(2)?),
            attempts: r.get(3)?,
            expires_ms: r.get(4)?,
            bytes: r.get::<_, i64>(5)?.max(0) as u64,
            file: r.get(6)?,
            message: r.get(7)?,
            blocks: r.get(8)?,
        })
    })
    .optional()
}

/// How a job ends.
struct End<'a> {
    state: State,
    reason: &'a str,
    result: &'a [u8],
    now_ms: u64,
}

impl Jobs {
    pub(super) fn finish(
        &mut self,
        db: &Connection,
        id: JobId,
        attempt: u32,
        how: Finish,
        now_ms: u64,
    ) -> rusqlite::Result<bool> {
        let Some(row) = row(db, id)? else {
            return Ok(false);
        };
        if row.state != State::Leased || row.attempts != attempt {
            return Ok(false);
        }
        let end = |state, reason, result| End {
            state,
            reason,
            result,
            now_ms,
        };
        match &how {
            Finish::Done { result } => self.end(db, id, &row, end(State::Done, "", result))?,
            Finish::Dead { reason, result } => {
                self.end(db, id, &row, end(State::Dead, reason, result))?
            }
            Finish::Retry { reason, .. } | Finish::Release { reason, .. }
                if row.expires_ms == 0 =>
            {
                self.end(db, id, &row, end(State::Cancelled, reason, b""))?
            }
            Finish::Retry { at_ms, reason } => wait(db, id, attempt, *at_ms, reason)?,
            Finish::Release { at_ms, reason } => wait(db, id, attempt - 1, *at_ms, reason)?,
        }
        Ok(true)
    }

    pub(super) fn extend(
        &mut self,
        db: &Connection,
        id: JobId,
        attempt: u32,
        until_ms: u64,
    ) -> rusqlite::Result<bool> {
        let changed = db
            .prepare_cached(
                "UPDATE job SET due_ms = ?4 WHERE seq = ?1 AND secret = ?2 AND attempts = ?3 AND state = 1",
            )?
            .execute(params![
                signed(id.seq),
                id.secret.to_be_bytes(),
                attempt,
                signed(until_ms)
            ])?;
        Ok(changed > 0)
    }

    /// The oldest come first in each state, and those that were accepted together end together.
    pub(super) fn expire_lane(
        &mut self,
        db: &Connection,
        lane: &str,
        now_ms: u64,
        most: usize,
    ) -> rusqlite::Result<usize> {
        let Some(lane) = self.lanes.get(lane).map(|l| l.id) else {
            return Ok(0);
        };
        let over = late(db, lane, now_ms, most)?;
        for id in &over {
            self.expire(db, *id, now_ms)?;
        }
        Ok(over.len())
    }

    /// Its time has come, or it was cancelled while a worker had it that never said what came of it.
    pub(super) fn expire(
        &mut self,
        db: &Connection,
        id: JobId,
        now_ms: u64,
    ) -> rusqlite::Result<()> {
        let Some(row) = row(db, id)? else {
            return Ok(());
        };
        let (state, reason) = match row.expires_ms {
            0 => (State::Cancelled, "cancelled"),
            _ => (State::Dead, "expired: it was not done in its time"),
        };
        let end = End {
            state,
            reason,
            result: b"",
            now_ms,
        };
        self.end(db, id, &row, end)
    }

    pub(super) fn cancel(
        &mut self,
        db: &Connection,
        id: JobId,
        now_ms: u64,
    ) -> rusqlite::Result<Cancel> {
        let Some(row) = row(db, id)? else {
            return Ok(Cancel::Unknown);
        };
        match row.state {
            ended if ended.has_ended() => Ok(Cancel::Ended(ended)),
            State::Leased => {
                db.prepare_cached("UPDATE job SET expires_ms = 0 WHERE seq = ?1")?
                    .execute([signed(id.seq)])?;
                Ok(Cancel::AfterAttempt)
            }
            _ => {
                let end = End {
                    state: State::Cancelled,
                    reason: "cancelled",
                    result: b"",
                    now_ms,
                };
                self.end(db, id, &row, end)?;
                Ok(Cancel::Cancelled)
            }
        }
    }

    /// Only a dead job keeps what it carries. One that carried an event to a subscription is gone with its end: nobody asks
    /// for it any more.
    fn end(&mut self, db: &Connection, id: JobId, row: &Row, end: End<'_>) -> rusqlite::Result<()> {
        let dead = end.state == State::Dead;
        let keep = match dead {
            true => "",
            false => ", head = x'', payload = x'', file = NULL",
        };
        if let (Some(_), false) = (row.message, dead) {
            db.prepare_cached("DELETE FROM job WHERE seq = ?1")?
                .execute([signed(id.seq)])?;
        } else {
            db.prepare_cached(&format!(
                "UPDATE job SET state = ?2, ended_ms = ?3, reason = ?4, result = ?5{keep} WHERE seq = ?1"
            ))?
            .execute(params![
                signed(id.seq),
                code(end.state),
                signed(end.now_ms),
                end.reason,
                end.result
            ])?;
        }
        opened(db, row.message, -1)?;
        if let Some(lane) = self.lanes.by_id(row.lane) {
            lane.take(row.bytes);
            lane.dead(i64::from(dead));
        }
        if !dead {
            self.loose.extend(row.file.clone());
        }
        // A head of its key makes room for the next; one that stood behind does not.
        match &row.key {
            Some(key) if row.state != State::Behind => promote(db, row.lane, key),
            _ => Ok(()),
        }
    }

    pub(super) fn redrive(
        &mut self,
        db: &Connection,
        id: JobId,
        due_ms: u64,
        expires_ms: u64,
    ) -> rusqlite::Result<bool> {
        let Some(row) = row(db, id)?.filter(|r| r.state == State::Dead) else {
            return Ok(false);
        };
        db.prepare_cached(
            "UPDATE job SET state = ?2, attempts = 0, due_ms = ?3, expires_ms = ?4, ended_ms = NULL, result = NULL
             WHERE seq = ?1",
        )?
        .execute(params![
            signed(id.seq),
            code(match row.key {
                Some(_) => State::Behind,
                None => State::Waiting,
            }),
            signed(due_ms),
            signed(expires_ms),
        ])?;
        opened(db, row.message, 1)?;
        if let Some(lane) = self.lanes.by_id(row.lane) {
            lane.add(1, row.bytes);
            lane.dead(-1);
        }
        self.go_on(db, &row)?;
        Ok(true)
    }

    pub(super) fn discard(
        &mut self,
        db: &Connection,
        id: JobId,
        reason: &str,
        now_ms: u64,
    ) -> rusqlite::Result<bool> {
        let Some(row) = row(db, id)?.filter(|r| r.state == State::Dead) else {
            return Ok(false);
        };
        match row.message {
            // Nobody asks for it any more.
            Some(_) => db
                .prepare_cached("DELETE FROM job WHERE seq = ?1")?
                .execute([signed(id.seq)])?,
            None => db
                .prepare_cached(
                    "UPDATE job SET state = ?2, ended_ms = ?3, reason = ?4, head = x'', payload = x'', file = NULL WHERE seq = ?1",
                )?
                .execute(params![signed(id.seq), code(State::Cancelled), signed(now_ms), reason])?,
        };
        if let Some(lane) = self.lanes.by_id(row.lane) {
            lane.dead(-1);
        }
        self.loose.extend(row.file.clone());
        self.go_on(db, &row)?;
        Ok(true)
    }

    /// A job that stood before others of its key may do so no more.
    fn go_on(&self, db: &Connection, row: &Row) -> rusqlite::Result<()> {
        match &row.key {
            Some(key) if !has_head(db, row.lane, key)? => promote(db, row.lane, key),
            _ => Ok(()),
        }
    }

    pub(super) fn forget(
        &mut self,
        db: &Connection,
        ended_ms: u64,
        dead_ms: u64,
        most: usize,
    ) -> rusqlite::Result<usize> {
        let mut forgotten = 0;
        for (state, before) in forgotten_before(ended_ms, dead_ms) {
            let mut select = db.prepare_cached(
                "SELECT seq, secret FROM job
                 WHERE state = ?1 AND ended_ms < ?2 AND ended_ms IS NOT NULL ORDER BY ended_ms, seq LIMIT ?3",
            )?;
            let left = (most - forgotten) as i64;
            let old = select.query_map(params![code(state), signed(before), left], id)?;
            let old: Vec<JobId> = old.collect::<rusqlite::Result<_>>()?;
            for id in old {
                let Some(row) = row(db, id)? else { continue };
                db.prepare_cached("DELETE FROM job WHERE seq = ?1")?
                    .execute([signed(id.seq)])?;
                if let Some(lane) = (self.lanes.by_id(row.lane)).filter(|_| state == State::Dead) {
                    lane.dead(-1);
                }
                if row.blocks {
                    self.go_on(db, &row)?;
                }
                self.loose.extend(row.file);
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }
}

/// Before when jobs of each state that has ended have to have ended, to be forgotten.
pub(super) fn forgotten_before(ended_ms: u64, dead_ms: u64) -> [(State, u64); 3] {
    [
        (State::Done, ended_ms),
        (State::Cancelled, ended_ms),
        (State::Dead, dead_ms),
    ]
}

/// Those whose time has come, of the oldest in each state.
pub(super) fn late(
    db: &Connection,
    lane: i64,
    now_ms: u64,
    most: usize,
) -> rusqlite::Result<Vec<JobId>> {
    let mut late = Vec::new();
    for state in [State::Waiting, State::Leased, State::Behind] {
        let mut select = db.prepare_cached(
            "SELECT seq, secret FROM (SELECT seq, secret, expires_ms, due_ms FROM job
             WHERE lane = ?1 AND state = ?2 ORDER BY seq LIMIT ?3)
             WHERE expires_ms <= ?4 AND (?2 <> 1 OR due_ms <= ?4)",
        )?;
        let rows = select.query_map(params![lane, code(state), most as i64, signed(now_ms)], id)?;
        for id in rows {
            late.push(id?);
        }
    }
    Ok(late)
}

/// Of a row that begins with its two parts.
fn id(r: &rusqlite::Row<'_>) -> rusqlite::Result<JobId> {
    Ok(JobId {
        seq: r.get::<_, i64>(0)? as u64,
        secret: u128::from_be_bytes(r.get(1)?),
    })
}

/// So many more (or fewer) jobs that have not ended carry the message.
fn opened(db: &Connection, message: Option<i64>, by: i64) -> rusqlite::Result<()> {
    let Some(message) = message else {
        return Ok(());
    };
    db.prepare_cached("UPDATE message SET open = open + ?2 WHERE position = ?1")?
        .execute([message, by])
        .map(drop)
}

/// Back to those who wait.
fn wait(
    db: &Connection,
    id: JobId,
    attempts: u32,
    at_ms: u64,
    reason: &str,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE job SET state = 0, attempts = ?2, due_ms = ?3, reason = ?4 WHERE seq = ?1",
    )?
    .execute(params![signed(id.seq), attempts, signed(at_ms), reason])
    .map(drop)
}

/// Whether one of the key is lent or may be.
fn has_head(db: &Connection, lane: i64, key: &str) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT 1 FROM job WHERE lane = ?1 AND key = ?2 AND key IS NOT NULL AND state <= 1 LIMIT 1",
    )?
    .exists(params![lane, key])
}

/// Whether one of the key is dead that holds up the job with this number.
pub(super) fn is_blocked(
    db: &Connection,
    lane: i64,
    key: &str,
    seq: i64,
) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT 1 FROM job
         WHERE lane = ?1 AND key = ?2 AND key IS NOT NULL AND state = 4 AND blocks = 1 AND attempts > 0 AND seq < ?3 LIMIT 1",
    )?
    .exists(params![lane, key, seq])
}

/// The oldest that stands behind comes to the front, unless one is dead that holds it up.
fn promote(db: &Connection, lane: i64, key: &str) -> rusqlite::Result<()> {
    let oldest: Option<i64> = db
        .prepare_cached(
            "SELECT seq FROM job WHERE lane = ?1 AND key = ?2 AND key IS NOT NULL AND state = 2 ORDER BY seq LIMIT 1",
        )?
        .query_row(params![lane, key], |r| r.get(0))
        .optional()?;
    match oldest {
        Some(seq) if !is_blocked(db, lane, key, seq)? => db
            .prepare_cached("UPDATE job SET state = 0 WHERE seq = ?1")?
            .execute([seq])
            .map(drop),
        _ => Ok(()),
    }
}
