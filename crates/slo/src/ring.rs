//! Counts of the newest slots of one length, by their number since the epoch. What nothing was counted in takes no memory, and
//! most of the rest four bytes a slot: hundreds of objectives have ten thousand slots each.

use crate::counts::Count;

/// Slots that are held together.
const BLOCK: usize = 120;

/// Some slots in a row.
#[derive(Clone, Debug)]
enum Block {
    /// Few have more answers than fit.
    Narrow(Box<[(u16, u16); BLOCK]>),
    Wide(Box<[Count; BLOCK]>),
}

impl Block {
    fn new() -> Block {
        Block::Narrow(Box::new([(0, 0); BLOCK]))
    }

    fn get(&self, at: usize) -> Count {
        match self {
            Block::Narrow(all) => {
                let (total, bad) = all[at];
                Count {
                    total: total.into(),
                    bad: bad.into(),
                }
            }
            Block::Wide(all) => all[at],
        }
    }

    fn set(&mut self, at: usize, count: Count) {
        let narrow = u16::try_from(count.total).and_then(|t| Ok((t, u16::try_from(count.bad)?)));
        match (&mut *self, narrow) {
            (Block::Narrow(all), Ok(count)) => all[at] = count,
            (Block::Wide(all), _) => all[at] = count,
            (Block::Narrow(_), Err(_)) => {
                let mut all = Box::new(std::array::from_fn(|i| self.get(i)));
                all[at] = count;
                *self = Block::Wide(all);
            }
        }
    }

    fn is_empty(&self) -> bool {
        (0..BLOCK).all(|at| self.get(at) == Count::default())
    }
}

#[derive(Clone, Debug)]
pub struct Ring {
    pub slot_ms: u64,
    blocks: Vec<Option<Block>>,
    slots: usize,
    pub newest: u64,
}

impl Ring {
    pub fn new(slot_ms: u64, slots: usize) -> Ring {
        Ring {
            slot_ms,
            blocks: vec![None; slots.div_ceil(BLOCK)],
            slots,
            newest: 0,
        }
    }

    /// Number of the block, and the place in it.
    fn place(&self, slot: u64) -> (usize, usize) {
        let at = (slot % self.slots as u64) as usize;
        (at / BLOCK, at % BLOCK)
    }

    fn at(&self, slot: u64) -> Count {
        let (block, at) = self.place(slot);
        self.blocks[block]
            .as_ref()
            .map_or(Count::default(), |b| b.get(at))
    }

    fn set(&mut self, slot: u64, count: Count) {
        let (block, at) = self.place(slot);
        let block = &mut self.blocks[block];
        match block {
            Some(b) => b.set(at, count),
            None if count == Count::default() => {}
            None => block.insert(Block::new()).set(at, count),
        }
    }

    /// Moves on to the slot of this time. A clock that went back stays where it was.
    pub fn advance(&mut self, now_ms: u64) {
        let slot = now_ms / self.slot_ms;
        if slot <= self.newest {
            return;
        }
        let first = (self.newest + 1).max(slot.saturating_sub(self.slots as u64 - 1));
        for passed in first..=slot {
            self.set(passed, Count::default());
            let (block, at) = self.place(passed);
            // Its end: all that was in it has been passed.
            if at == BLOCK - 1 && self.blocks[block].as_ref().is_some_and(Block::is_empty) {
                self.blocks[block] = None;
            }
        }
        self.newest = slot;
    }

    fn keeps(&self, slot: u64) -> bool {
        slot <= self.newest && slot + self.slots as u64 > self.newest
    }

    /// Adds to a slot that is kept; older ones are gone.
    pub fn add(&mut self, slot: u64, count: Count) {
        if self.keeps(slot) {
            let mut sum = self.at(slot);
            sum.add(count);
            self.set(slot, sum);
        }
    }

    /// What a slot holds; nothing when it is not kept.
    pub fn get(&self, slot: u64) -> Count {
        match self.keeps(slot) {
            true => self.at(slot),
            false => Count::default(),
        }
    }

    /// The newest `n` slots, newest first.
    pub fn last(&self, n: usize) -> impl Iterator<Item = Count> {
        let n = n.min(self.slots) as u64;
        let first = self.newest.saturating_sub(n.saturating_sub(1));
        (first..=self.newest).rev().map(|slot| self.at(slot))
    }

    /// Memory beside the struct itself, bytes.
    pub fn heap(&self) -> usize {
        let of = |b: &Block| match b {
            Block::Narrow(_) => size_of::<[(u16, u16); BLOCK]>(),
            Block::Wide(_) => size_of::<[Count; BLOCK]>(),
        };
        let blocks: usize = self.blocks.iter().flatten().map(of).sum();
        blocks + self.blocks.capacity() * size_of::<Option<Block>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const SLOTS: usize = 3 * BLOCK;

    fn count(total: u32, bad: u32) -> Count {
        Count { total, bad }
    }

    /// Beside a list of all slots that there ever were.
    #[test]
    fn what_is_kept_is_what_was_added() {
        let (mut ring, mut all) = (Ring::new(1, SLOTS), BTreeMap::new());
        let (mut now, mut chance) = (5000u64, 7u64);
        ring.advance(now);
        for _ in 0..3000 {
            chance = (chance.wrapping_mul(6_364_136_223_846_793_005)).wrapping_add(1);
            let (step, large) = (chance >> 60, (chance >> 50) % 7 == 0);
            now += if step == 15 { 170 } else { step % 3 };
            let more = count(if large { 50_000 } else { 9 }, (chance >> 40) as u32 % 3);
            ring.advance(now);
            ring.add(now, more);
            all.entry(now).or_insert_with(Count::default).add(more);
            let kept = (now + 1 - SLOTS as u64..=now).rev();
            let of = |s| all.get(&s).copied().unwrap_or_default();
            let told: Vec<Count> = kept.clone().map(of).collect();
            assert_eq!(ring.last(SLOTS).collect::<Vec<_>>(), told);
            assert_eq!(kept.map(|s| ring.get(s)).collect::<Vec<_>>(), told);
            assert_eq!(ring.get(now - SLOTS as u64), Count::default());
        }
    }

    #[test]
    fn what_nothing_was_counted_in_takes_no_memory() {
        let mut ring = Ring::new(1, SLOTS);
        let empty = ring.heap();
        ring.advance(SLOTS as u64);
        ring.add(SLOTS as u64, count(0, 0));
        assert_eq!(ring.heap(), empty);
        (0..SLOTS as u64).for_each(|i| {
            ring.advance(2 * SLOTS as u64 + i);
            ring.add(2 * SLOTS as u64 + i, count(60_000, 1));
        });
        assert_eq!(ring.heap(), empty + 4 * SLOTS);
        ring.advance(4 * SLOTS as u64 + BLOCK as u64 - 1);
        assert_eq!(ring.heap(), empty);
    }
}
