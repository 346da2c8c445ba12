//! What a disk may hold after a cut. Of a file: all that was synced; each later write is there, lost or torn at a sector. Of names:
//! those that were there when their folder was synced, and what came after up to some moment, in order.

use crate::journal::{Event, Op};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SECTOR: usize = 512;

#[derive(Debug, Default)]
struct File<'a> {
    synced: Vec<u8>,
    pending: Vec<&'a Op>,
}

/// Names as of the last sync of each folder, and what was done to them since.
#[derive(Debug, Default)]
pub struct Image<'a> {
    files: Vec<File<'a>>,
    /// As the process sees them.
    names: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    pending: Vec<(PathBuf, Option<usize>)>,
}

impl<'a> Image<'a> {
    pub fn of(events: &'a [Event]) -> Image<'a> {
        let mut image = Image::default();
        events.iter().for_each(|e| image.event(e));
        image
    }

    fn event(&mut self, e: &'a Event) {
        match &e.op {
            Op::Write { .. } | Op::Truncate { .. } => {
                if let Some(&file) = self.names.get(&e.path) {
                    self.files[file].pending.push(&e.op);
                }
            }
            Op::Sync => match self.names.get(&e.path) {
                Some(&file) => {
                    let File { synced, pending } = &mut self.files[file];
                    pending.drain(..).for_each(|op| apply(synced, op));
                }
                None => self.sync_folder(&e.path),
            },
            Op::Create => {
                self.files.push(File::default());
                self.name(e.path.clone(), Some(self.files.len() - 1));
            }
            Op::Unlink => self.name(e.path.clone(), None),
            Op::Rename { to } => {
                let file = self.names.get(&e.path).copied();
                self.name(to.clone(), file);
                self.name(e.path.clone(), None);
            }
        }
    }

    fn name(&mut self, path: PathBuf, file: Option<usize>) {
        set(&mut self.names, &path, file);
        self.pending.push((path, file));
    }

    fn sync_folder(&mut self, folder: &Path) {
        let within = |path: &Path| path.parent() == Some(folder);
        for (path, file) in self.pending.extract_if(.., |(p, _)| within(p)) {
            set(&mut self.durable, &path, file);
        }
    }

    pub fn write(mut self, to: &Path, rng: &mut StdRng) {
        let kept = rng.random_range(0..=self.pending.len());
        for (path, file) in self.pending.drain(..kept) {
            set(&mut self.durable, &path, file);
        }
        for (path, file) in self.durable {
            let File { synced, pending } = &mut self.files[file];
            for op in std::mem::take(pending) {
                match rng.random_range(0..3) {
                    0 => apply(synced, op),
                    1 => tear(synced, op, rng),
                    _ => {}
                }
            }
            // Its index is shared memory, not a file that is to be kept.
            if path.to_string_lossy().ends_with("-shm") {
                continue;
            }
            let path = to.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, synced).unwrap();
        }
    }
}

fn set(names: &mut BTreeMap<PathBuf, usize>, path: &Path, file: Option<usize>) {
    match file {
        Some(file) => names.insert(path.to_path_buf(), file),
        None => names.remove(path),
    };
}

fn apply(content: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Write { offset, data } => put(content, *offset, data),
        Op::Truncate { len } => content.resize(*len, 0),
        _ => {}
    }
}

/// Some sectors of a write.
fn tear(content: &mut Vec<u8>, op: &Op, rng: &mut StdRng) {
    if let Op::Write { offset, data } = op {
        for (n, sector) in data.chunks(SECTOR).enumerate() {
            if rng.random() {
                put(content, offset + n * SECTOR, sector);
            }
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(data);
}
