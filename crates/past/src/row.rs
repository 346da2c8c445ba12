//! A slot as it is stored: a version, its number, what was added to which series, and a checksum.

use crate::varint::{put, take};
use crate::{Grain, Keep};

const VERSION: u8 = 1;

/// Which rows are together, under which prefix of keys; in the order in which they are put back.
pub const KINDS: [(&str, Grain, Keep); 3] = [
    ("counts/", Grain::Coarse, Keep::Counts),
    ("buckets/", Grain::Coarse, Keep::Buckets),
    ("fine/", Grain::Fine, Keep::Counts),
];
/// Series by number, in pages of so many.
pub const NAMES_PREFIX: &str = "names/";
pub const NAMES: usize = 1000;

/// In the order of time.
pub fn key(prefix: &str, slot: u64) -> String {
    format!("{prefix}{slot:012}")
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub grain: Grain,
    pub keep: Keep,
    pub slot: u64,
    /// In how many fine slots Plimsoll counted.
    pub fine: u64,
    /// Numbers of series, ascending, and what was added.
    pub counts: Vec<(u32, u64)>,
}

impl Row {
    /// Which of [`KINDS`] it is.
    pub fn kind(&self) -> usize {
        let of = |k: &(&str, Grain, Keep)| k.1 == self.grain && k.2 == self.keep;
        KINDS.iter().position(of).unwrap_or(0)
    }

    pub fn key(&self) -> String {
        key(KINDS[self.kind()].0, self.slot)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put(&mut out, self.slot);
        put(&mut out, self.fine);
        let mut before = 0;
        for &(id, n) in &self.counts {
            put(&mut out, u64::from(id - before));
            put(&mut out, n);
            before = id;
        }
        let sum = checksum(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// `None`: damaged, or of another version.
    pub fn read(grain: Grain, keep: Keep, bytes: &[u8]) -> Option<Row> {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        let (&version, mut rest) = body.split_first()?;
        if version != VERSION || checksum(body).to_le_bytes() != *sum {
            return None;
        }
        let (slot, fine) = (take(&mut rest)?, take(&mut rest)?);
        let (mut counts, mut id) = (Vec::new(), 0u32);
        while !rest.is_empty() {
            id = id.checked_add(u32::try_from(take(&mut rest)?).ok()?)?;
            counts.push((id, take(&mut rest)?));
        }
        Some(Row {
            grain,
            keep,
            slot,
            fine,
            counts,
        })
    }
}

/// FNV-1a: finds damage that the disk does not tell of.
fn checksum(bytes: &[u8]) -> u32 {
    let eat = |h: u32, b: &u8| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, eat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_back_and_damage_is_seen(slot: u64, fine: u64, counts in proptest::collection::btree_map(any::<u32>(), any::<u64>(), 0..40), at: usize, bit in 0u32..8) {
            let row = Row { grain: Grain::Fine, keep: Keep::Counts, slot, fine, counts: counts.into_iter().collect() };
            let mut bytes = row.bytes();
            prop_assert_eq!(Row::read(Grain::Fine, Keep::Counts, &bytes), Some(row));
            let at = at % bytes.len();
            prop_assert_eq!(Row::read(Grain::Fine, Keep::Counts, &bytes[..at]), None);
            bytes[at] ^= 1u8 << bit;
            prop_assert_eq!(Row::read(Grain::Fine, Keep::Counts, &bytes), None);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(mut bytes: Vec<u8>) {
            bytes.insert(0, VERSION);
            let sum = checksum(&bytes);
            bytes.extend_from_slice(&sum.to_le_bytes());
            let _ = Row::read(Grain::Coarse, Keep::Buckets, &bytes);
        }
    }
}
