//! Whose work a sample was. Nobody tells: a sample has a thread, and no request. Known is who was in flight when it was taken.
//!
//! Samples of a function come as events of a Poisson process whose rate is the sum over those in flight of what one of each route
//! brings, and of what comes without any. Its maximum of likelihood is found by expectation and maximisation, as pictures
//! are made of the counts of a scanner (Shepp and Vardi, 1982): rate = samples given to the route / its time in flight.

use crate::kernel::Sample;
use nalgebra::DMatrix;
use std::collections::BTreeMap;

/// A request in the service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flight {
    /// Number of its route.
    pub route: usize,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub start: u64,
    pub end: u64,
}

/// What was in flight in the time of a profile, and for how long.
#[derive(Clone, Debug)]
pub struct Flights {
    all: Vec<Flight>,
    from: u64,
    to: u64,
    routes: usize,
}

/// A route and how many of its requests were in flight (or which part of a sample is its own). The number behind the last
/// route is nobody's: what goes on without a request.
type Share = (usize, f64);

/// The samples of a profile among routes.
#[derive(Clone, Debug)]
pub struct Split {
    /// By sample: the parts add up to 1.
    pub shares: Vec<Vec<Share>>,
    pub costs: Vec<Cost>,
}

/// Of one route, or of nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Requests in the service, each by the part of its time there that lies in the profile's.
    pub requests: f64,
    pub samples: f64,
    /// Standard deviation of `samples`.
    pub sd: f64,
}

/// Rounds of a fit; it is done before when nothing moves by more than `STILL` of all samples.
const ROUNDS: usize = 2000;
const STILL: f64 = 1e-6;
/// Steps of one fit, in all of its rounds; and rounds that it has in any case.
const STEPS: usize = 30_000_000;
const LEAST: usize = 30;
/// What nobody's work is at first beside that of a request in flight.
const NOBODY: f64 = 0.01;
/// A function that was seen once or twice is everybody's, by as much as all others are: so many samples' worth.
const ALIKE: f64 = 2.0;
/// Parts of the profile's time, each of which is left out once to see how much the answer depends on it.
const PARTS: usize = 10;

/// Samples by who was in flight: each state once, and which one a sample has.
struct States {
    all: Vec<Vec<Share>>,
    of: Vec<usize>,
}

impl States {
    fn new(seen: Vec<Vec<Share>>) -> States {
        let mut known: BTreeMap<Vec<(usize, u64)>, usize> = BTreeMap::new();
        let (mut all, mut of) = (Vec::new(), Vec::new());
        for mut state in seen {
            state.sort_by_key(|(r, _)| *r);
            let key = state.iter().map(|(r, n)| (*r, *n as u64)).collect();
            of.push(*known.entry(key).or_insert_with(|| {
                all.push(state);
                all.len() - 1
            }));
        }
        States { all, of }
    }

    /// States and their numbers among these samples.
    fn counts(&self, samples: impl Iterator<Item = usize>) -> Vec<(&[Share], f64)> {
        let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
        samples.for_each(|i| *counts.entry(self.of[i]).or_default() += 1.0);
        counts
            .into_iter()
            .map(|(s, n)| (self.all[s].as_slice(), n))
            .collect()
    }
}

impl Flights {
    /// Those that touch the time from `from` to `to`.
    pub fn new(mut all: Vec<Flight>, routes: usize, from: u64, to: u64) -> Flights {
        all.retain(|f| f.start < to && f.end > from && f.end > f.start && f.route < routes);
        all.sort_by_key(|f| f.start);
        Flights {
            all,
            from,
            to,
            routes,
        }
    }

    /// Seconds in flight within a time by route, and last the time itself: nobody is always there.
    fn exposure(&self, from: u64, to: u64) -> Vec<f64> {
        let mut seconds = vec![0.0; self.routes];
        for f in &self.all {
            seconds[f.route] += overlap(f, from, to);
        }
        seconds.push(to.saturating_sub(from) as f64 / 1e9);
        seconds
    }

    fn requests(&self) -> Vec<f64> {
        let mut n = vec![0.0; self.routes + 1];
        for f in &self.all {
            n[f.route] += overlap(f, self.from, self.to) / ((f.end - f.start) as f64 / 1e9);
        }
        n
    }

