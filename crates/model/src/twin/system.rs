//! The fit plus what the twin adds to it: the time that no resource explains, the spread of each use,
//! which resources are used inside which slots, and caches whose hit ratio moves with the rate.
//! Moves change a `System`; the twin and the load line read it.

use crate::fit::Fit;
use base::window::GHOST_TTLS;
use base::{Discipline, Grade};

/// A hold of at least this share of a visit's time is taken to last for the whole visit.
const WHOLE_VISIT: f64 = 0.85;

/// A cache that is (or would be) on a route.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheOn {
    pub ttl_s: f64,
    /// Rate of lookups at which `ratio` was measured, per second.
    pub measured_rate: f64,
    /// Hit ratio for each of `GHOST_TTLS` at that rate.
    pub ratio: Vec<f64>,
    /// Hit ratio that the fit's demands already contain.
    pub included: f64,
}

impl CacheOn {
    /// Hit ratio at `rate` lookups per second. A cache with lifetime T at `s` times the rate sees what one with
    /// lifetime `s T` sees at the measured rate: time is merely rescaled.
    pub fn hit_ratio(&self, rate: f64) -> f64 {
        ghost_ratio(
            &self.ratio,
            self.ttl_s * rate / self.measured_rate.max(1e-9),
        )
    }
}

/// Hit ratio of a lifetime between those measured: the odds are interpolated in the logarithm of the lifetime;
/// outside, they grow in proportion to it (exact for one key asked for at random).
pub fn ghost_ratio(ratio: &[f64], ttl_s: f64) -> f64 {
    let odds = |h: f64| (h / (1.0 - h).max(1e-6)).max(1e-9);
    let n = ratio.len().min(GHOST_TTLS.len());
    if n == 0 || ttl_s <= 0.0 || ratio.iter().all(|&h| h <= 0.0) {
        return 0.0;
    }
    let o = if ttl_s <= GHOST_TTLS[0] {
        odds(ratio[0]) * ttl_s / GHOST_TTLS[0]
    } else if ttl_s >= GHOST_TTLS[n - 1] {
        odds(ratio[n - 1])
    } else {
        let i = (1..n - 1).rfind(|&i| GHOST_TTLS[i] <= ttl_s).unwrap_or(0);
        let at = (ttl_s / GHOST_TTLS[i]).ln() / (GHOST_TTLS[i + 1] / GHOST_TTLS[i]).ln();
        (odds(ratio[i]).ln() * (1.0 - at) + odds(ratio[i + 1]).ln() * at).exp()
    };
    (o / (1.0 + o)).clamp(0.0, 1.0)
}

/// What the twin runs.
#[derive(Clone, Debug, PartialEq)]
pub struct System {
    pub fit: Fit,
    /// Seconds of a route's own visit that no resource, slot or child explains.
    pub delay: Vec<f64>,
    pub delay_scv: Vec<f64>,
    /// Squared coefficient of variation of each use, `[route][resource]`.
    pub scv: Vec<Vec<f64>>,
    /// The slots that are held while a route uses a resource, `[route][resource]`.
    pub inside: Vec<Vec<Option<usize>>>,
    /// Slots held for a route's whole visit, its children included.
    pub around: Vec<Vec<usize>>,
    /// Share of a use that is time of its own, `[route][resource]`: below 1 where it is counted elsewhere too
    /// (a database inside the process, whose time is processor time already).
    pub own: Vec<Vec<f64>>,
    /// Seconds a slot is held beyond the resources used inside it, `[route][resource]`.
    pub hold_rest: Vec<Vec<f64>>,
    pub cache: Vec<Option<CacheOn>>,
    /// Resources that can run out, and at what capacity they queue.
    pub queues: Vec<bool>,
}

/// Mean residence over demand of a queue with `servers` at utilisation `rho`
/// (Sakasegawa): `1 + rho^(sqrt(2(c+1))-1) / (c(1-rho))`; the wait of a first-come queue scales with `(1+scv)/2`.
pub fn residence_factor(rho: f64, servers: f64, scv: Option<f64>) -> f64 {
    1.0 + wait_share(rho, servers) * scv.map_or(1.0, |c2| (1.0 + c2) / 2.0)
}

