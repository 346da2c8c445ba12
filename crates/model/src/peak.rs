//! Memory is a cliff: what requests hold has to fit at every moment, not in the mean.
//!
//! Requests in flight that wait for nobody are Poisson-distributed (M/G/∞), whatever their lengths: with a mean of `m` and lives of `W`
//! seconds, `n` of them become `n + 1` in `m / W · P(n; m)` moments of each second.

use crate::fit::Fit;
use crate::twin::system::copies;
use base::Discipline;

/// So seldom may requests come to hold more than there is. A process that is killed then, and takes ten seconds to come back, fails
/// one in a hundred.
const EACH_S: f64 = 1000.0;
const HALVINGS: usize = 60;

/// How many times its mean what requests hold of `k` may become; 1 of all that is no level. `visits` of each route per entry request.
pub fn over_mean(fit: &Fit, visits: &[f64], k: usize) -> f64 {
    let r = &fit.resources[k];
    if r.info.discipline != Discipline::Level {
        return 1.0;
    }
    // By route: how often it comes, byte-seconds of each request, seconds.
    let rows = visits.iter().zip(&fit.demand).zip(&fit.routes);
    let held = rows
        .map(|((v, d), route)| (*v, d[k].mean, route.low_mean))
        .filter(|(v, d, life)| *v > 0.0 && *d > 0.0 && *life > 0.0);
    let (often, seconds, mean, square) = held.fold((0.0, 0.0, 0.0, 0.0), |sum, (v, d, life)| {
        (
            sum.0 + v,
            sum.1 + v * life,
            sum.2 + v * d,
            sum.3 + v * d * d / life,
        )
    });
    let room = (r.capacity - r.background) / copies(r) as f64;
    if mean <= 0.0 || room <= 0.0 {
        return 1.0;
    }
    let (each, life) = (square / mean, seconds / often);
    let fit_in = room / each;
    (fit_in / most(fit_in.floor(), life)).max(1.0)
}

/// The largest mean number of requests in flight, of `life` seconds, at which more than `n` come together seldom enough.
fn most(n: f64, life: f64) -> f64 {
    let seldom = |m: f64| m / life * poisson(n, m) <= 1.0 / EACH_S;
    let mut between = (0.0, n.max(life / EACH_S));
    if seldom(between.1) {
        return between.1;
    }
    for _ in 0..HALVINGS {
        let m = (between.0 + between.1) / 2.0;
        if seldom(m) {
            between.0 = m;
        } else {
            between.1 = m;
        }
    }
    between.0
}

/// The chance of exactly `n` where `m` are expected; `n!` by Stirling's series.
fn poisson(n: f64, m: f64) -> f64 {
    if n < 1.0 {
        return (-m).exp();
    }
    let ln_factorial = n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + 1.0 / (12.0 * n);
    (n * m.ln() - m - ln_factorial).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand_distr::{Distribution, Exp};
    use std::collections::VecDeque;

    /// How often `n` requests become more in so many seconds of made-up arrivals.
    fn passed(n: usize, mean: f64, life: f64, seconds: f64) -> usize {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let gap = Exp::new(mean / life).unwrap();
        let (mut at, mut ends, mut times) = (0.0, VecDeque::new(), 0);
        while at < seconds {
            at += gap.sample(&mut rng);
            while ends.front().is_some_and(|e| *e <= at) {
                ends.pop_front();
            }
            times += usize::from(ends.len() == n);
            ends.push_back(at + life);
        }
        times
    }

    #[test]
    fn more_than_fit_come_together_once_in_a_thousand_seconds() {
        for (n, life) in [(0, 0.3), (3, 0.25), (13, 0.25), (40, 1.0)] {
            let mean = most(n as f64, life);
            let times = passed(n, mean, life, 200_000.0);
            // 200 are expected; 4 standard deviations.
            assert!((143..257).contains(&times), "{n} {life}: {times}");
        }
    }

    #[test]
    fn of_many_small_ones_the_mean_may_be_near_all_there_is() {
        let share = |n: f64| most(n, 0.1) / n;
        assert!(share(100_000.0) > 0.98, "{}", share(100_000.0));
        assert!((0.2..0.35).contains(&share(13.0)), "{}", share(13.0));
        assert!(share(5.0) < share(50.0));
    }
}
