//! What the twin needs beyond the fit: residual delays, spreads, nesting, and the bursts worth simulating.

use super::queues::Queues;
use super::system::{System, service_s};
use super::tries;
use crate::demand::burst;
use crate::fit::Fit;
use base::{Discipline, Grade};

/// A hold of at least this share of a visit's time is taken to last for the whole visit.
const WHOLE_VISIT: f64 = 0.85;

/// Squared coefficient of variation of a use that is not known, at least.
const LEAST: f64 = 0.1;

/// Less than this of the wait is a trace of demand.
const TRACE: f64 = 0.5;

impl System {
    /// Fills delay, spread and nesting of one route from its low-load mean and variance.
    pub(super) fn explain(&mut self, r: usize, queues: &Queues) {
        let m = self.fit.resources.len();
        let route = &self.fit.routes[r];
        // Everything below is of one try.
        let tried = route.amplification.max(0.01);
        let mean = (route.low_mean / tried).max(0.0);
        for k in 0..m {
            let d = &self.fit.demand[r][k];
            let seconds = service_s(&self.fit.resources[k], d.mean);
            let surely = d.mean >= 2.0 * d.sd || seconds >= 0.05 * route.low_mean;
            self.touches[r][k] = d.mean > 0.0
                && (self.fit.resources[k].is_surely_used_by(r)
                    || seconds >= 0.002 * route.low_mean && surely);
        }
        let var = if tried > 1.0 {
            (route.low_var - tries::variance(tried) * mean * mean) / tried
        } else {
            (route.low_var + route.low_mean * route.low_mean) / tried - mean * mean
        };
        let var = var.max(0.0);
        let mut demand: Vec<f64> = (0..m).map(|k| self.fit.demand[r][k].mean / tried).collect();
        let stay = |k: usize, d: f64, fit: &Fit| {
            let info = &fit.resources[k];
            let seconds = service_s(info, d);
            match info.info.discipline {
                Discipline::Fcfs if info.is_limit_of_a_disk() => 0.0,
                Discipline::Fcfs if d > 0.0 => seconds + queues.wait(r, k, seconds),
                Discipline::Fcfs => 0.0,
                _ => seconds * (1.0 + queues.shares[k]),
            }
        };
        let (mut child_s, mut child_var) = (0.0, 0.0);
        for (c, &calls) in self.fit.calls[r].iter().enumerate() {
            child_s += calls / tried * self.fit.routes[c].low_mean;
            child_var += calls / tried * self.fit.routes[c].low_var;
        }
        let own = (mean - child_s, var - child_var);
        self.leave_queues(r, own, queues, &mut demand, stay);
        // What is used while a slot is held: declared, or all of it when the hold fills the visit.
        for k in 0..m {
            let outer = self.fit.resources[k].info.within.as_deref();
            let slot = self.fit.resources.iter().position(|x| {
                Some(x.info.name.as_str()) == outer && x.info.discipline == Discipline::Slots
            });
            self.inside[r][k] = slot.filter(|&s| demand[k] > 0.0 && demand[s] > 0.0 && s != k);
        }
        // What is shared out by a rule of thumb, and cannot run out, is no sign of anything.
        let is_guess = |k: usize| !self.queues[k] && self.fit.demand[r][k].grade == Grade::Prior;
        let others: f64 = (0..m)
            .filter(|&k| self.inside[r][k].is_none() && !is_guess(k))
            .map(|k| stay(k, demand[k], &self.fit))
            .sum();
        for (s, &hold) in demand.iter().enumerate() {
            let is_slots = self.fit.resources[s].info.discipline == Discipline::Slots;
            // Its own wait is none of what goes on while it is held.
            let own = match self.inside[r][s] {
                None if is_guess(s) => 0.0,
                None => stay(s, hold, &self.fit),
                Some(_) => 0.0,
            };
            let has_rest = others - own + child_s > 0.15 * mean;
            // A pool inside the process cannot be told from one around it when it is all the visit does.
            let outer = self.fit.resources[s].info.name.split('.').count() <= 2;
            if is_slots && outer && hold >= WHOLE_VISIT * mean && mean > 0.0 && has_rest {
                self.around[r].push(s);
            }
        }
        for s in (0..m).filter(|s| self.fit.resources[*s].info.discipline == Discipline::Slots) {
            let used: f64 = (0..m)
                .filter(|&k| self.inside[r][k] == Some(s))
                .map(|k| stay(k, demand[k], &self.fit))
                .sum();
            self.hold_rest[r][s] = (demand[s] - used).max(0.0);
        }
        let mut visible: f64 = (0..m)
            .filter(|k| self.inside[r][*k].is_none() && !self.around[r].contains(k))
            .map(|k| stay(k, demand[k], &self.fit))
            .sum();
        // Time that is counted twice (a database inside the process) is taken from what cannot run out.
        let mut twice = (visible + child_s - mean * 1.05).max(0.0);
        for (k, d) in demand.iter_mut().enumerate() {
            if twice > 0.0 && !self.queues[k] {
                let cut = twice.min(*d);
                self.own[r][k] = 1.0 - cut / d.max(1e-12);
                *d -= cut;
                match self.inside[r][k] {
                    // The slot is held as long as before, by what burns the time.
                    Some(s) => self.hold_rest[r][s] += cut,
                    None => {
                        twice -= cut;
                        visible -= cut;
                    }
                }
            }
        }
        // What is still counted twice is processor time burnt while a slot is held, though nobody declared it.
        for (k, &d) in demand.iter().enumerate() {
            let d = stay(k, d, &self.fit);
            let burns = self.fit.resources[k].is_processor();
            if twice < 0.1 * mean || !burns || d < 0.5 * twice || self.inside[r][k].is_some() {
                continue;
            }
            let service = &self.fit.resources[k].info.service;
            let fits = |s: &usize| {
                self.fit.resources[*s].info.discipline == Discipline::Slots
                    && self.fit.resources[*s].info.service == *service
                    && !self.around[r].contains(s)
                    && d <= 1.25 * self.hold_rest[r][*s]
            };
            if let Some(s) = (0..m).find(fits) {
                self.inside[r][k] = Some(s);
                self.hold_rest[r][s] = (self.hold_rest[r][s] - d).max(0.0);
                twice -= d;
                visible -= d;
            }
        }
        self.delay[r] = (mean - visible - child_s).max(0.0);
        self.spread(r, &demand, queues, (var - child_var).max(0.0));
    }

