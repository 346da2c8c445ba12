//! The gate: draws which attempts are asked again, and hands them over once they were answered well. It never waits, looks
//! at no body, and a request that is not drawn pays for one random number.

use super::run::Probe;
use super::watched::Watched;
use crate::attempt::limit::Limiter;
use crate::attempt::mirror::{Line, Seat, may_be_copied, question};
use crate::exchange::{Exchange, Facts, Outgoing};
use crate::gate::{Gate, Making, Slot, Step};
use crate::request::rate::core::Limit;
use crate::upstream::Service;
use crate::upstream::ask::Question;
use crate::upstream::health::Members;
use base::{Arm, InstanceIx, Nanos};
use config::sections::Stateful;
use std::sync::Arc;

/// Parts of traces: what the copies cause is nobody's request.
const TRACES: [&str; 4] = ["traceparent", "tracestate", "b3", "baggage"];
const B3: &str = "x-b3-";

/// On routes of services with several instances, where it is asked for; never on the arm of a trial.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let rules = (m.route.stateful.as_ref())
        .or(m.service.config.stateful.as_ref())?
        .clone();
    let off = rules.share <= 0.0 || m.route.writes == Some(true) || m.arm != Arm::BASE;
    if off || m.service.instances.len() < 2 {
        return None;
    }
    Some(Arc::new(StatefulGate {
        rate: Limit::new(rules.rate, rules.rate.ceil().max(1.0) as u32),
        watched: (m.kept).get(&format!("{} {}", m.route.name, m.service.name), || {
            Watched::new(&m.route.name, &m.service.name)
        }),
        limiter: m.kept.get(&m.service.name, Limiter::default),
        line: m.kept.get("mirror", Line::default),
        health: Members::of(m.kept, m.service),
        service: m.service.clone(),
        rules: Arc::new(rules),
    }))
}

struct StatefulGate {
    rules: Arc<Stateful>,
    rate: Limit,
    watched: Arc<Watched>,
    limiter: Arc<Limiter>,
    line: Arc<Line>,
    health: Members,
    service: Arc<Service>,
}

/// An attempt that is asked again.
struct Drawn {
    seat: Seat,
    question: Question,
    by: InstanceIx,
    others: Vec<usize>,
    /// 0: no answer passes yet.
    status: u16,
}

impl StatefulGate {
    fn draw(&self, x: &mut Exchange<'_>, now: Nanos) -> Option<Drawn> {
        if !may_be_copied(x) || x.job.is_some() || x.chance() >= self.rules.share {
            return None;
        }
        let mut carried = self.rules.headers.iter();
        carried.find(|name| x.head.get(name).is_some())?;
        let by = x.instance.as_ref()?.ix;
        let others = self.others(by, x.random());
        let load = self.limiter.load(self.service.config.limit);
        if load.is_some_and(|load| load > self.rules.load) {
            self.watched.budget.leave_out();
            return None;
        }
        if others.is_empty() {
            return None;
        }
        let seat = (self.watched.budget).seat(self.rules.in_flight, &self.rate, now)?;
        let mut question = question(&x.head, Some(&x.edits))?;
        let is_trace = |name: &str| {
            let name = name.to_ascii_lowercase();
            TRACES.contains(&name.as_str()) || name.starts_with(B3)
        };
        question.headers.retain(|(name, _)| !is_trace(name));
        Some(Drawn {
            seat,
            question,
            by,
            others,
            status: 0,
        })
    }

    /// Instances that may be asked in its place, beginning anywhere: they read from the same database.
    fn others(&self, by: InstanceIx, random: u64) -> Vec<usize> {
        let all = &self.service.instances;
        let Some(own) = all.iter().position(|i| i.ix == by) else {
            return Vec::new();
        };
        let from = |i: usize| self.service.reads_from.get(i);
        let begin = (random % all.len() as u64) as usize;
        let order = (0..all.len()).map(|i| (begin + i) % all.len());
        order
            .filter(|&i| i != own && from(i) == from(own))
            .collect()
    }
}

impl Gate for StatefulGate {
    fn name(&self) -> &'static str {
        "stateful"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        if let Some(drawn) = self.draw(x, now) {
            *slot = Slot::boxed(drawn);
        }
        Step::Go
    }

    fn reply(&self, _x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        if let Some(drawn) = slot.get::<Drawn>() {
            drawn.status = out.head.status();
        }
    }

    fn leave(&self, facts: &mut Facts, slot: &mut Slot, _now: Nanos) {
        let Slot::Boxed(drawn) = slot.take() else {
            return;
        };
        let Ok(drawn) = drawn.downcast::<Drawn>() else {
            return;
        };
        // Another status than its head had: it broke off.
        let good = (200..300).contains(&drawn.status) && facts.status == drawn.status;
        if !good || facts.stream {
            return;
        }
        let probe = Probe {
            seat: drawn.seat,
            question: drawn.question,
            status: drawn.status,
            by: drawn.by,
            others: drawn.others,
            rules: self.rules.clone(),
            service: self.service.clone(),
            health: self.health.clone(),
            watched: self.watched.clone(),
        };
        if !self.line.hand(move |now| probe.run(now)) {
            self.watched.budget.leave_out();
        }
    }
}
