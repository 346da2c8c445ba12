//! What spans tell, put into a window that is about to close, where nobody else tells the same.
//!
//! The rule against telling twice, route by route: what a request's own `Server-Timing` tells of a class of resources
//! of a service, spans do not tell again; what a probe looks into, spans do not tell as a demand at all.

use super::attempt::Place;
use super::{Evidence, Probed};
use base::server_timing::resource_name;
use base::window::UseCell;
use base::{CellKey, InstanceIx, Names, RouteIx, Window};
use std::collections::BTreeMap;

/// Who has told by `Server-Timing` is believed to go on for this long, seconds.
const REMEMBER_S: u64 = 60;
/// Routes and resources that are remembered.
const KNOWN: usize = 4096;
/// Resources that only spans know, as long as we run: names are never given back. More are not told.
pub const NAMED: usize = 128;

/// Remembers what others tell.
#[derive(Debug, Default)]
pub struct Rule {
    /// By route and `class.service`: the last window in which requests told it themselves.
    told: BTreeMap<(RouteIx, String), u64>,
    named: BTreeMap<String, ()>,
}

impl Rule {
    fn see(&mut self, w: &Window, names: &Names) {
        for u in w.uses.iter().filter(|u| !u.key.instance.is_none()) {
            let Some(name) = names.resources.name(u.resource) else {
                continue;
            };
            let key = (u.key.route, kind(&name));
            if self.told.len() < KNOWN || self.told.contains_key(&key) {
                self.told.insert(key, w.index);
            }
        }
        self.told.retain(|_, last| *last + REMEMBER_S >= w.index);
    }

    /// Whether somebody else tells of it.
    fn is_told(&self, route: RouteIx, place: &Place, name: &str, probed: Probed) -> bool {
        let by_probe = match &*place.system {
            "postgresql" | "postgres" => probed.postgres,
            "redis" | "valkey" => probed.redis,
            _ => false,
        };
        by_probe || self.told.contains_key(&(route, kind(name)))
    }

    fn may_name(&mut self, name: &str) -> bool {
        let room = self.named.len() < NAMED || self.named.contains_key(name);
        if room {
            self.named.insert(name.to_owned(), ());
        }
        room
    }
}

/// `db.front` of `db.front.orders`.
fn kind(name: &str) -> String {
    name.split('.').take(2).collect::<Vec<_>>().join(".")
}

impl Evidence {
    /// Adds the uses that came since the last window, scaled up to all attempts that the gateway counted.
    /// `service` names the service that a route goes to. Call it for every window, in order.
    pub fn fill(
        &mut self,
        w: &mut Window,
        names: &Names,
        service: impl Fn(RouteIx) -> Option<String>,
        probed: Probed,
    ) {
        self.rule.see(w, names);
        for c in &w.attempts {
            if let Some(r) = self.routes.get_mut(&(c.key.route, c.key.arm)) {
                r.counted += f64::from(c.ends);
            }
        }
        for (&(route, arm), r) in &mut self.routes {
            let (attempts, fresh) = r.take_fresh();
            let (weight, own) = (r.weight(), service(route));
            r.fade();
            let (Some(weight), Some(own), true) = (weight, own, attempts > 0.0) else {
                continue;
            };
            for (place, sum) in fresh {
                let name = resource_name(&place.metric, place.service.as_deref().unwrap_or(&own));
                if sum.attempts == 0 && names.resources.find(&name).is_none()
                    || self.rule.is_told(route, &place, &name, probed)
                {
                    continue;
                }
                let may = self.rule.may_name(&name);
                let resource = may.then(|| names.resources.intern(&name));
                let Some(resource) = resource.filter(|r| !r.is_none()) else {
                    self.counts.uses_over += u64::from(sum.attempts);
                    continue;
                };
                let scaled = |n: u32| (f64::from(n) * weight).round() as u32;
                w.uses.push(UseCell {
                    key: CellKey {
                        route,
                        arm,
                        instance: InstanceIx::NONE,
                    },
                    resource,
                    count: scaled(sum.attempts),
                    weight,
                    of: attempts * weight,
                    busy_s: sum.busy * weight,
                    busy_sq: sum.squares * weight,
                    wait_s: sum.wait * weight,
                    waits: scaled(sum.waits),
                    calls: sum.calls * weight,
                    rows: 0.0,
                    returned: sum.returned * weight,
                });
            }
        }
        self.routes.retain(|_, r| r.seen > 0.01);
    }
}
