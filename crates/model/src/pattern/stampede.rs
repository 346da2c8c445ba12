//! A cache whose entries run out at once: at each lifetime's end all who come ask the service behind it together.
//! Seen as work that comes in bursts after the same time, while those who cause it come evenly.

use super::rhythm::{onsets, period};
use super::{Pattern, Seen};
use base::Grade;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Calls in one second that make a burst, and times the mean of all seconds. One call is an entry that is filled again.
const AT_ONCE: f64 = 5.0;
const BURST: f64 = 2.0;
/// Share of the calls that must come in bursts.
const MOST: f64 = 0.5;
/// Those who cause them may come this much more often in bursts than on average.
const EVEN: f64 = 1.3;
/// Inner routes get at most this share of their requests from outside.
const INNER: f64 = 0.1;
/// Fewer calls tell nothing.
const ENOUGH: f64 = 60.0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stampede {
    /// The route whose work comes in bursts.
    pub route: String,
    /// Whose requests cause it: a route with a cache inside, or the same route.
    pub caller: String,
    /// The cache is the gateway's own.
    pub ours: bool,
    pub every_s: f64,
    /// Calls of one burst, and the share of all calls that come in bursts.
    pub at_once: f64,
    pub share: f64,
    pub grade: Grade,
}

impl fmt::Display for Stampede {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.ours {
            true => format!("the cache of {}", self.route),
            false => format!("something that {} keeps", self.caller),
        };
        write!(
            f,
            "cache stampede: every {:.0} s {whose} runs out, and {:.0} requests ask {} for it at once ({:.0} % of its \
             work); let one fill it while the others get the old one, and spread the lifetimes",
            self.every_s,
            self.at_once,
            if self.ours {
                "the service"
            } else {
                &self.route
            },
            100.0 * self.share
        )
    }
}

pub fn find(seen: &Seen) -> Vec<Pattern> {
    let requests = table(seen, |w, add| {
        let each = w.requests.iter();
        each.for_each(|c| add(c.key.route.get(), f64::from(c.arrivals)));
    });
    let misses = table(seen, |w, add| {
        let each = w.requests.iter();
        each.for_each(|c| add(c.key.route.get(), f64::from(c.cache_misses)));
    });
    let told = table(seen, |w, add| {
        let each = w.uses.iter();
        each.for_each(|c| add(c.key.route.get(), c.calls.max(0.0)));
    });
    let one = |r: usize| {
        if seen.history.routes[r].cached_ttl_s.is_some() {
            return of(seen, &misses[r], &requests[r], r, r, true);
        }
        let fit = &seen.fit.routes[r];
        if fit.entry_rate <= INNER * fit.rate {
            let parent = main_caller(seen, r)?;
            return of(seen, &requests[r], &requests[parent], r, parent, false);
        }
        of(seen, &told[r], &requests[r], r, r, false)
    };
    let found = (0..seen.history.routes.len()).filter_map(one);
    found.map(Pattern::Stampede).collect()
}

/// `[route][second]` of what a window adds.
fn table(
    seen: &Seen,
    of: impl Fn(&base::Window, &mut dyn FnMut(Option<usize>, f64)),
) -> Vec<Vec<f64>> {
    let mut all = vec![vec![0.0; seen.series.seconds]; seen.history.routes.len()];
    for (t, w) in seen.windows() {
        of(w, &mut |route, value| {
            if let Some(row) = route.and_then(|r| all.get_mut(r)) {
                row[t] += value;
            }
        });
    }
    all
}

fn main_caller(seen: &Seen, r: usize) -> Option<usize> {
    let calls = |p: usize| {
        let each = seen.fit.calls.get(p).and_then(|row| row.get(r));
        each.map_or(0.0, |c| c * seen.fit.routes[p].rate)
    };
    let all = (0..seen.history.routes.len()).filter(|&p| p != r && calls(p) > 0.0);
    all.max_by(|&a, &b| calls(a).total_cmp(&calls(b)))
}

