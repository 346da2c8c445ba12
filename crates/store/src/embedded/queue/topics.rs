//! Topics inside the writer's transaction, and what readers see of them.

use super::super::readers::Readers;
use super::files::INLINE;
use super::writes::{Brought, Jobs, Settle, file_is_full, in_file};
use super::{Ask as QueueAsk, acceptable, signed};
use crate::ack::Reply;
use crate::bounds::{limit, name};
use crate::embedded::Embedded;
use crate::queue::{MAX_HEAD, MAX_PAYLOAD};
use crate::topics::{MAX_FAN_OUT, MAX_PUBLISHED, Message, NewMessage};
use crate::{Ack, Error, JobId, MAX_ROWS, Payload, Published, Topic, TopicBounds, Topics};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

/// What an event and each of its jobs take in tables and indexes beside their own bytes, at most.
const ROW: u64 = 1024;
/// Most events that give way to one publication.
const MOST_GIVE_WAY: usize = 4096;
/// How many of them are looked at at once.
const PAGE: usize = 256;

/// One write to the topics that waits for its turn.
#[derive(Debug)]
pub enum Ask {
    Publish {
        topic: String,
        events: Vec<NewMessage>,
        bounds: TopicBounds,
        reply: Reply<Vec<Published>>,
    },
    Extend {
        id: JobId,
        attempt: u32,
        until_ms: u64,
        reply: Reply<bool>,
    },
    Expire {
        lane: String,
        now_ms: u64,
        most: usize,
        reply: Reply<usize>,
    },
    Trim {
        topic: String,
        before_ms: u64,
        most: usize,
        reply: Reply<usize>,
    },
}

impl Ask {
    pub fn bytes(&self) -> usize {
        match self {
            Ask::Publish { events, .. } => events.iter().map(|e| size(e) as usize).sum(),
            _ => 0,
        }
    }

    pub fn fail(self, e: Error) {
        match self {
            Ask::Publish { reply, .. } => reply.send(Err(e)),
            Ask::Extend { reply, .. } => reply.send(Err(e)),
            Ask::Expire { reply, .. } | Ask::Trim { reply, .. } => reply.send(Err(e)),
        }
    }
}

fn size(event: &NewMessage) -> u64 {
    (event.head.len() + event.payload.len()) as u64
}

/// What the row of a topic says.
struct Row {
    id: i64,
    events: u64,
    bytes: u64,
}

/// What of a publication is not there yet.
#[derive(Default)]
struct Fresh {
    /// Where its events are; 0: nowhere yet.
    known: HashMap<[u8; 16], u64>,
    events: u64,
    bytes: u64,
    /// Bytes of the file.
    rows: u64,
}

/// Events that are there already, and those that come twice in this publication, are not.
fn fresh(
    db: &Connection,
    topic: i64,
    events: &[NewMessage],
    since_ms: u64,
) -> rusqlite::Result<Fresh> {
    let mut fresh = Fresh::default();
    for e in events {
        if fresh.known.contains_key(&e.digest) {
            continue;
        }
        let there = same(db, topic, &e.digest, since_ms)?;
        fresh.known.insert(e.digest, there.unwrap_or(0));
        if there.is_none() {
            fresh.events += 1;
            fresh.bytes += size(e);
            fresh.rows += size(e).min(INLINE as u64) + ROW * (1 + e.jobs.len() as u64);
        }
    }
    Ok(fresh)
}

/// What a topic holds, and what it shall hold at most.
struct Room<'a> {
    name: &'a str,
    held: (u64, u64),
    more: (u64, u64),
    bounds: TopicBounds,
}

