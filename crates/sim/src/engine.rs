//! The event loop.

use crate::cells;
use crate::job::{HIDDEN, Job};
use crate::record::{Done, Recorder};
use crate::stations::{At, Copy, Who};
use crate::traffic::{arrivals, background, draw};
use crate::world::{Load, Seen, StationKind, Step, TRIES, World};
use base::History;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::sync::Arc;

/// Requests in flight beyond this end the run: the world is overloaded.
const MOST: usize = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    Background(usize),
    Shared(usize, u64),
    Line(usize, usize),
    Delay(usize),
}

pub struct Engine<'a> {
    world: &'a World,
    seen: Seen,
    seconds: u64,
    rng: Xoshiro256PlusPlus,
    events: BinaryHeap<Reverse<(At, u64, Event)>>,
    sequence: u64,
    arrivals: Vec<(f64, usize)>,
    next: usize,
    background: Vec<Vec<(f64, f64)>>,
    bg_next: Vec<usize>,
    /// `first[station]`: its copies begin there.
    first: Vec<usize>,
    copies: Vec<Copy>,
    jobs: Vec<Option<Job>>,
    free: Vec<usize>,
    turn: usize,
    recorder: Recorder,
}

const BG: usize = usize::MAX;

impl<'a> Engine<'a> {
    pub fn new(world: &'a World, seed: u64, seconds: u64, load: &Load, seen: &Seen) -> Engine<'a> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let whole = seconds as f64 + 3.0;
        let arrivals = arrivals(&mut rng, &world.routes, load, whole);
        let jitter = Normal::new(0.0, seen.jitter_s.max(1e-9)).expect("positive jitter");
        let edges: Vec<f64> = (0..seconds)
            .map(|s| (s as f64 + 1.0 + seen.lag_s + jitter.sample(&mut rng)).max(0.0))
            .collect();
        let edges = Rc::new(edges);
        let (mut first, mut copies, mut bg) = (Vec::new(), Vec::new(), Vec::new());
        for s in &world.stations {
            first.push(copies.len());
            let n = s.service.map_or(1, |i| world.services[i].1);
            for _ in 0..n {
                copies.push(Copy::new(s.kind, edges.clone()));
                let level = matches!(s.kind, StationKind::Level { .. });
                bg.push(if s.background > 0.0 && !level {
                    background(&mut rng, s.background / n as f64, whole)
                } else {
                    Vec::new()
                });
            }
        }
        Engine {
            world,
            seen: *seen,
            seconds,
            rng,
            events: BinaryHeap::new(),
            sequence: 0,
            arrivals,
            next: 0,
            bg_next: vec![0; bg.len()],
            background: bg,
            first,
            copies,
            jobs: Vec::new(),
            free: Vec::new(),
            turn: 0,
            recorder: Recorder::new(seconds, seen.direct),
        }
    }