fn wait_share(rho: f64, servers: f64) -> f64 {
    let (rho, c) = (rho.clamp(0.0, 0.97), servers.max(1.0));
    rho.powf((2.0 * (c + 1.0)).sqrt() - 1.0) / (c * (1.0 - rho))
}

impl System {
    pub fn new(fit: &Fit) -> System {
        let mut fit = fit.clone();
        let low = low_load_ratio(&fit.entry_rates);
        fit.entry_rates = Vec::new();
        (fit.burst_sigma, fit.burst_tau_s) = bursts(fit.burst_sigma, fit.burst_tau_s);
        let (n, m) = (fit.routes.len(), fit.resources.len());
        let queues: Vec<bool> = fit.resources.iter().map(can_run_out).collect();
        let mut s = System {
            delay: vec![0.0; n],
            delay_scv: vec![1.0; n],
            scv: vec![vec![0.0; m]; n],
            inside: vec![vec![None; m]; n],
            around: vec![Vec::new(); n],
            own: vec![vec![1.0; m]; n],
            hold_rest: vec![vec![0.0; m]; n],
            cache: vec![None; n],
            queues,
            fit,
        };
        let rho: Vec<f64> = (0..m)
            .map(|k| {
                let r = &s.fit.resources[k];
                let load: f64 = (0..n)
                    .map(|i| s.fit.routes[i].rate * s.fit.demand[i][k].mean)
                    .sum();
                if s.queues[k] {
                    ((r.background + low * load) / r.capacity).clamp(0.0, 0.97)
                } else {
                    0.0
                }
            })
            .collect();
        (0..n).for_each(|r| s.explain(r, &rho));
        s
    }

    /// Entry requests per second now.
    pub fn current_rate(&self) -> f64 {
        self.fit.routes.iter().map(|r| r.entry_rate.max(0.0)).sum()
    }

    /// Each route's share of the entry requests.
    pub fn shares(&self) -> Vec<f64> {
        let total = self.current_rate().max(1e-12);
        let share = |r: &crate::fit::RouteFit| r.entry_rate.max(0.0) / total;
        self.fit.routes.iter().map(share).collect()
    }

    /// Requests of each route per entry request at today's mix.
    pub fn visits(fit: &Fit, shares: &[f64]) -> Vec<f64> {
        let mut visits = vec![0.0; shares.len()];
        for (entry, &share) in shares.iter().enumerate().filter(|(_, s)| **s > 0.0) {
            for (v, w) in visits.iter_mut().zip(fit.tree(entry)) {
                *v += share * w;
            }
        }
        visits
    }

    /// The fit as it would be at `rate` entry requests per second: what caches answer is taken away.
    pub fn at(&self, rate: f64) -> Fit {
        let mut fit = self.fit.clone();
        if self.cache.iter().all(Option::is_none) {
            return fit;
        }
        let shares = self.shares();
        // A cache on a parent lowers the lookups of its children: few rounds settle it.
        for _ in 0..3 {
            let visits = System::visits(&fit, &shares);
            fit = self.fit.clone();
            for (r, cache) in self.cache.iter().enumerate() {
                if let Some(c) = cache {
                    let keep = (1.0 - c.hit_ratio(rate * visits[r])) / (1.0 - c.included).max(1e-3);
                    answer_share(&mut fit, r, keep.max(0.0));
                }
            }
        }
        fit
    }

