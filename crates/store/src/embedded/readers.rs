//! Reading: a few connections of its own, lent to one caller each; every read is one short transaction.

use super::schema::{checksum, io, open_reader};
use crate::{Ends, Entry, Error, Etag, MAX_READ, MAX_ROWS, Names, Record};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Connections kept open; more are opened when needed and closed after use.
const KEEP: usize = 4;
/// Between one interruption and the next.
const AGAIN: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub fn new(path: &Path) -> Result<Readers, Error> {
        let first = open_reader(path)?;
        Ok(Readers {
            path: path.to_path_buf(),
            idle: Mutex::new(vec![first]),
        })
    }

    pub(super) fn with<T>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let db = match idle {
            Some(db) => db,
            None => open_reader(&self.path)?,
        };
        let result = f(&db);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEEP {
            idle.push(db);
        }
        result
    }

    pub fn close(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.clear();
    }

    pub(super) fn sql(&self) -> impl Fn(rusqlite::Error) -> Error + '_ {
        |e| io(&self.path, e)
    }

    pub fn read(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.records(
            "SELECT e.position, s.name, e.version, e.kind, e.at_ms, e.data, e.checksum, e.id
             FROM stream s JOIN event e ON e.stream = s.id
             WHERE s.name = ?1 AND e.version >= ?2 ORDER BY e.version LIMIT ?3",
            params![stream, signed(from), limit.min(MAX_ROWS) as i64],
        )
    }

    pub fn read_back(&self, stream: &str, from: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.records(
            "SELECT e.position, s.name, e.version, e.kind, e.at_ms, e.data, e.checksum, e.id
             FROM stream s JOIN event e ON e.stream = s.id
             WHERE s.name = ?1 AND e.version <= ?2 ORDER BY e.version DESC LIMIT ?3",
            params![stream, signed(from), limit.min(MAX_ROWS) as i64],
        )
    }

    /// Goes by positions, so that the work is bounded by how far apart they are.
    pub fn read_some(
        &self,
        names: Names<'_>,
        after: u64,
        until: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        // The smallest name that fits, and the smallest above all that do.
        let (least, end) = match names {
            Names::All => ("", None),
            Names::Begin(prefix) => (prefix, successor(prefix)),
            Names::Is(name) => (name, Some(format!("{name}\0"))),
        };
        self.records(
            "SELECT e.position, s.name, e.version, e.kind, e.at_ms, e.data, e.checksum, e.id
             FROM event e CROSS JOIN stream s ON s.id = e.stream
             WHERE e.position > ?1 AND e.position <= ?2 AND s.name >= ?3 AND (?4 IS NULL OR s.name < ?4)
             ORDER BY e.position LIMIT ?5",
            params![
                signed(after),
                signed(until),
                least,
                end,
                limit.min(MAX_ROWS) as i64
            ],
        )
    }

    pub fn ends(&self) -> Result<Ends, Error> {
        self.with(|db| {
            let both = "SELECT (SELECT value FROM counter WHERE name = 'trimmed'),
                               (SELECT coalesce(max(position), 0) FROM event)";
            let (gone, last): (i64, i64) = db
                .prepare_cached(both)
                .and_then(|mut s| s.query_row([], |r| Ok((r.get(0)?, r.get(1)?))))
                .map_err(self.sql())?;
            Ok(Ends {
                gone: gone as u64,
                last: last.max(gone) as u64,
            })
        })
    }

    pub fn streams(&self, after: &str, limit: usize) -> Result<Vec<(String, u64)>, Error> {
        self.with(|db| {
            let mut select = db
                .prepare_cached(
                    "SELECT name, version FROM stream WHERE name > ?1 ORDER BY name LIMIT ?2",
                )
                .map_err(self.sql())?;
            let rows = select
                .query_map(params![after, limit.min(MAX_ROWS) as i64], |r| {
                    Ok((r.get(0)?, r.get::<_, i64>(1)? as u64))
                })
                .map_err(self.sql())?;
            rows.collect::<Result<_, _>>().map_err(self.sql())
        })
    }

    pub fn read_all(&self, after: u64, limit: usize) -> Result<Vec<Record>, Error> {
        self.records(
            "SELECT e.position, s.name, e.version, e.kind, e.at_ms, e.data, e.checksum, e.id
             FROM event e JOIN stream s ON s.id = e.stream
             WHERE e.position > ?1 ORDER BY e.position LIMIT ?2",
            params![signed(after), limit.min(MAX_ROWS) as i64],
        )
    }

    fn records(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Record>, Error> {
        self.with(|db| {
            let mut select = db.prepare_cached(sql).map_err(self.sql())?;
            let rows = select
                .query_map(params, |r| {
                    Ok((
                        record(r)?,
                        r.get::<_, i64>(6)?,
                        r.get::<_, Option<String>>(7)?,
                    ))
                })
                .map_err(self.sql())?;
            let (mut read, mut bytes) = (Vec::new(), 0);
            for row in rows {
                let (r, sum, id) = row.map_err(self.sql())?;
                let id = id.as_deref().unwrap_or("");
                if checksum(&r.stream, r.version, id, &r.kind, r.at_ms, &r.data) != sum {
                    return Err(Error::Corrupt {
                        path: self.path.display().to_string(),
                        place: format!(
                            "event {} of stream `{}` (position {})",
                            r.version, r.stream, r.position
                        ),
                        why: "its checksum does not match".into(),
                    });
                }
                bytes += r.data.len();
                read.push(r);
                if bytes >= MAX_READ {
                    break;
                }
            }
            Ok(read)
        })
    }

    pub fn version(&self, stream: &str) -> Result<u64, Error> {
        self.with(|db| {
            let v: Option<i64> = db
                .prepare_cached("SELECT version FROM stream WHERE name = ?1")
                .and_then(|mut s| s.query_row([stream], |r| r.get(0)).optional())
                .map_err(self.sql())?;
            Ok(v.unwrap_or(0) as u64)
        })
    }

    pub fn get(&self, key: &str, now_ms: u64) -> Result<Option<Entry>, Error> {
        self.with(|db| {
            db.prepare_cached(
                "SELECT key, value, etag, expires_ms FROM kv
                 WHERE key = ?1 AND (expires_ms IS NULL OR expires_ms > ?2)",
            )
            .and_then(|mut s| s.query_row(params![key, signed(now_ms)], entry).optional())
            .map_err(self.sql())
        })
    }

    pub fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now_ms: u64,
    ) -> Result<Vec<Entry>, Error> {
        // The smallest text above every key with the prefix; `None`: no upper end.
        let end = successor(prefix);
        self.with(|db| {
            let mut select = db
                .prepare_cached(
                    "SELECT key, value, etag, expires_ms FROM kv
                     WHERE key >= ?1 AND key > ?2 AND (?3 IS NULL OR key < ?3)
                       AND (expires_ms IS NULL OR expires_ms > ?4)
                     ORDER BY key LIMIT ?5",
                )
                .map_err(self.sql())?;
            let rows = select
                .query_map(
                    params![
                        prefix,
                        after.unwrap_or(""),
                        end,
                        signed(now_ms),
                        limit.min(MAX_ROWS) as i64
                    ],
                    entry,
                )
                .map_err(self.sql())?;
            rows.collect::<Result<_, _>>().map_err(self.sql())
        })
    }

    pub fn count(&self, prefix: &str, now_ms: u64) -> Result<u64, Error> {
        let end = successor(prefix);
        self.with(|db| {
            db.prepare_cached(
                "SELECT count(*) FROM kv WHERE key >= ?1 AND (?2 IS NULL OR key < ?2)
                   AND (expires_ms IS NULL OR expires_ms > ?3)",
            )
            .and_then(|mut s| {
                s.query_row(params![prefix, end, signed(now_ms)], |r| r.get::<_, i64>(0))
            })
            .map(|n| n as u64)
            .map_err(self.sql())
        })
    }

    /// What is found, and whether all was looked at: not when `within` is over before.
    pub fn check(&self, within: Option<Duration>) -> Result<(Vec<String>, bool), Error> {
        let until = within.map(|within| Instant::now() + within);
        let quick = |db: &Connection| -> rusqlite::Result<Vec<String>> {
            let mut check = db.prepare("PRAGMA quick_check(100)")?;
            let rows = check.query_map([], |r| r.get(0))?;
            rows.collect()
        };
        let looked = self.with(|db| {
            let looked = match within {
                None => quick(db),
                Some(within) => interrupted(db, within, || quick(db)),
            };
            match looked {
                Err(e) if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                    Ok(None)
                }
                looked => looked.map(Some).map_err(self.sql()),
            }
        })?;
        let Some(mut found) = looked else {
            return Ok((Vec::new(), false));
        };
        found.retain(|line| line != "ok");
        let mut after = self.ends()?.gone;
        while found.is_empty() {
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok((found, false));
            }
            match self.read_all(after, 1000) {
                Ok(page) => {
                    for r in &page {
                        if r.position != after + 1 {
                            found.push(format!("position {} is missing", after + 1));
                        }
                        after = r.position;
                    }
                    if page.is_empty() {
                        break;
                    }
                }
                Err(e @ Error::Corrupt { .. }) => found.push(e.to_string()),
                Err(e) => return Err(e),
            }
        }
        Ok((found, true))
    }
}

