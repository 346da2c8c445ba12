//! Services as they come: a declared distribution, and one service of it for each number. What is right to say of a
//! service is known from its own demands. Shares and ranges below are the declaration.

mod grow;

use crate::generate::{Plan, Planted};
use crate::truth;
use crate::world::{Load, See, Seen, StationKind, World};
use base::Class;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};

/// What is made to run out, or is missing. Every kind is as frequent as any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Cpu,
    Lock,
    /// A lock of which only the waiting threads are seen.
    LockByWaiters,
    Database,
    Disk,
    Link,
    Pool,
    /// The slots of a service that only this one calls.
    SlowDependency,
    NPlusOne,
    MissingIndex,
    /// Tries that fail and are made again.
    Retries,
    Memory,
    /// A lock that nothing sees.
    HiddenLock,
    /// A pool that nothing sees, nor what it is for.
    HiddenPool,
    /// So little traffic that nothing would run out at ten times as much.
    Quiet,
    /// Watched for too short a time, or with too few requests.
    TooLittle,
}

impl Kind {
    pub const ALL: [Kind; 16] = [
        Kind::Cpu,
        Kind::Lock,
        Kind::LockByWaiters,
        Kind::Database,
        Kind::Disk,
        Kind::Link,
        Kind::Pool,
        Kind::SlowDependency,
        Kind::NPlusOne,
        Kind::MissingIndex,
        Kind::Retries,
        Kind::Memory,
        Kind::HiddenLock,
        Kind::HiddenPool,
        Kind::Quiet,
        Kind::TooLittle,
    ];

    fn planted(self, rng: &mut impl Rng) -> Planted {
        let some = [
            Planted::Cpu,
            Planted::Lock,
            Planted::Database,
            Planted::Disk,
            Planted::Link,
        ];
        match self {
            Kind::Cpu => Planted::Cpu,
            Kind::Lock | Kind::LockByWaiters | Kind::HiddenLock => Planted::Lock,
            Kind::Database => Planted::Database,
            Kind::Disk => Planted::Disk,
            Kind::Link => Planted::Link,
            Kind::Pool | Kind::HiddenPool => Planted::Pool,
            _ => some[rng.random_range(0..some.len())],
        }
    }
}

/// What is right to say of a service.
#[derive(Clone, Debug, PartialEq)]
pub enum Right {
    Constraint {
        station: usize,
        class: Class,
    },
    /// Something that nobody measures.
    Unseen,
    /// No constraint below ten times today's traffic.
    Calm,
    TooLittle,
}

/// One service of the population.
#[derive(Clone, Debug)]
pub struct Service {
    pub kind: Kind,
    pub world: World,
    /// Entry rate at which the first of its resources is full; for pools only about.
    pub limit: f64,
    pub load: Load,
    pub seen: Seen,
    /// Seconds watched before the question is asked; numbers are judged after `LONG_S`.
    pub watched_s: u64,
    pub right: Right,
    pub seed: u64,
}

/// Seconds until the question what the constraint is, and until demands and the line are judged.
pub const WATCHED_S: u64 = 120;
pub const LONG_S: u64 = 300;

const LOCK: usize = 1;
const DISK: usize = 3;
const LINK: usize = 4;
const POOL: usize = 5;

impl Service {
    /// Service number `number`: the same for ever.
    pub fn draw(number: u64) -> Service {
        let kind = Kind::ALL[number as usize % Kind::ALL.len()];
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1_000_000 + number);
        let (mut world, mut limit) = base(kind, &mut rng);
        let grown = grow::grow(kind, &mut world, &limit, &mut rng);
        if let Some(g) = &grown {
            limit = g.limit;
        }
        let right = right(kind, &world, grown.map(|g| g.right));
        see(kind, &right, &mut world, &mut rng);
        let seen = Seen {
            direct: kind == Kind::MissingIndex || rng.random::<f64>() < 0.4,
            waiters: true,
            background: rng.random::<f64>() < 0.7,
            lag_s: rng.random_range(0.0..0.05),
            jitter_s: rng.random_range(0.001..0.01),
            tick_s: if rng.random::<f64>() < 0.3 { 0.01 } else { 0.0 },
        };
        let mut load = Load {
            rate: limit * rng.random_range(0.2..0.4),
            swing: rng.random_range(0.1..0.5),
            period_s: rng.random_range(240.0..900.0),
            mix_sd: rng.random_range(0.05..0.3),
            burst_sigma: 0.0,
            burst_tau_s: rng.random_range(1.0..4.0),
        };
        if rng.random::<f64>() < 0.33 {
            load.burst_sigma = rng.random_range(0.1..0.4);
        }
        let mut watched_s = WATCHED_S;
        match kind {
            Kind::Quiet => load.rate = limit * rng.random_range(0.01..0.05),
            Kind::TooLittle if rng.random::<bool>() => watched_s = rng.random_range(10..30),
            Kind::TooLittle => load.rate = rng.random_range(0.3..1.5),
            _ => {}
        }
        Service {
            kind,
            world,
            limit,
            load,
            seen,
            watched_s,
            right,
            seed: 7_000_000 + number,
        }
    }
}

