//! Another node's copy of the same log in the place of this one: one transaction, so that readers, and whoever starts after a crash, see the
//! one or the other.

#![cfg_attr(
    not(feature = "nats"),
    allow(dead_code, reason = "other nodes are those of an engine")
)]

use super::Embedded;
use super::copy::Copy;
use super::queue::{Jobs, is_name, payloads};
use super::schema::{io, open_reader, open_writer};
use super::writer::{Known, State, Write};
use crate::{Ack, Error};
use rusqlite::backup::{Backup, StepResult};
use std::path::{Path, PathBuf};

/// Looks a copy that came from elsewhere through, and brings its tables up to this version: the names of the large payloads of which its jobs and
/// events speak.
///
/// # Errors
/// When it is damaged, of a newer version, or no copy of the log `source`.
pub fn received(path: &Path, source: u64) -> Result<Vec<String>, Error> {
    let sql = |e| io(path, e);
    // Also where nothing is missing: it is closed with all in the one file.
    let db = open_writer(path, u64::MAX)?;
    let of = Copy::read(&db).map_err(sql)?;
    if of.is_none_or(|copy| copy.source != source) {
        return Err(Error::Invalid(
            "what the other node gave is not a copy of this stream of JetStream".into(),
        ));
    }
    if let Some(first) = Embedded::open_read_only(path)?.check()?.into_iter().next() {
        return Err(Error::Corrupt {
            path: path.display().to_string(),
            place: "what the other node gave".into(),
            why: first,
        });
    }
    let mut select = db
        .prepare(
            "SELECT file FROM job WHERE file IS NOT NULL UNION SELECT file FROM message WHERE file IS NOT NULL",
        )
        .map_err(sql)?;
    let names = select.query_map([], |r| r.get(0)).map_err(sql)?;
    let names: Vec<String> = names.collect::<rusqlite::Result<_>>().map_err(sql)?;
    match names.iter().find(|n| !is_name(n)) {
        None => Ok(names),
        Some(odd) => Err(Error::Invalid(format!(
            "what the other node gave names a payload {odd:?}"
        ))),
    }
}

impl Embedded {
    /// Where the large payloads of its jobs and events are.
    pub(crate) fn payloads(&self) -> PathBuf {
        payloads(&self.path)
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
        let size = std::fs::metadata(with).map_or(0, |m| m.len());
        if size > self.jobs.most() {
            return Ok(Err(Error::Full {
                what: "the file of the copy".into(),
                holds: format!("{size} bytes at the other node"),
                limit: format!("{} bytes here", self.jobs.most()),
            }));
        }
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
