//! The mirror as a gate: draws which attempts are copied, watches what the instance answers, and hands both over. It never
//! waits, and a request that is not drawn pays for one random number.

use super::budget::Seat;
use super::core::{Answer, Hashed};
use super::question::{may_be_copied, question};
use super::run::{Job, Line, Side};
use super::shared::Mirrored;
use crate::attempt::limit::Limiter;
use crate::exchange::{Exchange, Facts, Outgoing};
use crate::gate::{BodyNeed, Gate, Making, Needs, Slot, Step};
use crate::request::rate::core::Limit;
use crate::upstream::ask::Question;
use base::Nanos;
use config::sections::Mirror;
use std::sync::Arc;

/// On routes with a `mirror`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let (rules, to) = (m.route.mirror.clone()?, m.mirror?);
    let side = |service| Side::new(m.kept, service);
    Some(Arc::new(MirrorGate {
        mirrored: (m.kept).get(&format!("{} {}", m.route.name, rules.to), || {
            Mirrored::new(&m.route.name, &rules.to)
        }),
        rate: Limit::new(rules.rate, rules.rate.ceil().max(1.0) as u32),
        limiters: [m.service, to].map(|s| {
            let limiter = m.kept.get(&s.name, Limiter::default);
            (limiter, s.config.limit)
        }),
        line: m.kept.get("mirror", Line::default),
        own: side(m.service),
        other: side(to),
        rules: Arc::new(rules),
    }))
}

struct MirrorGate {
    rules: Arc<Mirror>,
    rate: Limit,
    mirrored: Arc<Mirrored>,
    /// Of both services, with what is configured.
    limiters: [(Arc<Limiter>, Option<u32>); 2],
    line: Arc<Line>,
    own: Side,
    other: Side,
}

/// An attempt that is copied.
struct Copied {
    seat: Seat,
    question: Question,
    /// `None` until the head of the instance's answer passes.
    answer: Option<Answer>,
    body: Hashed,
    /// All of the body has passed.
    whole: bool,
}

impl MirrorGate {
    fn is_calm(&self) -> bool {
        let load = |(limiter, limit): &(Arc<Limiter>, Option<u32>)| limiter.load(*limit);
        let mut loads = self.limiters.iter().filter_map(load);
        loads.all(|load| load <= self.rules.load)
    }

    fn draw(&self, x: &mut Exchange<'_>, now: Nanos) -> Option<Copied> {
        if !may_be_copied(x) || x.chance() >= self.rules.share {
            return None;
        }
        if !self.is_calm() {
            self.mirrored.budget.leave_out();
            return None;
        }
        let seat = (self.mirrored.budget).seat(self.rules.in_flight, &self.rate, now)?;
        Some(Copied {
            seat,
            question: question(&x.head, None)?,
            answer: None,
            body: Hashed::default(),
            whole: false,
        })
    }
}

impl Gate for MirrorGate {
    fn name(&self) -> &'static str {
        "mirror"
    }

    fn needs(&self) -> Needs {
        Needs {
            response_body: BodyNeed::Tap,
            ..Needs::default()
        }
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        if let Some(copied) = self.draw(x, now) {
            *slot = Slot::boxed(copied);
        }
        Step::Go
    }

    fn reply(&self, _x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        if let Some(copied) = slot.get::<Copied>() {
            let names = self.rules.headers.iter();
            copied.answer = Some(Answer {
                status: out.head.status(),
                headers: names.map(|n| out.head.get(n).map(<[u8]>::to_vec)).collect(),
                body: Default::default(),
            });
        }
    }

    fn tap(&self, slot: &mut Slot, data: &[u8]) {
        if let Some(copied) = slot.get::<Copied>() {
            copied.whole = data.is_empty();
            copied.body.add(data);
        }
    }

    fn leave(&self, _facts: &mut Facts, slot: &mut Slot, _now: Nanos) {
        let Slot::Boxed(copied) = slot.take() else {
            return;
        };
        let Ok(copied) = copied.downcast::<Copied>() else {
            return;
        };
        let Copied {
            seat,
            question,
            answer: Some(mut answer),
            body,
            whole: true,
        } = *copied
        else {
            return;
        };
        answer.body = body.done();
        let job = Job {
            seat,
            question,
            answer,
            rules: self.rules.clone(),
            own: self.own.clone(),
            other: self.other.clone(),
            mirrored: self.mirrored.clone(),
        };
        if !self.line.hand(move |now| job.run(now)) {
            self.mirrored.budget.leave_out();
        }
    }
}
