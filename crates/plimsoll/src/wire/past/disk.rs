//! Rows in a store of their own, so that neither a full disk nor a damaged file reaches the ledger. While it fails, rows
//! wait in memory, and the file is tried again.

use ::past::row::{KINDS, NAMES, NAMES_PREFIX, key};
use ::past::{Oldest, Past, Row, Series};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::{Embedded, Error, Kv, Precondition, Put, entries};

/// Rows that wait for the disk at most: an hour's; the oldest are not stored.
const MAX_WAITING: usize = 400;
/// A failing file is tried again after this.
const AGAIN: Duration = Duration::from_secs(30);
/// Old rows that are deleted for each new one: a clock that is wrong for a while cannot delete much.
const PACE: usize = 4;
/// The file may become somewhat larger than the memory, bytes.
const ROOM: u64 = 4;

/// Of [`KINDS`], fine slots.
const FINE: usize = 2;

pub struct Disk {
    file: PathBuf,
    bytes: u64,
    store: Option<Embedded>,
    /// When it failed.
    failed: Option<Instant>,
    wrong: Option<String>,
    /// What the file holds is not known: it could not be opened until now.
    unread: bool,
    /// Values of names, and rows, that wait.
    waiting: VecDeque<(String, Vec<u8>)>,
    /// Series whose names are stored or wait.
    names: usize,
    /// Slots that are stored, by kind.
    slots: [VecDeque<u64>; 3],
}

impl Disk {
    pub fn new(file: PathBuf, bytes: u64) -> Disk {
        let mut disk = Disk {
            file,
            bytes: bytes.saturating_mul(ROOM),
            store: None,
            failed: None,
            wrong: None,
            unread: true,
            waiting: VecDeque::new(),
            names: 0,
            slots: Default::default(),
        };
        disk.open();
        disk
    }

    /// Why nothing is stored now.
    pub fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    fn open(&mut self) {
        match Embedded::open_within(&self.file, self.bytes) {
            // Why it failed before is not told: it is looked through.
            Ok(store) if self.failed.is_some() && !is_whole(&store) => {
                drop(store);
                self.begin("it is damaged");
            }
            Ok(store) => (self.store, self.wrong) = (Some(store), None),
            Err(e @ (Error::Corrupt { .. } | Error::Foreign { .. })) => self.begin(&e.to_string()),
            Err(e) => self.fail(&e),
        }
    }

    /// With a new file; the old one is put aside.
    fn begin(&mut self, why: &str) {
        self.store = None;
        aside(&self.file, "the history", why);
        (self.names, self.slots, self.unread) = (0, Default::default(), false);
        match Embedded::open_within(&self.file, self.bytes) {
            Ok(store) => (self.store, self.wrong) = (Some(store), None),
            Err(e) => self.fail(&e),
        }
    }

    fn fail(&mut self, e: &Error) {
        self.store = None;
        self.failed = Some(Instant::now());
        self.wrong = Some(format!(
            "the history is in memory only: {} cannot be written: {e}; make room there, or name another file with \
             `history: {{ path: … }}`; it is tried again every {} s",
            self.file.display(),
            AGAIN.as_secs()
        ));
    }

    /// Everything that is stored, into an empty past. From a damaged file, as much as can be read.
    pub fn read(&mut self, past: &mut Past, now_ms: u64) {
        (self.names, self.slots) = (0, Default::default());
        let Some(store) = &self.store else { return };
        self.unread = false;
        let mut failed = None;
        let mut names = Vec::new();
        let mut whole = true;
        for entry in entries(store, NAMES_PREFIX, 0, &mut failed) {
            match serde_json::from_slice::<Vec<Series>>(&entry.value) {
                Ok(more) if whole => names.extend(more),
                // Numbers of the rest mean nothing without these.
                _ => whole = false,
            }
        }
        self.names = names.len();
        past.put_back_names(names);
        let mut damaged = 0;
        for (kind, (prefix, grain, keep)) in KINDS.into_iter().enumerate() {
            for entry in entries(store, prefix, 0, &mut failed) {
                match Row::read(grain, keep, &entry.value) {
                    Some(row) if entry.key == key(prefix, row.slot) => {
                        self.slots[kind].push_back(row.slot);
                        past.put_back(row, now_ms);
                    }
                    _ => damaged += 1,
                }
            }
        }
        if damaged > 0 {
            let file = self.file.display();
            tracing::warn!(
                "{damaged} slots of the history in {file} are damaged: they are left out"
            );
        }
        match failed {
            Some(e) => self.begin(&e.to_string()),
            None if !whole => self.begin("names of its series are damaged"),
            None => {}
        }
    }

