//! The outage rule: whether most answers are bad by now, whatever the objective allows over a month.
//!
//! A betting test against "at most `q0` of the answers are bad": each second multiplies the stake by the likelihood of
//! a higher share over that of `q0` (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
//! betting", 2024). Answers of one second may fail together, so the second counts as one answer: the geometric mean of
//! its answers' ratios, whose mean is at most 1 for any dependence (Hölder). So that a fault after a good month is seen
//! at once, a new bet starts each second and all are summed (Shin, Ramdas and Rinaldo, "E-detectors", 2023): within
//! `n` seconds the sum reaches `c` with a chance of at most `n / c` (Ville).

use crate::{ALPHA_PER_RULE, Objective};

/// Bad answers up to here are no outage: twice what is allowed, within these.
const LEAST: f64 = 0.1;
const MOST: f64 = 0.65;
/// Shares that are bet on, between `q0` and 1; the stake is split evenly.
const BETS: [f64; 4] = [0.25, 0.5, 0.75, 0.999];
/// Sure is sure: what is above helps nobody, and would be slow to fall.
const ENOUGH: f64 = 10.0;

#[derive(Clone, Debug, Default)]
pub struct Outage {
    sums: [f64; BETS.len()],
}

/// The share up to which nothing is an outage.
pub fn threshold(o: &Objective) -> f64 {
    (2.0 * o.allowed()).clamp(LEAST, MOST)
}

/// What the sum must reach.
fn limit(o: &Objective) -> f64 {
    o.period().as_secs_f64() / ALPHA_PER_RULE
}

impl Outage {
    /// One second's answers; a second without any tells nothing.
    pub fn push(&mut self, o: &Objective, total: u64, bad: u64) {
        if total == 0 {
            return;
        }
        let (q, share) = (threshold(o), bad.min(total) as f64 / total as f64);
        for (sum, bet) in self.sums.iter_mut().zip(BETS) {
            let p = q + (1.0 - q) * bet;
            let log = share * (p / q).ln() + (1.0 - share) * ((1.0 - p) / (1.0 - q)).ln();
            *sum = (*sum + 1.0 / BETS.len() as f64) * log.exp();
            *sum = sum.min(ENOUGH * limit(o));
        }
    }

    pub fn proven(&self, o: &Objective) -> bool {
        self.sums.iter().sum::<f64>() >= limit(o)
    }

    /// Begins anew, after an alert has ended.
    pub fn reset(&mut self) {
        *self = Outage::default();
    }
}

/// Seconds with nothing but bad answers after which it is proven.
pub fn seconds(o: &Objective) -> usize {
    let mut outage = Outage::default();
    let bad = |outage: &mut Outage| {
        outage.push(o, 1, 1);
        outage.proven(o)
    };
    1 + std::iter::repeat_with(|| bad(&mut outage))
        .take_while(|proven| !proven)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::tests_support::objective;

    #[test]
    fn an_outage_is_proven_within_a_minute_whatever_the_objective() {
        for target in [0.5, 0.9, 0.99, 0.999, 0.99999] {
            let (o, mut outage) = (objective(target, 28), Outage::default());
            for _ in 0..1_000_000 {
                outage.push(&o, 50, 0);
            }
            let mut after = 0;
            while !outage.proven(&o) {
                outage.push(&o, 50, 50);
                after += 1;
            }
            assert!(after <= 55, "{target}: {after} s");
            assert_eq!(after, seconds(&o), "a good month before does not delay it");
            if target >= 0.95 {
                assert!(after <= 12, "{target}: {after} s");
            }
        }
    }

    #[test]
    fn a_burst_of_a_second_is_no_outage() {
        let (o, mut outage) = (objective(0.999, 28), Outage::default());
        for _ in 0..5 {
            outage.push(&o, 10_000, 10_000);
        }
        assert!(!outage.proven(&o));
        for _ in 0..1_000_000 {
            outage.push(&o, 100, 10);
        }
        assert!(
            !outage.proven(&o),
            "a tenth is not proven to be more than a tenth"
        );
        outage.reset();
        assert_eq!(outage.sums, [0.0; 4]);
    }
}
