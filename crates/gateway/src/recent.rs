//! Two counts over the last ten seconds, shared by all threads: one atomic word per second, so that an addition is one
//! exchange and a look reads ten words.

use base::Nanos;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Seconds that count.
pub const SPAN: u64 = 10;
/// Bits of each count in a word: second (20, wraps after 12 days of silence), first (22), second (22).
const COUNT: u32 = 22;
const MASK: u64 = (1 << COUNT) - 1;
const TAG: u64 = (1 << 20) - 1;

#[derive(Debug, Default)]
pub struct Recent {
    seconds: [AtomicU64; SPAN as usize],
}

impl Recent {
    /// Both counts of the last ten seconds.
    pub fn counts(&self, now: Nanos) -> (u64, u64) {
        let second = now.0 / 1_000_000_000;
        self.seconds
            .iter()
            .map(|w| w.load(Relaxed))
            .filter(|w| (tag(second).wrapping_sub(w >> (2 * COUNT)) & TAG) < SPAN)
            .fold((0, 0), |(a, b), w| {
                (a + (w >> COUNT & MASK), b + (w & MASK))
            })
    }

    pub fn add(&self, now: Nanos, first: u64, second: u64) {
        let tag = tag(now.0 / 1_000_000_000);
        let word = &self.seconds[(now.0 / 1_000_000_000 % SPAN) as usize];
        let _ = word.fetch_update(Relaxed, Relaxed, |w| {
            let (a, b) = match w >> (2 * COUNT) == tag {
                true => (w >> COUNT & MASK, w & MASK),
                false => (0, 0),
            };
            let (a, b) = ((a + first).min(MASK), (b + second).min(MASK));
            Some(tag << (2 * COUNT) | a << COUNT | b)
        });
    }
}

/// Starts at 1, so that an empty word belongs to no second.
fn tag(second: u64) -> u64 {
    (second + SPAN) & TAG
}