/// Has what runs on the connection end once the time is over. Again and again: an interruption before it has begun is none.
fn interrupted<T>(db: &Connection, within: Duration, run: impl FnOnce() -> T) -> T {
    let handle = db.get_interrupt_handle();
    let (done, ended) = sync_channel::<()>(0);
    std::thread::scope(|s| {
        s.spawn(move || {
            let mut wait = within;
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
                wait = AGAIN;
            }
        });
        let out = run();
        drop(done);
        out
    })
}

fn signed(n: u64) -> i64 {
    n.min(i64::MAX as u64) as i64
}

fn record(r: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        position: r.get::<_, i64>(0)? as u64,
        stream: r.get(1)?,
        version: r.get::<_, i64>(2)? as u64,
        kind: r.get(3)?,
        at_ms: r.get::<_, i64>(4)? as u64,
        data: r.get(5)?,
    })
}

fn entry(r: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        key: r.get(0)?,
        value: r.get(1)?,
        etag: Etag(r.get::<_, i64>(2)? as u64),
        expires_ms: r.get::<_, Option<i64>>(3)?.map(|t| t as u64),
    })
}

/// The smallest text greater than every text that starts with `prefix`.
pub(crate) fn successor(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // Skips the surrogates, which are no characters.
        let next = (last as u32 + 1..=char::MAX as u32).find_map(char::from_u32);
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::successor;

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(successor("ab").as_deref(), Some("ac"));
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(successor(""), None);
    }
}