impl Room<'_> {
    fn is_over(&self, held: (u64, u64)) -> bool {
        held.0.saturating_add(self.more.0) > self.bounds.events
            || held.1.saturating_add(self.more.1) > self.bounds.bytes
    }

    fn full(&self) -> Error {
        Error::Full {
            what: format!("the topic `{}`", self.name),
            holds: format!("{} events of {} bytes", self.held.0, self.held.1),
            limit: format!("{} events, {} bytes", self.bounds.events, self.bounds.bytes),
        }
    }

    fn give(&mut self, bytes: u64) {
        self.held = (
            self.held.0.saturating_sub(1),
            self.held.1.saturating_sub(bytes),
        );
    }
}

fn found(db: &Connection, name: &str) -> rusqlite::Result<Option<Row>> {
    db.prepare_cached("SELECT id, events, bytes FROM topic WHERE name = ?1")?
        .query_row([name], |r| {
            Ok(Row {
                id: r.get(0)?,
                events: r.get::<_, i64>(1)?.max(0) as u64,
                bytes: r.get::<_, i64>(2)?.max(0) as u64,
            })
        })
        .optional()
}

/// The topic, made now if it is new.
fn row(db: &Connection, name: &str) -> rusqlite::Result<Row> {
    if let Some(found) = found(db, name)? {
        return Ok(found);
    }
    db.prepare_cached("INSERT INTO topic(name) VALUES (?1)")?
        .execute([name])?;
    Ok(Row {
        id: db.last_insert_rowid(),
        events: 0,
        bytes: 0,
    })
}

impl Jobs {
    pub(super) fn apply_topic(
        &mut self,
        db: &Connection,
        ask: Ask,
        settle: &mut impl Settle,
    ) -> rusqlite::Result<()> {
        match ask {
            Ask::Publish {
                topic,
                events,
                bounds,
                reply,
            } => settle.settle(reply, self.publish(db, &topic, &events, bounds)),
            Ask::Extend {
                id,
                attempt,
                until_ms,
                reply,
            } => settle.settle(reply, self.extend(db, id, attempt, until_ms).map(Ok)),
            Ask::Expire {
                lane,
                now_ms,
                most,
                reply,
            } => settle.settle(reply, self.expire_lane(db, &lane, now_ms, most).map(Ok)),
            Ask::Trim {
                topic,
                before_ms,
                most,
                reply,
            } => settle.settle(reply, self.trim(db, &topic, before_ms, most).map(Ok)),
        }
    }

    pub(super) fn publish(
        &mut self,
        db: &Connection,
        topic: &str,
        events: &[NewMessage],
        bounds: TopicBounds,
    ) -> rusqlite::Result<Result<Vec<Published>, Error>> {
        let topic_row = row(db, topic)?;
        let Fresh {
            mut known,
            events: fresh,
            bytes,
            rows,
        } = fresh(db, topic_row.id, events, bounds.since_ms)?;
        if fresh > 0 {
            if let Err(full) = self.make_room(db, topic, &topic_row, (fresh, bytes), bounds)? {
                return Ok(Err(full));
            }
            let beside = events.iter().map(|e| in_file(&e.payload));
            if let Err(full) = self.take(rows, beside.sum(), file_is_full) {
                return Ok(Err(full));
            }
        }
        let mut files: HashMap<[u8; 16], String> = HashMap::new();
        for e in events {
            let large = e.payload.len() > INLINE && known.get(&e.digest) == Some(&0);
            if large && !files.contains_key(&e.digest) {
                match self.files.keep(&e.payload) {
                    Ok(name) => files.insert(e.digest, name),
                    Err(e) => return Ok(Err(self.unkept(&e))),
                };
            }
        }
        let mut published = Vec::with_capacity(events.len());
        for e in events {
            let place = known.entry(e.digest).or_default();
            let duplicate = *place != 0;
            if !duplicate {
                *place = self.insert_event(db, topic_row.id, e, files.get(&e.digest))?;
            }
            published.push(Published {
                position: *place,
                duplicate,
            });
        }
        if fresh > 0 {
            let last = published.iter().map(|p| p.position).max().unwrap_or(0);
            db.prepare_cached(
                "UPDATE topic SET events = events + ?2, bytes = bytes + ?3, last = max(last, ?4) WHERE id = ?1",
            )?
            .execute(params![
                topic_row.id,
                signed(fresh),
                signed(bytes),
                signed(last)
            ])?;
        }
        Ok(Ok(published))
    }

