//! Answers in slots of time: 10 s for three hours, 5 min for 35 days. About 45 KB for each objective that
//! has had answers all the time, and twice that beyond 65 535 answers in a slot.

use crate::ring::Ring;
use base::grain::{COARSE_MS, FINE_MS, Grain};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Slots that are kept.
pub const FINE: usize = 3 * 360;
pub const COARSE: usize = 35 * 288;
/// Blocks that a window is cut into, to see how much the share of bad answers varies.
const BLOCKS: usize = 72;

/// How long ago it is that still tells how bad it is now.
const RECENT: Duration = Duration::from_secs(300);

/// How many slots are kept.
pub fn slots(grain: Grain) -> usize {
    match grain {
        Grain::Fine => FINE,
        Grain::Coarse => COARSE,
    }
}

/// Answers in one slot; what is above stays at the top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub total: u32,
    pub bad: u32,
}

impl Count {
    pub fn add(&mut self, more: Count) {
        self.total = self.total.saturating_add(more.total);
        self.bad = self.bad.saturating_add(more.bad);
    }
}

/// Answers in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub total: u64,
    pub bad: u64,
}

impl Sum {
    pub fn add(&mut self, c: Count) {
        self.total += u64::from(c.total);
        self.bad += u64::from(c.bad);
    }
    /// Share of bad answers; 0 where there are none.
    pub fn share(self) -> f64 {
        match self.total {
            0 => 0.0,
            n => self.bad as f64 / n as f64,
        }
    }
}

/// What one objective has counted.
#[derive(Clone, Debug)]
pub struct Counts {
    fine: Ring,
    coarse: Ring,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            fine: Ring::new(FINE_MS, FINE),
            coarse: Ring::new(COARSE_MS, COARSE),
        }
    }
}

impl Counts {
    /// Memory beside the struct itself, bytes.
    pub fn heap(&self) -> usize {
        self.fine.heap() + self.coarse.heap()
    }

    /// Moves on to this time, and adds what came since the last one.
    pub fn add(&mut self, now_ms: u64, count: Count) {
        self.fine.advance(now_ms);
        self.coarse.advance(now_ms);
        self.fine.add(self.fine.newest, count);
        self.coarse.add(self.coarse.newest, count);
    }

    /// Puts back a stored slot.
    pub fn restore(&mut self, grain: Grain, slot: u64, count: Count) {
        self.ring_mut(grain).add(slot, count);
    }

    pub fn slot(&self, grain: Grain, slot: u64) -> Count {
        match grain {
            Grain::Fine => self.fine.get(slot),
            Grain::Coarse => self.coarse.get(slot),
        }
    }

    fn ring_mut(&mut self, grain: Grain) -> &mut Ring {
        match grain {
            Grain::Fine => &mut self.fine,
            Grain::Coarse => &mut self.coarse,
        }
    }

    /// The slots of the last `window`, the one under way included; newest first.
    fn slots(&self, window: Duration) -> (&Ring, usize) {
        let ms = window.as_millis() as u64;
        let fine = ms <= FINE_MS * FINE as u64;
        let ring = if fine { &self.fine } else { &self.coarse };
        (ring, ms.div_ceil(ring.slot_ms) as usize)
    }

    /// Answers of the last `window`.
    pub fn over(&self, window: Duration) -> Sum {
        let (ring, n) = self.slots(window);
        let mut sum = Sum::default();
        ring.last(n).for_each(|c| sum.add(c));
        sum
    }

    /// When the share of bad answers turned from the allowed one to that of the last minutes: the begin of the last excursion of
    /// the likelihood of one against the other (CUSUM; Page 1954), in the slots of 10 s. `None`: it has not.
    pub fn turned(&self, allowed: f64) -> Option<u64> {
        let now = self.over(RECENT).share().max(2.0 * allowed).min(0.999);
        if !(allowed > 0.0 && allowed < now) {
            return None;
        }
        let (bad, good) = ((now / allowed).ln(), ((1.0 - now) / (1.0 - allowed)).ln());
        let (mut sum, mut began) = (0.0, None);
        let first = self.fine.newest.saturating_sub(FINE as u64 - 1);
        for slot in first..=self.fine.newest {
            let c = self.fine.get(slot);
            let fine = c.total.saturating_sub(c.bad);
            sum += f64::from(c.bad) * bad + f64::from(fine) * good;
            match sum > 0.0 {
                true => began = began.or(Some(slot * FINE_MS)),
                false => (sum, began) = (0.0, None),
            }
        }
        began
    }