fn of(
    seen: &Seen,
    work: &[f64],
    cause: &[f64],
    r: usize,
    by: usize,
    ours: bool,
) -> Option<Stampede> {
    let whole: f64 = work.iter().sum();
    let mean = whole / seen.series.covered().max(1.0);
    if whole < ENOUGH {
        return None;
    }
    let burst: Vec<bool> = work
        .iter()
        .map(|&x| x >= AT_ONCE && x >= BURST * mean)
        .collect();
    let every_s = period(&onsets(&burst))?;
    let of = |v: &[f64], during: bool| {
        let all = v.iter().zip(&burst).filter(|(_, b)| **b == during);
        all.fold((0.0, 0.0), |s, (x, _)| (s.0 + x, s.1 + 1.0))
    };
    let (inside, seconds) = of(work, true);
    let even = cause.iter().sum::<f64>() / seen.series.covered().max(1.0);
    let (caused, _) = of(cause, true);
    if inside < MOST * whole || caused > EVEN * even * seconds {
        return None;
    }
    let name = |r: usize| seen.history.routes[r].name.clone();
    Some(Stampede {
        route: name(r),
        caller: name(by),
        ours,
        every_s,
        at_once: inside / onsets(&burst).len().max(1) as f64,
        share: inside / whole,
        grade: Grade::Direct,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::made::{Made, found};

    fn stampede(m: &Made) -> Option<Stampede> {
        found(m).into_iter().find_map(|p| match p {
            Pattern::Stampede(x) => Some(x),
            _ => None,
        })
    }

    /// Pages a second, and the items that they ask for.
    fn pages(pages: impl Fn(usize) -> u32, items: impl Fn(usize) -> u32) -> Made {
        let mut m = Made::new(&[("home", "front"), ("items", "catalogue")], 120);
        for t in 0..120 {
            m.requests(t, 0, pages(t), 0.01);
            m.attempts(t, 0, 0, pages(t), 0.01);
            m.requests(t, 1, items(t), 0.02);
            m.attempts(t, 1, 1, items(t), 0.02);
            m.calls(t, 0, 1, items(t), 0.02);
        }
        m
    }

    #[test]
    fn bursts_after_the_same_time_are_a_stampede() {
        let s = stampede(&pages(|_| 20, |t| if t % 8 == 0 { 12 } else { 0 })).unwrap();
        assert_eq!((s.route.as_str(), s.caller.as_str()), ("items", "home"));
        assert!(
            (s.every_s - 8.0).abs() < 0.1 && (s.at_once - 12.0).abs() < 0.1,
            "{s:?}"
        );
        assert!(s.share > 0.99 && !s.ours);
    }

    #[test]
    fn a_refill_bursts_of_visitors_and_a_steady_flow_are_none() {
        let refill = pages(|_| 20, |t| u32::from(t % 4 == 0) * 2);
        assert_eq!(stampede(&refill), None, "two at a time are no stampede");
        let visitors = pages(
            |t| if t % 8 == 0 { 80 } else { 10 },
            |t| if t % 8 == 0 { 80 } else { 0 },
        );
        assert_eq!(
            stampede(&visitors),
            None,
            "those who ask come in bursts themselves"
        );
        assert_eq!(stampede(&pages(|_| 20, |_| 20)), None);
        let chance = [3, 9, 31, 36, 60, 64, 83, 119];
        let by_chance = pages(|_| 20, |t| if chance.contains(&t) { 12 } else { 0 });
        assert_eq!(stampede(&by_chance), None, "bursts without a beat");
    }

    #[test]
    fn the_gateways_own_cache_tells_its_misses() {
        let mut m = Made::new(&[("home", "front")], 120);
        m.history.routes[0].cached_ttl_s = Some(10.0);
        for t in 0..120 {
            let misses = if t % 10 == 0 { 15 } else { 0 };
            let c = m.requests(t, 0, 20, 0.002);
            (c.cache_misses, c.cache_hits) = (misses, 20 - misses);
            m.attempts(t, 0, 0, misses, 0.02);
        }
        let s = stampede(&m).unwrap();
        assert!(s.ours && (s.every_s - 10.0).abs() < 0.1);
    }
}
