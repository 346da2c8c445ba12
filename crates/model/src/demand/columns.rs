//! One column of D: chooses the evidence for each route and puts the resource's own numbers beside it.

use super::direct::Told;
use super::memory::{self, Held};
use super::regress::{bound, regress};
use super::routes::Totals;
use super::signs;
use super::visits::visits;
use super::{Options, Series};
use crate::fit::{Demand, ResourceFit, is_limit_of_a_disk};
use crate::pattern::jobs_of;
use crate::{capacity, waiters};
use base::{Class, Discipline, Grade, History};

pub struct Known<'a> {
    pub history: &'a History,
    pub from: u64,
    pub series: &'a Series,
    pub totals: &'a [Totals],
    pub told: &'a [Vec<Told>],
    pub options: &'a Options,
}

impl Known<'_> {
    /// Attempts per second.
    pub fn rate(&self, r: usize) -> f64 {
        self.series.life[r].iter().sum::<f64>() / self.series.covered().max(1.0)
    }
}

pub struct Column {
    pub fit: ResourceFit,
    pub demand: Vec<Demand>,
}

/// A remainder below this share of the busy time is left to the background.
const REMAINDER: f64 = 0.03;

/// Less than this share of the busy time, found in the requests, says little of the rest.
const CAUSED: f64 = 0.2;

/// Rows that may use the resource: those of its service; all of them when it names none or an unknown one; of the workers
/// of jobs their route.
fn allowed(known: &Known, k: usize) -> Vec<usize> {
    let routes = &known.history.routes;
    if let Some(route) = jobs_of(&known.history.resources[k].name) {
        let its = |r: &usize| routes[*r].name == route;
        return (0..routes.len()).filter(its).collect();
    }
    let service = known.history.resources[k].service.as_deref();
    let its = |r: usize| service.is_none_or(|s| routes[r].service == s);
    let mine: Vec<usize> = (0..routes.len()).filter(|&r| its(r)).collect();
    let strangers = service.is_some_and(|s| known.history.instances.iter().all(|(n, _)| n != s));
    let pool = if mine.is_empty() && (strangers || routes.iter().all(|r| r.service.is_empty())) {
        (0..routes.len()).collect()
    } else {
        mine
    };
    let live = |r: &usize| known.series.life[*r].iter().sum::<f64>() > 0.0;
    pool.into_iter().filter(live).collect()
}