    fn insert_event(
        &mut self,
        db: &Connection,
        topic: i64,
        event: &NewMessage,
        file: Option<&String>,
    ) -> rusqlite::Result<u64> {
        let payload: &[u8] = if file.is_some() { b"" } else { &event.payload };
        db.prepare_cached(
            "INSERT INTO message(topic, digest, at_ms, open, bytes, head, payload, file)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            topic,
            event.digest,
            signed(event.at_ms),
            event.jobs.len() as i64,
            signed(size(event)),
            event.head,
            payload,
            file,
        ])?;
        let position = db.last_insert_rowid();
        for job in &event.jobs {
            let brought = Brought {
                file: None,
                bytes: size(event),
                message: Some(position),
            };
            self.insert(db, job, &brought)?;
        }
        Ok(position as u64)
    }

    /// Events that nobody waits for give way, the oldest first.
    fn make_room(
        &mut self,
        db: &Connection,
        name: &str,
        topic: &Row,
        (events, bytes): (u64, u64),
        bounds: TopicBounds,
    ) -> rusqlite::Result<Result<(), Error>> {
        let mut room = Room {
            name,
            held: (topic.events, topic.bytes),
            more: (events, bytes),
            bounds,
        };
        // What fits into no empty topic lets nothing go.
        if room.is_over((0, 0)) {
            return Ok(Err(room.full()));
        }
        let mut gone = 0;
        while room.is_over(room.held) && gone < MOST_GIVE_WAY {
            let idle = idle(db, topic.id, PAGE)?;
            if idle.is_empty() {
                break;
            }
            for (position, bytes) in idle {
                if !room.is_over(room.held) {
                    break;
                }
                self.remove(db, topic.id, position)?;
                room.give(bytes);
                gone += 1;
            }
        }
        match room.is_over(room.held) {
            true => Ok(Err(room.full())),
            false => Ok(Ok(())),
        }
    }

    /// Takes an event out, and the dead letters that carry it.
    fn remove(&mut self, db: &Connection, topic: i64, position: i64) -> rusqlite::Result<()> {
        let mut select = db.prepare_cached("SELECT seq, lane FROM job WHERE message = ?1")?;
        let rows = select.query_map([position], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let dead: Vec<(i64, i64)> = rows.collect::<rusqlite::Result<_>>()?;
        for (seq, lane) in &dead {
            db.prepare_cached("DELETE FROM job WHERE seq = ?1")?
                .execute([seq])?;
            if let Some(lane) = self.lanes.by_id(*lane) {
                lane.dead(-1);
            }
        }
        let (bytes, file): (i64, Option<String>) = db
            .prepare_cached("DELETE FROM message WHERE position = ?1 RETURNING bytes, file")?
            .query_row([position], |r| Ok((r.get(0)?, r.get(1)?)))?;
        self.loose.extend(file);
        db.prepare_cached(
            "UPDATE topic SET events = events - 1, bytes = bytes - ?2, dropped = dropped + ?3, gone = max(gone, ?4)
             WHERE id = ?1",
        )?
        .execute(params![topic, bytes, dead.len() as i64, position])
        .map(drop)
    }

    pub(super) fn trim(
        &mut self,
        db: &Connection,
        topic: &str,
        before_ms: u64,
        most: usize,
    ) -> rusqlite::Result<usize> {
        let Some(id) = found(db, topic)?.map(|t| t.id) else {
            return Ok(0);
        };
        let old = old(db, id, before_ms, most)?;
        for position in &old {
            self.remove(db, id, *position)?;
        }
        Ok(old.len())
    }
}