    /// Who was in flight at each of these times, which rise.
    fn at(&self, times: impl Iterator<Item = u64>) -> Vec<Vec<Share>> {
        let mut coming = self.all.iter().peekable();
        let mut here: Vec<&Flight> = Vec::new();
        let state = |t: u64| {
            while let Some(f) = coming.next_if(|f| f.start <= t) {
                here.push(f);
            }
            here.retain(|f| f.end > t);
            let mut counts = vec![(self.routes, 1.0)];
            for f in &here {
                match counts.iter_mut().find(|(r, _)| *r == f.route) {
                    Some((_, n)) => *n += 1.0,
                    None => counts.push((f.route, 1.0)),
                }
            }
            counts
        };
        times.map(state).collect()
    }

    /// `what` is the number of each sample's function.
    pub fn split(&self, samples: &[Sample], what: impl Fn(&Sample) -> usize) -> Split {
        let mut order: Vec<usize> = (0..samples.len()).collect();
        order.sort_by_key(|&i| samples[i].at);
        let mut seen = vec![Vec::new(); samples.len()];
        let states = self.at(order.iter().map(|&i| samples[i].at));
        order.iter().zip(states).for_each(|(&i, s)| seen[i] = s);
        let states = States::new(seen);

        let exposure = self.exposure(self.from, self.to);
        let all = states.counts(0..samples.len());
        let rates = fit(&all, &exposure, None);
        let whole: Vec<f64> = rates.iter().zip(&exposure).map(|(r, e)| r * e).collect();
        let usual = (whole.iter().sum::<f64>() > 0.0).then_some(whole.as_slice());

        let mut functions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, s) in samples.iter().enumerate() {
            functions.entry(what(s)).or_default().push(i);
        }
        let mut shares = vec![Vec::new(); samples.len()];
        for of in functions.values() {
            let rates = fit(&states.counts(of.iter().copied()), &exposure, usual);
            for &i in of {
                shares[i] = parts(&states.all[states.of[i]], &rates).collect();
            }
        }
        let known = information(&all, &rates, &exposure);
        let spread = self.spread(samples, &states, &exposure);
        let requests = self.requests();
        let cost = |r: usize| Cost {
            requests: requests[r],
            samples: whole[r],
            sd: known[r].max(spread[r]),
        };
        Split {
            shares,
            costs: (0..=self.routes).map(cost).collect(),
        }
    }

    /// Standard deviations of the samples of each route by the jackknife, a part of the time left out at a time: samples of one
    /// request come together, which no count of samples knows.
    fn spread(&self, samples: &[Sample], states: &States, exposure: &[f64]) -> Vec<f64> {
        let length = ((self.to - self.from) / PARTS as u64).max(1);
        let part = |at: u64| (at.saturating_sub(self.from) / length).min(PARTS as u64 - 1);
        let without = |p: u64| -> Vec<f64> {
            let from = self.from + p * length;
            let to = if p + 1 == PARTS as u64 {
                self.to
            } else {
                from + length
            };
            let out = self.exposure(from, to);
            let left: Vec<f64> = exposure.iter().zip(&out).map(|(e, o)| e - o).collect();
            let kept = (0..samples.len()).filter(|&i| part(samples[i].at) != p);
            let rates = fit(&states.counts(kept), &left, None);
            rates.iter().zip(exposure).map(|(r, e)| r * e).collect()
        };
        let all: Vec<Vec<f64>> = (0..PARTS as u64).map(without).collect();
        let n = PARTS as f64;
        let of = |r: usize| {
            let mean = all.iter().map(|v| v[r]).sum::<f64>() / n;
            let apart: f64 = all.iter().map(|v| (v[r] - mean).powi(2)).sum();
            (apart * (n - 1.0) / n).sqrt()
        };
        (0..exposure.len()).map(of).collect()
    }
}

