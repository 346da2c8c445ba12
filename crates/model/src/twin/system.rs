//! The fit plus what the twin adds to it: the time that no resource explains, the spread of each use,
//! which resources are used inside which slots, and caches whose hit ratio moves with the rate.
//! Moves change a `System`; the twin and the load line read it.

use super::explain::{bursts, low_load_ratio};
use super::queues::Queues;
use crate::demand::machine;
use crate::fit::{Fit, ResourceFit};
use base::window::GHOST_TTLS;
use base::{Discipline, Grade, Scope};

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
    /// Whether a route really uses a resource, `[route][resource]`: a trace of demand that a regression leaves
    /// must not put its requests into a queue.
    pub touches: Vec<Vec<bool>>,
    /// Seconds a slot is held beyond the resources used inside it, `[route][resource]`.
    pub hold_rest: Vec<Vec<f64>>,
    pub cache: Vec<Option<CacheOn>>,
    /// In how many stripes each instance's is split, of which a request uses that of its key.
    pub stripes: Vec<usize>,
    /// Resources that can run out, and at what capacity they queue.
    pub queues: Vec<bool>,
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
            touches: vec![vec![true; m]; n],
            hold_rest: vec![vec![0.0; m]; n],
            cache: vec![None; n],
            stripes: vec![1; m],
            queues,
            fit,
        };
        let rates: Vec<f64> = s.fit.routes.iter().map(|r| r.rate).collect();
        let rho: Vec<f64> = (0..m)
            .map(|k| {
                let r = &s.fit.resources[k];
                let load = s.fit.load(&rates, k);
                if s.queues[k] {
                    ((r.background + low * load) / r.capacity).clamp(0.0, 0.97)
                } else {
                    0.0
                }
            })
            .collect();
        let waits = Queues::new(&s.fit, rho);
        (0..n).for_each(|r| s.explain(r, &waits));
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
                    cached_share(&mut fit, r, keep.max(0.0));
                }
            }
        }
        fit
    }
}

/// A cache answers all but the share `keep` of a route's requests. What it costs to answer at all, cached or not, goes on
/// beside them: the gateway's own processor time, and the bytes to clients, which go through the same links as those that
/// come from other machines.
fn cached_share(fit: &mut Fit, route: usize, keep: f64) {
    let stays = |r: &ResourceFit| {
        let info = &r.info;
        let link = info.service.is_none() && info.unit.starts_with("bytes");
        (link && info.discipline != Discipline::Level) || info.name == machine::GATEWAY
    };
    let stay: Vec<(usize, f64)> = (fit.resources.iter().enumerate())
        .filter(|(_, r)| stays(r))
        .map(|(k, _)| (k, fit.demand[route][k].mean * (1.0 - keep)))
        .collect();
    answer_share(fit, route, keep);
    for (k, more) in stay {
        machine::more_alongside(fit, route, k, more);
    }
}

/// Keeps only the share `keep` of a route's work: the rest of its requests is answered without any.
pub fn answer_share(fit: &mut Fit, route: usize, keep: f64) {
    for k in 0..fit.resources.len() {
        let less = fit.demand[route][k].mean * (1.0 - keep);
        machine::as_much_alongside(fit, route, k, keep);
        machine::less_alongside(fit, route, k, less);
    }
    for d in &mut fit.demand[route] {
        d.mean *= keep;
        d.sd *= keep;
    }
    fit.calls[route].iter_mut().for_each(|c| *c *= keep);
    let r = &mut fit.routes[route];
    r.amplification *= keep;
}

/// Seconds of service for a demand: bytes are divided by the link's rate. Of a link whose rate nobody tells it is not known
/// how long they take: they are in the time that nothing explains.
pub fn service_s(r: &ResourceFit, demand: f64) -> f64 {
    let bytes = r.info.unit.starts_with("bytes");
    if r.info.discipline == Discipline::Level || (bytes && !sized(r)) {
        0.0
    } else if bytes {
        demand / r.capacity
    } else {
        demand
    }
}

/// Whether it is known what it can do.
fn sized(r: &ResourceFit) -> bool {
    r.capacity.is_finite() && r.capacity > 0.0
}

/// How many can be served at once by one of its copies.
pub fn servers(r: &ResourceFit) -> f64 {
    if r.info.unit.starts_with("bytes") || !r.capacity.is_finite() {
        1.0
    } else {
        (r.capacity / copies(r) as f64).max(1.0)
    }
}

/// Each instance of a service has one of its own, and a request uses that of its instance.
pub fn copies(r: &ResourceFit) -> usize {
    match r.info.scope {
        Scope::PerInstance => r.instances.max(1) as usize,
        Scope::Shared => 1,
    }
}

/// Whether requests queue for it: a level does not, and a processor of unknown size is only a delay.
pub fn can_run_out(r: &ResourceFit) -> bool {
    let guessed = !r.capacity_known && r.is_processor();
    r.info.discipline != Discipline::Level
        && sized(r)
        && !guessed
        && !(r.grade == Grade::Prior && r.is_processor())
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
