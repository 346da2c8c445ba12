//! What each service may hold at once, for the gates that protect it: in servers of the resource that it fills first, so
//! that requests which do not use that resource are not held back by those which do.
//!
//! An attempt in flight holds, in the mean, its time on the resource over its whole time (Little's law). The resource is
//! full when those shares add up to its servers, whatever the mix. Before a single server one more attempt waits, so that
//! there is a next one; before several a part of one, as a server that idles for a moment is then that part of all of them.
//! More would only stand in the service's own queue, where nobody is served by what matters and where its wait is lost to
//! a client that tries again. The time elsewhere counts several times over, as it grows with load, but never beyond what
//! keeps the objective: half of the latency, as the p99 of a full queue lies within twice its mean. A burst may wait
//! outside for that long, and for as long as is not late however strict the objective: nobody is better off refused.

use crate::fit::Fit;
use crate::rank::{self, rank_among};
use base::learned::{LATE, Use};
use base::{Grade, Learned, Protection};

/// Part of the objective's latency that the mean time may take.
const PART: f64 = 0.5;
/// Times the mean time at low load: below, the resource would idle while requests wait outside.
const ROOM: f64 = 2.0;
/// Times the time elsewhere at low load: what a queue whose server is busy for three quarters of the time makes of it.
const ELSEWHERE: f64 = 4.0;
/// A route whose attempts cost less than this share of the average one does not make the service slow.
const LIGHT: f64 = 0.05;
/// A capacity is well enough known when its total demand is within this share of the truth.
const CLOSE: f64 = 0.2;
/// Time in flight that nothing explains, as a share, from which a resource may be unseen.
const UNSEEN: f64 = 0.2;

pub fn learned(fit: &Fit, seed: u64) -> Learned {
    let mut services: Vec<&str> = Vec::new();
    for r in fit.routes.iter().filter(|r| !r.info.service.is_empty()) {
        if !services.contains(&r.info.service.as_str()) {
            services.push(&r.info.service);
        }
    }
    let all = services
        .into_iter()
        .filter_map(|s| protection(fit, s, seed));
    Learned {
        services: all.collect(),
    }
}

/// `None`: nothing that the service uses can be said to fill.
fn protection(fit: &Fit, service: &str, seed: u64) -> Option<Protection> {
    let routes: Vec<usize> = (0..fit.routes.len())
        .filter(|&r| fit.routes[r].info.service == service && fit.routes[r].rate > 0.0)
        .collect();
    let used = |k: usize| {
        let r = &fit.resources[k];
        let theirs = r.info.service.as_deref().is_some_and(|s| s != service);
        // Bytes are no servers: what fills memory is bounded by a proposal.
        let counted = !theirs && !rank::fills(fit, k);
        let is_used = |&r: &usize| {
            let d = fit.demand[r][k];
            d.mean > 0.0 && d.grade < Grade::Prior
        };
        counted && r.grade < Grade::Prior && routes.iter().any(is_used)
    };
    let first = *rank_among(fit, seed, used).first()?;
    let k = first.resource;
    let of = |r: usize| {
        let route = &fit.routes[r];
        let seconds = fit.demand[r][k].mean / route.amplification.max(0.01);
        let demand = fit.demand[r][k];
        Use {
            seconds,
            share: share(seconds, route.low_mean, route.objective.latency_s),
            life: route.low_mean / route.amplification.max(0.01),
            error: match demand.mean > 0.0 {
                true => demand.sd / demand.mean,
                false => 0.0,
            },
        }
    };
    let attempts = |r: usize| fit.routes[r].rate * fit.routes[r].amplification;
    let all: f64 = routes.iter().map(|&r| attempts(r)).sum();
    let mean = |what: &dyn Fn(Use) -> f64| -> f64 {
        let parts = routes.iter().map(|&r| attempts(r) * what(of(r)));
        parts.sum::<f64>() / all.max(1e-12)
    };
    let mean = Use {
        seconds: mean(&|u| u.seconds),
        share: mean(&|u| u.share),
        ..Use::default()
    };
    let strictest = routes
        .iter()
        .filter(|&&r| of(r).seconds >= LIGHT * mean.seconds)
        .map(|&r| fit.routes[r].objective.latency_s)
        .fold(f64::INFINITY, f64::min);
    let left = (fit.resources[k].capacity - fit.resources[k].background).max(0.0);
    let servers = left + mean.share / left.max(1.0);
    (mean.share > 0.0 && servers.is_finite() && left > 0.0).then(|| Protection {
        service: service.to_owned(),
        resource: fit.resources[k].info.name.clone(),
        servers,
        // An objective of less may be one that nobody has set.
        waiting: left * (PART * strictest).max(LATE.as_secs_f64()) / mean.seconds,
        mean,
        routes: (routes.iter())
            .map(|&r| (fit.routes[r].info.name.clone(), of(r)))
            .collect(),
        confidence: confidence(fit, &routes, &first),
    })
}

/// What an attempt holds of the resource while it is in flight, with `on` seconds on it, a mean time of `low` at low load,
/// and an objective of `latency`.
fn share(on: f64, low: f64, latency: f64) -> f64 {
    let loaded = on + ELSEWHERE * (low - on).max(0.0);
    let most = (PART * latency).max(ROOM * low);
    match loaded.min(most).max(on) {
        whole if whole > 0.0 => on / whole,
        _ => 0.0,
    }
}

/// That it is this resource, times that its use is known closely; halved where much time is not explained.
fn confidence(fit: &Fit, routes: &[usize], first: &rank::Ranked) -> f64 {
    let spread = rank::total_spread(fit, first.resource);
    let close = within(CLOSE / spread.max(1e-9));
    let unexplained = routes.iter().map(|&r| fit.routes[r].unexplained);
    let seen = match unexplained.fold(0.0, f64::max) {
        u if u > UNSEEN => 0.5,
        _ => 1.0,
    };
    first.confidence * close * seen
}

/// Probability that a normal variable is within `z` standard deviations (Abramowitz and Stegun 7.1.26).
fn within(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let p = [
        0.254829592,
        -0.284496736,
        1.421413741,
        -1.453152027,
        1.061405429,
    ];
    let poly = p.iter().rev().fold(0.0, |acc, c| (acc + c) * t);
    1.0 - poly * (-x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn the_normal_distribution() {
        for (z, p) in [(0.0, 0.0), (1.0, 0.682_689), (1.96, 0.950_004), (9.0, 1.0)] {
            assert!((within(z) - p).abs() < 1e-5, "{z}: {}", within(z));
        }
    }
}