    /// Names that are not stored yet.
    fn add_names(&mut self, series: &[Series]) {
        let first = self.names / NAMES;
        if series.len() > self.names {
            for (i, page) in series.chunks(NAMES).enumerate().skip(first) {
                if let Ok(json) = serde_json::to_vec(page) {
                    self.waiting.push_front((key(NAMES_PREFIX, i as u64), json));
                }
            }
            self.names = series.len();
        }
    }

    /// Opens a file that could not be opened, from time to time. Whether it must be read now: series have other numbers there.
    pub fn try_again(&mut self) -> bool {
        if self.store.is_none() && self.failed.is_none_or(|at| at.elapsed() >= AGAIN) {
            self.open();
        }
        self.store.is_some() && self.unread
    }

    /// Rows of fine slots that wait; all others are made of them.
    pub fn take_waiting(&mut self) -> Vec<Row> {
        let (prefix, grain, keep) = KINDS[FINE];
        let all = self.waiting.drain(..);
        all.filter(|w| w.0.starts_with(prefix))
            .filter_map(|w| Row::read(grain, keep, &w.1))
            .collect()
    }

    /// To be stored.
    pub fn add(&mut self, rows: &[Row]) {
        for row in rows {
            let slots = &mut self.slots[row.kind()];
            if slots.back() != Some(&row.slot) {
                slots.push_back(row.slot);
            }
            self.waiting.push_back((row.key(), row.bytes()));
        }
        // Names stay: without them rows mean nothing.
        while self.waiting.len() > MAX_WAITING {
            let row = self
                .waiting
                .iter()
                .position(|w| !w.0.starts_with(NAMES_PREFIX));
            match row {
                Some(at) => self.waiting.remove(at),
                None => break,
            };
        }
    }

    /// Stores names and rows that wait, and deletes some of what is too old.
    pub fn write(&mut self, past: &Past, now_ms: u64) {
        if self.unread {
            return;
        }
        self.add_names(past.series());
        let rows = self.waiting.len();
        let Some(store) = &self.store else { return };
        let put = |(key, value): &(String, Vec<u8>)| {
            store.put(Put::new(key.as_str(), value.clone()), now_ms)
        };
        let acks: Vec<_> = self.waiting.iter().map(put).collect();
        match acks.into_iter().try_for_each(|ack| ack.wait().map(drop)) {
            Ok(()) => self.waiting.clear(),
            Err(e) => return self.fail(&e),
        }
        self.failed = None;
        self.delete(past.oldest(), rows, now_ms);
    }

    fn delete(&mut self, oldest: Oldest, written: usize, now_ms: u64) {
        let Some(store) = &self.store else { return };
        let first = [oldest.coarse[0], oldest.coarse[1], oldest.fine];
        for (kind, slots) in self.slots.iter_mut().enumerate() {
            for _ in 0..PACE * written {
                let Some(slot) = slots.pop_front_if(|s| *s < first[kind]) else {
                    break;
                };
                drop(store.delete(&key(KINDS[kind].0, slot), Precondition::Any, now_ms));
            }
        }
    }
}

/// Takes a moment for each ten megabytes.
pub fn is_whole(store: &Embedded) -> bool {
    store.check().is_ok_and(|damage| damage.is_empty())
}

/// A file that cannot be read is kept for whoever wants to look into it, the last one only.
pub fn aside(file: &Path, what: &str, why: &str) {
    let to = file.with_added_extension("damaged");
    tracing::error!(
        "{what} {} cannot be read: {why}; it goes to {}, and a new one begins",
        file.display(),
        to.display()
    );
    if let Err(e) = std::fs::rename(file, &to) {
        tracing::error!("{} cannot be moved: {e}", file.display());
    }
    for ending in ["-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        // Not there is as good.
        let _ = std::fs::remove_file(name);
    }
}

#[cfg(test)]
mod tests;
