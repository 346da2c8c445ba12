//! One record on its way back into memory, on a thread that may wait for the disk.

use super::super::{Entry, Marks, Store};
use super::index::Slot;
use super::line::{Line, halves, number};
use super::record::{self, Bad};
use super::wait::PATIENCE;
use super::{Disk, group_number};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

pub struct Reading {
    disk: Arc<Disk>,
    store: Arc<Store>,
    key: Box<[u8]>,
    slot: Slot,
    file: Arc<File>,
    since: Instant,
}

impl Reading {
    /// `None`: memory has no room for another response on its way in.
    pub fn new(
        disk: Arc<Disk>,
        store: Arc<Store>,
        key: Box<[u8]>,
        slot: Slot,
        file: Arc<File>,
    ) -> Option<Reading> {
        store.reserve(u64::from(slot.bytes)).then_some(Reading {
            disk,
            store,
            key,
            slot,
            file,
            since: Instant::now(),
        })
    }

    pub fn run(self) {
        let read = self.read();
        if self.since.elapsed() < PATIENCE {
            self.disk.late.store(0, Relaxed);
        }
        match read {
            Ok(Ok(entries)) => self.promote(entries),
            Ok(Err(bad)) => self.drop_record(bad),
            Err(e) => (self.disk).break_down(&format!("it cannot be read: {e}")),
        }
        let waiting = self.disk.state().reading.remove(&number(&[&self.key]));
        for waiting in waiting.into_iter().flatten() {
            let _ = waiting.send(());
        }
    }

    fn read(&self) -> io::Result<Result<Vec<Entry>, Bad>> {
        let mut bytes = vec![0; self.slot.bytes as usize];
        match self.file.read_exact_at(&mut bytes, self.slot.offset) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(Err(Bad::Damaged)),
            read => read?,
        }
        // Changes count from before the moment at which the entries will be said to have come.
        let (host, target) = halves(&self.key);
        let path = target.split(|&b| b == b'?').next().unwrap_or(target);
        self.disk.marks.watch(host, path);
        let moment = self.disk.moment();
        let read = record::read(&Bytes::from(bytes), &self.key, self.slot.soft, moment);
        if let Ok(entries) = &read {
            for group in entries.iter().flat_map(|e| &e.groups) {
                self.disk.marks.watch(host, &Marks::group(group));
            }
        }
        Ok(read)
    }

    fn promote(&self, mut entries: Vec<Entry>) {
        let (host, _) = halves(&self.key);
        let groups = entries.iter().flat_map(|e| &e.groups);
        let groups = groups.map(|g| group_number(host, g));
        let key = number(&[&self.key]);
        if (self.disk.state().index).vouches(key, &self.slot, groups) {
            for entry in &mut entries {
                entry.record = self.slot.line;
            }
            self.store.promote(&self.key, entries);
        }
    }

    fn drop_record(&self, bad: Bad) {
        self.disk.counts.damaged.fetch_add(1, Relaxed);
        let why = match bad {
            Bad::Damaged => "its length or checksum is wrong",
            Bad::OtherKey => "it is another key's",
            Bad::Future => "it was written later than now",
        };
        tracing::warn!(
            route = self.disk.route,
            segment = self.slot.segment,
            why,
            "a record of the cache is not used"
        );
        let (key, slot) = (number(&[&self.key]), self.slot);
        let still = |i: &super::Index| i.find(key) == Some(slot);
        self.disk.line(Line::Drop { key }, still);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.store.filled(u64::from(self.slot.bytes));
    }
}
