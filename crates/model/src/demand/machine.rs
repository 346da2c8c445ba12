//! One machine, several processes: the processor time of a service on this machine is part of `cpu.host`, which all
//! of them share. Each second of it must have one limit, or it would be simulated twice.

use super::Series;
use crate::fit::{Demand, Fit, ResourceFit, RouteFit, WHOLE};
use base::{Class, Discipline, Grade};
use std::ops::RangeInclusive;

const HOST: &str = "cpu.host";
/// The gateway's own processor time, a part of it.
pub const GATEWAY: &str = "cpu.plimsoll";
/// Standard errors from which a slope is more than chance.
const STANDS_OUT: f64 = 2.0;
/// A part of a sum that is smaller than this share of it does not make the sum less sure.
const COUNTS: f64 = 0.1;
/// Seconds for which what a host does otherwise is taken to be one amount.
const BLOCK: usize = 10;

/// Rewrites the column of `cpu.host` from those of the services that may use all of its cores: their limit is the
/// machine's, so their own capacity counts as not known. Services with a narrower limit (a quota, fewer cores) keep
/// it. What else goes on while requests are served (those services, neighbours) goes alongside.
pub fn share(
    resources: &mut [ResourceFit],
    demand: &mut [Vec<Demand>],
    routes: &[RouteFit],
    series: &Series,
) {
    let rates: Vec<f64> = routes.iter().map(|r| r.rate).collect();
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
            && r.utilisation > 0.0
            && !r.info.elsewhere
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
    let (narrow, wide): (Vec<usize>, Vec<usize>) =
        all.into_iter().partition(|&k| narrow(&resources[k]));
    let mut caused = 0.0;
    for (row, rate) in demand.iter_mut().zip(&rates) {
        let parts = || wide.iter().map(|&k| row[k]);
        let mean: f64 = parts().map(|d| d.mean).sum();
        row[h] = Demand {
            mean,
            sd: parts().map(|d| d.sd * d.sd).sum::<f64>().sqrt(),
            scv: parts()
                .max_by(|a, b| a.mean.total_cmp(&b.mean))
                .and_then(|d| d.scv.map(|s| s * (d.mean / mean.max(1e-300)).powi(2))),
            grade: parts()
                .filter(|d| d.mean > 0.0 && d.mean >= COUNTS * mean)
                .map(|d| d.grade)
                .max()
                .unwrap_or(Grade::Prior),
        };
        caused += rate * mean;
    }
    let is_a_database = |r: &ResourceFit| {
        let works = r.info.discipline == Discipline::Ps || r.info.serial;
        r.is_store() && works && r.utilisation > 0.0 && !r.info.elsewhere
    };
    let databases = (0..resources.len()).filter(|&k| is_a_database(&resources[k]));
    let mut rest = Rest::new(h, demand, routes, series);
    narrow.iter().for_each(|&k| rest.takes(k));
    let others: Vec<usize> = wide.iter().chain(&narrow).copied().collect();
    let here: Vec<usize> = databases.filter(|&k| rest.is_here(k, &others)).collect();
    here.iter().for_each(|&k| rest.takes(k));
    rest.grows_with_the_traffic();
    let more = rest.alongside;
    here.into_iter().for_each(|k| resources[k].here = true);
    let host = &mut resources[h];
    host.background = (busy - caused).max(0.0);
    host.alongside = more;
    let total = host.alongside(&rates);
    if total > host.background {
        let share = host.background / total;
        host.alongside.iter_mut().for_each(|a| *a *= share);
    }
    host.background = (host.background - total).max(0.0);
    host.background_sd = 0.01 * cores;
    host.grade = demand
        .iter()
        .zip(&rates)
        .map(|(row, rate)| (row[h], rate * row[h].mean))
        .filter(|(_, load)| *load > 0.0 && *load >= COUNTS * caused)
        .map(|(d, _)| d.grade)
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

/// A whole core whose one thread does all the work serves one request after the other: it shares its time among nobody, and who comes
/// while it is at something long waits for the end of that.
pub fn one_after_the_other(resources: &mut [ResourceFit]) {
    let alone = |r: &&mut ResourceFit| {
        r.info.serial && r.info.discipline == Discipline::Ps && r.each() >= WHOLE
    };
    for r in resources.iter_mut().filter(alone) {
        r.info.discipline = Discipline::Fcfs;
    }
}

/// What a request has to do on a thread that it surely comes to, seconds, when none of it can be told from nothing.
const A_TRACE: f64 = 1e-6;

/// Requests of a service on one thread wait for it, however little they do there; and those that a store sees come.
pub fn nobody_passes_by(
    resources: &[ResourceFit],
    demand: &mut [Vec<Demand>],
    routes: &[RouteFit],
) {
    let threads = resources.iter().enumerate();
    for (k, x) in threads.filter(|(_, x)| x.is_one_thread()) {
        let here = |r: &RouteFit| x.info.service.as_deref() == Some(r.info.service.as_str());
        for (r, (row, route)) in demand.iter_mut().zip(routes).enumerate() {
            if x.is_surely_used_by(r) && (x.is_store() || here(route)) {
                row[k].mean = row[k].mean.max(A_TRACE * route.amplification);
            }
        }
    }
}

/// Seconds of the machine that go along with one request of each route: what services with a limit of their own do for it, and databases
/// that run here, and for each request from outside what rises and falls with their number.
struct Rest<'a> {
    host: usize,
    demand: &'a [Vec<Demand>],
    routes: &'a [RouteFit],
    series: &'a Series,
    /// Seconds that the machine was read in.
    seen: Vec<usize>,
    alongside: Vec<f64>,
}