    /// Fills delay, spread and nesting of one route from its low-load mean and variance.
    fn explain(&mut self, r: usize, rho: &[f64]) {
        let m = self.fit.resources.len();
        let route = &self.fit.routes[r];
        let worked = route.amplification.clamp(0.01, 1.0);
        let mean = (route.low_mean / worked).max(0.0);
        let second = (route.low_var + route.low_mean * route.low_mean) / worked;
        let var = (second - mean * mean).max(0.0);
        let mut demand: Vec<f64> = (0..m)
            .map(|k| self.fit.demand[r][k].mean / worked)
            .collect();
        let stay = |k: usize, d: f64, fit: &Fit| {
            let info = &fit.resources[k];
            let known = fit.demand[r][k].scv;
            let scv = (info.info.discipline != Discipline::Ps).then(|| known.unwrap_or(1.0));
            service_s(info, d) * residence_factor(rho[k], servers(info), scv)
        };
        let (mut child_s, mut child_var) = (0.0, 0.0);
        for (c, &calls) in self.fit.calls[r].iter().enumerate() {
            child_s += calls / worked * self.fit.routes[c].low_mean;
            child_var += calls / worked * self.fit.routes[c].low_var;
        }
        // What is used while a slot is held: declared, or all of it when the hold fills the visit.
        for k in 0..m {
            let outer = self.fit.resources[k].info.within.as_deref();
            let slot = self.fit.resources.iter().position(|x| {
                Some(x.info.name.as_str()) == outer && x.info.discipline == Discipline::Slots
            });
            self.inside[r][k] = slot.filter(|&s| demand[k] > 0.0 && demand[s] > 0.0 && s != k);
        }
        let others: f64 = (0..m)
            .filter(|&k| self.inside[r][k].is_none())
            .map(|k| stay(k, demand[k], &self.fit))
            .sum();
        for s in 0..m {
            let is_slots = self.fit.resources[s].info.discipline == Discipline::Slots;
            let has_rest = others + child_s - demand[s] > 0.15 * mean;
            if is_slots && demand[s] >= WHOLE_VISIT * mean && mean > 0.0 && has_rest {
                self.around[r].push(s);
            }
        }
        for s in (0..m).filter(|s| self.fit.resources[*s].info.discipline == Discipline::Slots) {
            let used: f64 = (0..m)
                .filter(|&k| self.inside[r][k] == Some(s))
                .map(|k| stay(k, demand[k], &self.fit))
                .sum();
            self.hold_rest[r][s] = (demand[s] - used).max(0.0);
        }
        let visible: f64 = (0..m)
            .filter(|k| self.inside[r][*k].is_none() && !self.around[r].contains(k))
            .map(|k| stay(k, demand[k], &self.fit))
            .sum();
        // Time that is counted twice (a database inside the process) is taken from what cannot run out.
        let mut twice = (visible + child_s - mean * 1.05).max(0.0);
        for k in 0..m {
            if twice > 0.0 && !self.queues[k] && self.inside[r][k].is_none() {
                let cut = twice.min(demand[k]);
                self.own[r][k] = 1.0 - cut / demand[k].max(1e-12);
                demand[k] -= cut;
                twice -= cut;
            }
        }
        self.delay[r] = (mean - visible - child_s).max(0.0);
        self.spread(r, &demand, rho, (var - child_var).max(0.0));
    }

    /// One spread for every use whose own is not known, from the variance that the known ones and queueing leave.
    fn spread(&mut self, r: usize, demand: &[f64], rho: &[f64], mut var: f64) {
        let (mut open, m) = (self.delay[r].powi(2), demand.len());
        let time = |k: usize, s: &System| {
            if s.around[r].contains(&k) {
                0.0
            } else if s.fit.resources[k].info.discipline == Discipline::Slots {
                s.hold_rest[r][k]
            } else {
                service_s(&s.fit.resources[k], demand[k])
            }
        };
        for k in 0..m {
            let d = time(k, self);
            let share = wait_share(rho[k], servers(&self.fit.resources[k]));
            if d > 0.0 && share > 1e-3 {
                // The wait is zero or about exponential: variance `W^2 (2/p - 1)`, p the share that waits.
                let p = (share * (1.0 - rho[k])).clamp(1e-3, 1.0);
                var -= (d * share).powi(2) * (2.0 / p - 1.0);
            }
            match self.fit.demand[r][k].scv {
                Some(scv) => var -= scv * d * d,
                None => open += d * d,
            }
        }
        let rest = if open > 0.0 {
            (var / open).clamp(0.1, 4.0)
        } else {
            1.0
        };
        self.delay_scv[r] = rest;
        for k in 0..m {
            self.scv[r][k] = self.fit.demand[r][k].scv.unwrap_or(rest).clamp(0.0, 16.0);
        }
    }
}

