//! Time that nothing explains: where it is spent, how it moves with the load, and what to switch on.

use crate::closure::LIMIT;
use crate::fit::{Fit, Growth};
use base::units::Secs;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unseen {
    /// The route in which most of it is spent, and its service.
    pub route: String,
    pub service: String,
    /// Of all time in flight, and of that route's own.
    pub share: f64,
    pub route_share: f64,
    /// Mean number of requests in flight that nothing explains, all routes.
    pub in_flight: f64,
    pub growth: Growth,
    /// What it looks like, and what to switch on.
    pub advice: String,
}

/// Less than this is noise of the test itself.
const NOISE: f64 = 0.06;

/// `Some` when more than a fifth of the time in flight is unexplained, or when less is, but it would be the busiest
/// of all were it the queue and hold of one lock (`rho = N/(1+N)`) and it is not known to be constant.
pub fn unseen(fit: &Fit, busiest: f64) -> Option<Unseen> {
    let open = |r: usize| {
        let x = &fit.routes[r];
        x.rate * (x.low_mean * x.unexplained)
    };
    let constant = |r: usize| fit.growth.get(r) == Some(&Growth::Constant);
    let suspect: f64 = (0..fit.routes.len())
        .filter(|&r| !constant(r))
        .map(open)
        .sum();
    let lock = fit.unexplained > NOISE && suspect / (1.0 + suspect) > busiest;
    if fit.unexplained <= LIMIT && !lock {
        return None;
    }
    let route = (0..fit.routes.len()).max_by(|&a, &b| open(a).total_cmp(&open(b)))?;
    let r = &fit.routes[route];
    let growth = fit.growth.get(route).copied().unwrap_or_default();
    let inner = r.entry_rate < 0.1 * r.rate && !r.info.service.is_empty();
    let service = if r.info.service.is_empty() {
        "the service"
    } else {
        &r.info.service
    };
    let looks = match growth {
        Growth::Grows => "It grows with the load, so work waits there: suspect a lock or a pool",
        Growth::Constant => {
            "It is the same at every load: a plain delay, or a pool far from its limit"
        }
        Growth::Unknown => "Whether it grows with the load cannot be told yet",
    };
    let whose = if inner {
        format!(" {service} is called by other services only: it may be slow by itself.")
    } else {
        String::new()
    };
    let advice = format!(
        "{looks}. About {} per request of {} is spent where nothing is measured.{whose} Let {service} answer with \
         `Server-Timing` (`lock.x;dur=;wait=` and `pool.x;dur=;wait=;size=`), send its calls through Plimsoll, or run \
         Plimsoll on its host so that waiting threads are counted.",
        Secs(r.low_mean * r.unexplained),
        r.info.name
    );
    Some(Unseen {
        route: r.info.name.clone(),
        service: r.info.service.clone(),
        share: fit.unexplained,
        route_share: r.unexplained,
        in_flight: (0..fit.routes.len()).map(open).sum(),
        growth,
        advice,
    })
}
