//! Whether a store's memory, once full, holds anything down. Pure.
//!
//! A cache that evicts is always full: that is how it works. Full memory is a cliff where writes are refused, and a shortage
//! where what is evicted is asked for again, so that most look-ups miss.

use super::info::Info;

/// What was counted fades, so that it is that of about the last minute.
pub const FADE: f64 = 0.98;
/// Of the look-ups, the share that misses from which a store that evicts is too small.
const MISSES: f64 = 0.5;
/// Fewer look-ups, in what has not faded, tell nothing.
const LEAST: f64 = 100.0;
/// Of the misses, those that can be for want of room: as many keys as these are evicted to make room again.
const EVICTED: f64 = 0.5;

/// Per second, since the last reading; `None` where it is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    pub hits: Option<f64>,
    pub misses: Option<f64>,
    pub evicted: Option<f64>,
    /// Writes refused for want of memory.
    pub refused: Option<f64>,
}

/// Sums that fade.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evictions {
    hits: f64,
    misses: f64,
    evicted: f64,
    refused: f64,
}

impl Evictions {
    pub fn second(&mut self, r: Rates) {
        let add = |to: &mut f64, rate: Option<f64>| *to = *to * FADE + rate.unwrap_or(0.0);
        add(&mut self.hits, r.hits);
        add(&mut self.misses, r.misses);
        add(&mut self.evicted, r.evicted);
        add(&mut self.refused, r.refused);
    }

    /// Whether being full costs something, under this policy.
    pub fn hurts(&self, policy: &str) -> bool {
        // An old Redis without a policy in `INFO` refuses unless it was told otherwise.
        if matches!(policy, "noeviction" | "") || self.refused > 1.0 {
            return true;
        }
        let asked = self.hits + self.misses;
        let missing = asked >= LEAST && self.misses >= MISSES * asked;
        missing && self.evicted >= EVICTED * self.misses
    }
}

/// Writes that were refused for want of memory, since the start.
pub fn refused(info: &Info) -> Option<f64> {
    info.text("errorstat_OOM")
        .strip_prefix("count=")?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(hits: f64, misses: f64, evicted: f64, refused: f64) -> Evictions {
        let mut e = Evictions::default();
        for _ in 0..60 {
            e.second(Rates {
                hits: Some(hits),
                misses: Some(misses),
                evicted: Some(evicted),
                refused: Some(refused),
            });
        }
        e
    }

    #[test]
    fn a_cache_that_evicts_and_hits_is_fine() {
        let warm = minute(900.0, 100.0, 100.0, 0.0);
        assert!(!warm.hurts("allkeys-lru"));
        assert!(warm.hurts("noeviction"), "the next write is refused");
        assert!(!minute(0.0, 0.0, 50.0, 0.0).hurts("allkeys-lru"));
    }

    #[test]
    fn one_that_misses_what_it_evicted_is_too_small() {
        assert!(minute(300.0, 700.0, 690.0, 0.0).hurts("allkeys-lfu"));
        // Asked for what nobody ever wrote: more memory does not bring it.
        assert!(!minute(300.0, 700.0, 20.0, 0.0).hurts("allkeys-lfu"));
    }

    #[test]
    fn one_that_refuses_writes_is_full_whatever_its_policy() {
        assert!(minute(900.0, 1.0, 0.0, 3.0).hurts("volatile-lru"));
        let info = Info::parse("errorstat_OOM:count=12\r\n");
        assert_eq!(refused(&info), Some(12.0));
        assert_eq!(refused(&Info::parse("")), None);
    }
}
