//! What one entry request does, step by step: the call tree unrolled, bounded.

use super::draw::{Spread, mix};
use super::shards;
use super::system::{System, service_s};
use super::tries;
use crate::fit::Fit;
use crate::turns::AllTurns;
use base::Discipline;

/// Children beyond this many per parent are merged into longer ones.
const CHILDREN: usize = 8;
const DEPTH: usize = 16;
/// Steps of one plan; what is deeper is merged into delays.
const STEPS: usize = 400;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Use of a station: processor sharing or a line of servers.
    Use,
    /// Time that passes without any resource.
    Delay,
    /// Take a slot, or wait for one.
    Acquire,
    Release,
    /// With probability `mean`, go on at step `to`.
    Skip,
    End,
}

#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub op: Op,
    pub station: u16,
    pub to: u32,
    /// Seconds (or a probability).
    pub mean: f64,
    pub table: Option<&'static [f32]>,
    /// Names this step across variants, so that a request keeps its luck.
    pub key: u64,
}

struct Builder<'a> {
    system: &'a System,
    fit: &'a Fit,
    turns: &'a AllTurns,
    steps: Vec<Step>,
}

/// The turns at its service's one thread that a visit has still to take, beside the long one.
struct Short {
    k: usize,
    left: usize,
    taken: u64,
    /// Seconds of each.
    each: f64,
    scv: f64,
}

/// The steps of one request of `entry`; `fit` is the system's fit at the simulated rate.
pub fn plan(system: &System, fit: &Fit, turns: &AllTurns, entry: usize) -> Vec<Step> {
    let mut b = Builder {
        system,
        fit,
        turns,
        steps: Vec::new(),
    };
    b.visit(entry, 1.0, mix(entry as u64), 0);
    b.push(Op::End, 0, 0.0, 0.0, 0);
    b.steps
}

