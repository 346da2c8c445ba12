//! The bulkhead as a gate, before the limit: what does not fit waits for its own route and never stands in the queue
//! that all routes share.

use super::part::{Enter, Part, Turn};
use crate::attempt::turn;
use crate::exchange::{Exchange, Facts, Outgoing, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use crate::tally::Tally;
use base::Nanos;
use config::sections::Criticality;
use std::sync::Arc;
use std::time::Duration;

const NAMES: &[&str] = &["refused", "waited"];
const REFUSED: usize = 0;
const WAITED: usize = 1;

/// On all routes to a service with a `bulkhead`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let rules = m.service.config.bulkhead.as_ref()?;
    let (service, route) = (&*m.service.name, &*m.route.name);
    let weight = rules.weights.iter().find(|(name, _)| name == route);
    let weight = weight.map_or(1, |(_, weight)| *weight);
    let tenants = m.identity.iter().flat_map(|i| &i.tenants);
    let tenants = tenants.filter(|_| rules.tenants);
    // With weights of tenants, those of routes stay in the same proportion to each other.
    let own = tenants.map(|t| Arc::new(Part::of(m, &t.name, weight * t.weight)));
    Some(Arc::new(BulkheadGate {
        tenants: own.collect(),
        others: Arc::new(Part::of(m, "", weight)),
        criticality: m.route.criticality,
        wait: m.service.config.pool.wait,
        tally: Tally::of(m.kept, "bulkhead", route, NAMES),
        service: service.into(),
        route: route.into(),
    }))
}

struct BulkheadGate {
    /// One for each tenant that is listed, where they have parts of their own.
    tenants: Box<[Arc<Part>]>,
    /// For everybody else.
    others: Arc<Part>,
    /// Of the route.
    criticality: Criticality,
    wait: Duration,
    tally: Arc<Tally>,
    service: Box<str>,
    route: Box<str>,
}

impl BulkheadGate {
    fn part(&self, of: &Facts) -> &Arc<Part> {
        let listed = of.tenant.and_then(|t| t.listed);
        let own = listed.and_then(|i| self.tenants.get(i as usize));
        own.unwrap_or(&self.others)
    }

    fn refuse(&self, x: &mut Exchange<'_>) -> Step {
        self.tally.note(x, REFUSED);
        let (service, route) = (&self.service, &self.route);
        let detail = format!(
            "route {route} uses its part of service {service} and the rest is needed by others; try again in a second"
        );
        Step::Answer(Reply::problem(503, "bulkhead", &detail).with("Retry-After", "1"))
    }
}