/// Some events of before that no job carries any more, the oldest first.
fn old(db: &Connection, topic: i64, before_ms: u64, most: usize) -> rusqlite::Result<Vec<i64>> {
    let mut select = db.prepare_cached(
        "SELECT position FROM message m WHERE topic = ?1 AND open = 0 AND at_ms < ?2
         AND NOT EXISTS (SELECT 1 FROM job WHERE message = m.position) ORDER BY position LIMIT ?3",
    )?;
    let rows = select.query_map(params![topic, signed(before_ms), most as i64], |r| r.get(0))?;
    rows.collect()
}

/// The same event, if it was published since then.
fn same(
    db: &Connection,
    topic: i64,
    digest: &[u8; 16],
    since_ms: u64,
) -> rusqlite::Result<Option<u64>> {
    db.prepare_cached(
        "SELECT position FROM message WHERE topic = ?1 AND digest = ?2 AND at_ms >= ?3 ORDER BY position DESC LIMIT 1",
    )?
    .query_row(params![topic, digest, signed(since_ms)], |r| {
        r.get::<_, i64>(0)
    })
    .optional()
    .map(|p| p.map(|p| p as u64))
}

/// Some events that nobody waits for, the oldest first, with their bytes.
fn idle(db: &Connection, topic: i64, most: usize) -> rusqlite::Result<Vec<(i64, u64)>> {
    let mut select = db.prepare_cached(
        "SELECT position, bytes FROM message WHERE topic = ?1 AND open = 0 ORDER BY position LIMIT ?2",
    )?;
    let rows = select.query_map(params![topic, most as i64], |r| {
        Ok((r.get(0)?, r.get::<_, i64>(1)?.max(0) as u64))
    })?;
    rows.collect()
}

pub(crate) fn acceptable_events(topic: &str, events: &[NewMessage]) -> Result<(), Error> {
    name("name of a topic", topic)?;
    if events.is_empty() || events.len() > MAX_PUBLISHED {
        return Err(Error::Invalid(format!(
            "{} events at once; 1 to {MAX_PUBLISHED} are taken",
            events.len()
        )));
    }
    for e in events {
        limit("the head of an event", e.head.len(), MAX_HEAD)?;
        limit("the payload of an event", e.payload.len(), MAX_PAYLOAD)?;
        if e.jobs.len() > MAX_FAN_OUT {
            let what = format!(
                "an event for {} subscriptions; at most {MAX_FAN_OUT}",
                e.jobs.len()
            );
            return Err(Error::Invalid(what));
        }
        if !e.jobs.is_empty() {
            acceptable(&e.jobs)?;
        }
    }
    Ok(())
}

impl Topics for Embedded {
    fn publish(
        &self,
        topic: &str,
        events: Vec<NewMessage>,
        bounds: TopicBounds,
    ) -> Ack<Vec<Published>> {
        if let Err(e) = acceptable_events(topic, &events) {
            return Ack::ready(Err(e));
        }
        let topic = topic.to_owned();
        self.ask(|reply| {
            QueueAsk::Topic(Ask::Publish {
                topic,
                events,
                bounds,
                reply,
            })
        })
    }

    fn extend(&self, id: JobId, attempt: u32, until_ms: u64) -> Ack<bool> {
        self.ask(|reply| {
            QueueAsk::Topic(Ask::Extend {
                id,
                attempt,
                until_ms,
                reply,
            })
        })
    }

    fn expire(&self, lane: &str, now_ms: u64, most: usize) -> Ack<usize> {
        let (lane, most) = (lane.to_owned(), most.min(MAX_ROWS));
        self.ask(|reply| {
            QueueAsk::Topic(Ask::Expire {
                lane,
                now_ms,
                most,
                reply,
            })
        })
    }

    fn trim(&self, topic: &str, before_ms: u64, most: usize) -> Ack<usize> {
        let (topic, most) = (topic.to_owned(), most.min(MAX_ROWS));
        self.ask(|reply| {
            QueueAsk::Topic(Ask::Trim {
                topic,
                before_ms,
                most,
                reply,
            })
        })
    }

