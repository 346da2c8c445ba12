//! The file: its tables, its settings, and the refusal of files that are not ours or too new.

use crate::Error;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// Version of the tables, in `user_version`.
pub const SCHEMA: i64 = 5;
/// `PLIM` in `application_id`: the file is ours.
const APPLICATION: i64 = 0x504c_494d;

pub const PAGE: u64 = 4096;
/// Pages that are there for what is no new job, and an eighth of the file.
const RESERVE: u64 = 256;
/// As many as SQLite can count.
const MAX_PAGES: u64 = 4_294_967_294;

/// What each version added, oldest first.
const STEPS: [&str; SCHEMA as usize] = [
    STREAMS_AND_KEYS,
    JOBS,
    EVENT_IDS,
    TOPICS,
    BLOCKS_AND_WEIGHTS,
];

const STREAMS_AND_KEYS: &str = "
CREATE TABLE stream(
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL
) STRICT;
CREATE TABLE event(
    position INTEGER PRIMARY KEY,
    stream   INTEGER NOT NULL REFERENCES stream(id),
    version  INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    data     BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    UNIQUE(stream, version)
) STRICT;
CREATE TABLE kv(
    key        TEXT PRIMARY KEY,
    value      BLOB NOT NULL,
    etag       INTEGER NOT NULL,
    expires_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX kv_expiry ON kv(expires_ms) WHERE expires_ms IS NOT NULL;
CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES ('etag', 0);
";

/// `state`: 0 waiting, 1 leased, 2 behind, 3 done, 4 dead, 5 cancelled. What changes most is indexed least: a job that
/// is accepted goes to the end of its table and of `job_state`.
const JOBS: &str = "
CREATE TABLE lane(
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    waiting INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    dead    INTEGER NOT NULL
) STRICT;
CREATE TABLE job(
    seq         INTEGER PRIMARY KEY,
    secret      BLOB NOT NULL,
    lane        INTEGER NOT NULL,
    tenant      TEXT NOT NULL,
    key         TEXT,
    state       INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    enqueued_ms INTEGER NOT NULL,
    due_ms      INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,
    ended_ms    INTEGER,
    bytes       INTEGER NOT NULL,
    title       TEXT NOT NULL,
    reason      TEXT NOT NULL DEFAULT '',
    head        BLOB NOT NULL,
    payload     BLOB NOT NULL,
    file        TEXT,
    result      BLOB
) STRICT;
CREATE INDEX job_state ON job(lane, state, seq);
CREATE INDEX job_due ON job(lane, tenant, due_ms, seq) WHERE state <= 1;
CREATE INDEX job_key ON job(lane, key, seq) WHERE key IS NOT NULL AND state <= 2;
CREATE INDEX job_ended ON job(state, ended_ms) WHERE ended_ms IS NOT NULL;
CREATE INDEX job_file ON job(file) WHERE file IS NOT NULL;
";

/// `open`: jobs that carry the message and have not ended. Positions are never given twice, hence AUTOINCREMENT.
const TOPICS: &str = "
CREATE TABLE topic(
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    events  INTEGER NOT NULL DEFAULT 0,
    bytes   INTEGER NOT NULL DEFAULT 0,
    last    INTEGER NOT NULL DEFAULT 0,
    gone    INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE message(
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    topic    INTEGER NOT NULL,
    digest   BLOB NOT NULL,
    at_ms    INTEGER NOT NULL,
    open     INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    head     BLOB NOT NULL,
    payload  BLOB NOT NULL,
    file     TEXT
) STRICT;
CREATE INDEX message_topic ON message(topic, position);
CREATE INDEX message_digest ON message(topic, digest);
CREATE INDEX message_idle ON message(topic, position) WHERE open = 0;
CREATE INDEX message_file ON message(file) WHERE file IS NOT NULL;
ALTER TABLE job ADD COLUMN message INTEGER;
CREATE INDEX job_message ON job(message) WHERE message IS NOT NULL;
";

/// `blocks`: dead after an attempt, a job holds up those of its key. `weight`: of its tenant.
const BLOCKS_AND_WEIGHTS: &str = "
ALTER TABLE job ADD COLUMN blocks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN weight INTEGER NOT NULL DEFAULT 1;
CREATE INDEX job_blocks ON job(lane, key, seq) WHERE key IS NOT NULL AND state = 4 AND blocks = 1 AND attempts > 0;
";

/// `trimmed`: the last position that was let go.
const EVENT_IDS: &str = "
ALTER TABLE event ADD COLUMN id TEXT;
CREATE UNIQUE INDEX event_id ON event(stream, id) WHERE id IS NOT NULL;
INSERT INTO counter VALUES ('trimmed', 0);
";

/// The one connection that writes. Creates the tables in an empty file.
pub fn open_writer(path: &Path, bytes: u64) -> Result<Connection, Error> {
    let db = Connection::open(path).map_err(|e| io(path, e))?;
    let sql = |e| io(path, e);
    db.busy_timeout(Duration::from_secs(5)).map_err(sql)?;
    // Both must come before the first table; they change nothing in a file that has tables.
    db.execute_batch(&format!(
        "PRAGMA page_size={PAGE}; PRAGMA auto_vacuum=INCREMENTAL;"
    ))
    .map_err(sql)?;
    let version = known(&db, path)?;
    let pages = most_pages(bytes);
    // A small file needs no large cache.
    let cache_kib = (bytes / 1024 / 16).clamp(1024, 65_536);
    db.execute_batch(&format!(
        "PRAGMA max_page_count={pages};
         PRAGMA journal_mode=WAL;
         PRAGMA synchronous=FULL;
         PRAGMA wal_autocheckpoint=1000;
         PRAGMA journal_size_limit=67108864;
         PRAGMA cache_size=-{cache_kib};
         PRAGMA temp_store=MEMORY;
         PRAGMA foreign_keys=ON;"
    ))
    .map_err(sql)?;
    if version < SCHEMA {
        let missing = STEPS[version as usize..].concat();
        // One transaction: a crash leaves the file as it was or a complete one.
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {missing} PRAGMA application_id={APPLICATION}; PRAGMA user_version={SCHEMA}; COMMIT;"
        ))
        .map_err(sql)?;
    }
    Ok(db)
}

