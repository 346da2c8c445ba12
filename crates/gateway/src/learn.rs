//! What the model has learned, handed to the gates that use it.

use crate::attempt::limit::{Cost, Limiter};
use crate::jobs::eta::Demand;
use crate::jobs::known::Known;
use crate::request::compress::Link;
use crate::runtime::Gateway;
use base::Learned;
use base::learned::CONFIDENT;

impl Gateway {
    /// Replaces all that was learned before: what `learned` does not name is forgotten.
    pub fn learn(&self, learned: &Learned) {
        let snapshot = self.shared.current.load_full();
        let of = |service: &str| learned.services.iter().find(|p| p.service == service);
        for service in &snapshot.services {
            let limiter = self.shared.kept.get(&service.name, Limiter::default);
            if let Some(learned) = of(&service.name) {
                (self.shared.kept.get(&service.name, Link::default)).learn(learned);
            }
            let (permits, waiting, confidence) = of(&service.name)
                .map_or((0.0, 0.0, 0.0), |p| (p.permits(), p.waiting, p.confidence));
            limiter.set_learned(permits, waiting, confidence);
        }
        for route in snapshot.routes() {
            let cost = self.shared.kept.get(&route.name, Cost::default);
            let known = of(&route.service.name).and_then(|p| {
                let (_, used) = p.routes.iter().find(|(r, _)| **r == *route.name)?;
                Some((*used, p.mean, p.confidence))
            });
            if route.asynchronous.is_some() {
                let sure = known.filter(|(.., confidence)| *confidence >= CONFIDENT);
                let demand = sure.map(|(used, mean, _)| Demand {
                    seconds: used.seconds,
                    life: used.life,
                    error: used.error,
                    permit: mean.share,
                });
                (self.shared.kept.get(&route.name, Known::default)).learn(demand);
            }
            match known {
                Some((used, mean, _)) => cost.learn(used, mean),
                None => cost.forget(),
            }
        }
    }
}
