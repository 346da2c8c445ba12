//! What is true of a world, for judging what somebody found out about it.

use crate::world::{Load, Seen, World};

/// Demand-weighted relative error of `found(route, column)`, mean over the columns. `rates`: requests per second of
/// each route.
pub fn demand_error(
    world: &World,
    found: &dyn Fn(usize, usize) -> f64,
    rates: &[f64],
    columns: &[usize],
) -> f64 {
    let truth: Vec<Vec<f64>> = (0..rates.len()).map(|r| world.demand(r)).collect();
    let of = |k: &usize| {
        let total: f64 = truth.iter().zip(rates).map(|(d, l)| d[*k] * l).sum();
        let wrong: f64 = (0..truth.len())
            .map(|r| (found(r, *k) - truth[r][*k]).abs() * rates[r])
            .sum();
        wrong / total
    };
    columns.iter().map(of).sum::<f64>() / columns.len() as f64
}

/// Latency in seconds and share of good requests that a route must keep.
pub type Goal = (f64, f64);

/// The load line, found by trying: the highest steady rate at which every route keeps its goal. Six halvings from
/// `0.2 high` to `high`: exact to 1.25 % of `high`.
pub fn line(world: &World, goals: &[Goal], high: f64) -> f64 {
    let (mut low, mut high) = (0.2 * high, high);
    for step in 0..6 {
        let middle = (low + high) / 2.0;
        if holds(world, goals, middle, 100 + step) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// Whether every route keeps its goal at `rate`, over the whole run.
fn holds(world: &World, goals: &[Goal], rate: f64, seed: u64) -> bool {
    let seconds = (20_000.0 / rate).clamp(40.0, 240.0) as u64;
    let seen = Seen {
        waiters: false,
        ..Seen::default()
    };
    let load = Load {
        swing: 0.0,
        mix_sd: 0.0,
        ..Load::steady(rate)
    };
    let history = world.run(seed, seconds, &load, &seen);
    goals.iter().enumerate().all(|(r, (latency, target))| {
        let (mut ends, mut good, mut arrived) = (0u64, 0u64, 0u64);
        let windows = history.windows.iter().filter(|w| w.index >= 5);
        for c in windows
            .flat_map(|w| &w.requests)
            .filter(|c| c.key.route.get() == Some(r))
        {
            arrived += u64::from(c.arrivals);
            ends += u64::from(c.ends);
            good += c.latency.at_or_below(*latency);
        }
        // What never ends in the run was not good either.
        let all = ends.max((0.98 * arrived as f64) as u64);
        good as f64 >= target * all as f64 - 2.0
    })
}
