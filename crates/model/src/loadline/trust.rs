//! Whether the twin may be believed: it must reproduce the p99 that was seen at the busiest quarter.

use crate::fit::Fit;
use crate::twin::Seen;
use base::units::Secs;

/// Largest relative difference of p99 beyond what chance explains.
const TOLERANCE: f64 = 0.2;
/// Fewer requests than this in the busiest quarter say nothing about a p99.
const ENOUGH: f64 = 300.0;

/// What speaks against the twin; empty: nothing.
pub fn reasons(fit: &Fit, top: &[Seen]) -> Vec<String> {
    let mut out = Vec::new();
    for (route, seen) in fit.routes.iter().zip(top) {
        let n = route.count * route.entry_rate / route.rate.max(1e-9) / 4.0;
        if route.p99_top <= 0.0 || n < ENOUGH || seen.count < 500 {
            continue;
        }
        // The p99 of n requests is, 19 times of 20, between these quantiles of the truth.
        let half = 1.96 * (0.01 * 0.99 / n).sqrt();
        let at = |q: f64| seen.quantile(q).unwrap_or(0.0);
        let (low, middle, high) = (at(0.99 - half), at(0.99), at((0.99 + half).min(0.9995)));
        if route.p99_top < low * (1.0 - TOLERANCE) || route.p99_top > high * (1.0 + TOLERANCE) {
            out.push(format!(
                "{}: the simulation expects a p99 of {} in the busiest quarter, {} was seen",
                route.info.name,
                Secs(middle),
                Secs(route.p99_top)
            ));
        }
    }
    out
}
