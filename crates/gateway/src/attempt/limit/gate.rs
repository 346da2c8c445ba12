//! The concurrency limit as a gate: a permit per attempt, a bounded wait for one, 503 when there is none in time.

use super::core::REASON;
use super::latency::Laps;
use super::permit::{Acquire, Ask, Lapped, Limiter, Permit};
use super::price::Price;
use crate::attempt::turn;
use crate::exchange::{Exchange, Facts, Outgoing, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use crate::retry::Failure;
use base::{Arm, Nanos};
use config::sections::Criticality;
use std::sync::Arc;
use std::time::Duration;

/// On every route: without a configured limit it keeps the account that a learned one needs.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let limiter = m.kept.get(&m.service.name, Limiter::default);
    let laps = (m.kept).get(
        &format!("{} {}", m.service.name, m.route.name),
        Laps::default,
    );
    // A limit is of the service, whichever arm asks: what a trial has configured of it waits until it is kept.
    let acts = (m.arm == Arm::BASE).then_some(m.service.config.latency_limit);
    limiter.join(&laps, acts);
    Some(Arc::new(LimitGate {
        service: m.service.name.clone(),
        price: Price::of(m),
        criticality: m.route.criticality,
        wait: m.service.config.pool.wait,
        laps,
        limiter,
    }))
}

struct LimitGate {
    service: Arc<str>,
    price: Price,
    /// Of the route.
    criticality: Criticality,
    wait: Duration,
    limiter: Arc<Limiter>,
    /// What answers of the route take.
    laps: Arc<Laps>,
}

impl LimitGate {
    fn refuse(&self, x: &mut Exchange<'_>) -> Step {
        x.note("limit", "refused");
        let detail = format!(
            "service {} holds as many requests as its limit allows; try again in a second",
            self.service
        );
        Step::Answer(Reply::problem(503, REASON, &detail).with("Retry-After", "1"))
    }

    /// What the end of an attempt says of how busy the service is, where nothing better is known.
    fn see(&self, facts: &Facts, permit: &Permit, now: Nanos) {
        let Some(limiter) = permit.limiter(self.price.configured) else {
            return;
        };
        if let Some(lap) = lapped(facts, permit.since, now) {
            limiter.see(permit, &self.laps, lap, now);
        }
    }
}

/// `None`: it says nothing of the service. A refusal or a failure is fast, however busy the service is.
fn lapped(facts: &Facts, since: Nanos, now: Nanos) -> Option<Lapped> {
    if facts.lost || facts.fault.is_some() {
        return None;
    }
    let waited = now.since(since);
    // An earlier attempt may have had a first byte, too.
    let began = facts.first_byte.filter(|at| *at >= since);
    match (facts.status, began) {
        _ if facts.failure == Some(Failure::Deadline) => Some(Lapped::Answer(waited)),
        (0, None) => Some(Lapped::Left(waited)),
        (429 | 500.., _) => None,
        (_, began) => began.map(|at| Lapped::Answer(at.since(since))),
    }
}

impl Gate for LimitGate {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let ask = Ask {
            cost: self.price.milli(),
            configured: self.price.configured,
            criticality: x.criticality.unwrap_or(self.criticality),
        };
        let receiver = match self.limiter.acquire(ask, now) {
            Acquire::Now(mut permit) => {
                if permit.over {
                    x.note("limit", "would_refuse");
                }
                permit.since = now;
                *slot = Slot::boxed(permit);
                return Step::Go;
            }
            Acquire::Full => return self.refuse(x),
            Acquire::Later(receiver) => receiver,
        };
        turn::wait(receiver, self.wait, x, slot, now)
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let Some((time, permit)) = turn::waited::<Permit>(x, slot, now) else {
            return Step::Go;
        };
        let criticality = x.criticality.unwrap_or(self.criticality);
        self.limiter.count_wait(criticality, time);
        match permit {
            Some(mut permit) => {
                x.note("limit", "waited");
                permit.since = now;
                *slot = Slot::boxed(permit);
                Step::Go
            }
            None => {
                self.limiter.count_refusal();
                self.refuse(x)
            }
        }
    }

    /// What is learned is how long requests use the service; an upgrade or an event stream that stays open does not use
    /// it. A configured limit is of all that is open.
    fn reply(&self, x: &mut Exchange<'_>, slot: &mut Slot, _out: &mut Outgoing<'_>, _now: Nanos) {
        if x.stream && self.price.configured.is_none() {
            drop(slot.take());
        }
    }

    /// Whatever the slot holds gives its permit or its place back.
    fn leave(&self, facts: &mut Facts, slot: &mut Slot, now: Nanos) {
        let mut slot = slot.take();
        if let Some(permit) = slot.get::<Permit>() {
            self.see(facts, permit, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::limit::core::PERMIT;
    use crate::testing::Bench;

    fn bench() -> Bench {
        let mut b = Bench::default();
        b.limit(Some(1));
        b
    }

    fn block<T>(future: impl Future<Output = T>) -> T {
        let rt = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        rt.unwrap().block_on(future)
    }

    #[test]
    fn who_waits_gets_the_permit_of_who_leaves() {
        let b = bench();
        let gate = make(&b.making()).unwrap();
        let mut first = b.run(&*gate, "GET", "/", &[]);
        assert!(matches!(first.step, Step::Go));
        let mut second = b.run(&*gate, "GET", "/", &[]);
        let Step::Wait(ticket) = std::mem::replace(&mut second.step, Step::Go) else {
            panic!("waits")
        };
        block(async {
            gate.leave(&mut first.facts, &mut first.slot, b.now);
            ticket.await;
        });
        assert!(matches!(b.resume(&*gate, &mut second, Nanos(7)), Step::Go));
        assert_eq!(
            second.facts.waited_ns, 6,
            "from the first nanosecond to the seventh"
        );
        let counts = || b.kept.get("s", Limiter::default).counts();
        assert_eq!(counts().in_flight, PERMIT);
        drop(second);
        assert_eq!(
            counts().in_flight,
            0,
            "an exchange that is dropped leaks nothing"
        );
    }

    #[test]
    fn a_wait_that_is_over_or_given_up_leaves_nothing_behind() {
        let mut b = bench();
        b.wait(Duration::ZERO);
        let gate = make(&b.making()).unwrap();
        let held = b.run(&*gate, "GET", "/", &[]);
        let mut late = b.run(&*gate, "GET", "/", &[]);
        let Step::Wait(ticket) = std::mem::replace(&mut late.step, Step::Go) else {
            panic!("waits")
        };
        block(ticket);
        let step = b.resume(&*gate, &mut late, Nanos(7));
        assert!(matches!(step, Step::Answer(r) if r.status == 503));
        let gone = b.run(&*gate, "GET", "/", &[]);
        drop(gone);
        drop(held);
        let counts = b.kept.get("s", Limiter::default).counts();
        assert_eq!((counts.in_flight, counts.refused), (0, 1));
        assert!(matches!(b.run(&*gate, "GET", "/", &[]).step, Step::Go));
    }
}
