//! The concurrency limit as a gate: a permit per attempt, a bounded wait for one, 503 when there is none in time.

use super::permit::{Acquire, Ask, Limiter, Permit};
use super::price::Price;
use crate::attempt::turn;
use crate::exchange::{Exchange, Facts, Outgoing, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use base::Nanos;
use config::sections::Criticality;
use std::sync::Arc;
use std::time::Duration;

/// On every route: without a configured limit it keeps the account that a learned one needs.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    Some(Arc::new(LimitGate {
        service: m.service.name.clone(),
        price: Price::of(m),
        criticality: m.route.criticality,
        wait: m.service.config.pool.wait,
        limiter: m.kept.get(&m.service.name, Limiter::default),
    }))
}

struct LimitGate {
    service: Arc<str>,
    price: Price,
    /// Of the route.
    criticality: Criticality,
    wait: Duration,
    limiter: Arc<Limiter>,
}

impl LimitGate {
    fn refuse(&self, x: &mut Exchange<'_>) -> Step {
        x.note("limit", "refused");
        let detail = format!(
            "service {} holds as many requests as its limit allows; try again in a second",
            self.service
        );
        Step::Answer(Reply::problem(503, "limit", &detail).with("Retry-After", "1"))
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
            Acquire::Now(permit) => {
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
            Some(permit) => {
                x.note("limit", "waited");
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
    fn leave(&self, _facts: &mut Facts, slot: &mut Slot, _now: Nanos) {
        drop(slot.take());
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
