//! What a purge takes out of a disk, on the thread that writes.

use super::super::Purge;
use super::folder::Folder;
use super::index::Slot;
use super::keeper::AT_ONCE;
use super::line::{Line, number};
use super::state::Phase;
use super::{BEHIND, Disk};
use std::io;

/// Purges that wait until there is an index.
const PURGES: usize = 1024;

impl Disk {
    pub fn purge_now(&self, purge: Purge) -> u64 {
        let mut state = self.state();
        let opening = state.phase == Phase::Opening;
        if opening && state.purges.len() < PURGES {
            state.purges.push(purge);
            return 0;
        }
        drop(state);
        if opening {
            self.break_down(BEHIND);
        }
        let mut n = 0;
        self.attempt(|folder| {
            n = self.purge_files(folder, &purge)?;
            Ok(())
        });
        n
    }

    /// Looks through the index files, because nothing else knows the keys.
    pub fn purge_files(&self, folder: &mut Folder, purge: &Purge) -> io::Result<u64> {
        let store = self.store.upgrade();
        let in_memory = |key: &[u8]| store.as_ref().is_some_and(|s| s.knows(key));
        let (mut named, mut alone) = (Vec::new(), 0);
        folder.scan(|segment, line| {
            if let Line::Put(put) = line
                && purge.names(&put.key, &put.groups)
            {
                let key = number(&[&put.key]);
                let slot = self.state().index.find(key);
                let here = |s: &Slot| (s.segment, s.offset) == (segment, put.offset);
                if slot.is_some_and(|s| here(&s) && (purge.hard || !s.soft)) {
                    named.push(key);
                    alone += u64::from(!in_memory(&put.key));
                }
            }
        })?;
        let mut lines = Vec::new();
        for keys in named.chunks(AT_ONCE) {
            let mut state = self.state();
            lines.append(&mut state.pending);
            for &key in keys {
                let line = match purge.hard {
                    true => Line::Drop { key },
                    false => Line::Soft { key },
                };
                state.index.apply(&line, 0, false);
                lines.push(line);
            }
        }
        self.note(folder, lines)?;
        Ok(alone)
    }
}
