//! A serial resource of which only its waiters are seen, such as the threads asleep on one futex.

use crate::demand::Series;

/// Squared coefficient of variation of the hold when nothing tells it.
const HOLD_SCV: f64 = 0.5;

/// What that guess costs. Measured on made-up services: constant holds come out 18 % too low, holds of several
/// routes with different means 13 to 22 % too high (median).
const SCV_SPREAD: f64 = 0.15;

/// Utilisation of one server from the mean number of waiters: the mean queue of an M/G/1 server,
/// `L = rho^2 (1 + c2) / (2 (1 - rho))`, solved for `rho`.
pub fn utilisation(waiters: f64, scv: f64) -> f64 {
    let (l, c) = (waiters.max(0.0), 1.0 + scv);
    ((-l + (l * l + 2.0 * l * c).sqrt()) / c).clamp(0.0, 0.999)
}

/// How well each route's share of the holds is known, relative.
pub const SHARE_SPREAD: f64 = 0.2;

/// What waiters tell: seconds held per second at the mean rate, and each route's share of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Serial {
    pub busy: f64,
    /// Relative standard error of `busy`.
    pub spread: f64,
    /// Shares of the holds, by position in `routes`.
    pub shares: Vec<f64>,
}

/// `routes` are the rows that may use it; `waiting` has waiter-seconds per second, summed over `servers` copies.
/// Utilisation is found per quarter of the load and regressed on the rate through zero. A route's share of the
/// waiters (how its own number in flight follows theirs) is its share of the visits. `None` when nobody waits.
pub fn serial(series: &Series, waiting: &[f64], routes: &[usize], servers: f64) -> Option<Serial> {
    let rate: Vec<f64> = (0..series.seconds)
        .map(|t| routes.iter().map(|&r| series.life[r][t]).sum())
        .collect();
    let present = |i: &usize| {
        let end = (i * 5 + 5).min(series.seconds);
        series.present[i * 5..end].iter().all(|p| *p)
    };
    let mut order: Vec<usize> = (0..series.seconds.div_ceil(5)).filter(present).collect();
    let run = |v: &[f64], i: usize| {
        let part = &v[i * 5..((i + 1) * 5).min(v.len())];
        part.iter().sum::<f64>() / part.len() as f64
    };
    order.sort_by(|&a, &b| run(&rate, a).total_cmp(&run(&rate, b)).then(a.cmp(&b)));
    let (mut top, mut bottom, mut slopes) = (0.0, 0.0, Vec::new());
    for q in 0..4 {
        let part = &order[q * order.len() / 4..(q + 1) * order.len() / 4];
        if part.is_empty() {
            continue;
        }
        let n = part.len() as f64;
        let waiters = part.iter().map(|&i| run(waiting, i)).sum::<f64>() / n / servers.max(1.0);
        let lambda = part.iter().map(|&i| run(&rate, i)).sum::<f64>() / n;
        let rho = utilisation(waiters, HOLD_SCV);
        top += rho * lambda;
        bottom += lambda * lambda;
        if lambda > 0.0 {
            slopes.push(rho / lambda);
        }
    }
    let slope = top / bottom.max(1e-12);
    if slope <= 0.0 || slopes.len() < 2 {
        return None;
    }
    let mean = rate.iter().sum::<f64>() / series.covered().max(1.0);
    // The waiters' own sampling error, run by run; utilisation goes with their square root when they are few.
    let runs: Vec<f64> = order.iter().map(|&i| run(waiting, i)).collect();
    let n = runs.len().max(2) as f64;
    let level = runs.iter().sum::<f64>() / n;
    let noise = (runs.iter().map(|l| (l - level).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
    let sampling = 0.5 * noise / level.max(1e-12);
    let center = slopes.iter().sum::<f64>() / slopes.len() as f64;
    let var = slopes.iter().map(|s| (s - center).powi(2)).sum::<f64>() / (slopes.len() - 1) as f64;
    let spread = (var / slopes.len() as f64).sqrt() / slope;
    Some(Serial {
        busy: slope * mean * servers.max(1.0),
        spread: spread.max(sampling).hypot(SCV_SPREAD),
        shares: shares(series, waiting, routes),
    })
}

/// The same where it is seen how long it is held (`busy`, each second of `seen`), and waiters only tell by whom.
pub fn held(
    series: &Series,
    busy: &[f64],
    seen: &[usize],
    waiting: &[f64],
    routes: &[usize],
) -> Serial {
    let n = seen.len().max(2) as f64;
    let mean = seen.iter().map(|&t| busy[t]).sum::<f64>() / n;
    let squares = seen.iter().map(|&t| (busy[t] - mean).powi(2)).sum::<f64>();
    Serial {
        busy: mean,
        spread: (squares / (n - 1.0) / n).sqrt() / mean.max(1e-12),
        shares: shares(series, waiting, routes),
    }
}

/// In flight of a route `= a * life + share * waiters`: the second coefficient, normalised.
fn shares(series: &Series, waiting: &[f64], routes: &[usize]) -> Vec<f64> {
    let share = |r: usize| {
        let (z, n) = (&series.life[r], &series.in_flight[r]);
        let sum = |f: &dyn Fn(usize) -> f64| (0..series.seconds).map(f).sum::<f64>();
        let (zz, zw, ww) = (
            sum(&|t| z[t] * z[t]),
            sum(&|t| z[t] * waiting[t]),
            sum(&|t| waiting[t] * waiting[t]),
        );
        let (zn, wn) = (sum(&|t| z[t] * n[t]), sum(&|t| waiting[t] * n[t]));
        let det = zz * ww - zw * zw;
        if det <= 1e-9 * zz * ww {
            return 0.0;
        }
        ((zz * wn - zw * zn) / det).max(0.0)
    };
    let mut all: Vec<f64> = routes.iter().map(|&r| share(r)).collect();
    let total: f64 = all.iter().sum();
    if total <= 0.0 {
        let lives: Vec<f64> = routes
            .iter()
            .map(|&r| series.life[r].iter().sum())
            .collect();
        let whole: f64 = lives.iter().sum::<f64>().max(1e-12);
        return lives.iter().map(|l| l / whole).collect();
    }
    all.iter_mut().for_each(|s| *s /= total);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inversion_is_exact_for_the_queue_it_assumes() {
        for rho in [0.05f64, 0.3, 0.6, 0.9] {
            let l = rho * rho * 1.5 / (2.0 * (1.0 - rho));
            assert!((utilisation(l, 0.5) - rho).abs() < 1e-9);
        }
        assert_eq!(utilisation(0.0, 0.5), 0.0);
    }
}
