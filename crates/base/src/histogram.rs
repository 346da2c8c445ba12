//! A sparse log-linear histogram of durations: mergeable, at most 1.6 % relative error.

use serde::{Deserialize, Serialize};

/// Sub-buckets per octave; half a bucket is the error: 1/64.
const SUB: u64 = 32;
const SUB_BITS: u32 = 5;
/// Values are counted in microseconds up to about 4 000 s.
pub const BUCKETS: usize = 28 * SUB as usize;

/// Counts by bucket, sorted by bucket. Small: only buckets that were hit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    counts: Vec<(u16, u32)>,
}

/// The bucket of a duration in microseconds.
#[inline]
pub fn bucket(us: u64) -> u16 {
    if us < SUB {
        return us as u16;
    }
    let octave = 63 - us.leading_zeros() - SUB_BITS;
    let sub = (us >> octave) - SUB;
    let b = (octave as u64 + 1) * SUB + sub;
    b.min(BUCKETS as u64 - 1) as u16
}

/// Lower edge of a bucket, microseconds.
pub fn lower_edge(bucket: u16) -> u64 {
    let b = bucket as u64;
    if b < SUB {
        return b;
    }
    let octave = b / SUB - 1;
    (SUB + b % SUB) << octave
}

impl Histogram {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn record_secs(&mut self, s: f64) {
        self.record_us((s.max(0.0) * 1e6) as u64, 1);
    }
    pub fn record_us(&mut self, us: u64, n: u32) {
        let b = bucket(us);
        match self.counts.binary_search_by_key(&b, |c| c.0) {
            Ok(i) => self.counts[i].1 = self.counts[i].1.saturating_add(n),
            Err(i) => self.counts.insert(i, (b, n)),
        }
    }
    pub fn merge(&mut self, other: &Histogram) {
        for &(b, n) in &other.counts {
            match self.counts.binary_search_by_key(&b, |c| c.0) {
                Ok(i) => self.counts[i].1 = self.counts[i].1.saturating_add(n),
                Err(i) => self.counts.insert(i, (b, n)),
            }
        }
    }
    /// Gives back the memory that was kept for more.
    pub fn shrink_to_fit(&mut self) {
        self.counts.shrink_to_fit();
    }
    /// Memory beside the struct itself, bytes.
    pub fn heap(&self) -> usize {
        self.counts.capacity() * size_of::<(u16, u32)>()
    }
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|c| c.1 as u64).sum()
    }
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
    /// The `q` quantile in seconds, at the middle of its bucket; `None` when empty.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for &(b, n) in &self.counts {
            seen += n as u64;
            if seen >= rank {
                let (lo, hi) = (lower_edge(b), lower_edge(b + 1));
                return Some((lo + hi) as f64 / 2e6);
            }
        }
        None
    }
    /// How many values are at or below `s` seconds; the bucket that holds `s` counts whole.
    pub fn at_or_below(&self, s: f64) -> u64 {
        let limit = bucket((s.max(0.0) * 1e6) as u64);
        self.counts
            .iter()
            .take_while(|c| c.0 <= limit)
            .map(|c| c.1 as u64)
            .sum()
    }
    /// `(lower edge in seconds, upper edge in seconds, count)` of every bucket hit.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, f64, u32)> + '_ {
        self.counts.iter().map(|&(b, n)| {
            (
                lower_edge(b) as f64 / 1e6,
                lower_edge(b + 1) as f64 / 1e6,
                n,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_holds_its_value(us in 0u64..4_000_000_000) {
            let b = bucket(us);
            prop_assert!(lower_edge(b) <= us && us < lower_edge(b + 1), "{us} in bucket {b}");
        }

        #[test]
        fn quantiles_are_within_two_percent(mut v in proptest::collection::vec(100u64..10_000_000, 1..200), q in 0.0f64..1.0) {
            let mut h = Histogram::new();
            v.iter().for_each(|&x| h.record_us(x, 1));
            v.sort_unstable();
            let rank = ((q * v.len() as f64).ceil() as usize).max(1);
            let exact = v[rank - 1] as f64 / 1e6;
            let got = h.quantile(q).unwrap();
            prop_assert!((got / exact - 1.0).abs() < 0.02, "{got} against {exact}");
        }
    }

    #[test]
    fn merging_adds_counts() {
        let (mut a, mut b) = (Histogram::new(), Histogram::new());
        a.record_secs(0.001);
        b.record_secs(0.001);
        b.record_secs(1.0);
        a.merge(&b);
        assert_eq!(a.total(), 3);
        assert_eq!(a.at_or_below(0.01), 2);
    }
}
