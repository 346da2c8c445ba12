//! One series: what was added in each slot, in chunks of slots; a byte or two for most. Nothing is kept of a chunk in
//! which nothing was added.

use crate::varint::{put, take};
use std::collections::VecDeque;

#[derive(Clone, Debug)]
struct Chunk {
    number: u64,
    /// Slots before `at`: numbers above 0, and a 0 with how many there are in a row.
    bytes: Vec<u8>,
    /// Sum of `bytes`.
    sum: u64,
    /// The slot that is added to, and what was added.
    at: u64,
    open: u64,
}

impl Chunk {
    fn new(number: u64, at: u64) -> Chunk {
        Chunk {
            number,
            bytes: Vec::new(),
            sum: 0,
            at,
            open: 0,
        }
    }

    fn total(&self) -> u64 {
        self.sum + self.open
    }

    /// Every slot in which something was added; `first` is the chunk's.
    fn each(&self, first: u64, mut tell: impl FnMut(u64, u64)) {
        let (mut bytes, mut slot) = (&self.bytes[..], first);
        while let Some(n) = take(&mut bytes) {
            match n {
                0 => slot += take(&mut bytes).unwrap_or(0),
                n => {
                    tell(slot, n);
                    slot += 1;
                }
            }
        }
        tell(self.at, self.open);
    }
}

#[derive(Clone, Debug, Default)]
pub struct Column {
    chunks: VecDeque<Chunk>,
}

impl Column {
    /// Adds to a slot: the newest or a newer one. `chunk` is the number of slots in a chunk.
    pub fn add(&mut self, slot: u64, count: u64, chunk: u64) {
        if count == 0 {
            return;
        }
        let number = slot / chunk;
        if self.chunks.back().is_none_or(|c| c.number < number) {
            if let Some(last) = self.chunks.back_mut() {
                last.bytes.shrink_to_fit();
            }
            let mut new = Chunk::new(number, slot);
            zeros(&mut new.bytes, slot - number * chunk);
            self.chunks.push_back(new);
        }
        let Some(c) = self.chunks.back_mut() else {
            return;
        };
        if slot > c.at {
            put(&mut c.bytes, c.open);
            c.sum += c.open;
            zeros(&mut c.bytes, slot - c.at - 1);
            (c.at, c.open) = (slot, 0);
        }
        c.open = c.open.saturating_add(count);
    }

    /// What was added in the newest slot that anything was added in, if it is this one.
    pub fn open(&self, slot: u64) -> u64 {
        match self.chunks.back() {
            Some(c) if c.at == slot => c.open,
            _ => 0,
        }
    }

    /// All that was added before a slot, as far as it is kept; then every slot from there on until `to` in which
    /// something was added.
    pub fn read(&self, from: u64, to: u64, chunk: u64, mut each: impl FnMut(u64, u64)) -> u64 {
        let mut before = 0;
        for c in &self.chunks {
            let (first, last) = (c.number * chunk, (c.number + 1) * chunk - 1);
            if last < from {
                before += c.total();
                continue;
            }
            if first > to {
                break;
            }
            c.each(first, |slot, n| match slot {
                s if s < from => before += n,
                s if s <= to => each(slot, n),
                _ => {}
            });
        }
        before
    }

    /// The newest slot in which anything was added.
    pub fn last(&self) -> Option<u64> {
        self.chunks.back().map(|c| c.at)
    }

    /// All that was added in these slots: whole chunks are not looked into.
    pub fn sum(&self, from: u64, to: u64, chunk: u64) -> u64 {
        let mut sum = 0u64;
        for c in &self.chunks {
            let (first, last) = (c.number * chunk, (c.number + 1) * chunk - 1);
            match from <= first && last <= to {
                true => sum = sum.saturating_add(c.total()),
                false if last < from || first > to => {}
                false => c.each(first, |slot, n| {
                    if (from..=to).contains(&slot) {
                        sum = sum.saturating_add(n);
                    }
                }),
            }
        }
        sum
    }

    /// Forgets chunks that end before a slot.
    pub fn forget(&mut self, before: u64, chunk: u64) {
        let old = |c: &Chunk| (c.number + 1) * chunk <= before;
        while self.chunks.front().is_some_and(old) {
            self.chunks.pop_front();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Memory that it takes.
    pub fn bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(|c| c.bytes.capacity()).sum();
        chunks + self.chunks.capacity() * size_of::<Chunk>()
    }
}

fn zeros(bytes: &mut Vec<u8>, n: u64) {
    if n > 0 {
        bytes.push(0);
        put(bytes, n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_added_is_read_back(added in proptest::collection::btree_map(0u64..500, 1u64..1 << 40, 0..60), from in 0u64..500, len in 0u64..500, chunk in 1u64..90) {
            let mut column = Column::default();
            for (slot, n) in &added {
                column.add(*slot, n - 1, chunk);
                column.add(*slot, 1, chunk);
            }
            let mut seen = Vec::new();
            let before = column.read(from, from + len, chunk, |s, n| seen.push((s, n)));
            prop_assert_eq!(before, added.range(..from).map(|a| a.1).sum::<u64>());
            let expected: Vec<_> = added.range(from..=from + len).map(|(s, n)| (*s, *n)).collect();
            prop_assert_eq!(column.last(), added.keys().next_back().copied());
            prop_assert_eq!(column.sum(from, from + len, chunk), expected.iter().map(|s| s.1).sum::<u64>());
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn whole_chunks_are_forgotten_and_nothing_costs_nothing() {
        let mut column = Column::default();
        column.add(3, 0, 10);
        assert!(column.is_empty());
        (0..40).for_each(|slot| column.add(slot, 1, 10));
        column.forget(29, 10);
        assert_eq!(column.read(25, 99, 10, |_, _| {}), 5);
        column.forget(100, 10);
        assert!(column.is_empty());
    }
}