    fn events(&self, topic: &str, after: u64, limit: usize) -> Result<Vec<Message>, Error> {
        self.readers.events(self.path(), topic, after, limit)
    }

    fn topics(&self) -> Result<Vec<Topic>, Error> {
        self.readers.topics()
    }
}

impl Readers {
    fn events(
        &self,
        db_path: &std::path::Path,
        topic: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Message>, Error> {
        let files = super::files::Files::beside(db_path);
        self.with(|db| {
            let mut select = db
                .prepare_cached(
                    "SELECT m.position, m.at_ms, m.head, m.payload, m.file FROM topic t JOIN message m ON m.topic = t.id
                     WHERE t.name = ?1 AND m.position > ?2 ORDER BY m.position LIMIT ?3",
                )
                .map_err(self.sql())?;
            let rows = select
                .query_map(params![topic, signed(after), limit.min(MAX_ROWS) as i64], |r| {
                    let file: Option<String> = r.get(4)?;
                    Ok(Message {
                        position: r.get::<_, i64>(0)? as u64,
                        at_ms: r.get::<_, i64>(1)? as u64,
                        head: r.get(2)?,
                        payload: match file {
                            Some(name) => Payload::File(files.path(&name)),
                            None => Payload::Inline(r.get(3)?),
                        },
                    })
                })
                .map_err(self.sql())?;
            rows.collect::<Result<_, _>>().map_err(self.sql())
        })
    }

    /// Why these would not be taken as things stand; `None`: they would be.
    pub(super) fn refuses(
        &self,
        topic: &str,
        events: &[NewMessage],
        bounds: TopicBounds,
    ) -> Result<Option<Error>, Error> {
        let look = |db: &Connection| -> rusqlite::Result<Option<Error>> {
            let row = found(db, topic)?;
            let (id, held) = row.map_or((0, (0, 0)), |r| (r.id, (r.events, r.bytes)));
            let fresh = fresh(db, id, events, bounds.since_ms)?;
            let mut room = Room {
                name: topic,
                held,
                more: (fresh.events, fresh.bytes),
                bounds,
            };
            if fresh.events == 0 || !room.is_over(held) {
                return Ok(None);
            }
            if !room.is_over((0, 0)) {
                for (_, bytes) in idle(db, id, MOST_GIVE_WAY)? {
                    room.give(bytes);
                    if !room.is_over(room.held) {
                        return Ok(None);
                    }
                }
                room.held = held;
            }
            Ok(Some(room.full()))
        };
        self.with(|db| look(db).map_err(self.sql()))
    }

    /// Whether `trim` would find any.
    pub(super) fn has_old(&self, topic: &str, before_ms: u64) -> Result<bool, Error> {
        let look = |db: &Connection| -> rusqlite::Result<bool> {
            match found(db, topic)? {
                Some(row) => Ok(!old(db, row.id, before_ms, 1)?.is_empty()),
                None => Ok(false),
            }
        };
        self.with(|db| look(db).map_err(self.sql()))
    }

    fn topics(&self) -> Result<Vec<Topic>, Error> {
        self.with(|db| {
            let mut select = db
                .prepare_cached(
                    "SELECT name, events, bytes,
                     coalesce((SELECT position FROM message WHERE topic = t.id ORDER BY position LIMIT 1), 0), last, gone, dropped
                     FROM topic t ORDER BY name",
                )
                .map_err(self.sql())?;
            let rows = select
                .query_map([], |r| {
                    let number = |i| r.get::<_, i64>(i).map(|n| n.max(0) as u64);
                    Ok(Topic {
                        name: r.get(0)?,
                        events: number(1)?,
                        bytes: number(2)?,
                        first: number(3)?,
                        last: number(4)?,
                        gone: number(5)?,
                        dropped: number(6)?,
                    })
                })
                .map_err(self.sql())?;
            rows.collect::<Result<_, _>>().map_err(self.sql())
        })
    }
}
