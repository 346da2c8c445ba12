//! The two ordered lists of gates, and a request's way through one of them.
//!
//! The order is the picture of the data path: what identifies comes first, what refuses cheaply before what looks
//! things up, and an answer from cache costs the services nothing, so it comes before everything in the attempt
//! ring. In the attempt ring the deadline comes first, so that no wait is longer than it.

use crate::exchange::{Exchange, Facts, Failed, Outgoing, Reply, ResponseHead};
use crate::gate::{BodyNeed, Gate, Make, Making, Needs, Settle, Slot, Step, Transformed};
use crate::{attempt, request};
use base::Nanos;
use std::sync::Arc;

/// Once per request.
pub const REQUEST: &[Make] = &[
    request::policy::make,
    request::trace::make,
    request::identity::make,
    request::rate::make,
    request::quota::make,
    request::idempotency::make_for_jobs,
    request::respond_async::make,
    request::publish::make,
    request::degrade::make,
    request::session::make,
    request::projection::make,
    request::consistency::make,
    request::cache::make,
    request::coalesce::make,
    request::shed::make,
    request::idempotency::make,
    request::compress::make,
    request::business::make,
];

/// Once per delivery of a job, instead: who may ask for what was judged when it was accepted.
pub const DELIVERY: &[Make] = &[
    request::trace::make,
    request::shed::make,
    request::business::make,
];

/// Once per try.
pub const ATTEMPT: &[Make] = &[
    attempt::deadline::make,
    attempt::replica::make,
    attempt::bulkhead::make,
    attempt::limit::make,
    attempt::balance::make,
    attempt::breaker::make,
    attempt::fault::make,
    attempt::mirror::make,
    attempt::stateful::make,
];

/// Most gates of one ring.
const MAX: usize = REQUEST.len();
const _: () = assert!(DELIVERY.len() <= MAX && ATTEMPT.len() <= MAX);

/// The gates that one route has on one arm.
pub struct Ring {
    gates: Box<[Arc<dyn Gate>]>,
    /// Bits of those that look at response bodies.
    taps: u32,
    /// Bits of those that change response bodies.
    transforms: u32,
    /// Bits of those that want to know of failures.
    failures: u32,
    /// Bits of those that see answers as they came.
    answers: u32,
    /// Bits of those that may hold a response head back.
    settles: u32,
}

/// How far an exchange has come in a ring, and what the gates remember of it.
#[derive(Default)]
pub struct Passage {
    entered: u32,
    at: usize,
    waiting: bool,
    /// Bits of the gates that see the payload as it comes.
    watching: u32,
    slots: [Slot; MAX],
}

impl Ring {
    pub fn new(list: &[Make], making: &Making<'_>) -> Ring {
        Ring::of(list.iter().filter_map(|make| make(making)).collect())
    }

    pub fn of(gates: Vec<Arc<dyn Gate>>) -> Ring {
        let bits = |has: fn(&Needs) -> bool| {
            (0..)
                .zip(&gates)
                .filter(|(_, g)| has(&g.needs()))
                .fold(0, |bits, (i, _)| bits | 1 << i)
        };
        Ring {
            taps: bits(|n| n.response_body == BodyNeed::Tap),
            transforms: bits(|n| n.response_body == BodyNeed::Transform),
            failures: bits(|n| n.failures),
            answers: bits(|n| n.answers),
            settles: bits(|n| n.settles),
            gates: gates.into(),
        }
    }

    /// Goes on from where the passage stands: to the end (`Go`), to an answer, or to a wait, after which to call this again.
    pub fn run(&self, passage: &mut Passage, exchange: &mut Exchange<'_>, now: Nanos) -> Step {
        while let Some(gate) = self.gates.get(passage.at) {
            let slot = &mut passage.slots[passage.at];
            passage.entered |= 1 << passage.at;
            let step = match std::mem::take(&mut passage.waiting) {
                true => gate.resume(exchange, slot, now),
                false => gate.enter(exchange, slot, now),
            };
            match step {
                Step::Go => passage.at += 1,
                Step::Answer(reply) => return Step::Answer(reply),
                Step::Wait(ticket) => {
                    passage.waiting = true;
                    return Step::Wait(ticket);
                }
                Step::Hold(wish) => {
                    passage.waiting = true;
                    return Step::Hold(wish);
                }
            }
        }
        Step::Go
    }

    /// The instance's head passes outward.
    pub fn reply(
        &self,
        passage: &mut Passage,
        exchange: &mut Exchange<'_>,
        out: &mut Outgoing<'_>,
        now: Nanos,
    ) {
        for (i, gate) in self.gates.iter().enumerate().rev() {
            if passage.entered >> i & 1 == 1 {
                gate.reply(exchange, &mut passage.slots[i], out, now);
            }
        }
    }

    pub fn sees_answers(&self, passage: &Passage) -> bool {
        self.answers & passage.entered != 0
    }

    /// The instance has answered: whether any gate wants to see the payload as it comes.
    pub fn answered(
        &self,
        passage: &mut Passage,
        exchange: &mut Exchange<'_>,
        head: ResponseHead<'_>,
    ) -> bool {
        let told = self.answers & passage.entered;
        for i in (0..self.gates.len()).filter(|i| told >> i & 1 == 1) {
            let watches = self.gates[i].answered(exchange, &mut passage.slots[i], head);
            passage.watching |= u32::from(watches) << i;
        }
        passage.watching != 0
    }

    pub fn payload(&self, passage: &mut Passage, data: &[u8]) {
        let told = passage.watching;
        for i in (0..self.gates.len()).filter(|i| told >> i & 1 == 1) {
            self.gates[i].payload(&mut passage.slots[i], data);
        }
    }

