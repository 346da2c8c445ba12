//! The order of those who wait for a permit. Pure.
//!
//! Who matters more is served first, and takes the place of who matters less when there is none left. Among equals the
//! first come is served first; once the queue is full and has been standing for long, the newest.

use super::core::{self, Places};
use base::Nanos;
use config::sections::Criticality;
use std::collections::VecDeque;

/// Of criticality.
pub const TIERS: usize = 3;

/// The place of a criticality among the tiers: 0 is served first.
pub fn tier(criticality: Criticality) -> usize {
    match criticality {
        Criticality::Critical => 0,
        Criticality::Normal => 1,
        Criticality::Sheddable => 2,
    }
}

#[derive(Debug)]
pub struct Queue<T> {
    tiers: [Tier<T>; TIERS],
}

/// Equals, the oldest in front.
#[derive(Debug)]
struct Tier<T> {
    waiters: VecDeque<T>,
    /// Since when somebody has been waiting at every moment.
    since: Nanos,
    /// For so long that it was no burst when the queue was full.
    standing: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue {
            tiers: std::array::from_fn(|_| Tier {
                waiters: VecDeque::new(),
                since: Nanos::ZERO,
                standing: false,
            }),
        }
    }
}

impl<T> Queue<T> {
    /// How many wait, tier by tier.
    pub fn lengths(&self) -> [usize; TIERS] {
        std::array::from_fn(|i| self.tiers[i].waiters.len())
    }

    pub fn total(&self) -> usize {
        self.lengths().iter().sum()
    }

    /// Takes one of the places; false: there is none. Some who matter less give way, else the oldest of a tier that
    /// stands: they have waited for nothing.
    pub fn push(&mut self, tier: usize, waiter: T, places: Places, now: Nanos) -> bool {
        let full = self.total() >= places.burst;
        let mine = &mut self.tiers[tier];
        if mine.waiters.is_empty() {
            (mine.since, mine.standing) = (now, false);
        }
        // Where there is a place for everybody, everybody's turn comes.
        mine.standing |= full && core::stands(now.since(mine.since));
        let most = match mine.standing {
            true => places.standing,
            false => places.burst,
        };
        while self.total() >= most {
            if !self.make_way(tier) {
                return false;
            }
        }
        self.tiers[tier].waiters.push_back(waiter);
        true
    }

    /// Sends away the one who would be served last; false: all would be served before one more of this tier.
    fn make_way(&mut self, tier: usize) -> bool {
        let last = (tier..TIERS).rev().find_map(|t| {
            let of = &mut self.tiers[t];
            match of.standing {
                true => of.waiters.pop_front(),
                false if t > tier => of.waiters.pop_back(),
                false => None,
            }
        });
        last.is_some()
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for tier in &mut self.tiers {
            tier.waiters.retain(&mut keep);
        }
    }

    /// Who is served next.
    pub fn next(&self) -> Option<&T> {
        self.tiers.iter().find_map(|t| match t.standing {
            true => t.waiters.back(),
            false => t.waiters.front(),
        })
    }

