//! Where each key's record is, and whether it is still good: a fold over the lines of the index files. Pure.
//!
//! What was changed is noted by number of the line, so a change costs the same whether it concerns one record or a
//! million; what lies before it is dead, and found to be so when it is asked for or its segment goes.

use super::line::{self, Line};
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// Groups whose last change is remembered; beyond, all that has a group is taken for changed.
const GROUPS: usize = 1 << 16;

#[derive(Debug, Default)]
pub struct Index {
    slots: HashMap<u64, Slot, RandomState>,
    paths: HashMap<u64, Path, RandomState>,
    /// When each was last changed.
    groups: HashMap<u64, u64, RandomState>,
    /// All that has a group and is older is taken for changed.
    groups_since: u64,
    newest_grouped: u64,
    /// Number of the last line.
    last: u64,
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub segment: u32,
    pub offset: u64,
    pub bytes: u32,
    pub soft: bool,
    /// Number of its line.
    pub line: u64,
    /// It names groups.
    pub grouped: bool,
    path: u64,
}

#[derive(Debug, Default)]
struct Path {
    slots: u32,
    newest: u64,
    changed: u64,
    doubted: u64,
}

impl Index {
    /// Takes a line that belongs to a segment. `again`: it was written by a process that has ended since.
    pub fn apply(&mut self, line: &Line, segment: u32, again: bool) {
        self.last += 1;
        let now = self.last;
        match line {
            Line::Put(put) => {
                let (key, path) = (line::number(&[&put.key]), line::path_of(&put.key));
                self.remove(key);
                let slot = Slot {
                    segment,
                    offset: put.offset,
                    bytes: put.bytes,
                    soft: put.soft,
                    line: now,
                    grouped: !put.groups.is_empty(),
                    path,
                };
                self.slots.insert(key, slot);
                if slot.grouped {
                    self.newest_grouped = now;
                }
                let path = self.paths.entry(path).or_default();
                path.slots += 1;
                path.newest = now;
            }
            Line::Drop { key } => self.remove(*key),
            Line::Soft { key } => {
                if let Some(slot) = self.slots.get_mut(key) {
                    slot.soft = true;
                }
            }
            Line::Path { path } => {
                if let Some(path) = self.paths.get_mut(path) {
                    path.changed = now;
                }
            }
            Line::Doubt { path } => {
                if let Some(path) = self.paths.get_mut(path) {
                    path.doubted = now;
                    if again {
                        path.changed = now;
                    }
                }
            }
            Line::Group { group } => {
                if self.groups.len() >= GROUPS && !self.groups.contains_key(group) {
                    self.groups.clear();
                    self.groups_since = now;
                }
                self.groups.insert(*group, now);
            }
        }
    }

    /// The key's record, if nothing has changed it. Its groups are not looked at.
    pub fn find(&self, key: u64) -> Option<Slot> {
        let slot = self.slots.get(&key)?;
        let path = self.paths.get(&slot.path)?;
        (slot.line > path.changed).then_some(*slot)
    }

    /// Whether the record that was found is still the one to use; `groups` are the numbers of its groups.
    pub fn vouches(&self, key: u64, found: &Slot, groups: impl Iterator<Item = u64>) -> bool {
        let mut groups = groups.map(|g| self.groups.get(&g).copied().unwrap_or(0));
        self.find(key) == Some(*found)
            && !(found.grouped && found.line < self.groups_since)
            && groups.all(|changed| changed < found.line)
    }

    /// Something under the path may still be used, so a change of it is worth a line.
    pub fn concerns(&self, path: u64) -> bool {
        self.paths
            .get(&path)
            .is_some_and(|p| p.newest > p.changed && p.slots > 0)
    }

    /// The same, and no line says yet that it may have changed.
    pub fn trusts(&self, path: u64) -> bool {
        let path = self.paths.get(&path).filter(|p| p.slots > 0);
        path.is_some_and(|p| p.newest > p.changed.max(p.doubted))
    }

    /// A record may have the group, so a change of it is worth a line.
    pub fn concerns_group(&self, group: u64) -> bool {
        self.newest_grouped
            > self
                .groups
                .get(&group)
                .copied()
                .unwrap_or(self.groups_since)
    }

    /// Forgets what the segment holds of the keys, and tells how many that were.
    pub fn evict(&mut self, segment: u32, keys: &[u64]) -> u64 {
        let before = self.slots.len();
        for key in keys {
            if self.slots.get(key).is_some_and(|s| s.segment == segment) {
                self.remove(*key);
            }
        }
        (before - self.slots.len()) as u64
    }

    fn remove(&mut self, key: u64) {
        let Some(slot) = self.slots.remove(&key) else {
            return;
        };
        if let Some(path) = self.paths.get_mut(&slot.path) {
            path.slots -= 1;
            if path.slots == 0 {
                self.paths.remove(&slot.path);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }
}