    /// Whether any gate may hold this response head back.
    pub fn settles(&self, passage: &Passage) -> bool {
        self.settles & passage.entered != 0
    }

    /// From the innermost outward, until all let the head go on. Called again after a wait.
    pub fn settle(
        &self,
        passage: &mut Passage,
        exchange: &mut Exchange<'_>,
        head: ResponseHead<'_>,
        now: Nanos,
    ) -> Settle {
        let asked = self.settles & passage.entered;
        for i in (0..self.gates.len()).rev().filter(|i| asked >> i & 1 == 1) {
            match self.gates[i].settle(exchange, &mut passage.slots[i], head, now) {
                Settle::Go => {}
                other => return other,
            }
        }
        Settle::Go
    }

    /// What goes on in place of the instance's response, of the innermost gate that changes it.
    pub fn transform(
        &self,
        passage: &Passage,
        exchange: &mut Exchange<'_>,
        head: ResponseHead<'_>,
    ) -> Option<Transformed> {
        let asked = self.transforms & passage.entered;
        if asked == 0 {
            return None;
        }
        let mut bits = (0..self.gates.len()).rev().filter(|i| asked >> i & 1 == 1);
        bits.find_map(|i| self.gates[i].transform(exchange, head))
    }

    /// The instance says 304: what a gate whose conditions those were sends instead.
    pub fn not_modified(
        &self,
        passage: &mut Passage,
        exchange: &mut Exchange<'_>,
        head: ResponseHead<'_>,
        now: Nanos,
    ) -> Option<Reply> {
        let entered = passage.entered;
        let mut bits = (0..self.gates.len())
            .rev()
            .filter(|i| entered >> i & 1 == 1);
        bits.find_map(|i| self.gates[i].not_modified(exchange, &mut passage.slots[i], head, now))
    }

    /// No answer of an instance goes out, or a bad one: what to send instead.
    pub fn failed(
        &self,
        passage: &mut Passage,
        exchange: &mut Exchange<'_>,
        failed: Failed<'_>,
        now: Nanos,
    ) -> Option<Reply> {
        let told = self.failures & passage.entered;
        let mut bits = (0..self.gates.len()).rev().filter(|i| told >> i & 1 == 1);
        bits.find_map(|i| self.gates[i].failed(exchange, &mut passage.slots[i], failed, now))
    }

    /// Whether any gate wants to see the payload of this response.
    pub fn taps(&self, passage: &Passage) -> bool {
        self.taps & passage.entered != 0
            && (0..self.gates.len())
                .any(|i| self.taps >> i & 1 == 1 && !matches!(passage.slots[i], Slot::Empty))
    }

    pub fn tap(&self, passage: &mut Passage, data: &[u8]) {
        for (i, gate) in self.gates.iter().enumerate().rev() {
            if self.taps & passage.entered & 1 << i != 0 {
                gate.tap(&mut passage.slots[i], data);
            }
        }
    }

    /// Ends the passage; a second call does nothing.
    pub fn leave(&self, passage: &mut Passage, facts: &mut Facts, now: Nanos) {
        for (i, gate) in self.gates.iter().enumerate().rev() {
            if passage.entered >> i & 1 == 1 {
                gate.leave(facts, &mut passage.slots[i], now);
                passage.slots[i] = Slot::Empty;
            }
        }
        (passage.entered, passage.at, passage.waiting) = (0, 0, false);
        passage.watching = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Head, ListHead};
    use base::RouteIx;
    use bytes::Bytes;
    use std::sync::Mutex;

    struct Noted(&'static str, Arc<Mutex<Vec<String>>>, fn() -> Step);

    impl Gate for Noted {
        fn name(&self) -> &'static str {
            self.0
        }
        fn enter(&self, _: &mut Exchange<'_>, _: &mut Slot, _: Nanos) -> Step {
            self.1.lock().unwrap().push(format!("enter {}", self.0));
            (self.2)()
        }
        fn resume(&self, _: &mut Exchange<'_>, _: &mut Slot, _: Nanos) -> Step {
            self.1.lock().unwrap().push(format!("resume {}", self.0));
            Step::Go
        }
        fn leave(&self, _: &mut Facts, _: &mut Slot, _: Nanos) {
            self.1.lock().unwrap().push(format!("leave {}", self.0));
        }
    }

    fn run(second: fn() -> Step, times: usize) -> Vec<String> {
        let notes = Arc::default();
        let ring = Ring::of(vec![
            Arc::new(Noted("a", Arc::clone(&notes), || Step::Go)),
            Arc::new(Noted("b", Arc::clone(&notes), second)),
            Arc::new(Noted("c", Arc::clone(&notes), || Step::Go)),
        ]);
        let head = ListHead::new("GET", "/", &[]);
        let mut facts = Facts::new(RouteIx(0), [127, 0, 0, 1].into(), Nanos(0), 1);
        let mut passage = Passage::default();
        for _ in 0..times {
            let mut x = Exchange {
                head: Head::List(&head),
                facts: &mut facts,
            };
            ring.run(&mut passage, &mut x, Nanos(0));
        }
        ring.leave(&mut passage, &mut facts, Nanos(0));
        ring.leave(&mut passage, &mut facts, Nanos(0));
        notes.lock().unwrap().clone()
    }

    #[test]
    fn gates_are_left_once_in_reverse_and_only_if_entered() {
        assert_eq!(
            run(|| Step::Answer(Reply::new(200, Bytes::new())), 1),
            ["enter a", "enter b", "leave b", "leave a"]
        );
        assert_eq!(
            run(|| Step::Wait(Box::pin(async {})), 2),
            [
                "enter a", "enter b", "resume b", "enter c", "leave c", "leave b", "leave a"
            ]
        );
    }
}