/// Keeps only the share `keep` of a route's work: the rest of its requests is answered without any.
pub fn answer_share(fit: &mut Fit, route: usize, keep: f64) {
    for d in &mut fit.demand[route] {
        d.mean *= keep;
        d.sd *= keep;
    }
    fit.calls[route].iter_mut().for_each(|c| *c *= keep);
    let r = &mut fit.routes[route];
    r.amplification *= keep;
}

/// Seconds of service for a demand: bytes are divided by the link's rate.
pub fn service_s(r: &crate::fit::ResourceFit, demand: f64) -> f64 {
    if r.info.discipline == Discipline::Level {
        0.0
    } else if r.info.unit.starts_with("bytes") {
        demand / r.capacity.max(1e-9)
    } else {
        demand
    }
}

/// How many can be served at once.
pub fn servers(r: &crate::fit::ResourceFit) -> f64 {
    if r.info.unit.starts_with("bytes") || !r.capacity.is_finite() {
        1.0
    } else {
        r.capacity.max(1.0)
    }
}

/// Whether requests queue for it: a level does not, and a processor of unknown size is only a delay.
pub fn can_run_out(r: &crate::fit::ResourceFit) -> bool {
    let sized = r.capacity.is_finite() && r.capacity > 0.0;
    let guessed = !r.capacity_known && r.info.discipline == Discipline::Ps;
    r.info.discipline != Discipline::Level
        && sized
        && !guessed
        && !(r.grade == Grade::Prior && r.info.discipline == Discipline::Ps)
}

/// The part of the log-OU wander that happens within `WINDOW_S`, over which objectives are judged; what is slower
/// changes the load, it is no burst. Variance of a mean over T: `2 (tau/T)^2 (T/tau - 1 + exp(-T/tau))`.
fn bursts(sigma: f64, tau_s: f64) -> (f64, f64) {
    const WINDOW_S: f64 = 60.0;
    if sigma <= 0.0 || tau_s <= 0.0 || sigma.is_nan() || tau_s.is_nan() {
        return (0.0, 1.0);
    }
    let x = WINDOW_S / tau_s;
    let slow = 2.0 / (x * x) * (x - 1.0 + (-x).exp());
    (sigma * (1.0 - slow).max(0.0).sqrt(), tau_s.min(15.0))
}

/// Mean of the lowest quarter of 5 s rates over the mean of all; 1 when too short to tell.
fn low_load_ratio(rates: &[f64]) -> f64 {
    let mut means: Vec<f64> = rates
        .chunks_exact(5)
        .map(|c| c.iter().sum::<f64>() / 5.0)
        .collect();
    if means.len() < 8 {
        return 1.0;
    }
    means.sort_by(f64::total_cmp);
    let all = means.iter().sum::<f64>() / means.len() as f64;
    let quarter = &means[..means.len() / 4];
    let low = quarter.iter().sum::<f64>() / quarter.len() as f64;
    if all > 0.0 {
        (low / all).clamp(0.05, 1.0)
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ghost_ratio_is_exact_for_one_key_asked_for_at_random() {
        let rate: f64 = 0.7;
        let of = |t: f64| rate * t / (1.0 + rate * t);
        let ratio: Vec<f64> = GHOST_TTLS.iter().map(|&t| of(t)).collect();
        for ttl in [0.2, 1.0, 3.0, 10.0, 45.0, 3600.0] {
            assert!((ghost_ratio(&ratio, ttl) - of(ttl)).abs() < 1e-6, "{ttl}");
        }
        assert_eq!(ghost_ratio(&[0.0; 8], 10.0), 0.0);
    }

    #[test]
    fn a_cache_at_twice_the_rate_sees_twice_the_lifetime() {
        let ratio: Vec<f64> = GHOST_TTLS.iter().map(|&t| t / (1.0 + t)).collect();
        let cache = CacheOn {
            ttl_s: 5.0,
            measured_rate: 40.0,
            ratio: ratio.clone(),
            included: 0.0,
        };
        assert!((cache.hit_ratio(80.0) - ghost_ratio(&ratio, 10.0)).abs() < 1e-12);
        assert!((cache.hit_ratio(40.0) - 5.0 / 6.0).abs() < 1e-9);
    }
}
