//! The files of one route: numbered segments, each a data file that records are appended to and an index file with its
//! lines. The oldest segment goes first, whole. One process at a time has the folder.

use super::line::{Line, Read};
use super::record::FORMAT;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The size in segments; at most this much is given up at once.
const SEGMENTS: u64 = 16;
/// A segment is no larger, however large the whole is.
const LARGEST: u64 = 1 << 30;
/// An index file larger than this is not one of ours.
const LONGEST_INDEX: u64 = 1 << 30;

pub struct Folder {
    path: PathBuf,
    size: u64,
    segments: BTreeMap<u32, Segment>,
    /// Held as long as the folder is.
    _lock: File,
}

struct Segment {
    data: Arc<File>,
    index: File,
    data_bytes: u64,
    index_bytes: u64,
    keys: Vec<u64>,
}

/// What reading the index files of another process's life came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Lines that are damaged: nothing that was written before them can be trusted.
    pub damaged: bool,
    /// Records whose data file ends before they do.
    pub short: u64,
}

impl Folder {
    /// Takes the folder and opens what is in it; `None`: another process has it. The second is why all of it was thrown
    /// away; empty: it was not.
    pub fn open(path: &Path, size: u64) -> io::Result<Option<(Folder, &'static str)>> {
        // Answers may be of the kind that only some may read.
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let lock = File::create(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(e),
        }
        let mut folder = Folder {
            path: path.to_owned(),
            size,
            segments: BTreeMap::new(),
            _lock: lock,
        };
        let numbers = folder.numbers()?;
        let told = fs::read_to_string(path.join("state")).unwrap_or_default();
        let in_use = in_use();
        let anew = match () {
            () if numbers.is_empty() || told == clean() || Some(&told) == in_use.as_ref() => "",
            () if told.is_empty() => "it was given up before",
            () if !told.starts_with(&version()) => "another version of Plimsoll wrote it",
            () => "the machine went down without a clean end",
        };
        if anew.is_empty() {
            for number in numbers {
                folder.add(number)?;
            }
        } else {
            folder.wipe()?;
        }
        folder.say(&in_use.unwrap_or_else(version))?;
        Ok(Some((folder, anew)))
    }

