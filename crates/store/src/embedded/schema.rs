//! The file: its tables, its settings, and the refusal of files that are not ours or too new.

use crate::Error;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// Version of the tables, in `user_version`.
pub const SCHEMA: i64 = 1;
/// `PLIM` in `application_id`: the file is ours.
const APPLICATION: i64 = 0x504c_494d;

const TABLES: &str = "
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

/// The one connection that writes. Creates the tables in an empty file.
pub fn open_writer(path: &Path) -> Result<Connection, Error> {
    let db = Connection::open(path).map_err(|e| io(path, e))?;
    let sql = |e| io(path, e);
    db.busy_timeout(Duration::from_secs(5)).map_err(sql)?;
    // Both must come before the first table; they change nothing in a file that has tables.
    db.execute_batch("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;")
        .map_err(sql)?;
    let empty = known(&db, path)?;
    db.execute_batch(
        "PRAGMA journal_mode=WAL;
         PRAGMA synchronous=FULL;
         PRAGMA wal_autocheckpoint=1000;
         PRAGMA journal_size_limit=67108864;
         PRAGMA cache_size=-65536;
         PRAGMA temp_store=MEMORY;
         PRAGMA foreign_keys=ON;",
    )
    .map_err(sql)?;
    if empty {
        // One transaction: a crash leaves an empty file or a complete one.
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id={APPLICATION}; PRAGMA user_version={SCHEMA}; COMMIT;"
        ))
        .map_err(sql)?;
    }
    Ok(db)
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
    if known(&db, path)? {
        return Err(Error::Foreign {
            path: path.display().to_string(),
            why: "it is empty".into(),
        });
    }
    Ok(db)
}

/// Whether the file is still empty. An error when it is not ours, or newer than this program.
fn known(db: &Connection, path: &Path) -> Result<bool, Error> {
    let number = |pragma: &str| {
        db.pragma_query_value(None, pragma, |r| r.get::<_, i64>(0))
            .map_err(|e| io(path, e))
    };
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))
        .map_err(|e| io(path, e))?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(true);
    }
    if application != APPLICATION {
        return Err(Error::Foreign {
            path: path.display().to_string(),
            why: "it is a database of another program".into(),
        });
    }
    if version > SCHEMA {
        return Err(Error::Newer {
            path: path.display().to_string(),
            found: version,
            known: SCHEMA,
        });
    }
    Ok(false)
}

/// What SQLite says, as one of our errors.
pub fn io(path: &Path, e: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let path = path.display().to_string();
    match e.sqlite_error_code() {
        Some(NotADatabase) => Error::Foreign {
            path,
            why: "its content is not a database".into(),
        },
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
pub fn checksum(stream: &str, version: u64, kind: &str, at_ms: u64, data: &[u8]) -> i64 {
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
    h as i64
}
