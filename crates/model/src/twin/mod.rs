//! The twin: a discrete-event simulation of the service as the fit describes it.
//! Pure, seeded, resumable: it runs for a budget of events, not of time. The same request has the same luck
//! in every variant, so that two variants can be compared without noise between them.

pub mod arrivals;
pub mod draw;
mod explain;
pub mod plan;
mod queues;
mod quota;
mod shards;
pub mod stations;
pub mod system;
mod tries;

pub use system::System;

use crate::demand::machine;
use crate::turns::AllTurns;
use arrivals::{Arrivals, Replay};
use base::histogram::{BUCKETS, bucket, lower_edge};
use draw::{exponential, look_up, mix, uniform};
use plan::{Op, Step, plan};
use stations::{Due, Station};
use std::collections::BinaryHeap;

/// More in flight than this is an overload: the run ends.
const IN_FLIGHT: usize = 20_000;

/// What to simulate.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Entry requests per second, at the system's mix.
    pub rate: f64,
    /// Requests to measure; a tenth more comes first to fill the system.
    pub requests: u32,
    pub seed: u64,
    /// Burstiness of arrivals: log-OU sigma and tau in seconds; sigma 0 is Poisson.
    pub sigma: f64,
    pub tau_s: f64,
    /// Arrivals per second to replay instead (`rate` then only sets hit ratios); only its busiest quarter is measured.
    pub replay: Vec<f64>,
    /// Per route, how many bad requests decide the run (it then ends early); empty: none.
    pub stop_at_bad: Vec<f64>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    More,
    Done,
    /// It broke down, or was decided early: too many bad requests.
    Broken,
}

/// What a route's requests met.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub count: u64,
    /// Ended within the route's latency.
    pub good: u64,
    pub seconds: f64,
    counts: Vec<u32>,
}

impl Seen {
    /// The `q` quantile of the response time, seconds; `None` without requests.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        self.counts.iter().enumerate().find_map(|(b, &n)| {
            seen += n as u64;
            let b = b as u16;
            (seen >= rank).then(|| (lower_edge(b) + lower_edge(b + 1)) as f64 / 2e6)
        })
    }
    pub fn mean(&self) -> f64 {
        self.seconds / (self.count as f64).max(1.0)
    }
    /// Adds another run of the same route.
    pub fn add(&mut self, other: &Seen) {
        self.count += other.count;
        self.good += other.good;
        self.seconds += other.seconds;
        self.counts
            .iter_mut()
            .zip(&other.counts)
            .for_each(|(a, b)| *a += b);
    }
}

#[derive(Clone, Copy)]
struct Job {
    luck: u64,
    start: f64,
    step: u32,
    route: u16,
    /// Which of a service's instances serves it.
    turn: u32,
    measured: bool,
}

/// The copies of a resource among all.
#[derive(Clone, Copy)]
struct Copies {
    first: usize,
    n: usize,
    /// Share of the requests that one of them gets; 0: all get the same.
    hot: f64,
    /// In how many each instance's is split, of which a request uses that of its key.
    stripes: usize,
}

/// Tells the draw of an instance, or of a key, from other draws of the same luck.
const HOT: u64 = 0x686f_745f_6b65_7900;
const KEY: u64 = 0x6b65_7900_0000_0000;

/// One simulation under way.
pub struct Twin {
    run: Run,
    plans: Vec<Vec<Step>>,
    /// Cumulated shares of the entry routes, and their numbers.
    mix: Vec<(f64, u16)>,
    limits: Vec<f64>,
    /// All copies, and by resource which of them are its.
    stations: Vec<Station>,
    copies: Vec<Copies>,
    /// The next end at each station of shared speed, by station.
    ends: Vec<f64>,
    shared: Vec<u16>,
    timed: BinaryHeap<Due>,
    jobs: Vec<Job>,
    unused: Vec<u32>,
    ready: Vec<u32>,
    arrivals: Arrivals,
    replay: Option<Replay>,
    arrived: u64,
    next: f64,
    left: u64,
    events: u64,
    state: Progress,
    seen: Vec<Seen>,
}