pub fn column(known: &Known, k: usize) -> Column {
    let info = known.history.resources[k].clone();
    let series = &known.series.resources[k];
    let cap = capacity::capacity(known.history, known.from, k);
    let seconds: Vec<usize> = (0..known.series.seconds)
        .filter(|&t| series.seen[t])
        .collect();
    let n = seconds.len().max(1) as f64;
    let mean = |v: &[f64]| seconds.iter().map(|&t| v[t]).sum::<f64>() / n;
    let mut rows = allowed(known, k);
    let signals = signs::Told::of(known, k);
    let visits = visits(known, k, &signals, &rows);
    if let Some(v) = &visits {
        rows.retain(|&r| v.may[r]);
    }
    let reported: f64 = known.told.iter().map(|row| row[k].busy).sum();
    let measured_s: f64 = series.busy.iter().sum();
    // The busy time is itself the sum of the reports: then even few of them are all there is.
    let all_told = reported > 0.0 && (reported / measured_s - 1.0).abs() < 0.02;
    let direct =
        |r: usize| Some(&known.told[r][k]).filter(|t| t.enough() || (all_told && t.count > 0.0));
    let span = known.series.covered().max(1.0);
    let measured = series.background.as_ref().map(|b| mean(b));
    let mut notes = Vec::new();
    let mut c = Draft::new(known.history.routes.len());

    let busy = mean(&series.busy);
    if info.discipline == Discipline::Level {
        c.busy = series.level.as_ref().map_or(busy, |l| mean(l));
        if let (Some(level), Class::Memory, true) =
            (&series.level, info.class, info.service.is_some())
            && let Some(h) = memory::held(known.series, level, &seconds, &rows)
        {
            c.held(known, &rows, &h);
            notes.extend(said(&h));
        }
    } else if let Some(w) = series.waiting.as_ref().filter(|w| {
        let lock = info.class == Class::PoolOrLock && info.discipline == Discipline::Fcfs;
        lock && busy > 0.0 && reported == 0.0 && mean(w) > 0.0
    }) {
        let s = waiters::held(known.series, &series.busy, &seconds, w, &rows);
        c.waits(known, &rows, &s);
        notes.push("seen when it is held; by whom is known by its waiters".to_owned());
    } else if busy > 0.0 {
        c.busy = busy;
        c.background = measured.unwrap_or(0.0);
        let told: f64 = rows
            .iter()
            .filter_map(|&r| {
                Some(direct(r)?.mean() * known.series.life[r].iter().sum::<f64>() / span)
            })
            .sum();
        for &r in &rows {
            if let Some(t) = direct(r) {
                c.set(r, t.mean(), t.se(), t.scv(), Grade::Direct);
            }
        }
        let missing: Vec<usize> = rows
            .iter()
            .copied()
            .filter(|&r| direct(r).is_none())
            .collect();
        let rest = busy - c.background - told;
        // What reports leave out (runtime, kernel, network) belongs to every request alike.
        let open = if all_told {
            Vec::new()
        } else if missing.is_empty() && rest > REMAINDER * busy {
            if told < 0.85 * (busy - c.background) {
                notes.push(format!(
                    "reports explain {:.0} % of its busy time; the rest is fitted",
                    100.0 * told / (busy - c.background).max(1e-12)
                ));
            }
            rows.clone()
        } else {
            missing
        };
        if !open.is_empty() && rest > 0.0 {
            regress(known, k, &open, cap.total, &mut c, &mut notes);
            // What is written seconds later (checkpoints, pages that leave the cache) was written for the requests before.
            if is_limit_of_a_disk(&info.name) {
                c.share_background(known, &rows);
            }
        } else if measured.is_none() && !all_told {
            c.background = rest.max(0.0);
        }
    } else {
        // Nothing measured its busy time: reports, else waiters.
        for &r in &rows {
            if let Some(t) = direct(r) {
                c.set(r, t.mean(), t.se(), t.scv(), Grade::Direct);
                c.busy += t.mean() * known.series.life[r].iter().sum::<f64>() / span;
            }
        }
        let queue = series
            .waiting
            .as_ref()
            .filter(|w| c.busy == 0.0 && mean(w) > 0.0);
        let servers = f64::from(cap.instances);
        if let (Some(w), Discipline::Fcfs) = (queue, info.discipline)
            && let Some(s) = waiters::serial(known.series, w, &rows, servers)
        {
            c.waits(known, &rows, &s);
            notes.push("seen by its waiters only".to_owned());
        }
    }
    if !cap.known && !info.is_delay() {
        notes.push(if cap.total > 0.0 {
            format!("capacity not known: {} {} taken", cap.total, info.unit)
        } else {
            "capacity not known".to_owned()
        });
    }
    for (r, d) in c.demand.iter_mut().enumerate() {
        // From per attempt to per request.
        let a = known.totals[r].amplification();
        d.mean *= a;
        d.sd *= a;
        c.alongside.get_mut(r).into_iter().for_each(|v| *v *= a);
    }
    let told_waits: f64 = rows.iter().map(|&r| known.told[r][k].wait).sum::<f64>() / span;
    let any_wait = rows.iter().any(|&r| known.told[r][k].waits > 0.0);
    let grades = c.demand.iter().filter(|d| d.mean > 0.0).map(|d| d.grade);
    let grade = grades.max().unwrap_or(Grade::Prior);
    let per = |v: f64| if cap.total > 0.0 { v / cap.total } else { 0.0 };
    let top = top_mean(series, &seconds);
    let utilisation = per(c.busy);
    Column {
        fit: ResourceFit {
            alongside: c.alongside,
            visits: visits.map_or_else(Vec::new, |v| v.each),
            here: false,
            utilisation,
            utilisation_max: per(top).max(utilisation),
            waiting: match &series.waiting {
                Some(w) if mean(w) > 0.0 => Some(mean(w)),
                Some(_) => Some(if any_wait { told_waits } else { 0.0 }),
                None => any_wait.then_some(told_waits),
            },
            capacity: cap.total,
            capacity_sd: cap.sd,
            capacity_known: cap.known,
            background: c.background,
            background_sd: c.background_sd,
            instances: cap.instances,
            grade,
            notes,
            signs: signs::signs(known, &signals),
            info,
        },
        demand: c.demand,
    }
}

/// What the fit of a level found, in words.
fn said(h: &Held) -> Vec<String> {
    let mb = |v: f64| format!("{:.1} MB", v / 1e6);
    let mut told = vec![format!(
        "{} and {} for each request in flight (± {:.0} %)",
        mb(h.base),
        mb(h.each),
        164.5 * h.error
    )];
    if h.drift * 3600.0 > 0.05 * h.base {
        told.push(format!(
            "it grows by {} per hour whatever is in flight: a leak, or a start",
            mb(h.drift * 3600.0)
        ));
    }
    told
}

/// Threads asleep on a lock that the service itself reports are seen twice: the column known by waiters only gives way
/// to the reported ones when these account for at least half of its waiters.
pub fn drop_echoes(resources: &mut [ResourceFit], demand: &mut [Vec<Demand>]) {
    for k in 0..resources.len() {
        let (Grade::Waits, Some(waiting)) = (resources[k].grade, resources[k].waiting) else {
            continue;
        };
        let told = |r: &ResourceFit| {
            r.grade == Grade::Direct
                && r.info.service.is_some()
                && r.info.service == resources[k].info.service
        };
        let reported: Vec<&ResourceFit> = resources.iter().filter(|r| told(r)).collect();
        let sum: f64 = reported.iter().filter_map(|r| r.waiting).sum();
        if sum < 0.5 * waiting {
            continue;
        }
        let names: Vec<&str> = reported
            .iter()
            .filter(|r| r.waiting.is_some_and(|w| w > 0.0))
            .map(|r| r.info.name.as_str())
            .collect();
        let note = format!("its waiters are those of {}", names.join(", "));
        resources[k].notes.push(note);
        resources[k].utilisation = 0.0;
        resources[k].utilisation_max = 0.0;
        demand.iter_mut().for_each(|row| row[k] = Demand::NONE);
    }
}

