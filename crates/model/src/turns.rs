//! What a request does at one thread, turn by turn: at that of its service until its first call, and after each answer; at that of a
//! store each time that it comes. It waits for the thread before each of them, behind whatever another request is at.

use crate::fit::{Demand, Fit, ResourceFit};
use base::Grade;

/// More turns of a request than these are merged.
const MOST: f64 = 16.0;
/// Standard errors above which a demand that was found by regression is one.
const SURE: f64 = 3.0;

/// The turns of one try of a route: one that is long, and others that are short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turns {
    pub n: usize,
    /// Shares of the whole; `long + (n - 1) short = 1`.
    pub long: f64,
    pub short: f64,
    /// The next one begins as soon as one is over, but for the way.
    pub at_once: bool,
}

impl Turns {
    pub const ONE: Turns = Turns {
        n: 1,
        long: 1.0,
        short: 0.0,
        at_once: false,
    };

    /// Seconds that all of them wait together, of a use of `whole` seconds, where whoever comes at any time waits for `each` and the
    /// thread is busy for the share `rho`. Who is back at once is behind all who came while he waited and was served: `rho` seconds of
    /// work in each second of it.
    pub fn wait(&self, each: f64, whole: f64, rho: f64) -> f64 {
        if !self.at_once {
            return self.n as f64 * each;
        }
        let (mut sum, mut last, mut served) = (each, each, self.long * whole);
        for _ in 1..self.n {
            last = rho * (last + served);
            sum += last;
            served = self.short * whole;
        }
        sum
    }

    /// Sum of the squares of the turns of one that takes `whole` seconds.
    pub fn squares(&self, whole: f64) -> f64 {
        let others = (self.n - 1) as f64;
        whole * whole * (self.long * self.long + others * self.short * self.short)
    }
}

/// Of each route at each resource.
pub struct AllTurns {
    /// `[resource][route]`; no routes where all are one.
    by: Vec<Vec<Turns>>,
}

impl AllTurns {
    pub fn of(fit: &Fit) -> AllTurns {
        // Most have none, and are asked for it at each rate that is simulated.
        if !fit.resources.iter().any(ResourceFit::is_one_thread) {
            return AllTurns { by: Vec::new() };
        }
        let routes = 0..fit.routes.len();
        let services: Vec<f64> = routes.clone().map(|r| number(fit, r)).collect();
        let each = |(k, x): (usize, &ResourceFit)| match x.is_store() {
            _ if !x.is_one_thread() => Vec::new(),
            false => at(fit, &services, k),
            true => at(
                fit,
                &routes.clone().map(|r| visits(x, r)).collect::<Vec<_>>(),
                k,
            ),
        };
        AllTurns {
            by: fit.resources.iter().enumerate().map(each).collect(),
        }
    }

    pub fn get(&self, r: usize, k: usize) -> Turns {
        let of_route = self.by.get(k).and_then(|all| all.get(r));
        of_route.copied().unwrap_or(Turns::ONE)
    }
}

/// How long each turn is, nobody sees: what the cheapest route needs for one is what goes with a call, and what a route needs beyond
/// that it does at a stretch.
fn at(fit: &Fit, numbers: &[f64], k: usize) -> Vec<Turns> {
    let whole = |r: usize| fit.demand[r][k].mean / tried(fit, r);
    let users = (0..numbers.len()).filter(|&r| whole(r) > 0.0);
    let each = users.map(|r| whole(r) / numbers[r]);
    let least = each.fold(f64::INFINITY, f64::min);
    let of = |(r, &n): (usize, &f64)| match whole(r) > 0.0 {
        true => Turns {
            n: n as usize,
            long: 1.0 - (n - 1.0) * least / whole(r),
            short: least / whole(r),
            at_once: fit.resources[k].is_store(),
        },
        false => Turns::ONE,
    };
    numbers.iter().enumerate().map(of).collect()
}

/// Turns of one try at a store: as often as it comes; once, as far as is known.
fn visits(store: &ResourceFit, r: usize) -> f64 {
    let told = store.visits.get(r).copied().unwrap_or(1.0);
    told.round().clamp(1.0, MOST)
}

/// Turns of one try at the thread of its service.
fn number(fit: &Fit, r: usize) -> f64 {
    let route = &fit.routes[r];
    let told = route.db_calls + fit.calls[r].iter().sum::<f64>();
    // A database inside the process is on the thread itself.
    let outside = |x: &ResourceFit| x.info.service.as_deref() != Some(&*route.info.service);
    let stores = fit.resources.iter().zip(&fit.demand[r]);
    let stores = stores.filter(|(x, _)| outside(x) && x.is_store());
    let asked = stores.map(|(x, d)| match x.visits.get(r) {
        Some(visits) if *visits > 0.0 && d.grade != Grade::Direct => *visits,
        _ => f64::from(is_called(d)),
    });
    (1.0 + told / tried(fit, r) + asked.sum::<f64>())
        .round()
        .clamp(1.0, MOST)
}

/// A store whose calls nobody counts, such as a Redis, is called once at least by who surely uses it.
fn is_called(d: &Demand) -> bool {
    d.grade != Grade::Direct && d.mean > SURE * d.sd
}

/// What is per request is of so many tries; a cache leaves fewer than one.
fn tried(fit: &Fit, r: usize) -> f64 {
    fit.routes[r].amplification.max(1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_whole() {
        let t = Turns {
            n: 3,
            long: 0.5,
            short: 0.25,
            at_once: false,
        };
        assert_eq!(t.squares(2.0), 4.0 * (0.25 + 2.0 * 0.0625));
        assert_eq!(Turns::ONE.squares(3.0), 9.0);
    }

    #[test]
    fn who_is_back_at_once_is_behind_those_who_came_meanwhile() {
        let t = |n, at_once| Turns {
            n,
            long: 1.0,
            short: 0.0,
            at_once,
        };
        assert_eq!(t(3, false).wait(5.0, 38.0, 0.2), 15.0);
        assert_eq!(t(1, true).wait(5.0, 38.0, 0.2), 5.0);
        assert_eq!(t(2, true).wait(5.0, 40.0, 0.2), 5.0 + 9.0);
        assert_eq!(t(3, true).wait(5.0, 40.0, 0.2), 5.0 + 9.0 + 1.8);
    }
}
