//! Route × arm × instance as small numbers, bounded: one hash look-up per sample.

use base::{Arm, CellKey, InstanceIx, RouteIx, SampleKind};
use foldhash::fast::FixedState;
use std::collections::HashMap;

/// Where keys go that find no room.
const OVERFLOW: CellKey = CellKey {
    route: RouteIx::NONE,
    arm: Arm::BASE,
    instance: InstanceIx::NONE,
};

pub struct Keys {
    slots: HashMap<u64, u32, FixedState>,
    keys: Vec<(SampleKind, CellKey)>,
    limit: usize,
    /// The last answer: samples come in runs.
    last: Option<(u64, u32)>,
}

fn pack(kind: SampleKind, key: CellKey) -> u64 {
    (kind as u64) << 40
        | u64::from(key.arm.0) << 32
        | u64::from(key.route.0) << 16
        | u64::from(key.instance.0)
}

impl Keys {
    pub fn new(limit: usize) -> Keys {
        Keys {
            slots: HashMap::default(),
            keys: Vec::new(),
            limit: limit.max(2),
            last: None,
        }
    }

    pub fn slot(&mut self, kind: SampleKind, key: CellKey) -> u32 {
        let packed = pack(kind, key);
        if let Some((p, slot)) = self.last
            && p == packed
        {
            return slot;
        }
        let slot = match self.slots.get(&packed) {
            Some(&slot) => slot,
            // Two places are kept back for the overflow keys of the two kinds.
            None if self.keys.len() + 2 > self.limit && key != OVERFLOW => {
                return self.slot(kind, OVERFLOW);
            }
            None => {
                let slot = self.keys.len() as u32;
                self.keys.push((kind, key));
                self.slots.insert(packed, slot);
                slot
            }
        };
        self.last = Some((packed, slot));
        slot
    }

    pub fn key(&self, slot: u32) -> CellKey {
        self.keys[slot as usize].1
    }
    pub fn kind(&self, slot: u32) -> SampleKind {
        self.keys[slot as usize].0
    }
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Keeps only the marked keys; the answer maps old numbers to new ones.
    pub fn keep(&mut self, used: &[bool]) -> Vec<u32> {
        let mut moved = vec![u32::MAX; self.keys.len()];
        let old = std::mem::take(&mut self.keys);
        self.slots.clear();
        self.last = None;
        for (i, (kind, key)) in old.into_iter().enumerate() {
            if used.get(i) == Some(&true) {
                moved[i] = self.keys.len() as u32;
                self.slots.insert(pack(kind, key), moved[i]);
                self.keys.push((kind, key));
            }
        }
        moved
    }
}