    /// The same in up to 72 blocks of equal length.
    pub fn blocks(&self, window: Duration) -> Vec<Sum> {
        let (ring, n) = self.slots(window);
        let each = n.div_ceil(BLOCKS).max(1);
        let mut blocks = vec![Sum::default(); n.div_ceil(each)];
        for (i, c) in ring.last(n).enumerate() {
            blocks[i / each].add(c);
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(total: u32, bad: u32) -> Count {
        Count { total, bad }
    }

    #[test]
    fn windows_hold_what_came_in_them_and_no_more() {
        let (mut c, start) = (Counts::default(), 1_700_000_000_000u64);
        for second in 0..7200 {
            c.add(start + second * 1000, count(10, u32::from(second >= 6900)));
        }
        let five = c.over(Duration::from_secs(300));
        assert_eq!((five.total, five.bad), (3000, 300));
        assert_eq!(c.over(Duration::from_secs(3600)).bad, 300);
        let day = c.over(Duration::from_secs(86_400));
        assert_eq!(
            (day.total, day.bad),
            (72_000, 300),
            "all of it is in the coarse slots too"
        );
        let blocks = c.blocks(Duration::from_secs(3600));
        assert_eq!(
            (blocks.len(), blocks[0], blocks[71].bad),
            (
                72,
                Sum {
                    total: 500,
                    bad: 50
                },
                0
            )
        );
        c.add(start + 40 * 86_400_000, count(1, 0));
        assert_eq!(
            c.over(Duration::from_secs(35 * 86_400)).total,
            1,
            "35 days have passed"
        );
    }

    #[test]
    fn an_objective_takes_what_it_counted() {
        let (mut c, start) = (Counts::default(), 1_700_000_000_000u64);
        c.add(start, count(10, 0));
        let first = c.heap();
        assert!(first < 3_000, "{first} bytes after the first answer");
        for slot in 0..COARSE as u64 {
            c.add(start + slot * COARSE_MS, count(300 * 200, 1));
        }
        let full = c.heap();
        assert!(full < 48_000, "{full} bytes after 35 days");
    }

    #[test]
    fn when_it_turned_bad_is_found_to_the_slot() {
        let start = 1_700_000_000_000u64;
        for (rate, bad_share, every) in [(100, 1.0, 1), (10, 0.3, 1), (20, 0.05, 1), (1, 1.0, 3)] {
            let mut c = Counts::default();
            for second in 0..3600u64 {
                let turned = second >= 3000 && second % every == 0;
                // One of a thousand fails before, too.
                let usual = u32::from(second % 100 == 0 && rate >= 10);
                let bad = if turned {
                    (f64::from(rate) * bad_share) as u32
                } else {
                    usual
                };
                let total = if second % every == 0 { rate } else { 0 };
                c.add(start + second * 1000, count(total, bad.min(total)));
            }
            let turned = c.turned(0.001).unwrap();
            let off = turned.abs_diff(start + 3_000_000);
            assert!(off <= 10_000, "{rate}/s, {bad_share}: {off} ms off");
        }
        let mut good = Counts::default();
        (0..3600).for_each(|s| good.add(start + s * 1000, count(10, 0)));
        assert_eq!(good.turned(0.001), None);
        assert_eq!(Counts::default().turned(0.001), None);
        assert_eq!(good.turned(0.0), None);
    }

    #[test]
    fn a_clock_that_goes_back_loses_nothing_and_invents_nothing() {
        let mut c = Counts::default();
        c.add(1_700_000_000_000, count(5, 1));
        c.add(1_699_999_000_000, count(5, 0));
        assert_eq!(c.over(Duration::from_secs(60)), Sum { total: 10, bad: 1 });
        c.restore(Grain::Fine, 3, count(9, 9));
        assert_eq!(
            c.over(Duration::from_secs(60)).bad,
            1,
            "too old to be put back"
        );
    }
}
