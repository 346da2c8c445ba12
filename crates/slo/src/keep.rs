//! Slots as they are stored: one row for all objectives, in rings of keys, so that 35 days have a bound in bytes.

use crate::counts::{Count, slots};
use base::Grain;

/// Objectives that a store knows by name; counts of more are not stored.
pub const MAX_NAMES: usize = 4096;
/// Under this key: the names, as a JSON list; rows name objectives by their place in it.
pub const NAMES_KEY: &str = "slo/names";
pub const FINE_PREFIX: &str = "slo/fine/";
pub const COARSE_PREFIX: &str = "slo/coarse/";
pub const ALERT_PREFIX: &str = "slo/alert/";
const ENTRY: usize = 10;

/// The answers of one slot, by the number of the objective's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub grain: Grain,
    pub slot: u64,
    pub counts: Vec<(u16, Count)>,
}

impl Row {
    /// As many keys as slots: a new row takes the place of the one that is too old.
    pub fn key(&self) -> String {
        let prefix = match self.grain {
            Grain::Fine => FINE_PREFIX,
            Grain::Coarse => COARSE_PREFIX,
        };
        let place = self.slot % slots(self.grain) as u64;
        format!("{prefix}{place:05}")
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.slot.to_le_bytes().to_vec();
        for (name, c) in &self.counts {
            out.extend_from_slice(&name.to_le_bytes());
            out.extend_from_slice(&c.total.to_le_bytes());
            out.extend_from_slice(&c.bad.to_le_bytes());
        }
        out
    }

    /// `None` when these are not the bytes of a row.
    pub fn read(grain: Grain, bytes: &[u8]) -> Option<Row> {
        let (slot, rest) = bytes.split_at_checked(8)?;
        if rest.len() % ENTRY != 0 {
            return None;
        }
        let word = |b: &[u8]| Some(u32::from_le_bytes(b.try_into().ok()?));
        let entry = |e: &[u8]| {
            let name = u16::from_le_bytes(e[..2].try_into().ok()?);
            let count = Count {
                total: word(&e[2..6])?,
                bad: word(&e[6..])?,
            };
            Some((name, count))
        };
        Some(Row {
            grain,
            slot: u64::from_le_bytes(slot.try_into().ok()?),
            counts: rest.chunks_exact(ENTRY).map(entry).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_other_bytes_do_not() {
        let count = Count {
            total: u32::MAX,
            bad: 7,
        };
        let row = Row {
            grain: Grain::Coarse,
            slot: 10_081,
            counts: vec![(0, count), (4095, Count::default())],
        };
        assert_eq!(row.key(), "slo/coarse/00001");
        assert_eq!(Row::read(Grain::Coarse, &row.bytes()), Some(row.clone()));
        for cut in [0, 7, 9, 17] {
            assert_eq!(Row::read(Grain::Fine, &row.bytes()[..cut]), None, "{cut}");
        }
    }
}
