//! Halving the bracket around the line, one run of the twin at a time, resumable at any event.

use super::saturation::{self, draws, lowest, quantile};
use super::{DRAWS, Limit, LoadLine, Options, RouteLine, trust};
use crate::fit::Fit;
use crate::pattern::Pauses;
use crate::twin::{Progress, Run, Seen, System, Twin};

/// Without anything that can run out the search looks no further than this many times the current rate.
const FAR: f64 = 100.0;
/// Unexplained in-flight time above this share widens the line down by it.
const UNSEEN: f64 = 0.2;

/// Arrivals replayed for the check, at most.
const REPLAYED: f64 = 60_000.0;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Halve(u32),
    Now,
    Check,
    Done,
}

/// A search under way.
pub struct Search {
    pub system: System,
    options: Options,
    rates: Vec<f64>,
    stage: Stage,
    low: f64,
    high: f64,
    seed: u32,
    twin: Option<Twin>,
    sum: Vec<Seen>,
    at_line: Vec<Seen>,
    now: Vec<Seen>,
    top: Vec<Seen>,
    /// Route that broke at the lowest rate that did not pass.
    broke: Option<usize>,
    /// Bad share that each route may add to its errors.
    allowed: Vec<f64>,
    saturation: Vec<f64>,
    events: u64,
}

impl Search {
    pub fn new(fit: &Fit, options: &Options) -> Search {
        Search::of(System::new(fit), fit, options)
    }

    /// The line of a changed system; `fit` is the one it was learned from (for what was seen).
    pub fn of(system: System, fit: &Fit, options: &Options) -> Search {
        let saturation = saturation::saturation(&system);
        let current = system.current_rate();
        let high = lowest(&saturation).map_or(current * FAR, |x| x.1.min(current * 1e4));
        let allowed = system.fit.routes.iter().map(|r| {
            let bad = (1.0 - r.objective.target).max(1e-5);
            let left = bad - error_share(r);
            // Errors that break the objective by themselves cannot be blamed on the rate.
            if left > 0.05 * bad { left } else { bad }
        });
        Search {
            allowed: allowed.collect(),
            options: options.clone(),
            rates: fit.entry_rates.clone(),
            stage: if current > 0.0 {
                Stage::Halve(0)
            } else {
                Stage::Done
            },
            low: 0.0,
            high,
            seed: 0,
            twin: None,
            sum: Vec::new(),
            at_line: Vec::new(),
            now: Vec::new(),
            top: Vec::new(),
            broke: None,
            saturation,
            events: 0,
            system,
        }
    }

    /// Goes on for at most `events` events; true when the search is finished.
    pub fn run(&mut self, events: u64) -> bool {
        let mut left = events;
        while left > 0 && self.stage != Stage::Done {
            let (rate, seeds) = match self.stage {
                Stage::Halve(_) => ((self.low + self.high) / 2.0, self.seeds()),
                Stage::Now => (self.system.current_rate(), 1),
                _ => (self.system.current_rate(), 2),
            };
            if self.twin.is_none() {
                let run = self.plan(rate, seeds);
                self.twin = Some(Twin::new(&self.system, run));
            }
            let Some(twin) = &mut self.twin else { break };
            let before = twin.events();
            let progress = twin.run(left);
            let spent = (twin.events() - before).max(1);
            self.events += spent;
            left = left.saturating_sub(spent);
            if progress != Progress::More {
                self.finished(progress, seeds);
            }
        }
        self.stage == Stage::Done
    }

    fn bursty(&self) -> bool {
        self.system.fit.burst_sigma > 0.02
    }

    /// Runs per rate: bursts need twice as many for the same certainty.
    fn seeds(&self) -> u32 {
        self.options.seeds.max(1) * if self.bursty() { 2 } else { 1 }
    }

