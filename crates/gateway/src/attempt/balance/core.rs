//! Power of two choices over the instances that may be used.
//! Two at random and the better of them comes close to the best of all, without the herd that follows the best.

/// How an instance was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    pub index: usize,
    /// Less than half of the instances are usable, so all were considered: health itself is in doubt.
    pub panic: bool,
}

/// What the choice knows of the instances `0..count`.
pub struct Field<U, C> {
    pub count: usize,
    /// Healthy and not ejected.
    pub usable: U,
    /// Smaller is better.
    pub cost: C,
    /// Already tried for this exchange, as bits; instances from the 64th on are never excluded by it.
    pub tried: u64,
}

impl<U: Fn(usize) -> bool, C: Fn(usize) -> f64> Field<U, C> {
    /// `None` only without instances. `random` is uniform over all of `u64`.
    pub fn pick(&self, random: u64) -> Option<Pick> {
        if self.count <= 1 {
            let panic = self.count == 1 && !(self.usable)(0);
            return (self.count == 1).then_some(Pick { index: 0, panic });
        }
        let usable = (0..self.count).filter(|&i| (self.usable)(i)).count();
        let panic = usable * 2 < self.count;
        let healthy = |i: usize| panic || (self.usable)(i);
        let fresh = |i: usize| healthy(i) && !self.was_tried(i);
        let left = (0..self.count).filter(|&i| fresh(i)).count();
        let index = match left {
            // All were tried: a second try of one of them is better than none.
            0 => self.of_two(healthy, if panic { self.count } else { usable }, random)?,
            left => self.of_two(fresh, left, random)?,
        };
        Some(Pick { index, panic })
    }

    /// Among those that are usable and were not tried, however few they are.
    pub fn pick_usable(&self, random: u64) -> Option<Pick> {
        let may = |i: usize| (self.usable)(i) && !self.was_tried(i);
        let n = (0..self.count).filter(|i| may(*i)).count();
        let index = (n > 0).then(|| self.of_two(may, n, random)).flatten()?;
        Some(Pick {
            index,
            panic: false,
        })
    }

    fn was_tried(&self, i: usize) -> bool {
        i < 64 && self.tried >> i & 1 == 1
    }

    /// `n` is the number of instances that `may`.
    fn of_two(&self, may: impl Fn(usize) -> bool, n: usize, random: u64) -> Option<usize> {
        let nth = |k: usize| (0..self.count).filter(|&i| may(i)).nth(k);
        let scale = |r: u32, n: usize| ((r as u64 * n as u64) >> 32) as usize;
        let a = scale(random as u32, n);
        if n < 2 {
            return nth(a);
        }
        let b = scale((random >> 32) as u32, n - 1);
        let b = if b >= a { b + 1 } else { b };
        let (a, b) = (nth(a)?, nth(b)?);
        Some(if (self.cost)(b) < (self.cost)(a) {
            b
        } else {
            a
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pick_is_usable_unless_too_few_are_and_new_unless_all_were_tried(
            usable in prop::collection::vec(any::<bool>(), 1..20),
            tried in 0u64..1 << 20,
            random: u64,
        ) {
            let n = usable.len();
            let field = Field { count: n, usable: |i: usize| usable[i], cost: |i| i as f64, tried };
            let pick = field.pick(random).unwrap();
            let good = usable.iter().filter(|u| **u).count();
            prop_assert_eq!(pick.panic, good * 2 < n);
            prop_assert!(pick.panic || usable[pick.index]);
            let fresh = |i: usize| (pick.panic || usable[i]) && tried >> i & 1 == 0;
            prop_assert!(n == 1 || fresh(pick.index) || !(0..n).any(fresh));
        }
    }

    #[test]
    fn the_dearest_of_three_is_never_taken_and_equals_share() {
        let mut rng = 1u64;
        let mut next = || {
            rng = rng
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            rng ^ rng >> 29
        };
        let mut counts = [0; 3];
        for _ in 0..6000 {
            let costs = [1.0, 1.0, 9.0];
            let field = Field {
                count: 3,
                usable: |_| true,
                cost: |i: usize| costs[i],
                tried: 0,
            };
            counts[field.pick(next()).unwrap().index] += 1;
        }
        assert_eq!(counts[2], 0);
        assert!(counts[0] > 2700 && counts[1] > 2700, "{counts:?}");
    }

    #[test]
    fn no_instance_no_pick() {
        let field = Field {
            count: 0,
            usable: |_| true,
            cost: |_| 0.0,
            tried: 0,
        };
        assert_eq!(field.pick(7), None);
    }
}
