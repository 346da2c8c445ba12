//! What is true of a world, for judging what somebody found out about it.

use crate::world::{Load, Seen, Step, World};

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

/// The first halvings need not be exact.
const COARSE: u64 = 3;
/// Bursts come and go so often while a rate is tried.
const BURSTS: f64 = 120.0;

/// Latency in seconds and share of good requests that a route must keep.
pub type Goal = (f64, f64);

/// The load line, found by trying: the highest steady rate at which every route keeps its goal, under the bursts of
/// `load`. Six halvings from `0.2 high` to `high`: exact to 1.25 % of `high`.
pub fn line(world: &World, goals: &[Goal], high: f64, load: &Load) -> f64 {
    let (mut low, mut high) = (0.2 * high, high);
    for step in 0..6 {
        let middle = (low + high) / 2.0;
        if holds(world, goals, middle, step, load) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// Whether every route keeps its goal at `rate`, over the whole run.
fn holds(world: &World, goals: &[Goal], rate: f64, step: u64, load: &Load) -> bool {
    let requests = if step < COARSE { 10_000.0 } else { 40_000.0 };
    let bursts = if load.burst_sigma > 0.0 {
        BURSTS * load.burst_tau_s
    } else {
        40.0
    };
    let seconds = (requests / rate).clamp(bursts, bursts.max(480.0)) as u64;
    let seen = Seen {
        waiters: false,
        ..Seen::default()
    };
    let load = Load {
        rate,
        swing: 0.0,
        mix_sd: 0.0,
        ..*load
    };
    let history = world.run(100 + step, seconds, &load, &seen);
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

/// Visits of every route per request from outside: the mix, and what routes call.
pub fn visits(world: &World) -> Vec<f64> {
    let total: f64 = world.routes.iter().map(|r| r.weight).sum();
    let mut all: Vec<f64> = world.routes.iter().map(|r| r.weight / total).collect();
    let mut fresh = all.clone();
    // Calls go no deeper than there are routes.
    for _ in 0..world.routes.len() {
        let mut called = vec![0.0; fresh.len()];
        for (route, visits) in world.routes.iter().zip(&fresh) {
            for step in &route.steps {
                if let Step::Call {
                    route: child,
                    times,
                } = step
                {
                    called[*child] += visits * route.tries() * f64::from(*times);
                }
            }
        }
        all.iter_mut().zip(&called).for_each(|(a, c)| *a += c);
        fresh = called;
    }
    all
}

/// `(entry rate at which it is full, station)`, the first to be full in front; without slots, whose holds depend on
/// the load, and levels.
pub fn full(world: &World) -> Vec<(f64, usize)> {
    let mut load = vec![0.0; world.stations.len()];
    for (r, visits) in visits(world).into_iter().enumerate() {
        for (sum, d) in load.iter_mut().zip(world.work(r)) {
            *sum += visits * d;
        }
    }
    let used = (0..load.len()).filter(|&s| load[s] > 0.0);
    let mut all: Vec<(f64, usize)> = used
        .map(|s| {
            let capacity = world.stations[s].kind.capacity() * world.copies(s) as f64;
            ((capacity - world.stations[s].background) / load[s], s)
        })
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}