impl Gate for BulkheadGate {
    fn name(&self) -> &'static str {
        "bulkhead"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let criticality = x.criticality.unwrap_or(self.criticality);
        let receiver = match self.part(x).enter(criticality, now) {
            Enter::Now(cost) => {
                *slot = Slot::Number(cost);
                return Step::Go;
            }
            Enter::Full => return self.refuse(x),
            Enter::Later(receiver) => receiver,
        };
        turn::wait(receiver, self.wait, x, slot, now)
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let Some((_, turn)) = turn::waited::<Turn>(x, slot, now) else {
            return Step::Go;
        };
        match turn {
            Some(turn) => {
                self.tally.note(x, WAITED);
                *slot = Slot::Number(turn.take());
                Step::Go
            }
            None => self.refuse(x),
        }
    }

    /// As with the limit: what stays open holds no part of what is learned.
    fn reply(&self, x: &mut Exchange<'_>, slot: &mut Slot, _out: &mut Outgoing<'_>, now: Nanos) {
        if x.stream && !self.part(x.facts).is_configured() {
            self.leave(x.facts, slot, now);
        }
    }

    /// A turn that was waited for and not taken gives itself back.
    fn leave(&self, facts: &mut Facts, slot: &mut Slot, now: Nanos) {
        if let Slot::Number(cost) = slot.take() {
            self.part(facts).end(cost, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::limit::{Acquire, Ask, Limiter};
    use crate::request::identity::Tenant;
    use crate::testing::{Bench, Run};
    use config::sections::{self, Bulkhead, Identity};

    #[test]
    fn a_flood_borrows_what_is_idle_and_gives_it_back() {
        let mut b = Bench::default();
        b.service(|s| (s.limit, s.bulkhead) = (Some(8), Some(Bulkhead::default())));
        let limit = crate::attempt::limit::make(&b.making()).unwrap();
        let flood = make(&b.making()).unwrap();
        b.route.name = "light".into();
        let light = make(&b.making()).unwrap();
        type Both = (Run, Run);
        let enter = |gate: &Arc<dyn Gate>| -> Option<Both> {
            let outer = b.run(&**gate, "GET", "/", &[]);
            matches!(outer.step, Step::Go).then(|| (outer, b.run(&*limit, "GET", "/", &[])))
        };
        let leave = |gate: &Arc<dyn Gate>, (mut outer, mut inner): Both| {
            limit.leave(&mut inner.facts, &mut inner.slot, b.now);
            gate.leave(&mut outer.facts, &mut outer.slot, b.now);
        };
        let mut held: Vec<Both> = (0..20).filter_map(|_| enter(&flood)).collect();
        assert_eq!(held.len(), 20, "alone it has all, and the queue");
        held.drain(..).for_each(|one| leave(&flood, one));
        leave(&light, enter(&light).unwrap());
        let held: Vec<Both> = (0..20).filter_map(|_| enter(&flood)).collect();
        assert_eq!(
            held.len(),
            6,
            "one and a little more are kept for the other"
        );
        let mut one = enter(&light).expect("its own part");
        assert!(matches!(one.1.step, Step::Go), "without a wait");
        one.1.step = Step::Go;
        leave(&light, one);
        held.into_iter().for_each(|one| leave(&flood, one));
        assert!(
            make(&Bench::default().making()).is_none(),
            "no section, no gate"
        );
    }

    #[test]
    fn tenants_have_parts_of_a_route_by_their_weights() {
        let mut b = Bench::default();
        let rules = Bulkhead {
            tenants: true,
            ..Bulkhead::default()
        };
        b.service(|s| (s.limit, s.bulkhead) = (Some(12), Some(rules)));
        let large = sections::Tenant {
            weight: 2,
            ..sections::Tenant::named("large")
        };
        b.identity = Some(Identity {
            tenants: vec![large, sections::Tenant::named("small")],
            ..Identity::default()
        });
        let limit = crate::attempt::limit::make(&b.making()).unwrap();
        let gate = make(&b.making()).unwrap();
        let enter = |tenant: Option<u16>| -> Option<(Run, Run)> {
            let own = |f: &mut Facts| {
                f.tenant = tenant.map(|i| Tenant {
                    hash: i as u64,
                    listed: Some(i),
                });
            };
            let outer = b.run_with(&*gate, own);
            matches!(outer.step, Step::Go).then(|| (outer, b.run(&*limit, "GET", "/", &[])))
        };
        let leave = |(mut outer, mut inner): (Run, Run)| {
            limit.leave(&mut inner.facts, &mut inner.slot, b.now);
            gate.leave(&mut outer.facts, &mut outer.slot, b.now);
        };
        for tenant in [None, Some(0), Some(1)] {
            let all: Vec<_> = (0..12).map(|_| enter(tenant)).collect();
            let all: Vec<_> = all.into_iter().flatten().collect();
            assert!(all.len() >= 3, "{tenant:?}: its part at least");
            all.into_iter().for_each(leave);
        }
        let flood: Vec<_> = (0..30).filter_map(|_| enter(None)).collect();
        assert_eq!(flood.len(), 6, "no more than half, which is nobody's yet");
        let large: Vec<_> = (0..30).filter_map(|_| enter(Some(0))).collect();
        let small: Vec<_> = (0..30).filter_map(|_| enter(Some(1))).collect();
        assert_eq!((large.len(), small.len()), (6, 3));
    }

    const LONG: Duration = Duration::from_secs(20);

    type Full = (Bench, [Arc<dyn Gate>; 2], [Run; 2], [Acquire; 2]);

    /// Two routes, a permit for each, and both in use.
    fn full(wait: Duration) -> Full {
        let mut b = Bench::default();
        b.wait(wait);
        b.service(|s| (s.limit, s.bulkhead) = (Some(2), Some(Bulkhead::default())));
        let one = make(&b.making()).unwrap();
        b.route.name = "other".into();
        let other = make(&b.making()).unwrap();
        let held = [&one, &other].map(|gate| b.run(&**gate, "GET", "/", &[]));
        assert!(held.iter().all(|run| matches!(run.step, Step::Go)));
        // The limit stands further in: what is in flight there decides whether anybody is in the way.
        let limiter = b.kept.get("s", Limiter::default);
        let ask = Ask {
            cost: 1000,
            configured: Some(2),
            criticality: Criticality::Normal,
        };
        let permits = [(); 2].map(|()| limiter.acquire(ask, b.now));
        (b, [one, other], held, permits)
    }

    fn waits(run: &mut Run) -> crate::gate::Ticket {
        match std::mem::replace(&mut run.step, Step::Go) {
            Step::Wait(ticket) => ticket,
            _ => panic!("waits"),
        }
    }

    fn block<T>(future: impl Future<Output = T>) -> T {
        let rt = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        rt.unwrap().block_on(future)
    }

    #[test]
    fn a_burst_waits_for_its_own_route_only() {
        let (b, gates, [mut mine, mut other], permits) = full(LONG);
        let mut second = b.run(&*gates[0], "GET", "/", &[]);
        let ticket = waits(&mut second);
        let mut third = b.run(&*gates[0], "GET", "/", &[]);
        let mut late = waits(&mut third);
        block(async {
            gates[1].leave(&mut other.facts, &mut other.slot, b.now);
            let again = b.run(&*gates[1], "GET", "/", &[]);
            assert!(
                matches!(again.step, Step::Go),
                "the other's part is its own"
            );
            // Who is given a turn is not in flight at the limit yet: that must not make room for everybody.
            drop(permits);
            gates[0].leave(&mut mine.facts, &mut mine.slot, b.now);
            ticket.await;
            let waker = std::task::Waker::noop();
            let poll = late
                .as_mut()
                .poll(&mut std::task::Context::from_waker(waker));
            assert!(poll.is_pending(), "one has ended, one may begin");
        });
        let step = b.resume(&*gates[0], &mut second, Nanos(7));
        assert!(matches!(step, Step::Go));
        assert_eq!(second.facts.waited_ns, 6);
    }

    #[test]
    fn a_turn_that_nobody_takes_goes_to_the_next() {
        let (b, gates, [mut mine, _other], _permits) = full(LONG);
        let mut second = b.run(&*gates[0], "GET", "/", &[]);
        let ticket = waits(&mut second);
        let mut third = b.run(&*gates[0], "GET", "/", &[]);
        let next = waits(&mut third);
        gates[0].leave(&mut mine.facts, &mut mine.slot, b.now);
        drop((ticket, second));
        block(next);
        let step = b.resume(&*gates[0], &mut third, Nanos(7));
        assert!(matches!(step, Step::Go));
    }

    #[test]
    fn who_waits_too_long_is_told_why() {
        let (b, [gate, _], _held, _permits) = full(Duration::ZERO);
        let mut late = b.run(&*gate, "GET", "/", &[]);
        block(waits(&mut late));
        let step = b.resume(&*gate, &mut late, Nanos(7));
        assert!(matches!(step, Step::Answer(r) if (r.status, r.reason) == (503, "bulkhead")));
    }
}
