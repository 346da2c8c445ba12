//! What the thread that writes does: opens folders, appends records and lines, makes room, purges.

use super::super::{Entry, Marks, Purge};
use super::folder::Folder;
use super::index::Index;
use super::line::{LONGEST, Line, Put, halves, number};
use super::state::Phase;
use super::{Disk, record};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::thread::Builder;
use std::time::{Duration, Instant};

/// When a broken disk is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// Longest time for what memory has, at the end.
const LAST: Duration = Duration::from_secs(3);
/// Keys that are forgotten under one lock, so that no traffic thread waits for all of them.
pub const AT_ONCE: usize = 1024;

pub enum Job {
    Write {
        disk: Arc<Disk>,
        key: Box<[u8]>,
        variants: Vec<Arc<Entry>>,
        /// As `State::writing` knows it.
        write: u64,
        bytes: u64,
    },
    /// Somebody waits for lines.
    Note(Arc<Disk>),
    /// Tells how many answers were on disk alone.
    Purge(Arc<Disk>, Purge, SyncSender<u64>),
    Close(Arc<Disk>, SyncSender<()>),
}

impl Job {
    pub fn run(self) {
        match self {
            Job::Write {
                disk,
                key,
                variants,
                write,
                bytes,
            } => {
                let number = number(&[&key]);
                if disk.state().writing.get(&number) == Some(&write) {
                    disk.attempt(|folder| disk.write(folder, &key, &variants));
                    disk.written(number, write, &key);
                }
                disk.queued.fetch_sub(bytes, Relaxed);
            }
            Job::Note(disk) => disk.attempt(|folder| disk.note(folder, Vec::new())),
            Job::Purge(disk, purge, tell) => {
                let _ = tell.send(disk.purge_now(purge));
            }
            Job::Close(disk, tell) => {
                disk.close();
                let _ = tell.send(());
            }
        }
    }
}

/// What there is to do when time has passed.
pub fn tend(disk: &Arc<Disk>) {
    let phase = disk.state().phase.clone();
    match phase {
        Phase::Opening => open_beside(disk),
        Phase::Open if !disk.state().pending.is_empty() => {
            disk.attempt(|folder| disk.note(folder, Vec::new()));
        }
        Phase::Open | Phase::Closed => {}
        Phase::Broken(_, since) => {
            // What is there is out of date, and somebody else may need the room.
            let folder = disk.folder.lock().unwrap_or_else(|e| e.into_inner()).take();
            if let Some(mut folder) = folder {
                super::folder::give_up(&disk.path);
                let _ = folder.wipe();
                disk.bytes.store(0, Relaxed);
            }
            if since.elapsed() >= AGAIN {
                disk.state().phase = Phase::Opening;
            }
        }
    }
}

/// On a thread of its own: other disks must not wait until a large index is read.
fn open_beside(disk: &Arc<Disk>) {
    if disk.is_opened.swap(true, Relaxed) {
        return;
    }
    let here = disk.clone();
    let open = move || {
        here.open();
        here.is_opened.store(false, Relaxed);
    };
    if let Err(e) = Builder::new().name("cache-open".into()).spawn(open) {
        disk.is_opened.store(false, Relaxed);
        disk.break_down(&format!("no thread can be had for it: {e}"));
    }
}

impl Disk {
    /// Does something with the folder; a disk that cannot is given up.
    pub fn attempt(&self, act: impl FnOnce(&mut Folder) -> io::Result<()>) {
        let mut folder = self.folder.lock().unwrap_or_else(|e| e.into_inner());
        let Some(folder) = folder.as_mut() else {
            return;
        };
        if self.state().phase != Phase::Open {
            return;
        }
        if let Err(e) = act(folder) {
            self.break_down(&format!("it cannot be written: {e}"));
        }
        self.bytes.store(folder.bytes(), Relaxed);
    }

    fn open(&self) {
        let opened = Folder::open(&self.path, self.size.load(Relaxed));
        let (mut folder, anew) = match opened {
            Ok(Some(opened)) => opened,
            // The process before this one has it, and gives it up when it no longer takes connections.
            Ok(None) => return,
            Err(e) => return self.break_down(&format!("it cannot be opened: {e}")),
        };
        let began = Instant::now();
        let mut index = Index::default();
        let mut why = anew.to_owned();
        match folder.replay(|segment, line| index.apply(line, segment, true)) {
            Ok(replayed) if replayed.damaged => why = "its index is damaged".into(),
            Ok(replayed) => _ = self.counts.damaged.fetch_add(replayed.short, Relaxed),
            Err(e) => why = format!("its index cannot be read: {e}"),
        }
        if !why.is_empty() {
            tracing::warn!(route = self.route, path = %self.path.display(), why, "the cache's disk begins anew");
            index = Index::default();
            if let Err(e) = folder.wipe() {
                return self.break_down(&format!("it cannot be emptied: {e}"));
            }
        }
        let mut place = self.folder.lock().unwrap_or_else(|e| e.into_inner());
        let mut state = self.state();
        if state.phase != Phase::Opening {
            return;
        }
        for line in &state.pending {
            index.apply(line, 0, false);
        }
        tracing::info!(route = self.route, records = index.len(), took = ?began.elapsed(), "the cache's disk is open");
        state.index = index;
        state.files = folder.all().collect();
        state.phase = Phase::Open;
        let purges = std::mem::take(&mut state.purges);
        *place = Some(folder);
        drop((state, place));
        // They came while somebody else had the folder.
        for purge in purges {
            self.attempt(|folder| self.purge_files(folder, &purge).map(|_| ()));
        }
        self.attempt(|folder| self.note(folder, Vec::new()));
    }

