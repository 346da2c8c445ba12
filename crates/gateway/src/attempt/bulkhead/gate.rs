//! The bulkhead as a gate, before the limit: what does not fit never stands in its queue.

use super::core::fits;
use super::seats::{Seat, Seats};
use crate::attempt::limit::{Limiter, Price, core as limit};
use crate::exchange::{Exchange, Facts, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use crate::tally::Tally;
use base::Nanos;
use std::sync::Arc;

const NAMES: &[&str] = &["refused"];

/// On all routes to a service with a `bulkhead`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let rules = m.service.config.bulkhead.as_ref()?;
    let (service, route) = (&*m.service.name, &*m.route.name);
    let weight = rules.weights.iter().find(|(name, _)| name == route);
    let weight = weight.map_or(1, |(_, weight)| *weight);
    let seats = m.kept.get(service, Seats::default);
    let join = |tenant: &str, weight| {
        let name = format!("bulkhead {service} {route} {tenant}");
        let seat = m.kept.get(&name, Seat::default);
        seats.join(&seat, weight);
        seat
    };
    let tenants = m.identity.iter().flat_map(|i| &i.tenants);
    let tenants = tenants.filter(|_| rules.tenants);
    // With weights of tenants, those of routes stay in the same proportion to each other.
    let own = tenants.map(|t| join(&t.name, weight * t.weight));
    Some(Arc::new(BulkheadGate {
        tenants: own.collect(),
        price: Price::of(m),
        limiter: m.kept.get(service, Limiter::default),
        others: join("", weight),
        seats,
        tally: Tally::of(m.kept, "bulkhead", route, NAMES),
        service: service.into(),
        route: route.into(),
    }))
}

struct BulkheadGate {
    price: Price,
    limiter: Arc<Limiter>,
    /// One for each tenant that is listed, where they have parts of their own.
    tenants: Box<[Arc<Seat>]>,
    /// For everybody else.
    others: Arc<Seat>,
    seats: Arc<Seats>,
    tally: Arc<Tally>,
    service: Box<str>,
    route: Box<str>,
}

impl BulkheadGate {
    fn seat(&self, of: &Facts) -> &Arc<Seat> {
        let listed = of.tenant.and_then(|t| t.listed);
        let own = listed.and_then(|i| self.tenants.get(i as usize));
        own.unwrap_or(&self.others)
    }

    fn fits(&self, seat: &Arc<Seat>, now: Nanos) -> bool {
        let limit::Limit::Enforce(limit) = self.limiter.limit(self.price.configured) else {
            return true;
        };
        // While half of the permits are free, nobody is in anybody's way.
        self.limiter.in_flight() * 2 < limit
            || fits(
                &self
                    .seats
                    .view(seat, limit as f64 / limit::PERMIT as f64, now),
            )
    }
}

impl Gate for BulkheadGate {
    fn name(&self) -> &'static str {
        "bulkhead"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let cost = self.price.milli();
        let seat = self.seat(x);
        if cost == 0 || self.fits(seat, now) {
            seat.begin(cost, now);
            *slot = Slot::Number(cost);
            return Step::Go;
        }
        self.tally.note(x, 0);
        let (service, route) = (&self.service, &self.route);
        let detail = format!(
            "route {route} uses its part of service {service} and the rest is needed by others; try again in a second"
        );
        Step::Answer(Reply::problem(503, "bulkhead", &detail).with("Retry-After", "1"))
    }

    fn leave(&self, facts: &mut Facts, slot: &mut Slot, _now: Nanos) {
        if let Slot::Number(cost) = slot.take() {
            self.seat(facts).end(cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