impl Twin {
    /// `system` at `run.rate`; routes without entry traffic take part only as children.
    pub fn new(system: &System, run: Run) -> Twin {
        let mut fit = system.at(run.rate);
        let shares = system.shares();
        let visits = System::visits(&fit, &shares);
        for r in &mut fit.resources {
            r.background += run.rate * r.alongside(&visits);
        }
        let rates: Vec<f64> = visits.iter().map(|v| v * run.rate).collect();
        machine::leave(&mut fit, &rates);
        let mut total = 0.0;
        let mut mix = Vec::new();
        let turns = AllTurns::of(&fit);
        let mut plans = vec![Vec::new(); shares.len()];
        for (r, &share) in shares.iter().enumerate().filter(|(_, s)| **s > 0.0) {
            total += share;
            mix.push((total, r as u16));
            plans[r] = plan(system, &fit, &turns, r);
        }
        let (mut stations, mut copies) = (Vec::new(), Vec::new());
        for (k, r) in fit.resources.iter().enumerate() {
            let n = if system.queues[k] {
                system::copies(r)
            } else {
                1
            };
            copies.push(Copies {
                first: stations.len(),
                n,
                hot: fit.hot(k).map_or(0.0, |h| h.share),
                stripes: system.stripes[k].clamp(1, n),
            });
            stations.extend((0..n).map(|_| match system.queues[k] {
                true => Station::new(r, n as f64, system.fit.resources[k].is_quota()),
                false => Station::Nothing,
            }));
        }
        let is_shared = |s: &(usize, &Station)| matches!(s.1, Station::Shared(_));
        let shared: Vec<u16> = stations
            .iter()
            .enumerate()
            .filter(is_shared)
            .map(|(k, _)| k as u16)
            .collect();
        let mut arrivals = Arrivals::new(run.seed, run.rate.max(1e-9), run.sigma, run.tau_s);
        let mut replay = (!run.replay.is_empty())
            .then(|| Replay::new(&run.replay, run.seed, run.requests as usize));
        let next = match &mut replay {
            Some(r) => r.next_arrival(),
            None => arrivals.next_arrival(),
        };
        let left = replay
            .as_ref()
            .map_or(run.requests as u64, Replay::busy_count);
        let empty = Seen {
            count: 0,
            good: 0,
            seconds: 0.0,
            counts: vec![0; BUCKETS],
        };
        let idle = mix.is_empty() || run.rate <= 0.0 || left == 0;
        Twin {
            limits: fit.routes.iter().map(|r| r.objective.latency_s).collect(),
            ends: vec![f64::INFINITY; shared.len()],
            shared,
            stations,
            copies,
            plans,
            mix,
            timed: BinaryHeap::new(),
            jobs: Vec::new(),
            unused: Vec::new(),
            ready: Vec::new(),
            arrivals,
            arrived: 0,
            next,
            left,
            replay,
            events: 0,
            state: if idle { Progress::Done } else { Progress::More },
            seen: vec![empty; fit.routes.len()],
            run,
        }
    }