    /// Requests so that the rarest bad share is seen often enough, and bursts come and go.
    fn plan(&self, rate: f64, seeds: u32) -> Run {
        let fit = &self.system.fit;
        let bad = self.allowed.iter().copied().fold(0.05, f64::min);
        let bursts = if fit.burst_sigma > 0.02 {
            60.0 * fit.burst_tau_s * rate
        } else {
            0.0
        };
        let requests = (150.0 / bad).max(bursts).clamp(6_000.0, 50_000.0);
        let halving = matches!(self.stage, Stage::Halve(_));
        let shares = self.system.shares();
        let stop = |r: usize| {
            let planned = requests * seeds as f64 * shares[r];
            let so_far = self.sum.get(r).map_or(0, |s| s.count - s.good);
            self.allowed[r] * planned * 1.03 + 4.0 - so_far as f64
        };
        // The check replays what came while learning, second by second.
        let check = self.stage == Stage::Check;
        let replay = if check {
            self.rates.clone()
        } else {
            Vec::new()
        };
        // Paths of bursts come in mirrored pairs: half the noise for the same events.
        let mirrored = self.bursty() && self.seed % 2 == 1;
        let pair = if self.bursty() {
            self.seed / 2
        } else {
            self.seed
        };
        let sigma = match (check, mirrored) {
            (true, _) => 0.0,
            (_, true) => -fit.burst_sigma,
            _ => fit.burst_sigma,
        };
        let requests = if check { REPLAYED } else { requests };
        Run {
            rate,
            requests: requests as u32,
            seed: self.options.seed.wrapping_mul(1_000_003) ^ (pair as u64 + 11),
            sigma,
            tau_s: fit.burst_tau_s,
            replay,
            stop_at_bad: if halving {
                (0..shares.len()).map(stop).collect()
            } else {
                Vec::new()
            },
        }
    }

    fn finished(&mut self, progress: Progress, seeds: u32) {
        let Some(twin) = self.twin.take() else { return };
        if self.sum.is_empty() {
            self.sum = twin.seen().to_vec();
        } else {
            self.sum
                .iter_mut()
                .zip(twin.seen())
                .for_each(|(a, b)| a.add(b));
        }
        self.seed += 1;
        let broken = progress == Progress::Broken;
        if !broken && self.seed < seeds {
            return;
        }
        let seen = std::mem::take(&mut self.sum);
        self.seed = 0;
        self.stage = match self.stage {
            Stage::Halve(step) => {
                let rate = (self.low + self.high) / 2.0;
                match self.breaks(&seen, broken) {
                    None => (self.low, self.at_line) = (rate, seen),
                    Some(r) => (self.high, self.broke) = (rate, Some(r)),
                }
                let narrow = self.high - self.low < 0.004 * self.high;
                if step + 1 >= self.options.steps || narrow {
                    Stage::Now
                } else {
                    Stage::Halve(step + 1)
                }
            }
            Stage::Now => {
                self.now = if broken { Vec::new() } else { seen };
                if self.options.check && self.rates.len() >= 40 {
                    Stage::Check
                } else {
                    Stage::Done
                }
            }
            _ => {
                self.top = if broken { Vec::new() } else { seen };
                Stage::Done
            }
        };
    }

    /// The route that misses its objective most, if one does.
    fn breaks(&self, seen: &[Seen], broken: bool) -> Option<usize> {
        let excess = |r: usize| {
            let bad = (seen[r].count - seen[r].good) as f64;
            bad / (self.allowed[r] * seen[r].count as f64 + 2.0)
        };
        let worst = (0..seen.len()).max_by(|&a, &b| excess(a).total_cmp(&excess(b)))?;
        (broken || excess(worst) > 1.0).then_some(worst)
    }

    /// Events spent so far.
    pub fn line_events(&self) -> u64 {
        self.events
    }

