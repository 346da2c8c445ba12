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
    let seat = (m.kept).get(&format!("bulkhead {service} {route}"), Seat::default);
    let seats = m.kept.get(service, Seats::default);
    seats.join(&seat, weight.map_or(1, |(_, weight)| *weight));
    Some(Arc::new(BulkheadGate {
        price: Price::of(m),
        limiter: m.kept.get(service, Limiter::default),
        seat,
        seats,
        tally: Tally::of(m.kept, "bulkhead", route, NAMES),
        service: service.into(),
        route: route.into(),
    }))
}

struct BulkheadGate {
    price: Price,
    limiter: Arc<Limiter>,
    seat: Arc<Seat>,
    seats: Arc<Seats>,
    tally: Arc<Tally>,
    service: Box<str>,
    route: Box<str>,
}

impl BulkheadGate {
    fn fits(&self, now: Nanos) -> bool {
        let limit::Limit::Enforce(limit) = self.limiter.limit(self.price.configured) else {
            return true;
        };
        // While half of the permits are free, nobody is in anybody's way.
        self.limiter.in_flight() * 2 < limit
            || fits(
                &self
                    .seats
                    .view(&self.seat, limit as f64 / limit::PERMIT as f64, now),
            )
    }
}

impl Gate for BulkheadGate {
    fn name(&self) -> &'static str {
        "bulkhead"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let cost = self.price.milli();
        if cost == 0 || self.fits(now) {
            self.seat.begin(cost, now);
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

    fn leave(&self, _facts: &mut Facts, slot: &mut Slot, _now: Nanos) {
        if let Slot::Number(cost) = slot.take() {
            self.seat.end(cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, Run};
    use config::sections::Bulkhead;

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
}
