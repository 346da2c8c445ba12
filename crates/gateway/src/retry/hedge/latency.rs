//! A live percentile: counts in buckets a sixteenth of their value wide, over the last ten to twenty seconds.

use base::Nanos;
use std::time::Duration;

/// Parts of each doubling: 16.
const PART_BITS: u32 = 4;
const PARTS: u64 = 1 << PART_BITS;
/// Longest time told apart, microseconds: 67 s.
const LONGEST: u64 = (1 << 26) - 1;
const BUCKETS: usize = ((26 - PART_BITS as usize) + 1) << PART_BITS;
/// Time after which counts are put aside; those put aside before are forgotten.
const SPAN: Duration = Duration::from_secs(10);
/// A percentile is found once in this time.
const REFRESH: Duration = Duration::from_secs(1);
/// With fewer, nothing is said.
const FEW: u64 = 50;

#[derive(Debug)]
pub struct Latency {
    /// Of this span, and of the one before.
    counts: [Box<[u32; BUCKETS]>; 2],
    since: Nanos,
    /// What was found last, for which share, and until when it holds.
    found: Option<(f64, Duration, Nanos)>,
}

impl Default for Latency {
    fn default() -> Self {
        Latency {
            counts: [Box::new([0; BUCKETS]), Box::new([0; BUCKETS])],
            since: Nanos::ZERO,
            found: None,
        }
    }
}

fn bucket(us: u64) -> usize {
    let us = us.min(LONGEST);
    if us < PARTS {
        return us as usize;
    }
    let shift = us.ilog2() - PART_BITS;
    ((u64::from(shift) << PART_BITS) + (us >> shift)) as usize
}

/// The first microsecond above a bucket.
fn above(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < PARTS {
        return bucket + 1;
    }
    let shift = (bucket >> PART_BITS) - 1;
    ((bucket & (PARTS - 1)) + PARTS + 1) << shift
}

impl Latency {
    pub fn add(&mut self, took: Duration, now: Nanos) {
        self.turn(now);
        let count = &mut self.counts[0][bucket(took.as_micros() as u64)];
        *count = count.saturating_add(1);
    }

    /// What this share of the times does not exceed; `None`: too few are known.
    pub fn percentile(&mut self, share: f64, now: Nanos) -> Option<Duration> {
        if let Some((of, found, until)) = self.found
            && of == share
            && now < until
        {
            return Some(found);
        }
        self.turn(now);
        self.found = self.find(share).map(|found| (share, found, now + REFRESH));
        self.found.map(|(_, found, _)| found)
    }

    fn find(&self, share: f64) -> Option<Duration> {
        let [now, before] = &self.counts;
        let both = || now.iter().zip(before.iter());
        let both = || both().map(|(a, b)| u64::from(*a) + u64::from(*b));
        let all: u64 = both().sum();
        if all < FEW {
            return None;
        }
        let rank = (share * all as f64).ceil() as u64;
        let mut below = 0;
        let mut ranks = both().map(|n| {
            below += n;
            below
        });
        let at = ranks.position(|below| below >= rank)?;
        Some(Duration::from_micros(above(at)))
    }

    fn turn(&mut self, now: Nanos) {
        let passed = now.since(self.since);
        if passed < SPAN {
            return;
        }
        self.counts.swap(0, 1);
        self.counts[0].fill(0);
        if passed >= 2 * SPAN {
            self.counts[1].fill(0);
        }
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    #[test]
    fn a_bucket_is_a_sixteenth_wide_and_ends_where_the_next_begins() {
        for us in (0..5000).chain([65_535, 65_536, LONGEST - 1, LONGEST]) {
            let (b, above) = (bucket(us), above(bucket(us)));
            assert!(above > us && b < BUCKETS, "{us}");
            assert!(above - us <= us / PARTS + 1, "{us}: {above}");
            assert_eq!(bucket(above.min(LONGEST)), (b + 1).min(BUCKETS - 1), "{us}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_percentile_of_a_mix_within_a_sixteenth() {
        let mut l = Latency::default();
        for i in 0..1000u32 {
            let took = if i % 10 == 0 { 200 * MS } else { 20 * MS };
            l.add(took, at(1000 + u64::from(i)));
        }
        let p = |l: &mut Latency, share| l.percentile(share, at(3000)).unwrap().as_secs_f64();
        assert!((0.020..0.0215).contains(&p(&mut l, 0.5)));
        assert!((0.020..0.0215).contains(&p(&mut l, 0.9)));
        assert!((0.200..0.2130).contains(&p(&mut l, 0.95)));
    }

    #[test]
    fn few_say_nothing_and_what_is_old_is_forgotten() {
        let mut l = Latency::default();
        for i in 0..FEW - 1 {
            l.add(20 * MS, at(1000 + i));
        }
        assert_eq!(l.percentile(0.95, at(1100)), None);
        l.add(20 * MS, at(1100));
        assert!(l.percentile(0.95, at(1100)).is_some());
        for i in 0..1000 {
            l.add(MS, at(12_000 + 10 * i));
        }
        let after = l.percentile(0.95, at(22_001)).unwrap();
        assert!(after < 2 * MS, "{after:?}: the slow ones are two spans old");
        assert_eq!(l.percentile(0.95, at(90_000)), None, "a quiet minute");
    }
}
