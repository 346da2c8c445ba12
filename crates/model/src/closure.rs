//! The closure test: is all time in flight explained by what is seen? `N = sum_k (in service + waiting at k)`
//! plus the time of child calls. What is left is an unseen resource, or a plain delay.

use crate::demand::{Series, Told, Totals, machine};
use crate::fit::{Fit, Growth, ResourceFit};
use crate::turns::AllTurns;
use crate::twin::system::service_s;
use base::{Class, Discipline};

/// More than this share of the time in flight unexplained: say so before anything else.
pub const LIMIT: f64 = 0.2;
/// Time that any hop may take by itself (sockets, scheduling), seconds.
pub const TURN_S: f64 = 0.001;
/// Elasticity of the unexplained time to the load: surely above, it waits; surely below, it does not.
const GROWS: f64 = 0.1;
const FLAT: f64 = 0.15;

#[derive(Clone, Debug, PartialEq)]
pub struct Unexplained {
    /// Of the route's own time in flight.
    pub share: f64,
    /// Seconds per attempt.
    pub seconds: f64,
    pub growth: Growth,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Closure {
    /// Unexplained over all time in flight of requests from outside.
    pub total: f64,
    pub routes: Vec<Unexplained>,
}

/// Mean residence over demand at a shared processor with `servers` cores (Sakasegawa's approximation).
fn residence_factor(rho: f64, servers: f64) -> f64 {
    let (rho, c) = (rho.clamp(0.0, 0.97), servers.max(1.0));
    1.0 + rho.powf((2.0 * (c + 1.0)).sqrt() - 1.0) / (c * (1.0 - rho))
}

pub fn closure(fit: &Fit, series: &Series, totals: &[Totals], told: &[Vec<Told>]) -> Closure {
    let span = series.covered().max(1.0);
    let n = fit.routes.len();
    let turns = AllTurns::of(fit);
    let mean = |v: &[f64]| v.iter().sum::<f64>() / span;
    let (mut left, mut all, mut children) = (0.0, 0.0, 0.0);
    let mut routes: Vec<Unexplained> = Vec::with_capacity(n);
    let (mut seen, mut open_s) = (vec![0.0; n], vec![0.0; n]);
    for r in 0..n {
        let (life, in_flight) = (mean(&series.life[r]), mean(&series.in_flight[r]));
        all += in_flight;
        children += totals[r].child_seconds * totals[r].served() / span;
        let per_attempt = fit.routes[r].amplification.max(1e-9);
        let explained =
            visible(fit, &turns, series, told, r, per_attempt) + totals[r].child_s + TURN_S;
        let whole = in_flight / life.max(1e-9);
        let open = (whole - explained).max(0.0);
        left += open * life;
        (seen[r], open_s[r]) = (explained, open);
        routes.push(Unexplained {
            share: if whole > 0.0 { open / whole } else { 0.0 },
            seconds: open,
            growth: Growth::Unknown,
        });
    }
    for r in 0..n {
        let service = &fit.routes[r].info.service;
        let mine: Vec<usize> = (0..n)
            .filter(|&i| fit.routes[i].info.service == *service)
            .collect();
        if routes[r].share > 0.05 {
            routes[r].growth = match mine.iter().find(|i| **i < r && routes[**i].share > 0.05) {
                Some(&done) => routes[done].growth,
                None => growth(series, &mine, &seen, &open_s),
            };
        }
    }
    Closure {
        total: (left / (all - children).max(1e-9)).clamp(0.0, 1.0),
        routes,
    }
}

/// Seconds of one attempt at the resources that are seen, waiting included.
fn visible(
    fit: &Fit,
    turns: &AllTurns,
    series: &Series,
    told: &[Vec<Told>],
    r: usize,
    per_attempt: f64,
) -> f64 {
    let demand = |k: usize| fit.demand[r][k].mean / per_attempt;
    let mut sum = 0.0;
    let mut stay = vec![0.0; fit.resources.len()];
    for (k, res) in fit.resources.iter().enumerate() {
        if demand(k) <= 0.0 || matches!(res.info.discipline, Discipline::Level | Discipline::Slots)
        {
            continue;
        }
        if machine::repeated(res, &fit.demand[r], &fit.resources) {
            continue;
        }
        stay[k] = residence(fit, turns, told, r, k, demand(k));
        sum += stay[k];
    }
    for (k, res) in fit.resources.iter().enumerate() {
        if res.info.discipline != Discipline::Slots || demand(k) <= 0.0 {
            continue;
        }
        // What is used inside the slot is part of its hold: declared, else the same service's database and disk.
        let inside: f64 = (0..stay.len())
            .filter(|&i| held_inside(res, &fit.resources[i], fit))
            .map(|i| stay[i])
            .sum();
        let hold = if only_a_frame(fit, series, told, k) {
            0.0
        } else {
            (demand(k) - inside).max(0.0)
        };
        sum += hold + wait(fit, told, r, k, demand(k)).unwrap_or(0.0);
    }
    sum
}

/// Slots that are held exactly as long as requests are in flight, such as our own connections to the service: they
/// repeat the time and do not explain it.
fn only_a_frame(fit: &Fit, series: &Series, told: &[Vec<Told>], k: usize) -> bool {
    if told.iter().any(|row| row[k].count > 0.0) {
        return false;
    }
    let users = (0..fit.routes.len()).filter(|&r| fit.demand[r][k].mean > 0.0);
    let in_flight: f64 = users.map(|r| series.in_flight[r].iter().sum::<f64>()).sum();
    let busy: f64 = series.resources[k].busy.iter().sum();
    busy >= 0.95 * in_flight && busy <= 1.1 * in_flight
}

fn held_inside(slots: &ResourceFit, other: &ResourceFit, fit: &Fit) -> bool {
    let declared = |x: &ResourceFit| x.info.within.as_deref() == Some(slots.info.name.as_str());
    if fit.resources.iter().any(declared) {
        return declared(other);
    }
    other.info.class == Class::Storage && other.info.service == slots.info.service
}

fn residence(
    fit: &Fit,
    turns: &AllTurns,
    told: &[Vec<Told>],
    r: usize,
    k: usize,
    demand: f64,
) -> f64 {
    let res = &fit.resources[k];
    if res.info.unit.starts_with("bytes") {
        let s = service_s(res, demand) * f64::from(res.instances);
        return s * residence_factor(res.utilisation, 1.0);
    }
    if res.info.discipline == Discipline::Ps && !res.capacity_known {
        return demand;
    }
    if res.is_one_thread() && res.is_surely_used_by(r) {
        let each = behind_others(fit, turns, k);
        return demand
            + turns
                .get(r, k)
                .wait(each, demand, res.utilisation.min(0.97));
    }
    let servers = res.capacity / f64::from(res.instances.max(1));
    match wait(fit, told, r, k, demand) {
        Some(w) if res.info.discipline == Discipline::Fcfs => demand + w,
        _ => demand * residence_factor(res.utilisation, servers),
    }
}

/// Mean wait for one thread, seconds, each time and whoever comes (Pollaczek and Khinchine): the rest of the turn that is under way,
/// and those that came before. Uses whose spread is not known count as equal ones, so that this explains too little rather than too much.
fn behind_others(fit: &Fit, turns: &AllTurns, k: usize) -> f64 {
    let res = &fit.resources[k];
    let copies = f64::from(res.instances.max(1));
    let squares = |r: usize| {
        let (route, d) = (&fit.routes[r], &fit.demand[r][k]);
        // Of what is per request; a cache leaves fewer than one attempt for each, and each as long.
        let tries = route.amplification.max(1e-3);
        route.rate * turns.get(r, k).squares(d.mean) * (1.0 + d.scv.unwrap_or(0.0)) / tries
    };
    let sum: f64 = (0..fit.routes.len()).map(squares).sum();
    sum / copies / (2.0 * (1.0 - res.utilisation.clamp(0.0, 0.97)))
}

/// Seconds that one attempt waits: told, else its part of the waiters seen.
fn wait(fit: &Fit, told: &[Vec<Told>], r: usize, k: usize, demand: f64) -> Option<f64> {
    if let Some(w) = told[r][k].wait_mean() {
        return Some(w);
    }
    let waiters = fit.resources[k].waiting?;
    let rates: Vec<f64> = fit.routes.iter().map(|x| x.rate).collect();
    // Waiters are shared like busy time, background's included.
    let whole = fit.load(&rates, k) + fit.resources[k].background;
    (whole > 0.0).then(|| waiters * demand / whole)
}

/// How the open time of a service moves with its load. Per second, what its routes should have open (`base`, at the
/// mean per attempt) and what they had (`had`): `had = u base + q base (load - mean)/mean`; `q/u` is the elasticity,
/// with a 10-block jackknife for its error.
fn growth(series: &Series, routes: &[usize], explained: &[f64], open: &[f64]) -> Growth {
    let n = series.seconds;
    let sum = |t: usize, f: &dyn Fn(usize) -> f64| -> f64 {
        routes.iter().map(|&r| series.life[r][t] * f(r)).sum()
    };
    let base: Vec<f64> = (0..n).map(|t| sum(t, &|r| open[r])).collect();
    // The load of this and the previous second: a queue remembers.
    let load: Vec<f64> = (0..n)
        .map(|t| base[t] + base[t.saturating_sub(1)])
        .collect();
    let mean = load.iter().sum::<f64>() / n.max(1) as f64;
    if mean <= 0.0 || n < 60 {
        return Growth::Unknown;
    }
    let mut blocks = [[0.0f64; 5]; 10];
    for t in 0..n {
        let z = base[t];
        let x = z * (load[t] - mean) / mean;
        let had: f64 = routes.iter().map(|&r| series.in_flight[r][t]).sum();
        let e = had - sum(t, &|r| explained[r]);
        // Each second counts by its requests: the variance grows with them.
        let w = 1.0 / z.max(0.1 * mean);
        let b = &mut blocks[t * 10 / n];
        for (s, v) in b.iter_mut().zip([z * z, z * x, x * x, z * e, x * e]) {
            *s += w * v;
        }
    }
    let solve = |skip: Option<usize>| {
        let mut s = [0.0f64; 5];
        for (_, b) in blocks.iter().enumerate().filter(|(i, _)| Some(*i) != skip) {
            s.iter_mut().zip(b).for_each(|(a, v)| *a += v);
        }
        let det = s[0] * s[2] - s[1] * s[1];
        let (u, q) = (s[3] * s[2] - s[1] * s[4], s[0] * s[4] - s[1] * s[3]);
        (det > 0.0 && u > 0.0).then(|| q / u)
    };
    let Some(whole) = solve(None) else {
        return Growth::Unknown;
    };
    let without: Vec<f64> = (0..10).filter_map(|i| solve(Some(i))).collect();
    let g = without.len().max(1) as f64;
    let center = without.iter().sum::<f64>() / g;
    let se = ((g - 1.0) / g * without.iter().map(|x| (x - center).powi(2)).sum::<f64>()).sqrt();
    if whole - 1.645 * se > GROWS {
        Growth::Grows
    } else if whole + 1.645 * se < FLAT {
        Growth::Constant
    } else {
        Growth::Unknown
    }
}