/// One service with 2 to 10 routes and 1 to 3 instances, and the rate at which it is full.
fn base(kind: Kind, rng: &mut impl Rng) -> (World, f64) {
    let planted = kind.planted(rng);
    loop {
        let routes = rng.random_range(2..=10);
        let background = if rng.random::<f64>() < 0.3 {
            0.0
        } else {
            rng.random_range(0.0..0.2)
        };
        // A quarter waits for something far away that is no resource of theirs.
        let far = rng.random::<f64>() < 0.25;
        let delay_s = rng.random_range(0.0..if far { 0.02 } else { 0.002 });
        let plan = Plan::random(rng.random(), routes, planted, background, delay_s);
        let mut world = plan.world;
        // Slots are whole numbers and background comes on top: another resource may have become the first to be full.
        if planted == Planted::Pool {
            if truth::full(&world)[0].0 > 1.2 * plan.limit {
                return (world, plan.limit);
            }
            continue;
        }
        let instances = [1, 1, 1, 1, 1, 1, 2, 2, 2, 3][rng.random_range(0..10)];
        grow::instances(&mut world, instances);
        let (limit, first) = truth::full(&world)[0];
        if first == planted as usize {
            return (world, limit);
        }
    }
}

fn right(kind: Kind, world: &World, grown: Option<Right>) -> Right {
    let first = || match grown.clone() {
        Some(right) => right,
        None if kind == Kind::Pool => constraint(world, POOL),
        None => constraint(world, truth::full(world)[0].1),
    };
    match kind {
        Kind::HiddenLock | Kind::HiddenPool => Right::Unseen,
        Kind::Quiet => Right::Calm,
        Kind::TooLittle => Right::TooLittle,
        _ => first(),
    }
}

fn constraint(world: &World, station: usize) -> Right {
    Right::Constraint {
        station,
        class: Class::from_name(&world.stations[station].name),
    }
}

/// What probes see: now and then something beside the constraint is missed.
fn see(kind: Kind, right: &Right, world: &mut World, rng: &mut impl Rng) {
    let hidden: &[usize] = match kind {
        Kind::HiddenLock => &[LOCK],
        // In front of a database on another machine.
        Kind::HiddenPool => &[2, DISK, POOL],
        _ => &[],
    };
    for &s in hidden {
        world.stations[s].see = See::Nothing;
    }
    if kind == Kind::LockByWaiters || rng.random::<f64>() < 0.3 && kind != Kind::HiddenLock {
        world.stations[LOCK].see = See::Waiters;
    }
    let missed = [LOCK, DISK, LINK][rng.random_range(0..3)];
    let named = matches!(right, Right::Constraint { station, .. } if *station == missed);
    if rng.random::<f64>() < 0.1 && !named {
        world.stations[missed].see = See::Nothing;
    }
}

/// Capacity of all copies of a station.
fn whole(world: &World, station: usize) -> f64 {
    world.stations[station].kind.capacity() * world.copies(station) as f64
}

/// Whether demands on the station can be told from its busy time.
pub fn measured(world: &World, station: usize) -> bool {
    let s = &world.stations[station];
    let works = matches!(s.kind, StationKind::Cpu(_) | StationKind::Line(_));
    works && s.see == See::All && whole(world, station) > 0.0
}