    /// A trace of demand that a regression leaves at a queue whose wait would be longer, or vary more, than all that the
    /// route takes: its requests do not stand there.
    fn leave_queues(
        &mut self,
        r: usize,
        (mean, var): (f64, f64),
        queues: &Queues,
        demand: &mut [f64],
        stay: impl Fn(usize, f64, &Fit) -> f64,
    ) {
        loop {
            let used = |k: &usize| self.touches[r][*k] && demand[*k] > 0.0;
            let all = (0..demand.len()).filter(used);
            let visible: f64 = all.clone().map(|k| stay(k, demand[k], &self.fit)).sum();
            let var_of = |k: usize| queues.var(r, k, queues.waits[k]);
            let waits: f64 = all.clone().map(var_of).sum();
            let doubtful = |k: &usize| {
                let (d, info) = (&self.fit.demand[r][*k], &self.fit.resources[*k]);
                d.grade != Grade::Direct
                    && !info.is_surely_used_by(r)
                    && service_s(info, demand[*k]) < TRACE * queues.waits[*k]
            };
            let longest = all
                .filter(doubtful)
                .max_by(|&a, &b| queues.waits[a].total_cmp(&queues.waits[b]));
            match longest {
                Some(k) if visible > 1.1 * mean || waits > 1.2 * var => {
                    self.touches[r][k] = false;
                    demand[k] = 0.0;
                }
                _ => return,
            }
        }
    }

    /// One spread for every use whose own is not known, from the variance that the known ones and queueing leave.
    fn spread(&mut self, r: usize, demand: &[f64], queues: &Queues, mut var: f64) {
        let (mut open, m) = (self.delay[r].powi(2), demand.len());
        let time = |k: usize, s: &System| {
            let info = &s.fit.resources[k];
            if s.around[r].contains(&k) || info.is_limit_of_a_disk() {
                0.0
            } else if info.info.discipline == Discipline::Slots {
                s.hold_rest[r][k]
            } else {
                service_s(&s.fit.resources[k], demand[k])
            }
        };
        for k in 0..m {
            let d = time(k, self);
            if d > 0.0 {
                let wait = match self.fit.resources[k].info.discipline {
                    Discipline::Fcfs => queues.waits[k],
                    _ => d * queues.shares[k],
                };
                var -= queues.var(r, k, wait);
            }
            match self.fit.demand[r][k].scv {
                Some(scv) => var -= scv * d * d,
                None => open += d * d,
            }
        }
        let rest = if open > 0.0 {
            (var / open).clamp(LEAST, 4.0)
        } else {
            1.0
        };
        self.delay_scv[r] = rest;
        for k in 0..m {
            // How long a request takes says nothing of how much of a disk's limit it needs, which is not waited for.
            let unknown = match self.fit.resources[k].is_limit_of_a_disk() {
                true => LEAST,
                false => rest,
            };
            self.scv[r][k] = self.fit.demand[r][k]
                .scv
                .unwrap_or(unknown)
                .clamp(0.0, 16.0);
        }
    }
}

/// The bursts worth simulating: the part of the log-OU wander within `WINDOW_S`, over which objectives are judged;
/// what is slower changes the load. The variance of a mean over T is `2 (tau/T)^2 (T/tau - 1 + exp(-T/tau))` of all.
/// The correlation is fitted over 8 s: a time far beyond that is a trend, whose short end is smooth.
pub(super) fn bursts(sigma: f64, tau_s: f64) -> (f64, f64) {
    const WINDOW_S: f64 = 60.0;
    if sigma <= 0.0 || tau_s <= 0.0 || sigma.is_nan() || tau_s.is_nan() {
        return (0.0, 1.0);
    }
    let slow = burst::within(WINDOW_S / tau_s);
    let rough = ((45.0 - tau_s) / 30.0).clamp(0.0, 1.0);
    (sigma * rough * (1.0 - slow).max(0.0).sqrt(), tau_s)
}

/// Mean of the lowest quarter of 5 s rates over the mean of all; 1 when too short to tell.
pub(super) fn low_load_ratio(rates: &[f64]) -> f64 {
    let mut means: Vec<f64> = rates
        .chunks_exact(5)
        .map(|c| c.iter().sum::<f64>() / 5.0)
        .collect();
    if means.len() < 8 {
        return 1.0;
    }
    means.sort_by(f64::total_cmp);
    let all = means.iter().sum::<f64>() / means.len() as f64;
    let quarter = &means[..means.len() / 4];
    let low = quarter.iter().sum::<f64>() / quarter.len() as f64;
    if all > 0.0 {
        (low / all).clamp(0.05, 1.0)
    } else {
        1.0
    }
}
