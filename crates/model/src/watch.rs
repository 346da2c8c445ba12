//! How long to watch. The sampling error of a demand is known in closed form before any fit:
//! `SE(D_rk) = sqrt(sum_q rate_q Var(S_qk) / (rate_r T))`; solved for `T` it says how much longer.

use crate::demand::{NotYet, Series};
use crate::fit::Fit;

/// No answer is given from less, seconds.
pub const SHORTEST_S: f64 = 30.0;
/// Nor from fewer requests.
pub const FEWEST: f64 = 200.0;
/// Wanted relative error of the total demand on the constraint.
pub const PRECISION: f64 = 0.1;
/// Spread of one request's use when nothing tells it.
const SCV: f64 = 1.0;
const LONGEST_S: f64 = 3600.0;

/// Whether a fit is worth trying.
pub fn enough(series: &Series, requests: f64) -> Result<(), NotYet> {
    let span = series.covered();
    if requests < 1.0 {
        return Err(NotYet {
            more_s: SHORTEST_S,
            why: "no requests seen".to_owned(),
        });
    }
    if span < SHORTEST_S {
        return Err(NotYet {
            more_s: (60.0 - span).ceil(),
            why: format!("{span:.0} s seen"),
        });
    }
    if requests < FEWEST {
        let more = (FEWEST - requests) * span / requests;
        return Err(NotYet {
            more_s: more.min(LONGEST_S).ceil(),
            why: format!("{requests:.0} requests seen"),
        });
    }
    Ok(())
}

/// Seconds of traffic like this until the demand of `route` on `resource` is known within `eps` (relative, one
/// standard error). Infinite when the route does not use it.
pub fn needed_s(fit: &Fit, route: usize, resource: usize, eps: f64) -> f64 {
    let d = fit.demand[route][resource].mean;
    let rate = fit.routes[route].rate;
    if d <= 0.0 || rate <= 0.0 {
        return f64::INFINITY;
    }
    variance(fit, resource, false) / (rate * eps * eps * d * d)
}

/// Relative standard error of the total demand on a resource after `seconds`, with what goes alongside the requests: the number
/// of requests is random too.
pub fn total_error(fit: &Fit, resource: usize, seconds: f64) -> f64 {
    let rates: Vec<f64> = fit.routes.iter().map(|r| r.rate).collect();
    let load = load(fit, resource) + fit.resources[resource].alongside(&rates);
    if load <= 0.0 {
        return f64::INFINITY;
    }
    (variance(fit, resource, true) / seconds.max(1e-9)).sqrt() / load
}

/// Seconds until that error is at most `eps`.
pub fn total_needed_s(fit: &Fit, resource: usize, eps: f64) -> f64 {
    let one = total_error(fit, resource, 1.0);
    (one / eps).powi(2)
}

/// Resource-seconds per second that requests cause.
pub fn load(fit: &Fit, resource: usize) -> f64 {
    let rows = fit.routes.iter().zip(&fit.demand);
    rows.map(|(r, d)| r.rate * d[resource].mean).sum()
}

fn variance(fit: &Fit, resource: usize, of_total: bool) -> f64 {
    let alongside = &fit.resources[resource].alongside;
    let rows = fit.routes.iter().zip(&fit.demand).enumerate();
    rows.map(|(i, (r, d))| {
        let d = d[resource];
        let scv = d.scv.unwrap_or(SCV) + if of_total { 1.0 } else { 0.0 };
        let beside = alongside.get(i).filter(|_| of_total).unwrap_or(&0.0);
        r.rate * scv * (d.mean + beside).powi(2)
    })
    .sum()
}

/// `4 more minutes`.
pub fn say(seconds: f64) -> String {
    let s = seconds.max(1.0).ceil();
    if s <= 90.0 {
        format!("{s:.0} more seconds")
    } else if s <= 5400.0 {
        format!("{:.0} more minutes", (s / 60.0).ceil())
    } else {
        format!("{:.0} more hours", (s / 3600.0).ceil())
    }
}