/// By so much of what a database uses the machine is busier if it runs there; by nothing if it runs elsewhere; and by many times that if
/// it is something else that grows with the same requests.
const HERE: RangeInclusive<f64> = 0.5..=2.0;

impl<'a> Rest<'a> {
    fn new(
        host: usize,
        demand: &'a [Vec<Demand>],
        routes: &'a [RouteFit],
        series: &'a Series,
    ) -> Rest<'a> {
        let seen = (0..series.seconds).filter(|&t| series.resources[host].seen[t]);
        Rest {
            host,
            demand,
            routes,
            series,
            seen: seen.collect(),
            alongside: vec![0.0; routes.len()],
        }
    }

    fn takes(&mut self, k: usize) {
        for (a, row) in self.alongside.iter_mut().zip(self.demand) {
            *a += row[k].mean;
        }
    }

    fn grows_with_the_traffic(&mut self) {
        // Per unit of life, so that the mean is that of the requests.
        let unit = |r: usize| {
            let life: f64 = self.seen.iter().map(|&t| self.series.life[r][t]).sum();
            let each = self.demand[r][self.host].mean + self.alongside[r];
            self.routes[r].rate * each * self.seen.len() as f64 / life.max(1e-9)
        };
        let units: Vec<f64> = (0..self.routes.len()).map(unit).collect();
        let rest = |t: usize| {
            let lives = units.iter().zip(&self.series.life);
            let explained: f64 = lives.map(|(u, life)| u * life[t]).sum();
            self.series.resources[self.host].busy[t] - explained
        };
        let entry = |t: usize| self.series.entry[t];
        let points: Vec<(f64, f64)> = self.seen.iter().map(|&t| (entry(t), rest(t))).collect();
        let more = slope(&points).unwrap_or(0.0);
        let from_outside = self.alongside.iter_mut().zip(self.routes);
        for (a, _) in from_outside.filter(|(_, r)| r.entry_rate > 0.0) {
            *a += more;
        }
    }

    /// Whether the machine is busier by what database `k` uses, beyond what its services use in the same second: a database inside one of
    /// them is in that.
    fn is_here(&self, k: usize, services: &[usize]) -> bool {
        let busy = |k: usize, t: usize| self.series.resources[k].busy[t];
        let left = |t: usize| {
            let theirs: f64 = services.iter().map(|&s| busy(s, t)).sum();
            busy(self.host, t) - theirs
        };
        let points: Vec<(f64, f64)> = self.seen.iter().map(|&t| (busy(k, t), left(t))).collect();
        slope(&points).is_some_and(|s| HERE.contains(&s))
    }
}