/// Highest mean of ten seconds in a row.
fn top_mean(series: &super::series::Column, seconds: &[usize]) -> f64 {
    let v: Vec<f64> = seconds.iter().map(|&t| series.busy[t]).collect();
    v.windows(10)
        .map(|w| w.iter().sum::<f64>() / 10.0)
        .fold(0.0, f64::max)
}

pub(super) struct Draft {
    pub demand: Vec<Demand>,
    pub busy: f64,
    pub background: f64,
    pub background_sd: f64,
    /// By route; empty: nothing.
    pub alongside: Vec<f64>,
}

impl Draft {
    fn new(routes: usize) -> Draft {
        Draft {
            demand: vec![Demand::NONE; routes],
            busy: 0.0,
            background: 0.0,
            background_sd: 0.0,
            alongside: Vec::new(),
        }
    }
    /// Shares the holds out; how is known less well than their sum.
    fn waits(&mut self, known: &Known, rows: &[usize], s: &waiters::Serial) {
        self.busy = s.busy;
        let rates: Vec<f64> = rows.iter().map(|&r| known.rate(r).max(1e-9)).collect();
        let shares = s.shares.iter().zip(&rates);
        let mut means: Vec<f64> = shares.map(|(share, rate)| s.busy * share / rate).collect();
        let most: Vec<f64> = rows.iter().map(|&r| known.totals[r].attempt_s).collect();
        self.background += bound(&mut means, &most, &rates);
        for (&r, mean) in rows.iter().zip(means) {
            let sd = mean * (s.spread.powi(2) + waiters::SHARE_SPREAD.powi(2)).sqrt();
            self.set(r, mean, sd, None, Grade::Waits);
        }
    }
    /// What requests hold, and what is held without them.
    fn held(&mut self, known: &Known, rows: &[usize], h: &Held) {
        for (&r, each) in rows.iter().zip(&h.rows) {
            let sum = |v: &[f64]| v.iter().sum::<f64>();
            let stay = sum(&known.series.in_flight[r]) / sum(&known.series.life[r]).max(1e-9);
            let mean = each * stay;
            self.set(r, mean, mean * h.error.max(0.1), None, Grade::Regression);
        }
        (self.background, self.background_sd) = (h.base, h.base_sd);
    }
    /// The background goes alongside the requests, as what was fitted is shared out: they do not wait for it.
    fn share_background(&mut self, known: &Known, rows: &[usize]) {
        let caused: f64 = rows
            .iter()
            .map(|&r| self.demand[r].mean * known.rate(r))
            .sum();
        if caused < CAUSED * self.busy {
            return;
        }
        let more = self.background / caused;
        self.alongside = self.demand.iter().map(|d| more * d.mean).collect();
        (self.background, self.background_sd) = (0.0, 0.0);
    }
    pub fn set(&mut self, r: usize, mean: f64, sd: f64, scv: Option<f64>, grade: Grade) {
        self.demand[r] = Demand {
            mean,
            sd,
            scv,
            grade,
        };
    }
}

#[cfg(test)]
mod tests {
    use crate::demand::{Options, fit};
    use crate::pattern::made::Made;
    use std::sync::Arc;

    /// Each request writes for 5 ms; about as much again is written later, evenly.
    fn fitted(name: &str) -> (f64, f64, f64) {
        let mut m = Made::new(&[("save", "orders")], 120);
        m.resource(name);
        for t in 0..120 {
            let n = 6 + (t * 7 % 25) as u32;
            m.requests(t, 0, n, 0.01);
            m.attempts(t, 0, 0, n, 0.01);
            m.told(t, 0, 0.005 * f64::from(n) + 0.09, 1.0, 0.0);
            for c in &mut Arc::make_mut(&mut m.history.windows[t]).resources {
                (c.background, c.waiting) = (None, None);
            }
        }
        let f = fit(&m.history, &Options::default()).unwrap();
        let rates = [f.routes[0].rate];
        let caused = rates[0] * f.demand[0][0].mean + f.resources[0].alongside(&rates);
        (
            caused,
            f.resources[0].background,
            f.resources[0].utilisation,
        )
    }

    #[test]
    fn what_a_group_writes_later_was_written_for_its_requests() {
        let (caused, background, busy) = fitted("disk.orders.limit");
        assert_eq!(background, 0.0);
        assert!((caused / busy - 1.0).abs() < 0.02, "{caused} of {busy}");
        let (caused, background, busy) = fitted("disk.host.vda");
        assert!(background > 0.1 * busy, "others write to it too");
        assert!(
            (caused + background) / busy < 1.1,
            "{caused} {background} {busy}"
        );
    }
}
