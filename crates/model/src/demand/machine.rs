//! One machine, several processes: the processor time of a service on this machine is part of `cpu.host`, which all
//! of them share. Each second of it must have one limit, or it would be simulated twice.

use crate::fit::{Demand, Fit, ResourceFit};
use base::{Class, Discipline, Grade};

const HOST: &str = "cpu.host";

/// Rewrites the column of `cpu.host` from those of the services that may use all of its cores: their limit is the
/// machine's, so their own capacity counts as not known. Services with a narrower limit (a quota, fewer cores) keep
/// it. What else goes on while requests are served (those services, neighbours) goes alongside.
pub fn share(resources: &mut [ResourceFit], demand: &mut [Vec<Demand>], rates: &[f64]) {
    let Some(h) = resources.iter().position(|r| r.info.name == HOST) else {
        return;
    };
    let (cores, busy) = (
        resources[h].capacity,
        resources[h].capacity * resources[h].utilisation,
    );
    let part = |r: &ResourceFit| {
        r.info.class == Class::Compute
            && r.info.discipline == Discipline::Ps
            && r.info.name.starts_with("cpu.")
            && r.grade <= Grade::Regression
            && r.utilisation > 0.0
    };
    let all: Vec<usize> = (0..resources.len())
        .filter(|&k| k != h && part(&resources[k]))
        .collect();
    if all.is_empty() || !resources[h].capacity_known {
        return;
    }
    let narrow = |r: &ResourceFit| {
        r.capacity_known && r.capacity / f64::from(r.instances.max(1)) < 0.95 * cores
    };
    let wide: Vec<usize> = all
        .into_iter()
        .filter(|&k| !narrow(&resources[k]))
        .collect();
    let mut caused = 0.0;
    let whole: Vec<Demand> = demand.iter().map(|row| row[h]).collect();
    for (row, rate) in demand.iter_mut().zip(rates) {
        let parts = || wide.iter().map(|&k| row[k]);
        let mean: f64 = parts().map(|d| d.mean).sum();
        row[h] = Demand {
            mean,
            sd: parts().map(|d| d.sd * d.sd).sum::<f64>().sqrt(),
            scv: parts()
                .max_by(|a, b| a.mean.total_cmp(&b.mean))
                .and_then(|d| d.scv.map(|s| s * (d.mean / mean.max(1e-300)).powi(2))),
            grade: parts()
                .filter(|d| d.mean > 0.0)
                .map(|d| d.grade)
                .max()
                .unwrap_or(Grade::Prior),
        };
        caused += rate * mean;
    }
    let host = &mut resources[h];
    host.background = (busy - caused).max(0.0);
    let own: Vec<f64> = demand.iter().map(|row| row[h].mean).collect();
    go_alongside(host, &whole, &own, rates);
    host.background_sd = 0.01 * cores;
    host.grade = demand
        .iter()
        .map(|row| row[h])
        .filter(|d| d.mean > 0.0)
        .map(|d| d.grade)
        .max()
        .unwrap_or(Grade::Prior);
    host.notes
        .retain(|n| !n.starts_with("burst") && !n.starts_with("reports"));
    for k in wide {
        resources[k].capacity_known = false;
        resources[k]
            .notes
            .push(format!("its limit is the machine's: see {HOST}"));
    }
}

/// Takes from the background what the fit of the whole machine puts down to requests beyond their own use. Where that
/// fit is only a guess, growing with the traffic is still the better guess than staying as it is.
fn go_alongside(host: &mut ResourceFit, whole: &[Demand], own: &[f64], rates: &[f64]) {
    let beyond = whole
        .iter()
        .zip(own)
        .map(|(w, own)| (w.mean - own).max(0.0));
    host.alongside = beyond.collect();
    let total: f64 = host.alongside.iter().zip(rates).map(|(a, r)| a * r).sum();
    if total > host.background {
        let share = host.background / total;
        host.alongside.iter_mut().for_each(|a| *a *= share);
    }
    host.background = (host.background - total).max(0.0);
}

/// A service with a limit of its own that works `less` for a request of `route` also leaves that to the machine.
pub fn less_alongside(fit: &mut Fit, route: usize, resource: usize, less: f64) {
    let r = &fit.resources[resource].info;
    if !r.name.starts_with("cpu.") || r.name == HOST || !fit.resources[resource].capacity_known {
        return;
    }
    for host in fit.resources.iter_mut().filter(|r| r.info.name == HOST) {
        if let Some(a) = host.alongside.get_mut(route) {
            *a = (*a - less).max(0.0);
        }
    }
}

/// Whether the column repeats time that `cpu.host` has in the same row.
pub fn repeated(r: &ResourceFit, row: &[Demand], resources: &[ResourceFit]) -> bool {
    let host = resources.iter().position(|x| x.info.name == HOST);
    r.info.name != HOST
        && r.info.name.starts_with("cpu.")
        && !r.capacity_known
        && host.is_some_and(|h| row[h].mean > 0.0)
}

/// `(service, share)`: who causes the load on the machine, largest first; empty for any other resource.
pub fn users(
    k: usize,
    resources: &[ResourceFit],
    demand: &[Vec<Demand>],
    rates: &[f64],
) -> Vec<(String, f64)> {
    if resources[k].info.name != HOST {
        return Vec::new();
    }
    let load = |i: usize| -> f64 {
        demand
            .iter()
            .zip(rates)
            .map(|(row, rate)| rate * row[i].mean)
            .sum()
    };
    let whole = load(k).max(1e-300);
    let mut all: Vec<(String, f64)> = (0..resources.len())
        .filter(|&i| {
            i != k && resources[i].info.name.starts_with("cpu.") && !resources[i].capacity_known
        })
        .map(|i| (resources[i].info.name.clone(), load(i) / whole))
        .filter(|(_, s)| *s >= 0.05)
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}