/// Pages of a file that takes no new jobs at so many bytes.
pub fn most_pages(bytes: u64) -> u64 {
    (bytes / PAGE)
        .saturating_add(bytes / PAGE / 8 + RESERVE)
        .min(MAX_PAGES)
}

/// Bytes of the file that hold something.
pub fn used(db: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma: &str| {
        db.prepare_cached(pragma)?
            .query_row([], |r| r.get::<_, i64>(0))
    };
    let used = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
    Ok(used.max(0) as u64 * PAGE)
}

/// Bytes that are free on the file system of a folder; `None`: it does not say.
pub fn free(dir: &Path) -> Option<u64> {
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let said = rustix::fs::statvfs(dir).ok().filter(|s| s.f_blocks > 0)?;
    Some(said.f_bavail.saturating_mul(said.f_frsize))
}

/// A connection for reading. The file must exist.
pub fn open_reader(path: &Path) -> Result<Connection, Error> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|e| io(path, e))?;
    db.busy_timeout(Duration::from_secs(5))
        .map_err(|e| io(path, e))?;
    if known(&db, path)? == 0 {
        return Err(Error::Foreign {
            path: path.display().to_string(),
            why: "it is empty".into(),
        });
    }
    Ok(db)
}

/// The version of its tables; 0: it is still empty. An error when it is not ours, or newer than this program.
fn known(db: &Connection, path: &Path) -> Result<i64, Error> {
    let number = |pragma: &str| {
        db.pragma_query_value(None, pragma, |r| r.get::<_, i64>(0))
            .map_err(|e| io(path, e))
    };
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))
        .map_err(|e| io(path, e))?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION {
        return Err(Error::Foreign {
            path: path.display().to_string(),
            why: "it is a database of another program".into(),
        });
    }
    if !(1..=SCHEMA).contains(&version) {
        return Err(Error::Newer {
            path: path.display().to_string(),
            found: version,
            known: SCHEMA,
        });
    }
    Ok(version)
}

/// What SQLite says, as one of our errors.
pub fn io(path: &Path, e: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
    let path = path.display().to_string();
    match e.sqlite_error_code() {
        Some(NotADatabase) => Error::Foreign {
            path,
            why: "its content is not a database".into(),
        },
        Some(DiskFull) => Error::DiskFull { path },
        Some(DatabaseCorrupt) => Error::Corrupt {
            path,
            place: "somewhere".into(),
            why: e.to_string(),
        },
        _ => Error::Io {
            path,
            why: e.to_string(),
        },
    }
}

/// FNV-1a of everything an event says: finds damage that SQLite, which has no checksums, would not see.
pub fn checksum(stream: &str, version: u64, id: &str, kind: &str, at_ms: u64, data: &[u8]) -> i64 {
    let mut h: u64 = 0xcbf2_9ce4_8422_2325;
    let mut eat = |bytes: &[u8]| {
        for &b in bytes {
            h = (h ^ b as u64).wrapping_mul(0x0000_0100_0000_01b3);
        }
        h = (h ^ 0xff).wrapping_mul(0x0000_0100_0000_01b3);
    };
    eat(stream.as_bytes());
    eat(&version.to_le_bytes());
    eat(kind.as_bytes());
    eat(&at_ms.to_le_bytes());
    eat(data);
    // As those have it that were written before there were ids.
    if !id.is_empty() {
        eat(id.as_bytes());
    }
    h as i64
}