    /// The answer so far.
    pub fn line(&self) -> LoadLine {
        let s = &self.system;
        let current = s.current_rate();
        let started = self.stage != Stage::Halve(0) || self.low > 0.0;
        let line = if started {
            (self.low + self.high) / 2.0
        } else {
            self.high
        };
        let line = if self.low == 0.0 && self.stage != Stage::Halve(0) && self.at_line.is_empty() {
            0.0
        } else {
            line
        };
        let first = lowest(&self.saturation);
        let drawn = draws(s, line.max(current), self.options.seed, DRAWS);
        let middle = quantile(drawn.iter().map(|d| d.0), 0.5).unwrap_or(1.0);
        let ratio = |q| quantile(drawn.iter().map(|d| d.0 / middle), q).unwrap_or(1.0);
        let limit = |k: usize| Limit {
            resource: s.fit.resources[k].info.name.clone(),
            class: s.fit.resources[k].info.class,
            saturation: self.saturation[k],
            confidence: drawn.iter().filter(|d| d.1 == k).count() as f64
                / drawn.len().max(1) as f64,
        };
        let mut rest = self.saturation.clone();
        if let Some((k, _)) = first {
            rest[k] = f64::INFINITY;
        }
        let mut reasons = trust::reasons(&s.fit, &self.top);
        let suspicious = !reasons.is_empty();
        let unseen = if s.fit.unexplained > UNSEEN {
            s.fit.unexplained.min(0.9)
        } else {
            0.0
        };
        if unseen > 0.0 {
            reasons.push(format!(
                "{:.0} % of the time in flight is explained by no resource: something unseen may hold the line lower",
                unseen * 100.0
            ));
        }
        if first.is_none() {
            reasons.push(
                "nothing that can run out is known: the line is only as far as was looked".into(),
            );
        }
        if started && line == 0.0 {
            reasons.push("an objective is missed even without load".into());
        }
        let pauses = s.fit.pauses();
        reasons.extend(pauses.map(beside));
        for r in s
            .fit
            .routes
            .iter()
            .filter(|r| error_share(r) > 1.0 - r.objective.target)
        {
            reasons.push(format!(
                "{}: {:.1} % errors break its objective at any rate; the line counts latency only",
                r.info.name,
                error_share(r) * 100.0
            ));
        }
        let (safe, high) = (
            line * ratio(0.1).min(1.0) * (1.0 - unseen),
            line * ratio(0.9).max(1.0),
        );
        LoadLine {
            provisional: self.stage != Stage::Done,
            line,
            safe,
            high,
            saturation: first.map_or(f64::MAX, |x| x.1),
            current,
            headroom: line / current.max(1e-9),
            limit: first.map(|(k, _)| limit(k)),
            next: lowest(&rest).map(|(k, _)| limit(k)),
            routes: self.routes(line, safe),
            p99_now: overall(&self.now),
            trusted: !suspicious
                && unseen == 0.0
                && first.is_some()
                && line > 0.0
                && pauses.is_none(),
            reasons,
            assumed_objectives: s
                .fit
                .routes
                .iter()
                .any(|r| r.objective.assumed && r.entry_rate > 0.0),
            bursty: s.fit.burst_sigma > 0.02,
            events: self.events,
        }
    }

    fn routes(&self, line: f64, safe: f64) -> Vec<RouteLine> {
        let s = &self.system;
        let visits = System::visits(&s.at(line), &s.shares());
        let p99 = |seen: &[Seen], r: usize| seen.get(r).and_then(|x| x.quantile(0.99));
        let one = |(r, route): (usize, &crate::fit::RouteFit)| RouteLine {
            route: route.info.name.clone(),
            current: route.rate,
            line: line * visits[r],
            safe: safe * visits[r],
            entry: route.entry_rate > 0.0,
            p99_now: p99(&self.now, r),
            p99_at_line: p99(&self.at_line, r),
            latency_s: route.objective.latency_s,
            target: route.objective.target,
            assumed: route.objective.assumed,
            breaks_first: self.broke == Some(r),
        };
        s.fit.routes.iter().enumerate().map(one).collect()
    }
}

/// What no rate changes, so that the line is without it.
fn beside(p: &Pauses) -> String {
    format!(
        "{} stands still every {:.0} s: {:.1} % of its requests are late by it at any rate; the line is where it would be without that",
        p.service,
        p.every_s,
        100.0 * p.misses
    )
}

/// p99 over all routes together.
fn overall(seen: &[Seen]) -> Option<f64> {
    let mut all = seen.first()?.clone();
    seen[1..].iter().for_each(|s| all.add(s));
    all.quantile(0.99)
}

/// Share of a route's requests that end with an error.
fn error_share(r: &crate::fit::RouteFit) -> f64 {
    (r.errors / r.count.max(1.0)).clamp(0.0, 1.0)
}
