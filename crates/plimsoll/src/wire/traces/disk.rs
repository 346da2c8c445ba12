//! Traces in a store of their own, two rows for each: what a list tells, and all of it. So many bytes of them are written in a
//! second, and what is more gives way, and is counted. While the file fails they are lost, and
//! counted; it is tried again.

use super::Kept;
use crate::wire::past::{aside, is_whole};
use ::traces::row::{LIST, OLD, Place, key_of, keys, place, place_of, takes};
use ::traces::{Packer, Unpacker, pace};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Embedded, Error, Kv, MAX_VALUE, Precondition, Put, entries};

/// A failing file is tried again after this.
const AGAIN: Duration = Duration::from_secs(30);
/// Of traces that are known to be stored; the oldest go first.
const TRACES: usize = 200_000;
/// Deleted in one turn at most, beside as many as were written: a smaller `traces.size` is reached in steps.
const PACE: usize = 2000;
/// Writes that wait for the disk at once: fewer than the store's queue holds.
const AT_ONCE: usize = 1000;
/// The file has room for what is written before the oldest is deleted.
const ROOM: u64 = 2;

pub struct Disk {
    file: PathBuf,
    size: u64,
    /// Bytes that are written in a second.
    rate: u64,
    pace: pace::Pace,
    kept: Arc<Kept>,
    failed: Option<Instant>,
    /// What is stored, and how much each takes; known once the file has been read.
    index: BTreeMap<Place, u32>,
    bytes: u64,
    is_read: bool,
}

impl Disk {
    /// The file is opened now, so that it can be asked, and looked through at the first turn.
    pub fn new(file: PathBuf, size: u64, rate: u64, kept: Arc<Kept>) -> Disk {
        let mut disk = Disk {
            file,
            size,
            rate,
            pace: pace::Pace::default(),
            kept,
            failed: None,
            index: BTreeMap::new(),
            bytes: 0,
            is_read: false,
        };
        disk.open();
        disk
    }

    pub fn bound(&mut self, size: u64, rate: u64) {
        self.rate = rate;
        let is_larger = size > self.size;
        // At 0 nothing more is written, and what is there goes.
        self.size = size;
        if is_larger {
            // The file has a bound of its own.
            *self.kept.store() = None;
            self.open();
        }
    }

    fn open(&mut self) {
        match Embedded::open_within(&self.file, self.size.saturating_mul(ROOM)) {
            Ok(store) if self.failed.is_some() && !is_whole(&store) => {
                drop(store);
                self.begin("it is damaged");
            }
            Ok(store) => self.opened(store),
            Err(e @ (Error::Corrupt { .. } | Error::Foreign { .. })) => self.begin(&e.to_string()),
            Err(e) => self.fail(&e),
        }
    }

    fn opened(&mut self, store: Embedded) {
        *self.kept.store() = Some(store);
        self.kept.say(None);
    }

    /// With a new file; the old one is put aside.
    fn begin(&mut self, why: &str) {
        *self.kept.store() = None;
        aside(&self.file, "the file of traces", why);
        self.forget_all();
        self.known();
        match Embedded::open_within(&self.file, self.size.saturating_mul(ROOM)) {
            Ok(store) => self.opened(store),
            Err(e) => self.fail(&e),
        }
    }

    fn fail(&mut self, e: &Error) {
        *self.kept.store() = None;
        self.failed = Some(Instant::now());
        self.kept.say(Some(format!(
            "no traces are kept: {} cannot be written: {e}; make room there, or set `traces: {{ size: 0 }}`; it is tried again every {} s",
            self.file.display(),
            AGAIN.as_secs()
        )));
    }

    /// Nobody has the file open after this.
    pub fn close(&mut self) {
        *self.kept.store() = None;
    }

    /// What the file holds.
    fn read(&mut self, now_ms: u64) -> Result<(), Error> {
        let kept = self.kept.clone();
        let reading = kept.reading();
        let Some(store) = &*reading else {
            return Ok(());
        };
        let mut failed = None;
        self.forget_all();
        for entry in entries(store, LIST, now_ms, &mut failed) {
            if let (Some(place), Some(size)) = (place_of(&entry.key), takes(&entry.value)) {
                self.index.insert(place, size);
                kept.places().put(place);
                self.bytes += u64::from(size);
            }
        }
        drop(reading);
        self.known();
        failed.map_or(Ok(()), Err)
    }

    fn known(&mut self) {
        self.is_read = true;
        self.kept.places().is_known = true;
    }

    fn forget_all(&mut self) {
        self.index.clear();
        self.kept.places().clear();
        self.bytes = 0;
    }