/// Standard deviations of the samples of each route by Fisher's information: wide where routes always come together, whatever
/// the fit chose. A route has between none and all of the samples, which bounds them.
fn information(all: &[(&[Share], f64)], rates: &[f64], exposure: &[f64]) -> Vec<f64> {
    let mut sd = vec![0.0; exposure.len()];
    let there: Vec<usize> = (0..exposure.len())
        .filter(|&r| exposure[r] > 1e-9)
        .collect();
    let place: BTreeMap<usize, usize> = there.iter().enumerate().map(|(i, r)| (*r, i)).collect();
    let n = there.len();
    let samples = all.iter().map(|(_, w)| w).sum::<f64>().max(1.0);
    // In samples, not in rates: no unit of time, and what is possible is as large for each.
    let mut known = DMatrix::<f64>::identity(n, n) / (samples * samples);
    for (state, w) in all {
        let total: f64 = state.iter().map(|(r, n)| n * rates[*r]).sum();
        let per: Vec<(usize, f64)> = state
            .iter()
            .filter_map(|(r, n)| Some((*place.get(r)?, n / exposure[*r])))
            .collect();
        if total > 0.0 {
            for (r, a) in &per {
                for (s, b) in &per {
                    known[(*r, *s)] += w * a * b / (total * total);
                }
            }
        }
    }
    let inverse = known.try_inverse();
    for (i, r) in there.into_iter().enumerate() {
        sd[r] = inverse
            .as_ref()
            .map_or(samples, |m| m[(i, i)].max(0.0).sqrt());
    }
    sd
}

/// Seconds of the flight within the time.
fn overlap(f: &Flight, from: u64, to: u64) -> f64 {
    f.end.min(to).saturating_sub(f.start.max(from)) as f64 / 1e9
}

/// Samples per second that one in flight of each route brings. `usual`: how all samples are among routes.
fn fit(all: &[(&[Share], f64)], exposure: &[f64], usual: Option<&[f64]>) -> Vec<f64> {
    let n = all.iter().map(|(_, w)| w).sum::<f64>();
    let total: f64 = usual.map_or(1.0, |u| u.iter().sum());
    let prior: Vec<f64> = match usual {
        Some(u) => u.iter().map(|v| ALIKE * v / total).collect(),
        None => vec![0.0; exposure.len()],
    };
    let rate = |given: &[f64]| -> Vec<f64> {
        let of = |(g, e): (&f64, &f64)| if *e > 1e-9 { g / e } else { 0.0 };
        given.iter().zip(exposure).map(of).collect()
    };
    let mut given = match usual {
        Some(_) => prior.clone(),
        None => start(exposure),
    };
    let mut rates = rate(&given);
    let each: usize = all.iter().map(|(state, _)| state.len()).sum();
    let rounds = (STEPS / each.max(1)).clamp(LEAST, ROUNDS);
    for _ in 0..rounds {
        let mut next = prior.clone();
        for (state, w) in all {
            parts(state, &rates).for_each(|(r, share)| next[r] += w * share);
        }
        let moved = next
            .iter()
            .zip(&given)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        rates = rate(&next);
        given = next;
        if moved <= STILL * n {
            break;
        }
    }
    rates
}

/// What is tried first: one in flight is like another, and hardly anything goes on without a request. It stays so where nothing
/// tells otherwise.
fn start(exposure: &[f64]) -> Vec<f64> {
    let mut given = exposure.to_vec();
    if let Some(nobody) = given.last_mut() {
        *nobody *= NOBODY;
    }
    given
}

