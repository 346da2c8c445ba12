//! What a move does to the system, in a few primitive edits, so that every effect can be told and compared.

use crate::demand::machine;
use crate::fit::ResourceFit;
use crate::twin::System;
use crate::twin::system::{CacheOn, answer_share, ghost_ratio, service_s};
use base::{Discipline, Scope};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// What one request of a route uses of a resource; holds around it shrink with it.
    Demand {
        route: usize,
        resource: usize,
        factor: f64,
    },
    /// So many times less often one try of a route comes to a store; once at least.
    Visits {
        route: usize,
        resource: usize,
        fewer: f64,
    },
    /// All work of a route: its demands and its calls.
    Work { route: usize, factor: f64 },
    /// A share of a route's work, calls included, that is done after its answer.
    Offload { route: usize, share: f64 },
    /// What a resource can do; what others take of it stays.
    Capacity { resource: usize, factor: f64 },
    /// What a hot key leaves idle of a resource is used: all of it does so much more, and has so much more of what others take.
    Even { resource: usize, factor: f64 },
    /// More instances, each as it is now and used in turn.
    Copies { resource: usize, factor: f64 },
    /// A lock split in stripes, used by key: each as the whole is now, with its part of what others do there.
    Stripes { resource: usize, factor: f64 },
    /// Child requests of a parent.
    Calls {
        parent: usize,
        child: usize,
        factor: f64,
    },
    /// A cache with this lifetime; its hit ratio comes from the ghost and moves with the rate.
    Cache { route: usize, ttl_s: f64 },
    /// Traffic of a route from outside.
    Rate { route: usize, factor: f64 },
}

/// The system after `edits`, in their order.
pub fn transform(system: &System, edits: &[Edit]) -> System {
    let mut s = system.clone();
    edits.iter().for_each(|e| apply(&mut s, e));
    s
}

fn apply(s: &mut System, edit: &Edit) {
    match *edit {
        Edit::Demand {
            route,
            resource,
            factor,
        } => {
            let tried = s.fit.routes[route].amplification.max(0.01);
            let d = &mut s.fit.demand[route][resource];
            let less = d.mean * (1.0 - factor);
            (d.mean, d.sd) = (d.mean * factor, d.sd * factor);
            machine::as_much_alongside(&mut s.fit, route, resource, factor);
            machine::less_alongside(&mut s.fit, route, resource, less);
            if s.fit.resources[resource].info.discipline == Discipline::Slots {
                let rest = &mut s.hold_rest[route][resource];
                *rest = (*rest - less / tried).max(0.0);
            }
            // Time that something else in the slot burns leaves with that.
            let less = service_s(&s.fit.resources[resource], less) * s.own[route][resource];
            let mut around = s.around[route].clone();
            around.extend(s.inside[route][resource]);
            for slot in around.into_iter().filter(|&k| k != resource) {
                let hold = &mut s.fit.demand[route][slot].mean;
                *hold = (*hold - less).max(0.02 * *hold);
            }
        }
        Edit::Visits {
            route,
            resource,
            fewer,
        } => {
            let visits = s.fit.resources[resource].visits.get_mut(route);
            for v in visits.into_iter().filter(|v| **v > 1.0) {
                *v = (*v - fewer).max(1.0);
            }
        }
        Edit::Work { route, factor } => {
            let amplification = s.fit.routes[route].amplification;
            answer_share(&mut s.fit, route, factor);
            // Fewer tries, not fewer answered requests: each request still does its work once.
            let fewer = (amplification * factor).max(amplification.min(1.0));
            s.fit.routes[route].amplification = fewer;
            // What is left of the factor shortens each of them.
            let each = factor * amplification / fewer.max(1e-9);
            s.delay[route] *= each;
            s.hold_rest[route].iter_mut().for_each(|h| *h *= each);
        }
        Edit::Offload { route, share } => offload(s, route, share),
        Edit::Capacity { resource, factor } => {
            let r = &mut s.fit.resources[resource];
            r.capacity *= factor;
            r.capacity_sd *= factor;
        }
        Edit::Even { resource, factor } => {
            let r = &mut s.fit.resources[resource];
            (r.capacity, r.capacity_sd) = (r.capacity * factor, r.capacity_sd * factor);
            (r.background, r.background_sd) = (r.background * factor, r.background_sd * factor);
        }
        Edit::Copies { resource, factor } => {
            let r = &mut s.fit.resources[resource];
            copies(r, factor);
            // Each brings what it does without requests.
            r.background *= factor;
            r.background_sd *= factor;
        }
        Edit::Stripes { resource, factor } => {
            let stripes = &mut s.stripes[resource];
            *stripes = (*stripes as f64 * factor).round() as usize;
            copies(&mut s.fit.resources[resource], factor);
        }
        Edit::Calls {
            parent,
            child,
            factor,
        } => {
            if let Some(calls) = s.fit.calls[parent].get_mut(child) {
                *calls *= factor;
            }
        }
        Edit::Cache { route, ttl_s } => {
            let r = &s.fit.routes[route];
            if let Some(ghost) = &r.ghost {
                let included = r
                    .info
                    .cached_ttl_s
                    .map_or(0.0, |t| ghost_ratio(&ghost.ratio, t));
                s.cache[route] = Some(CacheOn {
                    ttl_s,
                    measured_rate: r.rate,
                    ratio: ghost.ratio.clone(),
                    included,
                });
            }
        }
        Edit::Rate { route, factor } => s.fit.routes[route].entry_rate *= factor,
    }
}

/// Each with a queue of its own.
fn copies(r: &mut ResourceFit, factor: f64) {
    let n = f64::from(r.instances.max(1)) * factor;
    r.instances = n.round().clamp(1.0, 1e6) as u32;
    r.capacity *= factor;
    r.capacity_sd *= factor;
    r.info.scope = Scope::PerInstance;
}

/// Work that leaves the answer goes on beside it; slots that the request held are free sooner.
fn offload(s: &mut System, route: usize, share: f64) {
    let whole = s.fit.total_demand(route);
    let routes = s.fit.routes.len();
    for (k, r) in s.fit.resources.iter_mut().enumerate() {
        if r.info.discipline != Discipline::Slots && whole[k] > 0.0 {
            r.alongside.resize(routes, 0.0);
            r.alongside[route] += share * whole[k];
        }
    }
    let keep = 1.0 - share;
    for d in &mut s.fit.demand[route] {
        (d.mean, d.sd) = (d.mean * keep, d.sd * keep);
    }
    s.fit.calls[route].iter_mut().for_each(|c| *c *= keep);
    s.delay[route] *= keep;
    s.hold_rest[route].iter_mut().for_each(|h| *h *= keep);
}
