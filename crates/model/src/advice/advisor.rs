//! The search for the best proposals, resumable at any event.

use super::predict::{Question, predict};
use super::{Advice, Options, Proposal, premature};
use crate::fit::Fit;
use crate::loadline::saturation::{lowest, saturation};
use crate::loadline::{LoadLine, Search};
use crate::moves::{Candidate, Context, candidates};
use crate::twin::System;

/// A candidate whose bound lifts less than this is not simulated, and not proposed.
const USELESS: f64 = 1.03;

pub struct Advisor {
    fit: Fit,
    options: Options,
    base: Search,
    line: Option<LoadLine>,
    waiting: Vec<Candidate>,
    under_way: Option<(Candidate, Search)>,
    compared: Vec<(Candidate, LoadLine)>,
    useless: Vec<String>,
    events: u64,
    done: bool,
}

impl Advisor {
    pub fn new(fit: &Fit, options: &Options) -> Advisor {
        Advisor {
            base: Search::new(fit, &options.line),
            fit: fit.clone(),
            options: options.clone(),
            line: None,
            waiting: Vec::new(),
            under_way: None,
            compared: Vec::new(),
            useless: Vec::new(),
            events: 0,
            done: false,
        }
    }

    /// Goes on for at most `events` events; true when all is compared.
    pub fn run(&mut self, events: u64) -> bool {
        let mut left = events;
        while left > 0 && !self.done {
            let before = self.spent();
            if self.line.is_none() {
                if self.base.run(left) {
                    let line = self.base.line();
                    self.screen(&line);
                    self.line = Some(line);
                }
            } else if let Some((_, search)) = &mut self.under_way {
                if search.run(left) {
                    self.finish();
                }
            } else if let Some(next) = self.waiting.pop() {
                let mut options = self.options.line.clone();
                options.check = false;
                let search = Search::of(next.transform(&self.base.system), &self.fit, &options);
                self.under_way = Some((next, search));
            } else {
                self.done = true;
            }
            left = left.saturating_sub((self.spent() - before).max(1));
        }
        self.done
    }

    fn spent(&self) -> u64 {
        let now = self.under_way.as_ref().map_or(0, |(_, s)| s.line_events());
        self.base.line_events() + self.events + now
    }

    fn finish(&mut self) {
        if let Some((candidate, search)) = self.under_way.take() {
            let line = search.line();
            self.events += line.events;
            self.compared.push((candidate, line));
        }
    }

    fn target(&self) -> f64 {
        let current = self.base.system.current_rate();
        self.options.target.unwrap_or(1.5 * current)
    }

    /// Keeps the candidates whose bound lifts the line; the best few wait for the twin, the last first.
    fn screen(&mut self, line: &LoadLine) {
        let config = self.options.config.clone();
        let target = self.target().max(1.3 * line.safe);
        let cx = Context::new(
            &self.fit,
            &self.base.system,
            line,
            target,
            config.as_deref(),
        );
        let now = lowest(&cx.saturation).map_or(f64::MAX, |x| x.1);
        let mut bounded: Vec<(f64, Candidate)> = Vec::new();
        for c in candidates(&cx) {
            let bound =
                lowest(&saturation(&c.transform(&self.base.system))).map_or(f64::MAX, |x| x.1);
            let next = line
                .next
                .as_ref()
                .map_or("nothing known", |n| n.resource.as_str());
            if c.protects || bound >= USELESS * now {
                bounded.push((bound, c));
            } else {
                let gain = 100.0 * (bound / now - 1.0);
                self.useless.push(format!(
                    "{}: lifts the bound by {gain:.0} % only; next is {next}",
                    c.title
                ));
            }
        }
        // Enough first, then small and cheap, then the higher bound.
        let short = |b: f64| b < target / (line.line / now).clamp(0.3, 1.0);
        let weight = |c: &Candidate| c.size as f64 * (0.01 + c.cost_per_hour.max(0.0));
        bounded.sort_by(|(a, x), (b, y)| {
            let order = short(*a)
                .cmp(&short(*b))
                .then(weight(x).total_cmp(&weight(y)));
            order
                .then(b.total_cmp(a))
                .then_with(|| x.title.cmp(&y.title))
        });
        bounded.truncate(self.options.compare.max(1));
        self.waiting = bounded.into_iter().rev().map(|b| b.1).collect();
    }

    /// The proposals so far.
    pub fn advice(&self) -> Advice {
        let line = self.line.clone().unwrap_or_else(|| self.base.line());
        let target = self.target();
        let goal = if line.safe >= target {
            target.max(1.3 * line.safe)
        } else {
            target
        };
        let mut useless = self.useless.clone();
        let mut proposals = Vec::new();
        for (candidate, after) in &self.compared {
            let p = self.proposal(candidate, &line, after, goal);
            if p.protects || p.predicted.gain.value >= USELESS {
                proposals.push(p);
            } else {
                let gain = 100.0 * (p.predicted.gain.value - 1.0);
                useless.push(format!("{}: lifts the line by {gain:.0} % only", p.title));
            }
        }
        proposals.sort_by(|a, b| {
            let class = |p: &Proposal| (p.protects, !p.reaches_target);
            let small = premature::weight(a).total_cmp(&premature::weight(b));
            let gain = b.predicted.gain.value.total_cmp(&a.predicted.gain.value);
            let order = if a.reaches_target {
                small.then(gain)
            } else {
                gain.then(small)
            };
            class(a)
                .cmp(&class(b))
                .then(order)
                .then_with(|| a.id.cmp(&b.id))
        });
        let class = line.limit.as_ref().map(|l| l.class);
        let lists: Vec<_> = proposals
            .iter()
            .map(|p| premature::list(p, &proposals, class, goal))
            .collect();
        proposals
            .iter_mut()
            .zip(lists)
            .for_each(|(p, l)| p.premature = l);
        Advice {
            needed: line.safe < target,
            provisional: !self.done,
            events: self.spent(),
            line,
            target,
            proposals,
            useless,
        }
    }

    fn proposal(&self, c: &Candidate, before: &LoadLine, after: &LoadLine, goal: f64) -> Proposal {
        let system: &System = &self.base.system;
        let predicted = predict(&Question {
            fit: &self.fit,
            system,
            before,
            after,
            edits: &c.edits,
            uncertainty: c.uncertainty,
            prior: self
                .options
                .priors
                .get(c.kind.label())
                .copied()
                .unwrap_or(1.0),
            cost_per_hour: c.cost_per_hour,
            canary_share: self.options.canary_share,
            seed: self.options.line.seed,
        });
        Proposal {
            id: id(c),
            kind: c.kind,
            subject: c.subject.clone(),
            title: c.title.clone(),
            evidence: c.evidence.clone(),
            action: c.action.clone(),
            size: c.size,
            cost_per_hour: c.cost_per_hour,
            reverse: c.reverse.clone(),
            guards: c.guards.clone(),
            reaches_target: !c.protects && predicted.after_safe >= goal,
            protects: c.protects,
            premature: Vec::new(),
            next_constraint: after.limit.clone(),
            predicted,
        }
    }
}

/// Kind, subject, and a hash (FNV-1a) of what would be done.
fn id(c: &Candidate) -> String {
    let content = serde_json::to_string(&c.action).unwrap_or_default();
    let hash = content
        .bytes()
        .chain(c.title.bytes())
        .fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
            (h ^ b as u64).wrapping_mul(0x0100_0000_01b3)
        });
    format!(
        "{}-{}-{:08x}",
        c.kind.label(),
        c.subject,
        hash as u32 ^ (hash >> 32) as u32
    )
}