impl Builder<'_> {
    fn push(&mut self, op: Op, station: usize, mean: f64, scv: f64, key: u64) {
        self.steps.push(Step {
            op,
            station: station as u16,
            to: 0,
            mean,
            table: Spread::new(scv).table(),
            key: mix(key ^ (station as u64) << 8 ^ op as u64),
        });
    }

    /// `times` visits in one: their work is added up.
    fn visit(&mut self, r: usize, times: f64, key: u64, depth: usize) {
        let tried = self.fit.routes[r].amplification;
        if tried < 1e-6 {
            return;
        }
        let skip = self.steps.len();
        if tried < 0.999 {
            self.push(Op::Skip, 0, 1.0 - tried, 0.0, key ^ 1);
        }
        self.attempt(r, times, key, depth);
        let again = tries::again(tried);
        let mut enough = vec![skip];
        for n in 1..tries::MOST as u64 {
            if again > 0.0 {
                let key = mix(key ^ n);
                enough.push(self.steps.len());
                self.push(Op::Skip, 0, 1.0 - again, 0.0, key ^ 1);
                self.attempt(r, times, key, depth);
            }
        }
        enough.into_iter().for_each(|skip| self.close_skip(skip));
    }

    /// One try.
    fn attempt(&mut self, r: usize, times: f64, key: u64, depth: usize) {
        let (s, fit) = (self.system, self.fit);
        let tried = fit.routes[r].amplification.max(1e-6);
        for &slot in &s.around[r] {
            if s.queues[slot] {
                self.push(Op::Acquire, slot, 0.0, 0.0, key);
            }
        }
        // Visits in one use all shards: which of them each would is not known any more.
        let shards = match times <= 1.0 {
            true => shards::of(s, fit, r),
            false => Vec::new(),
        };
        // What else is done lies between the turns.
        let mut short = self.first_turn(r, times, key);
        for k in 0..fit.resources.len() {
            let begun = short.as_ref().is_some_and(|t| t.k == k);
            if begun || s.inside[r][k].is_some() || s.around[r].contains(&k) {
                continue;
            }
            let before = self.steps.len();
            match shards.iter().find(|g| g.iter().any(|x| x.0 == k)) {
                Some(group) if group[0].0 == k => self.one_of(r, group, key),
                Some(_) => {}
                None if self.turns.get(r, k).n > 1 => self.comes(r, k, times, &mut short, key),
                None => self.hold(r, k, times, 1.0, key),
            }
            if self.steps.len() > before {
                self.turn(&mut short, 1, key);
            }
        }
        for (child, &calls) in fit.calls[r].iter().enumerate() {
            let n = calls / tried;
            if n < 1e-6 {
                continue;
            }
            if depth >= DEPTH || self.steps.len() >= STEPS {
                let mean = n * times * fit.routes[child].low_mean;
                self.push(Op::Delay, child, mean, 1.0, key ^ 4);
                continue;
            }
            let key = mix(key ^ (child as u64) << 16);
            match n < tries::MOST as f64 && fit.asks_again(r, child) {
                true => self.until_it_succeeds(child, n, times, key, depth),
                false => self.children(child, n, times, key, depth),
            }
            self.turn(&mut short, 1, key);
        }
        self.delay(r, times, short, key);
        for &slot in s.around[r].iter().rev() {
            if s.queues[slot] {
                self.push(Op::Release, slot, 0.0, 0.0, key);
            }
        }
    }

    /// The long turn at the one thread, if the service has one and comes back to it; what it has still to do there.
    fn first_turn(&mut self, r: usize, times: f64, key: u64) -> Option<Short> {
        let s = self.system;
        let its = |k: &usize| s.inside[r][*k].is_none() && !self.fit.resources[*k].is_store();
        let comes_back = |k: &usize| its(k) && self.turns.get(r, *k).n > 1;
        let k = (0..self.fit.resources.len()).find(comes_back)?;
        let (turns, whole) = (self.turns.get(r, k), self.demand(r, k));
        let scv = self.scv_of_a_turn(r, k, times);
        self.work(k, whole * times * turns.long, scv, key);
        Some(Short {
            k,
            left: turns.n - 1,
            taken: 0,
            each: whole * times * turns.short,
            scv,
        })
    }

    /// The turns vary each for itself, and all together as much as was seen.
    fn scv_of_a_turn(&self, r: usize, k: usize, times: f64) -> f64 {
        self.system.scv[r][k] / times / self.turns.get(r, k).squares(1.0)
    }

    /// To a store, more than once; after each of its answers the thread of the service has a turn.
    fn comes(&mut self, r: usize, k: usize, times: f64, short: &mut Option<Short>, key: u64) {
        let (turns, whole) = (self.turns.get(r, k), self.demand(r, k) * times);
        let scv = self.scv_of_a_turn(r, k, times);
        self.work(k, whole * turns.long, scv, key);
        for i in 1..turns.n as u64 {
            self.turn(short, 1, key);
            self.work(k, whole * turns.short, scv, mix(key ^ i << 24));
        }
    }

    /// A short turn, if more than `keep` are left.
    fn turn(&mut self, short: &mut Option<Short>, keep: usize, key: u64) {
        if let Some(t) = short.as_mut().filter(|t| t.left > keep) {
            t.left -= 1;
            t.taken += 1;
            self.work(t.k, t.each, t.scv, mix(key ^ t.taken));
        }
    }

    /// Time that no resource explains, between the turns that are left.
    fn delay(&mut self, r: usize, times: f64, mut short: Option<Short>, key: u64) {
        let s = self.system;
        let parts = short.as_ref().map_or(0, |t| t.left).max(1);
        let mean = s.delay[r] * times / parts as f64;
        for i in 0..parts as u64 {
            if s.delay[r] > 1e-7 {
                let scv = s.delay_scv[r] / times * parts as f64;
                self.push(Op::Delay, r, mean, scv, key ^ 3 ^ i << 32);
            }
            self.turn(&mut short, 0, key);
        }
    }

    /// One of several: each is passed over with the share that is left for those behind it.
    fn one_of(&mut self, r: usize, group: &[(usize, f64)], key: u64) {
        let (mut left, mut done) = (1.0, Vec::new());
        for (i, &(k, share)) in group.iter().enumerate() {
            let over = self.steps.len();
            let last = i + 1 == group.len();
            if !last {
                self.push(Op::Skip, k, 1.0 - share / left, 0.0, key ^ 8);
            }
            self.hold(r, k, 1.0, share, key);
            if !last {
                done.push(self.steps.len());
                self.push(Op::Skip, k, 1.0, 0.0, key ^ 9);
                self.close_skip(over);
            }
            left -= share;
        }
        done.into_iter().for_each(|skip| self.close_skip(skip));
    }

    /// Seconds or bytes of one try; nothing where it does not go there.
    fn demand(&self, r: usize, k: usize) -> f64 {
        let (s, fit) = (self.system, self.fit);
        match s.touches[r][k] {
            true => fit.demand[r][k].mean * s.own[r][k] / fit.routes[r].amplification.max(1e-6),
            false => 0.0,
        }
    }

    /// A use by `share` of the requests: of slots, with what is used while they are held, or of the resource itself.
    fn hold(&mut self, r: usize, k: usize, times: f64, share: f64, key: u64) {
        let (s, fit) = (self.system, self.fit);
        // Those that do not use it are in the spread of all.
        let scv = |k: usize| (share * (1.0 + s.scv[r][k]) - 1.0).max(0.0) / times;
        let times = times / share;
        if self.demand(r, k) <= 0.0 {
            return;
        }
        if fit.resources[k].info.discipline != Discipline::Slots {
            return self.work(k, self.demand(r, k) * times, scv(k), key);
        }
        if s.queues[k] {
            self.push(Op::Acquire, k, 0.0, 0.0, key);
        }
        for inner in (0..fit.resources.len()).filter(|&i| s.inside[r][i] == Some(k)) {
            match self.turns.get(r, inner).n > 1 {
                true => self.comes(r, inner, times, &mut None, key),
                false => self.work(inner, self.demand(r, inner) * times, scv(inner), key),
            }
        }
        let rest = s.hold_rest[r][k] * times;
        if rest > 1e-7 {
            self.push(Op::Delay, k, rest, scv(k), key ^ 2);
        }
        if s.queues[k] {
            self.push(Op::Release, k, 0.0, 0.0, key);
        }
    }

    /// `n` calls of a child: whole ones, and one more with the probability of the rest.
    fn children(&mut self, child: usize, n: f64, times: f64, key: u64, depth: usize) {
        let near = n.round();
        let n = if (n - near).abs() < 0.03 * near {
            near
        } else {
            n
        };
        let (whole, rest) = (n.floor(), n - n.floor());
        let copies = (whole as usize).min(CHILDREN);
        for i in 0..copies {
            let each = times * whole / copies as f64;
            self.visit(child, each, key ^ mix(i as u64), depth + 1);
        }
        if rest > 1e-6 {
            let skip = self.steps.len();
            self.push(Op::Skip, 0, 1.0 - rest, 0.0, key ^ 5);
            self.visit(child, times, key ^ 6, depth + 1);
            self.close_skip(skip);
        }
    }

    /// `n` calls of a child in the mean, of which only the last comes to something.
    fn until_it_succeeds(&mut self, child: usize, n: f64, times: f64, key: u64, depth: usize) {
        self.visit(child, times, key ^ mix(0), depth + 1);
        let again = tries::again(n);
        let mut enough = Vec::new();
        for i in 1..tries::MOST as u64 {
            enough.push(self.steps.len());
            self.push(Op::Skip, 0, 1.0 - again, 0.0, mix(key ^ i) ^ 5);
            self.visit(child, times, key ^ mix(i), depth + 1);
        }
        enough.into_iter().for_each(|skip| self.close_skip(skip));
    }

    fn close_skip(&mut self, skip: usize) {
        let end = self.steps.len() as u32;
        if let Some(s) = self
            .steps
            .get_mut(skip)
            .filter(|s| s.op == Op::Skip && s.to == 0)
        {
            s.to = end;
        }
    }

    fn work(&mut self, k: usize, demand: f64, scv: f64, key: u64) {
        let seconds = service_s(&self.fit.resources[k], demand);
        if seconds > 1e-9 {
            let op = if self.system.queues[k] {
                Op::Use
            } else {
                Op::Delay
            };
            self.push(op, k, seconds, scv, key ^ 7);
        }
    }
}