    pub fn pop(&mut self) -> Option<T> {
        self.tiers.iter_mut().find_map(|t| match t.standing {
            true => t.waiters.pop_back(),
            false => t.waiters.pop_front(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CRITICAL: usize = 0;
    const NORMAL: usize = 1;
    const SHEDDABLE: usize = 2;

    fn places(n: usize) -> Places {
        Places {
            burst: n,
            standing: n,
        }
    }

    fn ms(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    fn served(q: &mut Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| q.pop()).collect()
    }

    #[test]
    fn who_matters_more_overtakes_and_equals_keep_their_order() {
        let mut q = Queue::default();
        let all = [SHEDDABLE, NORMAL, CRITICAL, NORMAL, CRITICAL, SHEDDABLE];
        for (i, tier) in all.into_iter().enumerate() {
            assert!(q.push(tier, i as u32, places(16), ms(1)));
        }
        assert_eq!((q.lengths(), q.next()), ([2, 2, 2], Some(&2)));
        assert_eq!(served(&mut q), [2, 4, 1, 3, 0, 5]);
    }

    #[test]
    fn who_matters_less_gives_its_place() {
        let mut q = Queue::default();
        for i in 0..2 {
            assert!(q.push(SHEDDABLE, i, places(3), ms(1)));
        }
        assert!(q.push(NORMAL, 2, places(3), ms(1)));
        assert!(
            !q.push(SHEDDABLE, 3, places(3), ms(1)),
            "nobody matters less"
        );
        assert!(
            q.push(CRITICAL, 4, places(3), ms(1)),
            "the last of the last tier"
        );
        assert!(q.push(NORMAL, 5, places(3), ms(1)));
        assert!(
            !q.push(NORMAL, 6, places(3), ms(1)),
            "equals in a burst stay"
        );
        assert!(q.push(CRITICAL, 7, places(3), ms(1)));
        assert_eq!(served(&mut q), [4, 7, 2]);
    }

    #[test]
    fn a_tier_that_stands_serves_its_newest_and_the_others_are_not_touched() {
        let mut q = Queue::default();
        for (i, at) in [0, 50, 120].into_iter().enumerate() {
            assert!(q.push(NORMAL, i as u32, places(5), ms(at)));
        }
        assert!(q.push(CRITICAL, 10, places(5), ms(120)));
        assert!(q.push(CRITICAL, 11, places(5), ms(121)));
        assert!(
            q.push(NORMAL, 3, places(5), ms(122)),
            "the oldest gives way"
        );
        assert_eq!(served(&mut q), [10, 11, 3, 2, 1]);
        assert!(q.push(NORMAL, 4, places(5), ms(500)) && q.push(NORMAL, 5, places(5), ms(501)));
        assert_eq!(
            served(&mut q),
            [4, 5],
            "it was empty: order is back in the tier"
        );
    }

    #[test]
    fn a_queue_with_places_left_is_served_in_order_however_long_it_stands() {
        let mut q = Queue::default();
        let mut served = Vec::new();
        for i in 0..50 {
            assert!(q.push(NORMAL, i, places(16), ms(i as u64 * 20)));
            served.extend(if i < 4 { None } else { q.pop() });
        }
        assert_eq!(served, (0..46).collect::<Vec<u32>>());
    }

    #[test]
    fn a_burst_may_be_long_and_is_cut_when_it_stands() {
        let (mut q, most) = (
            Queue::default(),
            Places {
                burst: 10,
                standing: 4,
            },
        );
        for i in 0..10 {
            assert!(q.push(NORMAL, i, most, ms(i as u64)));
        }
        assert!(!q.push(NORMAL, 10, most, ms(99)));
        assert!(q.push(NORMAL, 11, most, ms(100)));
        assert_eq!(
            served(&mut q),
            [11, 9, 8, 7],
            "the oldest have waited for nothing"
        );
    }

    proptest! {
        #[test]
        fn the_bound_holds_and_nobody_is_served_before_one_who_matters_more(
            steps in prop::collection::vec((0usize..4, 0u64..40), 1..400),
            most in 1usize..20,
        ) {
            let (mut q, mut now) = (Queue::default(), 0);
            for (what, gap) in steps {
                now += gap;
                let before = q.lengths();
                if what == TIERS {
                    let best = before.iter().position(|n| *n > 0);
                    prop_assert_eq!(q.pop(), best);
                    continue;
                }
                let taken = q.push(what, what, places(most), ms(now));
                let after = q.lengths();
                prop_assert!(q.total() <= most);
                prop_assert!((0..what).all(|t| after[t] == before[t]), "nobody above loses a place");
                prop_assert!(taken || before[what + 1..].iter().all(|n| *n == 0));
            }
        }
    }
}