/// Slope of parallel straight lines through the points, one for each `BLOCK` of them in a row: what the host does otherwise
/// may differ from one to the next, and a step in it is no slope. `None`: it does not stand out from zero, or falls.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let blocks = points.chunks(BLOCK);
    let freedom = points.len() as f64 - blocks.len() as f64 - 1.0;
    let apart: Vec<(f64, f64)> = blocks.flat_map(centred).collect();
    let sxx: f64 = apart.iter().map(|p| p.0.powi(2)).sum();
    let sxy: f64 = apart.iter().map(|p| p.0 * p.1).sum();
    let b = sxy / sxx;
    let left: f64 = apart.iter().map(|p| (p.1 - b * p.0).powi(2)).sum();
    let se = (left / freedom / sxx).sqrt();
    let enough = freedom > 8.0 && sxx > 1e-6 * points.len() as f64;
    (enough && b > STANDS_OUT * se).then_some(b)
}

/// The points, less their mean.
fn centred(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let n = points.len() as f64;
    let add = |(x, y): (f64, f64), p: &(f64, f64)| (x + p.0 / n, y + p.1 / n);
    let (mx, my) = points.iter().fold((0.0, 0.0), add);
    points.iter().map(|p| (p.0 - mx, p.1 - my)).collect()
}

/// A service with a limit of its own, or a database, that works `less` for a request of `route` also leaves that to the machine.
pub fn less_alongside(fit: &mut Fit, route: usize, resource: usize, less: f64) {
    let r = &fit.resources[resource];
    let limited = r.info.name.starts_with("cpu.") && r.info.name != HOST && r.capacity_known;
    if !limited && !r.here {
        return;
    }
    for host in fit.resources.iter_mut().filter(|r| r.info.name == HOST) {
        if let Some(a) = host.alongside.get_mut(route) {
            *a = (*a - less).max(0.0);
        }
    }
}

/// What goes alongside a request at the same resource changes as its own use does; but for what the whole machine does.
pub fn as_much_alongside(fit: &mut Fit, route: usize, resource: usize, factor: f64) {
    let r = &mut fit.resources[resource];
    if let Some(a) = r.alongside.get_mut(route).filter(|_| r.info.name != HOST) {
        *a *= factor;
    }
}

/// So much more of a resource goes alongside a request; of the gateway's processor time, the machine's too.
pub fn more_alongside(fit: &mut Fit, route: usize, resource: usize, more: f64) {
    let routes = fit.routes.len();
    let gateway = fit.resources[resource].info.name == GATEWAY;
    for (k, r) in fit.resources.iter_mut().enumerate() {
        if more != 0.0 && (k == resource || gateway && r.info.name == HOST) {
            r.alongside.resize(routes, 0.0);
            r.alongside[route] += more;
        }
    }
}

/// Least part of its own limit that a service keeps on a machine that is full: the scheduler shares.
const SHARED: f64 = 0.05;

/// Services with a limit of their own have no more of the machine than all others leave at `rates` requests per second of
/// each route. What goes alongside is part of the backgrounds already.
pub fn leave(fit: &mut Fit, rates: &[f64]) {
    let Some(h) = fit.resources.iter().position(|r| r.info.name == HOST) else {
        return;
    };
    let host = &fit.resources[h];
    if !host.capacity_known {
        return;
    }
    let own = |k: usize| asked(&fit.demand, rates, k);
    let narrow = |r: &ResourceFit| {
        r.info.name != HOST
            && r.info.name.starts_with("cpu.")
            && r.capacity_known
            && !r.info.elsewhere
    };
    let all: Vec<usize> = (0..fit.resources.len())
        .filter(|&k| narrow(&fit.resources[k]))
        .collect();
    // One that is asked for more than its limit takes no more than that.
    let takes = |k: usize| own(k).min(fit.resources[k].capacity);
    let beyond: f64 = all.iter().map(|&k| own(k) - takes(k)).sum();
    let free = host.capacity - host.background - own(h) + beyond;
    let left: Vec<(usize, f64)> = all.into_iter().map(|k| (k, free + takes(k))).collect();
    for (k, left) in left {
        let r = &mut fit.resources[k];
        let has = r.capacity.min(left).max(SHARED * r.capacity);
        match r.info.discipline {
            // One thread stays one, and is slower.
            Discipline::Fcfs => r.background = r.background.max(r.capacity - has),
            _ => r.capacity = has,
        }
    }
}