    /// Goes on for at most `events` events.
    pub fn run(&mut self, events: u64) -> Progress {
        let until = self.events.saturating_add(events);
        while self.state == Progress::More && self.events < until {
            self.event();
        }
        self.state
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What was measured, per route of the fit.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    fn event(&mut self) {
        self.events += 1;
        let (mut at, mut which) = (self.next, usize::MAX);
        if let Some(d) = self.timed.peek().filter(|d| d.at < at) {
            (at, which) = (d.at, usize::MAX - 1);
        }
        for (i, &end) in self.ends.iter().enumerate() {
            if end < at {
                (at, which) = (end, i);
            }
        }
        if at == f64::INFINITY {
            self.state = Progress::Done;
            return;
        }
        match which {
            usize::MAX => self.arrive(at),
            w if w == usize::MAX - 1 => {
                if let Some(due) = self.timed.pop() {
                    self.served(due.job, at);
                }
            }
            i => {
                let k = self.shared[i] as usize;
                if let Station::Shared(s) = &mut self.stations[k] {
                    let job = s.leave(at);
                    self.ends[i] = s.next_end();
                    self.ready.extend(job);
                }
            }
        }
        while let Some(job) = self.ready.pop() {
            self.advance(job, at);
        }
    }

    fn arrive(&mut self, now: f64) {
        let warm = self.run.requests as u64 / 10;
        let luck = mix(self.run.seed ^ mix(self.arrived ^ 0x6c75_636b));
        let measured = match &self.replay {
            Some(r) => r.is_busy(now),
            None => self.arrived >= warm && self.arrived < warm + self.run.requests as u64,
        };
        self.arrived += 1;
        let u = uniform(mix(luck)) * self.mix.last().map_or(1.0, |m| m.0);
        let at = self.mix.partition_point(|m| m.0 < u);
        let route = self.mix[at.min(self.mix.len() - 1)].1;
        let job = Job {
            luck,
            start: now,
            step: 0,
            route,
            turn: self.arrived as u32,
            measured,
        };
        let ix = match self.unused.pop() {
            Some(ix) => {
                self.jobs[ix as usize] = job;
                ix
            }
            None => {
                self.jobs.push(job);
                self.jobs.len() as u32 - 1
            }
        };
        self.ready.push(ix);
        self.next = match &mut self.replay {
            Some(r) => r.next_arrival(),
            None => self.arrivals.next_arrival(),
        };
        let too_long = self.arrived > 3 * (warm + self.run.requests as u64);
        if self.jobs.len() - self.unused.len() > IN_FLIGHT || too_long {
            self.state = Progress::Broken;
        }
    }

    /// A server or a delay has finished with a job: the server takes the next in line.
    fn served(&mut self, job: u32, now: f64) {
        let j = &self.jobs[job as usize];
        let step = self.plans[j.route as usize][j.step as usize - 1];
        let at = copy(&self.copies, j.turn, j.luck, &step);
        if step.op == Op::Use
            && let Station::Line(line) = &mut self.stations[at]
            && let Some(next) = line.leave()
        {
            self.serve(next, now);
        }
        self.ready.push(job);
    }

    /// Starts the service that the job has just been let to.
    fn serve(&mut self, job: u32, now: f64) {
        let j = self.jobs[job as usize];
        let step = &self.plans[j.route as usize][j.step as usize - 1];
        let slowness = match &self.stations[copy(&self.copies, j.turn, j.luck, step)] {
            Station::Line(line) => line.slowness,
            _ => 1.0,
        };
        let at = now + draw(step, j.luck) * slowness;
        self.timed.push(Due { at, job });
    }

    /// Takes a job through its steps until it has to wait for something.
    fn advance(&mut self, job: u32, now: f64) {
        loop {
            let j = &mut self.jobs[job as usize];
            let step = self.plans[j.route as usize][j.step as usize];
            j.step += 1;
            let (luck, turn) = (j.luck, j.turn);
            let at = copy(&self.copies, turn, luck, &step);
            match (step.op, &mut self.stations.get_mut(at)) {
                (Op::Use, Some(Station::Shared(s))) => {
                    s.enter(now, job, draw(&step, luck));
                    let end = s.next_end();
                    if let Some(i) = self.shared.iter().position(|&k| k as usize == at) {
                        self.ends[i] = end;
                    }
                    return;
                }
                (Op::Use, Some(Station::Throttle(t))) => {
                    let at = t.pass(now, draw(&step, luck));
                    self.timed.push(Due { at, job });
                    return;
                }
                (Op::Use, Some(Station::Line(line))) => {
                    if line.enter(job) {
                        self.serve(job, now);
                    }
                    return;
                }
                (Op::Acquire, Some(Station::Line(line))) => {
                    let free = line.enter(job);
                    if !free {
                        return;
                    }
                }
                (Op::Release, Some(Station::Line(line))) => self.ready.extend(line.leave()),
                (Op::Delay, _) => {
                    let at = now + draw(&step, luck);
                    self.timed.push(Due { at, job });
                    return;
                }
                (Op::Skip, _) if uniform(mix(luck ^ step.key)) < step.mean => j.step = step.to,
                (Op::End, _) => return self.end(job, now),
                _ => {}
            }
        }
    }

    fn end(&mut self, job: u32, now: f64) {
        self.unused.push(job);
        let j = self.jobs[job as usize];
        if !j.measured {
            return;
        }
        let (route, seconds) = (j.route as usize, now - j.start);
        let seen = &mut self.seen[route];
        seen.count += 1;
        seen.seconds += seconds;
        seen.counts[bucket((seconds * 1e6) as u64) as usize] += 1;
        if seconds <= self.limits[route] {
            seen.good += 1;
        } else if let Some(&stop) = self.run.stop_at_bad.get(route)
            && (seen.count - seen.good) as f64 > stop
        {
            self.state = Progress::Broken;
        }
        self.left -= 1;
        if self.left == 0 && self.state == Progress::More {
            self.state = Progress::Done;
        }
    }
}

/// Where the instance whose turn it is does this step; one that is hot has a turn more often.
#[inline]
fn copy(copies: &[Copies], turn: u32, luck: u64, step: &Step) -> usize {
    let Some(c) = copies.get(step.station as usize) else {
        return usize::MAX;
    };
    let n = c.n / c.stripes;
    let is_hot = || uniform(mix(luck ^ HOT)) < c.hot;
    let instance = match c.hot == 0.0 || n < 2 {
        true => turn as usize % n,
        false if is_hot() => 0,
        false => 1 + turn as usize % (n - 1),
    };
    let stripe = match c.stripes {
        1 => 0,
        n => (mix(luck ^ KEY) % n as u64) as usize,
    };
    c.first + instance * c.stripes + stripe
}

#[inline]
fn draw(step: &Step, luck: u64) -> f64 {
    match step.table {
        Some(table) => step.mean * look_up(table, exponential(mix(luck ^ step.key))),
        None => step.mean,
    }
}
