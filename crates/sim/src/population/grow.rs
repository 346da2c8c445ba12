//! What a service gets beside its own processor, lock, database, disk, link and pool.

use super::{Kind, Right};
use crate::truth;
use crate::world::{Route, See, Station, StationKind, Step, World};
use base::Class;
use rand::{Rng, RngExt};

/// Retries are what has to change where so many times as much is carried without them.
const STORM: f64 = 1.25;

/// What was added sets the limit.
pub struct Grown {
    pub limit: f64,
    pub right: Right,
}

/// The first service on so many instances, each with its share of the traffic.
pub fn instances(world: &mut World, n: usize) {
    world.services[0].1 = n;
    let own: Vec<bool> = world
        .stations
        .iter()
        .map(|s| s.service == Some(0))
        .collect();
    for step in world.routes.iter_mut().flat_map(|r| &mut r.steps) {
        if let Step::Use { station, mean, .. } = step
            && own[*station]
        {
            *mean *= n as f64;
        }
    }
    for s in world.stations.iter_mut().filter(|s| s.service == Some(0)) {
        s.background *= n as f64;
    }
}

/// Adds what the kind asks for; it is full at 40 to 80 % of what the rest carries.
pub fn grow(kind: Kind, world: &mut World, limit: &f64, rng: &mut impl Rng) -> Option<Grown> {
    let limit = limit * rng.random_range(0.4..0.8);
    let station = world.stations.len();
    let grown = |station, class| {
        Some(Grown {
            limit,
            right: Right::Constraint { station, class },
        })
    };
    match kind {
        Kind::SlowDependency => {
            let slots = rng.random_range(1..=6);
            let scv = rng.random_range(0.05..1.0);
            let charge = world.routes.len();
            world.services.push(("pay".into(), 1));
            world
                .stations
                .push(new("slots.pay", StationKind::Slots(slots), world));
            let first = rng.random_range(0..charge);
            for r in 0..charge {
                if r == first || rng.random::<f64>() < 0.4 {
                    call(world, r, charge, 1);
                }
            }
            world.routes.push(inner("charge", world.services.len() - 1));
            let mean = slots as f64 / (truth::visits(world)[charge] * limit);
            let held = vec![Step::Delay { mean, scv }];
            world.routes[charge].steps = within(station, held);
            grown(station, Class::Dependency)
        }
        Kind::NPlusOne | Kind::MissingIndex => {
            let slots = rng.random_range(2..=6);
            let query = world.routes.len();
            let scans = kind == Kind::MissingIndex;
            catalogue(world, slots);
            let parent = heaviest(world);
            for r in 0..query {
                if r == parent {
                    let times = if scans { 1 } else { rng.random_range(10..30) };
                    call(world, r, query, times);
                } else if rng.random::<f64>() < 0.3 {
                    call(world, r, query, 1);
                }
            }
            world.routes.push(inner("query", world.services.len() - 1));
            let visits = truth::visits(world)[query];
            let rows = if scans {
                rng.random_range(5_000.0..50_000.0)
            } else {
                1.0
            };
            let asked = Step::Query {
                station: station + 2,
                mean: slots as f64 / (visits * limit),
                scv: rng.random_range(0.1..1.0),
                calls: 1.0,
                rows,
                returned: 1.0,
            };
            let steps = &mut world.routes[query].steps;
            steps.push(work(station, 0.0002));
            steps.extend(within(station + 1, vec![asked]));
            grown(station + 1, Class::DataDesign)
        }
        Kind::Retries => {
            for r in &mut world.routes {
                if rng.random::<f64>() < 0.6 {
                    r.fails = rng.random_range(0.1..0.5);
                }
            }
            let (limit, station) = truth::full(world)[0];
            // What it would carry if nothing were tried again.
            let mut once = world.clone();
            once.routes.iter_mut().for_each(|r| r.fails = 0.0);
            let without = truth::full(&once).into_iter().find(|f| f.1 == station);
            let storm = without.is_some_and(|(without, _)| without >= STORM * limit);
            Some(Grown {
                limit,
                right: match super::constraint(world, station) {
                    Right::Constraint { station, .. } if storm => Right::Constraint {
                        station,
                        class: Class::RetryStorm,
                    },
                    right => right,
                },
            })
        }
        Kind::Memory => {
            memory(world, rng.random_range(0.92..0.97));
            grown(station, Class::Memory)
        }
        _ => {
            if rng.random::<f64>() < 0.3 {
                memory(world, rng.random_range(0.2..0.7));
            }
            None
        }
    }
}

/// Bytes that are always held, as a share of all, and a little for each request in flight.
fn memory(world: &mut World, held: f64) {
    const BYTES: f64 = 2e9;
    let mem = world.stations.len();
    let kind = StationKind::Level {
        bytes: BYTES,
        each: 1e5,
    };
    let mut station = new("mem.shop", kind, world);
    station.service = Some(0);
    station.background = held * BYTES * world.services[0].1 as f64;
    world.stations.push(station);
    for route in &mut world.routes {
        route.steps.insert(0, Step::Enter(mem));
        route.steps.push(Step::Leave(mem));
    }
}

/// A service with a pool in front of a database that many may use at once.
fn catalogue(world: &mut World, slots: usize) {
    world.services.push(("catalogue".into(), 1));
    for (name, kind) in [
        ("cpu.catalogue", StationKind::Cpu(4.0)),
        ("pool.catalogue.db", StationKind::Slots(slots)),
        ("db.catalogue", StationKind::Cpu(64.0)),
    ] {
        world.stations.push(new(name, kind, world));
    }
}

/// A station of the service that came last.
fn new(name: &str, kind: StationKind, world: &World) -> Station {
    Station {
        name: name.into(),
        kind,
        service: Some(world.services.len() - 1),
        see: See::All,
        background: 0.0,
        within: None,
    }
}

/// A route that only others call.
fn inner(name: &str, service: usize) -> Route {
    Route {
        name: name.into(),
        service,
        weight: 0.0,
        steps: Vec::new(),
        hit: 0.0,
        fails: 0.0,
    }
}

fn call(world: &mut World, route: usize, child: usize, times: u32) {
    // Before the answer goes out: the last two steps are the second half of the work, and the link.
    let at = world.routes[route].steps.len() - 2;
    world.routes[route].steps.insert(
        at,
        Step::Call {
            route: child,
            times,
        },
    );
}

fn within(slots: usize, steps: Vec<Step>) -> Vec<Step> {
    let mut all = vec![Step::Enter(slots)];
    all.extend(steps);
    all.push(Step::Leave(slots));
    all
}

fn work(station: usize, mean: f64) -> Step {
    Step::Use {
        station,
        mean,
        scv: 0.5,
    }
}

fn heaviest(world: &World) -> usize {
    let weight = |r: &usize| world.routes[*r].weight;
    let all = 0..world.routes.len();
    all.max_by(|a, b| weight(a).total_cmp(&weight(b)))
        .unwrap_or(0)
}