    fn write(&self, folder: &mut Folder, key: &[u8], variants: &[Arc<Entry>]) -> io::Result<()> {
        folder.resize(self.size.load(Relaxed));
        let Some(store) = self.store.upgrade() else {
            return Ok(());
        };
        // One that comes from now on finds it here, because its job comes after this.
        let spared = variants.iter().filter(|v| store.spares(key, v));
        let variants: Vec<_> = spared.cloned().collect();
        if variants.is_empty() {
            return Ok(());
        }
        let record = record::write(key, &variants, self.moment());
        let fits = |r: &Vec<u8>| r.len() as u64 <= folder.segment() && key.len() <= LONGEST;
        let Some(record) = record.filter(fits) else {
            self.counts.writes_refused.fetch_add(1, Relaxed);
            return Ok(());
        };
        let line_bytes = (key.len() + 64) as u64;
        while !folder.has_room(record.len() as u64 + line_bytes) || self.is_full() {
            if !self.evict(folder)? {
                break;
            }
        }
        let (segment, offset) = folder.append(&record, number(&[key]))?;
        let mut groups: Vec<_> = variants.iter().flat_map(|v| v.groups.clone()).collect();
        groups.sort();
        groups.dedup();
        let put = Line::Put(Put {
            offset,
            bytes: record.len() as u32,
            soft: false,
            key: key.into(),
            groups,
        });
        let lines = {
            let mut state = self.state();
            let mut lines = std::mem::take(&mut state.pending);
            if let Some(file) = folder.data(segment) {
                state.files.insert(segment, file);
            }
            state.index.apply(&put, segment, false);
            lines.push(put);
            lines
        };
        self.note(folder, lines)?;
        self.counts.writes.fetch_add(1, Relaxed);
        if variants.iter().any(|v| self.has_changed(key, v)) {
            self.replaced(key);
        }
        Ok(())
    }

    /// A write has ended; the record is good unless it was replaced meanwhile.
    fn written(&self, number: u64, write: u64, key: &[u8]) {
        let mut state = self.state();
        match state.writing.get(&number) {
            Some(w) if *w == write => {
                state.writing.remove(&number);
            }
            // Another write of the same key follows.
            Some(_) => {}
            None => {
                drop(state);
                self.replaced(key);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.state().index.len() as u64 >= self.records().max(1)
    }

    /// Something was changed while it was on its way here, where nobody looked for it.
    fn has_changed(&self, key: &[u8], entry: &Entry) -> bool {
        let (host, target) = halves(key);
        let path = target.split(|&b| b == b'?').next().unwrap_or(target);
        let outdated = |what: &[u8]| self.marks.outdated(host, what, entry.at);
        outdated(path) || entry.groups.iter().any(|g| outdated(&Marks::group(g)))
    }

    /// Writes `lines`, then those that wait, and wakes who waits for them.
    pub fn note(&self, folder: &mut Folder, mut lines: Vec<Line>) -> io::Result<()> {
        let noted = {
            let mut state = self.state();
            lines.append(&mut state.pending);
            std::mem::take(&mut state.noted)
        };
        let mut bytes = Vec::new();
        lines.iter().for_each(|l| l.write(&mut bytes));
        if !bytes.is_empty() {
            folder.note(&bytes)?;
        }
        while !folder.has_room(0) && self.evict(folder)? {}
        for waiting in noted {
            let _ = waiting.send(());
        }
        Ok(())
    }

    fn evict(&self, folder: &mut Folder) -> io::Result<bool> {
        let Some((segment, keys)) = folder.evict()? else {
            return Ok(false);
        };
        for keys in keys.chunks(AT_ONCE) {
            let gone = self.state().index.evict(segment, keys);
            self.counts.evicted.fetch_add(gone, Relaxed);
        }
        self.state().files.remove(&segment);
        Ok(true)
    }

    /// What memory has is worth as much to the next process.
    fn flush(&self) {
        let until = Instant::now() + LAST;
        let Some(store) = self.store.upgrade() else {
            return;
        };
        for (key, variants) in store.admitted() {
            if Instant::now() >= until {
                return;
            }
            if self.wants(&key, &variants) {
                self.attempt(|folder| self.write(folder, &key, &variants));
            }
        }
    }

    fn close(&self) {
        self.flush();
        self.attempt(|folder| self.note(folder, Vec::new()));
        let mut folder = self.folder.lock().unwrap_or_else(|e| e.into_inner());
        let mut state = self.state();
        let open = state.phase == Phase::Open;
        state.give_up(Phase::Closed);
        drop(state);
        if let Some(folder) = folder.take().filter(|_| open)
            && let Err(e) = folder.close()
        {
            tracing::warn!(route = self.route, error = %e, "the cache's disk may begin anew after the machine goes down");
        }
    }
}