    fn numbers(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for file in fs::read_dir(&self.path)? {
            let name = file?.file_name();
            let number = name.to_str().and_then(|n| n.strip_suffix(".data"));
            numbers.extend(number.and_then(|n| n.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn file(&self, number: u32, kind: &str) -> PathBuf {
        self.path.join(format!("{number:08}.{kind}"))
    }

    fn add(&mut self, number: u32) -> io::Result<()> {
        let open = |kind| {
            let mut how = OpenOptions::new();
            how.read(true).write(true).create(true).truncate(false);
            how.open(self.file(number, kind))
        };
        let (data, index) = (open("data")?, open("index")?);
        let segment = Segment {
            data_bytes: data.metadata()?.len(),
            index_bytes: index.metadata()?.len(),
            data: Arc::new(data),
            index,
            keys: Vec::new(),
        };
        self.segments.insert(number, segment);
        Ok(())
    }

    /// Gives every line with the number of its segment, in order, and cuts off what was not written to its end.
    pub fn replay(&mut self, mut each: impl FnMut(u32, &Line)) -> io::Result<Replayed> {
        let mut replayed = Replayed::default();
        let last = self.segments.keys().next_back().copied();
        for (&number, segment) in &mut self.segments {
            let bytes = segment.lines()?;
            let (mut at, mut end) = (0, 0);
            while let Some(read) = Line::read(&bytes[at..]) {
                match read {
                    Read::Line(Line::Put(put), n) => {
                        at += n;
                        let ends = put.offset + u64::from(put.bytes);
                        if ends > segment.data_bytes {
                            replayed.short += 1;
                            // What the key had before is older still.
                            let key = super::line::number(&[&put.key]);
                            each(number, &Line::Drop { key });
                            continue;
                        }
                        end = end.max(ends);
                        segment.keys.push(super::line::number(&[&put.key]));
                        each(number, &Line::Put(put));
                    }
                    Read::Line(line, n) => {
                        at += n;
                        each(number, &line);
                    }
                    Read::Torn if Some(number) == last => break,
                    Read::Torn | Read::Wrong => {
                        replayed.damaged = true;
                        return Ok(replayed);
                    }
                }
            }
            if Some(number) == last {
                segment.cut(end, at as u64)?;
            }
        }
        Ok(replayed)
    }

    /// Appends a record; its segment and place. There must be `room_for` it.
    pub fn append(&mut self, record: &[u8], key: u64) -> io::Result<(u32, u64)> {
        let (number, segment) = self.last(record.len() as u64)?;
        let offset = segment.data_bytes;
        segment.data.write_all_at(record, offset)?;
        segment.data_bytes += record.len() as u64;
        segment.keys.push(key);
        Ok((number, offset))
    }

    /// Appends lines to the segment that is written to.
    pub fn note(&mut self, lines: &[u8]) -> io::Result<()> {
        let (_, segment) = self.last(0)?;
        segment.index.write_all_at(lines, segment.index_bytes)?;
        segment.index_bytes += lines.len() as u64;
        Ok(())
    }

    /// The segment that is written to, a new one when `bytes` more do not fit.
    fn last(&mut self, bytes: u64) -> io::Result<(u32, &mut Segment)> {
        let most = self.segment();
        let last = self.segments.iter().next_back();
        let number = match last {
            Some((&n, s)) if bytes == 0 || s.bytes() + bytes <= most => n,
            Some((&n, _)) => n.wrapping_add(1),
            None => 1,
        };
        if !self.segments.contains_key(&number) {
            self.add(number)?;
        }
        let segment = self.segments.get_mut(&number);
        let segment = segment.ok_or_else(|| io::Error::other("no segment to write to"))?;
        Ok((number, segment))
    }

    pub fn data(&self, number: u32) -> Option<Arc<File>> {
        self.segments.get(&number).map(|s| s.data.clone())
    }

    pub fn all(&self) -> impl Iterator<Item = (u32, Arc<File>)> {
        self.segments.iter().map(|(n, s)| (*n, s.data.clone()))
    }

    /// Every line of every segment, as it is on file.
    pub fn scan(&self, mut each: impl FnMut(u32, Line)) -> io::Result<()> {
        for (&number, segment) in &self.segments {
            let bytes = segment.lines()?;
            let mut at = 0;
            while let Some(Read::Line(line, n)) = Line::read(&bytes[at..]) {
                at += n;
                each(number, line);
            }
        }
        Ok(())
    }

    /// Bytes of one segment; a record is no larger.
    pub fn segment(&self) -> u64 {
        (self.size / SEGMENTS).min(LARGEST)
    }

    pub fn resize(&mut self, size: u64) {
        self.size = size;
    }

    /// Whether another record of `bytes` keeps all within the size.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.bytes() + bytes <= self.size
    }

    pub fn bytes(&self) -> u64 {
        self.segments.values().map(Segment::bytes).sum()
    }

    /// Takes the oldest segment out, with the keys that it had; `None`: there is none.
    pub fn evict(&mut self) -> io::Result<Option<(u32, Vec<u64>)>> {
        let Some((number, segment)) = self.segments.pop_first() else {
            return Ok(None);
        };
        self.unlink(number)?;
        Ok(Some((number, segment.keys)))
    }

    fn unlink(&self, number: u32) -> io::Result<()> {
        // The index first: without it nobody believes the data.
        for kind in ["index", "data"] {
            match fs::remove_file(self.file(number, kind)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes out all that is ours.
    pub fn wipe(&mut self) -> io::Result<()> {
        self.segments.clear();
        for number in self.numbers()? {
            self.unlink(number)?;
        }
        Ok(())
    }

    /// The folder's files are on the disk itself, and the next process may go on with them.
    pub fn close(&self) -> io::Result<()> {
        for segment in self.segments.values() {
            segment.data.sync_data()?;
            segment.index.sync_data()?;
        }
        File::open(&self.path)?.sync_all()?;
        self.say(&clean())
    }

    fn say(&self, state: &str) -> io::Result<()> {
        let (new, old) = (self.path.join("state.new"), self.path.join("state"));
        let mut file = File::create(&new)?;
        file.write_all(state.as_bytes())?;
        file.sync_data()?;
        fs::rename(new, old)
    }
}

impl Segment {
    fn bytes(&self) -> u64 {
        self.data_bytes + self.index_bytes
    }

    fn lines(&self) -> io::Result<Vec<u8>> {
        if self.index_bytes > LONGEST_INDEX {
            return Err(io::Error::other("an index file is too large"));
        }
        let mut bytes = vec![0; self.index_bytes as usize];
        self.index.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    fn cut(&mut self, data: u64, index: u64) -> io::Result<()> {
        if data != self.data_bytes {
            self.data.set_len(data)?;
        }
        if index != self.index_bytes {
            self.index.set_len(index)?;
        }
        (self.data_bytes, self.index_bytes) = (data, index);
        Ok(())
    }
}

/// Nobody takes the folder for one that can be trusted any more. Its files go when it is opened again.
pub fn give_up(path: &Path) {
    let _ = fs::remove_file(path.join("state"));
}

fn version() -> String {
    format!("plimsoll cache {FORMAT} ")
}

fn clean() -> String {
    version() + "closed\n"
}

/// What a killed process wrote is there as long as the machine runs; `None`: nobody knows since when it does.
fn in_use() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(version() + "in use since boot " + &boot)
}