    fn at(&mut self, time: f64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((At(time), self.sequence, event)));
    }

    pub fn run(mut self) -> History {
        if let Some(&(t, _)) = self.arrivals.first() {
            self.at(t, Event::Arrival);
        }
        for c in 0..self.copies.len() {
            if let Some(&(t, _)) = self.background[c].first() {
                self.at(t, Event::Background(c));
            }
        }
        let end = self.seconds as f64 + 3.0;
        while let Some(Reverse((At(now), _, event))) = self.events.pop() {
            if now >= end || self.jobs.len() - self.free.len() > MOST {
                break;
            }
            self.handle(now, event);
        }
        for c in &mut self.copies {
            c.advance(end);
        }
        self.finish()
    }

    fn handle(&mut self, now: f64, event: Event) {
        match event {
            Event::Arrival => {
                let route = self.arrivals[self.next].1;
                self.next += 1;
                if let Some(&(t, _)) = self.arrivals.get(self.next) {
                    self.at(t, Event::Arrival);
                }
                let share = self.world.canary.as_ref().map_or(0.0, |c| c.share);
                let arm = u8::from(share > 0.0 && self.rng.random::<f64>() < share);
                self.start(route, arm, None, now);
            }
            Event::Background(c) => {
                let (_, work) = self.background[c][self.bg_next[c]];
                self.bg_next[c] += 1;
                if let Some(&(t, _)) = self.background[c].get(self.bg_next[c]) {
                    self.at(t, Event::Background(c));
                }
                self.serve(c, Who::Background, work, now);
            }
            Event::Shared(c, version) => {
                if self.copies[c].version != version {
                    return;
                }
                self.copies[c].advance(now);
                let who = self.copies[c].finish();
                self.schedule(c);
                if let Some(Who::Job(j)) = who {
                    self.proceed(j, now);
                }
            }
            Event::Line(c, id) => {
                let who = if id == BG {
                    Who::Background
                } else {
                    Who::Job(id)
                };
                self.copies[c].advance(now);
                if let Some((next, work)) = self.copies[c].give(who) {
                    self.waited(next, now);
                    self.line(c, next, work, now);
                }
                if let Who::Job(j) = who {
                    self.proceed(j, now);
                }
            }
            Event::Delay(j) => self.proceed(j, now),
        }
    }

    fn start(&mut self, route: usize, arm: u8, parent: Option<usize>, now: f64) {
        let hit_share = self.variant(route, arm).1;
        let hit = hit_share > 0.0 && self.rng.random::<f64>() < hit_share;
        self.turn += 1;
        let instances = self.world.services[self.world.routes[route].service].1;
        let job = Job {
            route,
            arm,
            instance: self.turn % instances,
            parent,
            start: now,
            tries: 1,
            began: now,
            step: 0,
            calls: 0,
            hit,
            since: now,
            entered: Vec::new(),
            uses: Vec::new(),
        };
        let j = self.free.pop().unwrap_or_else(|| {
            self.jobs.push(None);
            self.jobs.len() - 1
        });
        self.jobs[j] = Some(job);
        if hit {
            self.at(now + 50e-6, Event::Delay(j));
        } else {
            self.proceed(j, now);
        }
    }

    /// Steps and hit share of a route on an arm.
    fn variant(&self, route: usize, arm: u8) -> (&'a [Step], f64) {
        let world = self.world;
        let r = &world.routes[route];
        let canary = world.canary.as_ref().filter(|_| arm == 1);
        match canary.and_then(|c| c.routes.iter().find(|x| x.0 == route)) {
            Some((_, steps, hit)) => (steps, *hit),
            None => (&r.steps, r.hit),
        }
    }

    fn copy_of(&self, station: usize, instance: usize) -> usize {
        let s = &self.world.stations[station];
        let n = s.service.map_or(1, |i| self.world.services[i].1);
        self.first[station] + instance % n
    }

    fn job(&mut self, j: usize) -> &mut Job {
        self.jobs[j].as_mut().expect("a job in flight")
    }

    /// Goes on with the next step of a job.
    fn proceed(&mut self, j: usize, now: f64) {
        loop {
            let (route, arm, instance, step, hit) = {
                let x = self.job(j);
                (x.route, x.arm, x.instance, x.step, x.hit)
            };
            let steps = self.variant(route, arm).0;
            let Some(what) = steps.get(step).filter(|_| !hit) else {
                return self.end(j, now);
            };
            match *what {
                Step::Call {
                    route: child,
                    times,
                } => {
                    let x = self.job(j);
                    if x.calls == 0 {
                        x.calls = times + 1;
                    }
                    x.calls -= 1;
                    if x.calls == 0 {
                        x.step += 1;
                        continue;
                    }
                    return self.start(child, arm, Some(j), now);
                }
                Step::Use { station, mean, scv } => {
                    return self.work(j, station, [mean, scv, 0.0, 0.0, 0.0], instance, now);
                }
                Step::Query {
                    station,
                    mean,
                    scv,
                    calls,
                    rows,
                    returned,
                } => {
                    let what = [mean, scv, calls, rows, returned];
                    return self.work(j, station, what, instance, now);
                }
                Step::Delay { mean, scv } => {
                    let d = draw(&mut self.rng, mean, scv);
                    self.job(j).step += 1;
                    return self.at(now + d, Event::Delay(j));
                }
                Step::Enter(station) => {
                    let c = self.copy_of(station, instance);
                    self.copies[c].advance(now);
                    let x = self.job(j);
                    x.step += 1;
                    x.since = now;
                    x.entered.push((station, now));
                    if !self.copies[c].take(Who::Job(j), 0.0) {
                        return;
                    }
                    self.use_of(j, station, 0.0, Some(0.0));
                }
                Step::Leave(station) => {
                    let c = self.copy_of(station, instance);
                    self.copies[c].advance(now);
                    let next = self.copies[c].give(Who::Job(j));
                    let x = self.job(j);
                    x.step += 1;
                    if let Some(i) = x.entered.iter().rposition(|e| e.0 == station) {
                        let (_, since) = x.entered.swap_remove(i);
                        self.use_of(j, station, now - since, None);
                    }
                    if let Some((Who::Job(n), _)) = next {
                        let since = self.job(n).since;
                        if let Some(e) = self.job(n).entered.iter_mut().find(|e| e.0 == station) {
                            e.1 = now;
                        }
                        self.use_of(n, station, 0.0, Some(now - since));
                        self.at(now, Event::Delay(n));
                    }
                }
            }
        }
    }

    fn work(&mut self, j: usize, station: usize, what: [f64; 5], instance: usize, now: f64) {
        let [mean, scv, calls, rows, returned] = what;
        let service = draw(&mut self.rng, mean, scv);
        let c = self.copy_of(station, instance);
        let lined = matches!(self.world.stations[station].kind, StationKind::Line(_));
        let x = self.job(j);
        x.step += 1;
        x.since = now;
        self.use_of(j, station, service, lined.then_some(0.0));
        if let Some(u) = self.job(j).uses.last_mut() {
            u.calls += calls;
            u.rows += rows;
            u.returned += returned;
        }
        self.serve(c, Who::Job(j), service, now);
    }

    fn use_of(&mut self, j: usize, station: usize, busy: f64, wait: Option<f64>) {
        let level = matches!(self.world.stations[station].kind, StationKind::Level { .. });
        let column = self.world.column(station).filter(|_| !level);
        self.job(j).used(column, busy, wait);
    }

    fn waited(&mut self, who: Who, now: f64) {
        if let Who::Job(j) = who {
            let since = self.job(j).since;
            if let Some(u) = self.job(j).uses.last_mut() {
                u.wait = Some(u.wait.unwrap_or(0.0) + now - since);
            }
        }
    }

    fn serve(&mut self, c: usize, who: Who, work: f64, now: f64) {
        self.copies[c].advance(now);
        match self.copies[c].kind {
            StationKind::Cpu(_) => {
                self.copies[c].join(who, work);
                self.schedule(c);
            }
            _ => {
                if self.copies[c].take(who, work) {
                    self.line(c, who, work, now);
                }
            }
        }
    }

    fn line(&mut self, c: usize, who: Who, work: f64, now: f64) {
        let id = match who {
            Who::Job(j) => j,
            Who::Background => BG,
        };
        self.at(now + work, Event::Line(c, id));
    }

    fn schedule(&mut self, c: usize) {
        if let Some(t) = self.copies[c].next_end() {
            let version = self.copies[c].version;
            self.at(t, Event::Shared(c, version));
        }
    }

    fn end(&mut self, j: usize, now: f64) {
        let Some(mut job) = self.jobs[j].take() else {
            return;
        };
        job.uses.retain(|u| u.column != HIDDEN);
        let parent = job.parent;
        let parent_route = parent.and_then(|p| self.jobs[p].as_ref()).map(|p| p.route);
        let done = |start| Done {
            route: job.route,
            arm: job.arm,
            instance: job.instance,
            parent: parent_route,
            start,
            end: now,
            hit: job.hit,
            cached: self.variant(job.route, job.arm).1 > 0.0,
            failed: false,
            uses: &job.uses,
        };
        let (mut attempt, request) = (done(job.began), done(job.start));
        if !job.hit {
            let fails = self.world.routes[job.route].fails;
            attempt.failed = fails > 0.0 && job.tries < TRIES && self.rng.random::<f64>() < fails;
            let again = attempt.failed;
            self.recorder.attempt(&attempt);
            if again {
                (job.tries, job.began, job.step) = (job.tries + 1, now, 0);
                job.uses.clear();
                self.jobs[j] = Some(job);
                return self.at(now, Event::Delay(j));
            }
        }
        self.recorder.request(&request);
        self.free.push(j);
        if let Some(p) = parent {
            self.proceed(p, now);
        }
    }

    fn finish(self) -> History {
        let mut windows = self.recorder.finish();
        cells::add(
            &mut windows,
            self.world,
            &self.copies,
            &self.first,
            &self.seen,
        );
        History {
            windows: windows.into_iter().map(Arc::new).collect(),
            ..self.world.shell()
        }
    }
}
