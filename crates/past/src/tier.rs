//! All series at one length of slot.

use crate::column::Column;
use crate::metric::Keep;
use base::Grain;

/// Slots in a chunk: what is forgotten at once, an hour or a day.
pub fn chunk(grain: Grain) -> u64 {
    match grain {
        Grain::Fine => 360,
        Grain::Coarse => 288,
    }
}

#[derive(Clone, Debug)]
pub struct Tier {
    pub grain: Grain,
    /// By number of series.
    pub columns: Vec<Column>,
    /// For every slot, in how many fine ones Plimsoll counted, whether anything came or not.
    pub recorded: Column,
    pub newest: Option<u64>,
}

impl Tier {
    pub fn new(grain: Grain) -> Tier {
        Tier {
            grain,
            columns: Vec::new(),
            recorded: Column::default(),
            newest: None,
        }
    }

    /// Whether the slot is newer than all that there are.
    pub fn is_new(&self, slot: u64) -> bool {
        self.newest.is_none_or(|n| n < slot)
    }

    /// Adds to a slot, the newest or a newer one, what was counted in so many fine ones.
    pub fn add(&mut self, slot: u64, fine: u64, counts: &[(u32, u64)]) {
        let chunk = chunk(self.grain);
        self.recorded.add(slot, fine, chunk);
        if self.is_new(slot) {
            self.newest = Some(slot);
        }
        for &(id, n) in counts {
            let id = id as usize;
            if self.columns.len() <= id {
                self.columns.resize_with(id + 1, Column::default);
            }
            self.columns[id].add(slot, n, chunk);
        }
    }

    /// What the newest slot holds.
    pub fn open(&self, slot: u64) -> Vec<(u32, u64)> {
        let all = self.columns.iter().enumerate();
        let held = all.map(|(id, c)| (id as u32, c.open(slot)));
        held.filter(|c| c.1 > 0).collect()
    }

    /// Forgets what is older than these slots, counts and buckets.
    pub fn forget(&mut self, before: [u64; 2], keep: impl Fn(usize) -> Keep) {
        let chunk = chunk(self.grain);
        for (id, column) in self.columns.iter_mut().enumerate() {
            column.forget(before[keep(id) as usize], chunk);
        }
        self.recorded.forget(before[0], chunk);
    }

    pub fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(Column::bytes).sum();
        columns + self.columns.capacity() * size_of::<Column>()
    }
}