/// Whether the column repeats time that `cpu.host` has in the same row.
pub fn repeated(r: &ResourceFit, row: &[Demand], resources: &[ResourceFit]) -> bool {
    let host = resources.iter().position(|x| x.info.name == HOST);
    r.info.name != HOST
        && r.info.name.starts_with("cpu.")
        && !r.capacity_known
        && !r.info.elsewhere
        && host.is_some_and(|h| row[h].mean > 0.0)
}

/// What `rates` requests per second of each route ask of resource `k` themselves.
fn asked(demand: &[Vec<Demand>], rates: &[f64], k: usize) -> f64 {
    let of = |(row, rate): (&Vec<Demand>, &f64)| rate * row[k].mean;
    demand.iter().zip(rates).map(of).sum()
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
    let load = |i: usize| asked(demand, rates, i);
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

#[cfg(test)]
mod tests {
    use super::{A_TRACE, SHARED, leave, nobody_passes_by, one_after_the_other, slope};
    use crate::demand::{Options, fit};
    use crate::pattern::made::Made;
    use base::Discipline;
    use std::sync::Arc;

    #[test]
    fn one_thread_with_a_whole_core_is_a_queue() {
        let mut m = Made::new(&[("pay", "app")], 60);
        m.resource("cpu.app");
        for t in 0..60 {
            m.requests(t, 0, 10, 0.01);
            m.attempts(t, 0, 0, 10, 0.01);
            m.told(t, 0, 0.1, 1.0, 0.0);
        }
        let f = fit(&m.history, &Options::default()).unwrap();
        let of = |serial: bool, capacity: f64| {
            let mut all = f.resources.clone();
            (all[0].info.serial, all[0].capacity) = (serial, capacity);
            one_after_the_other(&mut all);
            all[0].info.discipline
        };
        assert_eq!(of(true, 1.0), Discipline::Fcfs);
        assert_eq!(of(true, 0.5), Discipline::Ps, "a quota cuts it into pieces");
        assert_eq!(of(false, 1.0), Discipline::Ps);
        let mut all = f.resources.clone();
        all[0].info.serial = true;
        let mut demand = f.demand.clone();
        demand[0][0].mean = 0.0;
        nobody_passes_by(&all, &mut demand, &f.routes);
        assert_eq!(demand[0][0].mean, 0.0, "several cores are passed by");
        one_after_the_other(&mut all);
        nobody_passes_by(&all, &mut demand, &f.routes);
        assert_eq!(demand[0][0].mean, A_TRACE * f.routes[0].amplification);
    }

    #[test]
    fn a_service_has_what_others_leave_of_the_machine() {
        let mut m = Made::new(&[("pay", "app")], 60);
        for name in ["cpu.app", "cpu.host"] {
            m.resource(name);
        }
        for t in 0..60 {
            m.requests(t, 0, 10, 0.01);
            m.attempts(t, 0, 0, 10, 0.01);
            m.told(t, 0, 0.1, 1.0, 0.0);
        }
        let mut f = fit(&m.history, &Options::default()).unwrap();
        let at = |name: &str| {
            f.resources
                .iter()
                .position(|r| r.info.name == name)
                .unwrap()
        };
        let (app, host) = (at("cpu.app"), at("cpu.host"));
        for k in [app, host] {
            (f.resources[k].capacity, f.resources[k].capacity_known) = (2.0, true);
        }
        // Half a core of others, and that of the service, which goes along with its requests.
        f.resources[host].background = 0.5 + 1.0;
        (f.demand[0][app].mean, f.demand[0][host].mean) = (0.02, 0.005);
        let with = |known: bool, rate: f64| {
            let mut f = f.clone();
            f.resources[host].capacity_known = known;
            leave(&mut f, &[rate]);
            f.resources[app].capacity
        };
        assert!((with(true, 50.0) - 1.25).abs() < 1e-9);
        assert_eq!(with(false, 50.0), 2.0, "nobody knows how large it is");
        f.resources[host].background = 9.0;
        assert!((f.resources[app].capacity - 2.0).abs() < 1e-9);
        leave(&mut f, &[50.0]);
        assert!((f.resources[app].capacity - 2.0 * SHARED).abs() < 1e-9);
        let one = &mut f.resources[app];
        (one.info.serial, one.info.discipline, one.capacity) = (true, Discipline::Fcfs, 1.0);
        leave(&mut f, &[50.0]);
        let one = &f.resources[app];
        assert_eq!(
            (one.capacity, one.background),
            (1.0, 1.0 - SHARED),
            "one thread, and slower"
        );
    }

    /// A list asks the database for 5 ms; whether that is work of this machine, and what goes alongside the list there.
    fn database(works_here: bool) -> (bool, f64) {
        let mut m = Made::new(&[("list", "app"), ("home", "app")], 120);
        for name in ["cpu.app", "cpu.host", "db.orders"] {
            m.resource(name);
        }
        let some = |t: usize, a: usize, b: usize| ((t * a) % b) as u32;
        for t in 0..120 {
            let n = [6 + some(t, 7, 25), 10 + some(t, 11, 19)];
            for (r, &n) in n.iter().enumerate() {
                m.requests(t, r, n, 0.01);
                m.attempts(t, r, 0, n, 0.01);
            }
            let app = 0.002 * f64::from(n[0] + n[1]);
            let db = 0.005 * f64::from(n[0]);
            let host = 0.1 + app + if works_here { db } else { 0.0 };
            for (k, busy, cores) in [(0, app, 2.0), (1, host, 2.0), (2, db, 1.0)] {
                m.told(t, k, busy, cores, 0.0);
            }
            Arc::make_mut(&mut m.history.windows[t]).resources[1].background = None;
        }
        let f = fit(&m.history, &Options::default()).unwrap();
        let alongside = f.resources[1].alongside.first();
        (f.resources[2].here, *alongside.unwrap_or(&0.0))
    }

    #[test]
    fn a_database_that_works_here_is_part_of_the_machine() {
        let (here, alongside) = database(true);
        assert!(here && (alongside - 0.005).abs() < 0.001, "{alongside}");
        let (here, alongside) = database(false);
        assert!(!here && alongside < 0.0005, "{alongside}");
    }

    #[test]
    fn a_slope_counts_where_it_is_more_than_chance() {
        let wave = |t: usize| ((t * 7919) % 13) as f64 - 6.0;
        let points = |b: f64| -> Vec<(f64, f64)> {
            (0..120)
                .map(|t| (20.0 + wave(t), 0.3 + b * wave(t) + 0.002 * wave(t * t + 3)))
                .collect()
        };
        let found = slope(&points(0.002)).unwrap();
        assert!((found - 0.002).abs() < 0.0008, "{found}");
        assert_eq!(slope(&points(-0.002)), None);
        assert_eq!(slope(&points(0.002)[..9]), None);
        assert_eq!(
            slope(&[(1.0, 2.0); 50]),
            None,
            "no variation, nothing to see"
        );
        let fell = |t: usize| if t < 16 { 0.5 } else { 0.2 };
        let busier_then = |t: usize| if t < 16 { 22.0 } else { 20.0 };
        let stepped: Vec<(f64, f64)> = (0..120)
            .map(|t| (busier_then(t) + wave(t), fell(t) + 0.002 * wave(t * t + 3)))
            .collect();
        assert_eq!(slope(&stepped), None, "what a neighbour stopped doing");
    }
}