/// Which part of a sample each of those has that were in flight.
fn parts<'a>(seen: &'a [Share], rates: &'a [f64]) -> impl Iterator<Item = Share> + 'a {
    let total: f64 = seen.iter().map(|(r, n)| n * rates[*r]).sum();
    let number = seen.len() as f64;
    seen.iter().map(move |(r, n)| match total > 0.0 {
        true => (*r, n * rates[*r] / total),
        false => (*r, 1.0 / number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A made-up service in which each request runs for a time and waits for another, and somebody else's work now and then.
    struct Made {
        flights: Vec<Flight>,
        samples: Vec<Sample>,
    }

    /// Numbers that look like chance, the same each time.
    fn chance(seed: &mut u64) -> f64 {
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `routes`: requests per second, milliseconds on the processor in function `route`, milliseconds waited after.
    fn made(routes: &[(f64, u64, u64)], seconds: u64, seed: u64) -> Made {
        let mut seed = seed;
        let (mut flights, mut samples) = (Vec::new(), Vec::new());
        for (route, (rate, run, wait)) in routes.iter().enumerate() {
            let mut at = 0.0;
            loop {
                at += -(1.0 - chance(&mut seed)).ln() / rate;
                let start = (at * 1e9) as u64;
                if start >= seconds * 1000 * MS {
                    break;
                }
                flights.push(Flight {
                    route,
                    start,
                    end: start + (run + wait) * MS,
                });
                let every = 2 * MS;
                let first = start + (chance(&mut seed) * every as f64) as u64;
                let seen = (first..start + run * MS).step_by(every as usize);
                samples.extend(seen.map(|at| Sample {
                    at,
                    stack: route as u32,
                }));
            }
        }
        samples.extend((0..seconds * 20).map(|i| Sample {
            at: i * 50 * MS,
            stack: routes.len() as u32,
        }));
        Made { flights, samples }
    }

    #[test]
    fn each_route_gets_what_it_costs_though_they_overlap() {
        // Half a core, and more than one request in flight most of the time.
        let routes = [(30.0, 12, 20), (60.0, 2, 30), (10.0, 0, 40)];
        for seed in [3, 17, 2026] {
            let m = made(&routes, 20, seed);
            let flights = Flights::new(m.flights, 3, 0, 20_000 * MS);
            let split = flights.split(&m.samples, |s| s.stack as usize);
            for (r, (_, run, _)) in routes.iter().enumerate() {
                let c = split.costs[r];
                let each = 2.0 * c.samples / c.requests;
                let sd = 2.0 * c.sd / c.requests;
                let off = (each - *run as f64).abs();
                assert!(
                    off < 3.5 * sd.max(0.15),
                    "{seed}, {r}: {each} ± {sd} instead of {run}"
                );
                assert!(off < 0.9, "{seed}, {r}: {each} instead of {run}");
            }
            // Functions are their route's, for the most part.
            let own = |f: u32, r: usize| -> f64 {
                let of = m
                    .samples
                    .iter()
                    .zip(&split.shares)
                    .filter(|(s, _)| s.stack == f);
                let part = |(_, shares): (&Sample, &Vec<Share>)| {
                    shares
                        .iter()
                        .filter(|(x, _)| *x == r)
                        .map(|(_, n)| n)
                        .sum::<f64>()
                };
                let (n, sum) = of.fold((0.0, 0.0), |(n, sum), x| (n + 1.0, sum + part(x)));
                sum / n
            };
            assert!(own(0, 0) > 0.9, "{seed}: {}", own(0, 0));
            assert!(own(1, 1) > 0.75, "{seed}: {}", own(1, 1));
        }
    }

    #[test]
    fn routes_that_always_come_together_are_not_told_apart_and_it_says_so() {
        let flight = |i: u64, route| Flight {
            route,
            start: i * 10 * MS,
            end: i * 10 * MS + 6 * MS,
        };
        let flights = (0..500)
            .flat_map(|i| [flight(i, 0), flight(i, 1)])
            .collect();
        let flights = Flights::new(flights, 2, 0, 5000 * MS);
        let samples: Vec<Sample> = (0..1000)
            .map(|i| Sample {
                at: i / 2 * 10 * MS + (1 + i % 2 * 2) * MS,
                stack: 0,
            })
            .collect();
        let costs = flights.split(&samples, |_| 0).costs;
        let both = costs[0].samples + costs[1].samples;
        assert!((both - 1000.0).abs() < 20.0, "{costs:?}");
        for c in &costs[..2] {
            assert!(c.sd > 400.0, "{costs:?}");
        }
    }

    #[test]
    fn without_a_request_in_flight_it_is_nobodys() {
        let at = |at| Sample { at, stack: 0 };
        let flights = Flights::new(Vec::new(), 2, 0, 1000);
        let split = flights.split(&[at(5), at(6)], |_| 0);
        assert_eq!(split.shares, [[(2, 1.0)], [(2, 1.0)]]);
        assert_eq!(split.costs[2].samples, 2.0);
        let none = flights.split(&[], |_| 0);
        assert!(none.shares.is_empty() && none.costs[0].samples == 0.0);
    }

    #[test]
    fn what_a_foreigner_says_is_bounded() {
        let odd = [
            (0, 7, 3),
            (9, 1, 5),
            (0, 1, 5),
            (1, 990, 2000),
            (1, 3000, 3001),
        ];
        let odd = odd.map(|(route, start, end)| Flight { route, start, end });
        let flights = Flights::new(odd.to_vec(), 2, 2, 1000);
        assert_eq!(flights.all.len(), 2);
        let requests = flights.requests();
        assert_eq!(requests[0], 0.75);
        assert!((requests[1] - 10.0 / 1010.0).abs() < 1e-12);
    }
}
