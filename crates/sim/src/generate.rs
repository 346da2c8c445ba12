//! Random services in the manner of real ones: processor, lock, database behind a pool, disk and link,
//! one of them planted as the constraint.

use crate::traffic::draw;
use crate::world::{Route, See, Station, StationKind, Step, World};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};

/// What sets the limit. The number is the station's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    Cpu = 0,
    Lock = 1,
    Database = 2,
    Disk = 3,
    Link = 4,
    Pool = 5,
}

impl Planted {
    pub const ALL: [Planted; 6] = [
        Planted::Cpu,
        Planted::Lock,
        Planted::Database,
        Planted::Disk,
        Planted::Link,
        Planted::Pool,
    ];
}

/// A generated world and what is true of it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub world: World,
    pub planted: Planted,
    /// Entry rate at which the planted resource is full; for a pool only about.
    pub limit: f64,
}

const SERVERS: [f64; 5] = [4.0, 1.0, 4.0, 2.0, 1.0];
const NAMES: [&str; 6] = [
    "cpu.shop",
    "lock.shop.stock",
    "cpu.base",
    "disk.base",
    "net.shop",
    "pool.shop.base",
];
/// Probability that a route uses the station.
const USED: [f64; 5] = [1.0, 0.5, 0.75, 0.6, 1.0];

impl Plan {
    /// `routes` random routes; other resources reach 30 to 85 % of the planted one's utilisation.
    /// `background` is a share of the capacity of processor and disk; `delay_s` the mean pure delay.
    pub fn random(
        seed: u64,
        routes: usize,
        planted: Planted,
        background: f64,
        delay_s: f64,
    ) -> Plan {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let limit = rng.random_range(150.0..500.0);
        let weights = weights(&mut rng, routes);
        let mut demand = vec![[0.0; 5]; routes];
        for k in 0..5 {
            let forced = rng.random_range(0..routes);
            for (r, row) in demand.iter_mut().enumerate() {
                let used = r == forced || rng.random::<f64>() < USED[k];
                // Log-normal with sigma 0.8.
                let size = draw(&mut rng, 1.0, 0.64f64.exp() - 1.0);
                row[k] = if used { size } else { 0.0 };
            }
            let rel = match planted {
                Planted::Pool if k == 2 || k == 3 => rng.random_range(0.2..0.5),
                p if p as usize == k => 1.0,
                _ => rng.random_range(0.3..0.85),
            };
            let mean: f64 = weights.iter().zip(&demand).map(|(w, d)| w * d[k]).sum();
            for row in &mut demand {
                row[k] *= rel * SERVERS[k] / (limit * mean.max(1e-12));
            }
        }
        let hold: f64 = weights
            .iter()
            .zip(&demand)
            .map(|(w, d)| w * (d[2] + d[3]))
            .sum();
        let (pool, limit) = if planted == Planted::Pool {
            let slots = (limit * hold * 1.15).round().max(1.0);
            (slots as usize, slots / (hold * 1.15))
        } else {
            (64, limit)
        };
        let delays = weights
            .iter()
            .map(|_| draw(&mut rng, delay_s, 0.3))
            .collect::<Vec<_>>();
        Plan {
            world: world(&weights, &demand, &delays, pool, background),
            planted,
            limit,
        }
    }
}

/// 64 routes of four steps each on 32 processors, spread over so many services; with one service every route may use
/// every processor. For measuring how long a fit takes: nothing queues.
pub fn wide(services: usize) -> World {
    let station = |k: usize| Station {
        name: format!("cpu.s{}.{k}", k % services),
        kind: StationKind::Cpu(8.0),
        service: Some(k % services),
        see: See::All,
        background: if services == 1 { 0.05 } else { 0.0 },
        within: None,
    };
    let step = |r: usize, k: usize| Step::Use {
        station: k,
        mean: 0.0005 * (1 + (r + k) % 5) as f64,
        scv: 1.0,
    };
    let route = |r: usize| Route {
        name: format!("r{r}"),
        service: r % services,
        weight: 1.0,
        steps: (0..4).map(|j| step(r, (r + 8 * j) % 32)).collect(),
        hit: 0.0,
        fails: 0.0,
    };
    World {
        services: (0..services).map(|s| (format!("s{s}"), 1)).collect(),
        stations: (0..32).map(station).collect(),
        routes: (0..64).map(route).collect(),
        canary: None,
    }
}

/// Dirichlet(2), at least 2 %.
fn weights(rng: &mut impl Rng, n: usize) -> Vec<f64> {
    let raw: Vec<f64> = (0..n).map(|_| draw(rng, 1.0, 0.5)).collect();
    let total: f64 = raw.iter().sum();
    let mut w: Vec<f64> = raw.iter().map(|x| (x / total).max(0.02)).collect();
    let total: f64 = w.iter().sum();
    w.iter_mut().for_each(|x| *x /= total);
    w
}

fn world(
    weights: &[f64],
    demand: &[[f64; 5]],
    delays: &[f64],
    pool: usize,
    background: f64,
) -> World {
    let kinds = [
        StationKind::Cpu(SERVERS[0]),
        StationKind::Line(1),
        StationKind::Cpu(SERVERS[2]),
        StationKind::Line(2),
        StationKind::Line(1),
        StationKind::Slots(pool),
    ];
    let station = |k: usize| Station {
        name: NAMES[k].to_owned(),
        kind: kinds[k],
        service: (k != 2 && k != 3).then_some(0),
        see: See::All,
        background: match k {
            0 => background * SERVERS[0],
            3 => background * SERVERS[3],
            _ => 0.0,
        },
        within: (k == 2 || k == 3).then_some(5),
    };
    let routes = weights.iter().zip(demand).zip(delays).enumerate();
    let routes = routes.map(|(i, ((&weight, d), &delay))| {
        let work = |station: usize, mean: f64, scv: f64| Step::Use { station, mean, scv };
        let mut steps = vec![work(0, d[0] / 2.0, 1.0)];
        if d[1] > 0.0 {
            steps.push(work(1, d[1], 0.5));
        }
        if d[2] + d[3] > 0.0 {
            steps.push(Step::Enter(5));
            steps.extend((d[2] > 0.0).then(|| work(2, d[2], 1.0)));
            steps.extend((d[3] > 0.0).then(|| work(3, d[3], 0.7)));
            steps.push(Step::Leave(5));
        }
        if delay > 0.0 {
            steps.push(Step::Delay {
                mean: delay,
                scv: 1.0,
            });
        }
        steps.push(work(0, d[0] / 2.0, 1.0));
        steps.push(work(4, d[4], 0.3));
        Route {
            name: format!("r{i}"),
            service: 0,
            weight,
            steps,
            hit: 0.0,
            fails: 0.0,
        }
    });
    World {
        services: vec![("shop".to_owned(), 1)],
        stations: (0..6).map(station).collect(),
        routes: routes.collect(),
        canary: None,
    }
}
