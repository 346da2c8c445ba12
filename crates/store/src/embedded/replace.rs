//! Another node's copy of the same log in the place of this one: one transaction, so that readers, and whoever starts after a crash, see the
//! one or the other.

#![cfg_attr(
    not(feature = "nats"),
    allow(dead_code, reason = "other nodes are those of an engine")
)]

use super::Embedded;
use super::copy::{Copy, Reached};
use super::queue::{Jobs, Lanes, is_name, payloads};
use super::schema::{PAGE, io, most_pages, open_reader, open_writer};
use super::writer::{Known, State, Write};
use crate::{Ack, Error};
use rusqlite::backup::{Backup, StepResult};
use std::path::{Path, PathBuf};

/// What came from elsewhere.
pub struct Received {
    pub reached: Reached,
    /// Names of the large payloads of which its jobs and events speak.
    pub payloads: Vec<String>,
}

/// Looks a copy that came from elsewhere through, and brings its tables up to this version.
///
/// # Errors
/// When it is damaged, of a newer version, or not the whole of a copy of the log `source`.
pub fn received(path: &Path, source: u64) -> Result<Received, Error> {
    let sql = |e| io(path, e);
    let db = open_writer(path, u64::MAX)?;
    let first = Embedded::open_read_only(path)?.check()?.into_iter().next();
    if let Some(first) = first {
        return Err(Error::Corrupt {
            path: path.display().to_string(),
            place: "what the other node gave".into(),
            why: first,
        });
    }
    // Whatever the writer reads when it begins: it must not find out once this is in its place.
    let known = Known::read(&db).map_err(sql)?;
    Lanes::read(&db).map_err(sql)?;
    let odd = |what: &str| Error::Invalid(format!("what the other node gave {what}"));
    let copy = known.copy.as_ref().filter(|c| c.source == source);
    let copy = copy.ok_or_else(|| odd("is not a copy of this stream of JetStream"))?;
    if !copy.is_all(known.position) {
        return Err(odd("has events that are not of this stream"));
    }
    let count = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i64>(0));
    let acts = count("SELECT count(*) FROM sqlite_schema WHERE type IN ('trigger', 'view')");
    if acts.map_err(sql)? > 0 {
        return Err(odd("would do something by itself"));
    }
    let mut select = db
        .prepare(
            "SELECT file FROM job WHERE file IS NOT NULL UNION SELECT file FROM message WHERE file IS NOT NULL",
        )
        .map_err(sql)?;
    let names = select.query_map([], |r| r.get(0)).map_err(sql)?;
    let payloads: Vec<String> = names.collect::<rusqlite::Result<_>>().map_err(sql)?;
    match payloads.iter().all(|n| is_name(n)) {
        true => Ok(Received {
            reached: copy.reached,
            payloads,
        }),
        false => Err(odd("names a payload that none can have")),
    }
}

impl Embedded {
    /// Where the large payloads of its jobs and events are.
    pub(crate) fn payloads(&self) -> PathBuf {
        payloads(&self.path)
    }

    /// Bytes that its file can have.
    pub(crate) fn room(&self) -> u64 {
        most_pages(self.most).saturating_mul(PAGE)
    }

    /// Puts what was `received`, with its payloads in their places, in the place of all that is here.
    pub(crate) fn replace(&self, with: PathBuf) -> Ack<()> {
        self.submit(|reply| Write::Replace { with, reply })
    }
}

impl State {
    /// The inner error is an answer and changes nothing; after the outer one nothing more may be written.
    pub(super) fn replace(&mut self, with: &Path) -> Result<Result<(), Error>, Error> {
        let from = match open_reader(with) {
            Ok(from) => from,
            Err(e) => return Ok(Err(e)),
        };
        let copied = self.relax(false).and_then(|()| {
            let backup = Backup::new(&from, &mut self.db)?;
            backup.step(-1)
        });
        match copied {
            Ok(StepResult::Done) => {}
            Ok(_) => return Ok(Err(Error::Busy)),
            Err(e) => return Ok(Err(io(&self.path, e))),
        }
        let stopped = |e: Error| Error::Stopped(e.to_string());
        self.db.flush_prepared_statement_cache();
        let known = Known::read(&self.db).map_err(|e| stopped(io(&self.path, e)))?;
        let last_job = known.copy.as_ref().map(Copy::last_job);
        let jobs = Jobs::open(&self.db, &self.path, self.jobs.most(), last_job);
        self.jobs = jobs.map_err(stopped)?;
        self.known = known;
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::copy::{Command, Entry};
    use crate::{Expect, Log, NewEvent};

    fn entry(seq: u64) -> Entry {
        let event = NewEvent {
            id: String::new(),
            kind: "k".into(),
            at_ms: seq,
            data: vec![seq as u8; 5000],
        };
        let command = Command::Append {
            stream: format!("s{seq}"),
            expect: Expect::Any,
            events: vec![event],
        };
        Entry {
            seq,
            at_ms: seq,
            command,
        }
    }

    /// A copy of log 7 that has applied these.
    fn copy(path: &Path, seqs: std::ops::Range<u64>) -> Embedded {
        let store = Embedded::open(path).unwrap();
        store.begin_copy(7).wait().unwrap();
        store.apply(seqs.map(entry).collect()).wait().unwrap();
        store
    }

    #[test]
    fn another_copy_takes_its_place_as_a_whole_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let [far, given, behind] = ["far", "given", "behind"].map(|n| dir.path().join(n));
        let ahead = copy(&far, 1..40);
        crate::embedded::copy(&far, &given).unwrap();
        let here = copy(&behind, 1..3);
        assert_eq!(here.read_all(0, 99).unwrap().len(), 2);
        let other = received(&given, 8).err().unwrap().to_string();
        assert!(other.contains("not a copy of this stream"), "{other}");
        let received = received(&given, 7).unwrap();
        assert_eq!((received.reached.seq, received.payloads.len()), (39, 0));
        here.replace(given).wait().unwrap();
        assert_eq!(
            here.read_all(0, 99).unwrap(),
            ahead.read_all(0, 99).unwrap()
        );
        for store in [&ahead, &here] {
            // What it has is not applied again.
            store.apply(vec![entry(39), entry(40)]).wait().unwrap();
        }
        assert_eq!(
            here.read_all(0, 99).unwrap(),
            ahead.read_all(0, 99).unwrap()
        );
        drop(here);
        let again = Embedded::open(&behind).unwrap();
        assert_eq!(again.begin_copy(7).wait().unwrap().seq, 40);
        assert_eq!(again.check().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_whole_or_not_a_copy_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let here = copy(&path("here"), 1..3);
        drop(copy(&path("cut"), 1..40));
        let bytes = std::fs::read(path("cut")).unwrap();
        std::fs::write(path("cut"), &bytes[..bytes.len() / 2]).unwrap();
        assert!(received(&path("cut"), 7).is_err());
        drop(Embedded::open(path("own")).unwrap());
        assert!(received(&path("own"), 7).is_err());
        std::fs::write(path("text"), "not a database").unwrap();
        assert!(received(&path("text"), 7).is_err());
        assert!(here.replace(path("nowhere")).wait().is_err());
        assert_eq!(here.read_all(0, 99).unwrap().len(), 2);
        here.apply(vec![entry(3)]).wait().unwrap();
        assert_eq!(here.read_all(0, 99).unwrap().len(), 3);
    }
}