    /// Whether the file is of a version that had another order of rows.
    fn is_old(&self, now_ms: u64) -> Result<bool, Error> {
        match &*self.kept.reading() {
            Some(store) => Ok(!store.scan(OLD, None, 1, now_ms)?.is_empty()),
            None => Ok(false),
        }
    }

    pub fn write(&mut self, due: Vec<::traces::Due>, now_ms: u64) {
        if self.kept.reading().is_none() && self.failed.is_none_or(|at| at.elapsed() >= AGAIN) {
            self.open();
        }
        let done = self.written(due, now_ms);
        match done {
            Ok(()) => self.failed = None,
            Err(e @ Error::Corrupt { .. }) => self.begin(&e.to_string()),
            Err(e) => self.fail(&e),
        }
        self.kept.stand(self.index.len(), self.bytes, self.size);
    }

    fn written(&mut self, due: Vec<::traces::Due>, now_ms: u64) -> Result<(), Error> {
        if self.kept.reading().is_none() {
            self.kept.lose(due.len() as u64);
            return Ok(());
        }
        if !self.is_read && self.is_old(now_ms)? {
            self.begin("its traces stand in an order that is no longer used");
        }
        if !self.is_read {
            self.read(now_ms)?;
        }
        let number = due.len();
        let kept = self.kept.clone();
        let store = kept.reading();
        let Some(store) = &*store else { return Ok(()) };
        let mut acks: Vec<Ack> = Vec::new();
        let mut due = if self.size > 0 { due } else { Vec::new() };
        pace::sort(&mut due, |id| kept.places().of(id).is_some());
        self.pace.fill(self.rate, now_ms);
        let none = |e| Error::Stopped(format!("no memory to pack traces: {e}"));
        let mut packer = Packer::new().map_err(none)?;
        let mut unpacker = Unpacker::new().map_err(none)?;
        for mut d in due {
            settle(&mut acks, AT_ONCE)?;
            let before = kept.places().of(d.trace.id);
            if d.first
                && let Some(before) = before
                && let Some(old) = store.get(&key_of(before), now_ms)?
                && let Some(old) = unpacker.trace(&old.value)
            {
                // What comes later is written with it as well.
                kept.hold().join(d.trace.id, &old);
                d.trace.join(old);
            }
            let rows = packer.rows(&d.trace);
            let Some(rows) = rows.filter(|r| r.all.len() <= MAX_VALUE) else {
                kept.lose(1);
                continue;
            };
            if !self.pace.take(rows.takes) {
                kept.drop_one(&d.trace.head.why);
                continue;
            }
            let (place, size) = (place(&d.trace), rows.takes);
            if let Some(before) = before.filter(|b| *b != place) {
                self.forget(before);
                acks.extend(keys(before).map(|key| delete(store, &key, now_ms)));
            }
            self.forget(place);
            self.index.insert(place, size as u32);
            kept.places().put(place);
            self.bytes += size;
            // The list first: a row of it without its trace is only unknown, and never the other way round.
            for (key, value) in keys(place).into_iter().zip([rows.list, rows.all]) {
                let put = store.put(Put::new(key, value), now_ms);
                acks.push(Box::new(move || put.wait().map(drop)));
            }
        }
        self.delete_oldest(store, number + PACE, now_ms, &mut acks)?;
        settle(&mut acks, 0)
    }

    fn forget(&mut self, place: Place) {
        if let Some(size) = self.index.remove(&place) {
            self.kept.places().remove(place);
            self.bytes -= u64::from(size);
        }
    }

    fn delete_oldest(
        &mut self,
        store: &Embedded,
        most: usize,
        now_ms: u64,
        acks: &mut Vec<Ack>,
    ) -> Result<(), Error> {
        for _ in 0..most {
            if self.bytes <= self.size && self.index.len() <= TRACES {
                break;
            }
            let Some((place, size)) = self.index.pop_last() else {
                break;
            };
            self.bytes -= u64::from(size);
            self.kept.places().remove(place);
            let [list, all] = keys(place);
            acks.push(delete(store, &all, now_ms));
            acks.push(delete(store, &list, now_ms));
            settle(acks, AT_ONCE)?;
        }
        Ok(())
    }
}

/// Waits until they are done, when they are more than `most`.
fn settle(acks: &mut Vec<Ack>, most: usize) -> Result<(), Error> {
    match acks.len() > most {
        true => acks.drain(..).try_for_each(|ack| ack()),
        false => Ok(()),
    }
}

type Ack = Box<dyn FnOnce() -> Result<(), Error>>;

fn delete(store: &Embedded, key: &str, now_ms: u64) -> Ack {
    let deleted = store.delete(key, Precondition::Any, now_ms);
    Box::new(move || deleted.wait().map(drop))
}
