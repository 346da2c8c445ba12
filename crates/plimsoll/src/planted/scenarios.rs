//! The planted bottlenecks of the shop, and which answers count as right. Those on real databases are in `orders.rs`, `databases.rs` and `disks.rs`.

use super::around::Around;
use super::group::Limit;
use super::{databases, disks, link, orders};
use crate::demo::stage::{Plant, SHOPPERS};
use base::Class;
use model::moves::Kind;

/// Which application, and what is wrong with it.
#[derive(Clone, Debug)]
pub enum World {
    Shop(Plant),
    /// The shop, with something wrong around it.
    Around(Plant, Around),
    /// The shop, with so many kilobits per second to the payment provider.
    Narrow(Plant, u64),
    /// The order service, with these settings (JSON).
    Orders(&'static str),
    /// The same, its PostgreSQL within these limits.
    Limited(&'static str, &'static [Limit]),
}

impl World {
    /// Whether a route is answered before its work is done.
    pub fn works_later(&self) -> bool {
        let route = match self {
            World::Shop(p) | World::Around(p, _) | World::Narrow(p, _) => p.route,
            World::Orders(_) | World::Limited(..) => None,
        };
        route.is_some_and(|(_, section)| section.starts_with("async"))
    }

    /// Whether it has less memory than data, so that what it may read is not all that tells how fast it is.
    pub fn fills_a_cache(&self) -> bool {
        let memory = |l: &Limit| matches!(l, Limit::Memory(_));
        matches!(self, World::Limited(_, limits) if limits.iter().any(memory))
    }

    /// Whether a process is killed when requests hold more memory than it may.
    pub fn ends_when_full(&self) -> bool {
        matches!(self, World::Around(_, Around::Limited(Limit::Memory(_))))
    }
}

/// One bottleneck, learned from at most 40 % of what it can carry.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// For people, in one line.
    pub what: &'static str,
    pub plant: World,
    /// `None`: nothing to lift.
    pub lift: Option<Lift>,
    /// Weights of the requests in the application's mix: of the shop's home, product, search, category, checkout and report.
    pub mix: &'static [u32],
    /// Requests per second while it is watched.
    pub rate: f64,
    /// Seconds watched.
    pub seconds: u64,
    /// Neither `Server-Timing` nor the waiters' probe.
    pub blind: bool,
    pub right: Right,
}

/// A change that lifts the planted limit: how the model is asked for its effect, and the application once it is done.
#[derive(Clone, Debug)]
pub struct Lift {
    pub ask: Ask,
    pub plant: World,
}

#[derive(Clone, Copy, Debug)]
pub enum Ask {
    /// The first proposal of this kind whose title has these words.
    Proposal(Kind, &'static str),
    WhatIf(&'static str),
}

/// What counts as right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Right {
    /// The class, one of the resources, and one of the routes among those that carry at least a quarter of the load.
    Constraint {
        class: Class,
        resources: &'static [&'static str],
        routes: &'static [&'static str],
    },
    /// Connections that the other side holds up, of one of these routes most.
    HeldUp { routes: &'static [&'static str] },
    /// "There is something that nobody measures", in one of these routes.
    Unseen { routes: &'static [&'static str] },
    /// "No constraint below the target."
    Nothing,
    /// "Not enough evidence."
    TooLittle,
}

pub fn plant(front: &str, catalogue: &str, pay: &str) -> World {
    World::Shop(Plant {
        front: front.into(),
        catalogue: catalogue.into(),
        pay: pay.into(),
        route: None,
    })
}

/// Watched for two minutes, with all probes, and nothing to lift.
pub fn watched(
    name: &'static str,
    what: &'static str,
    plant: World,
    mix: &'static [u32],
    rate: f64,
    right: Right,
) -> Scenario {
    Scenario {
        name,
        what,
        plant,
        lift: None,
        mix,
        rate,
        seconds: 120,
        blind: false,
        right,
    }
}

pub fn constraint(
    class: Class,
    resources: &'static [&'static str],
    routes: &'static [&'static str],
) -> Right {
    Right::Constraint {
        class,
        resources,
        routes,
    }
}

pub fn lift(ask: Ask, plant: World) -> Option<Lift> {
    Some(Lift { ask, plant })
}

/// All of them; `plimsoll example planted` runs one live, and the tests answer from recordings of these runs.
pub fn all() -> Vec<Scenario> {
    [
        shop(),
        around_the_shop(),
        orders::scenarios(),
        databases::scenarios(),
        disks::scenarios(),
    ]
    .concat()
}

fn around(front: &str, what: Around) -> World {
    let front = front.into();
    let plant = Plant {
        front,
        ..Plant::default()
    };
    World::Around(plant, what)
}

/// Checkouts that send 100 KB to the payment provider, over so many kilobits per second.
pub fn narrow(pay: &str, kbit: u64) -> World {
    let plant = Plant {
        front: "charge_kb=100".into(),
        pay: pay.into(),
        ..Plant::default()
    };
    World::Narrow(plant, kbit)
}

/// Reports that hold 10 MB each, in so many megabytes: with more at a time, a burst of them ends the process long before its line.
fn holding(megabytes: u64) -> World {
    let plant = Plant {
        front: "hold_mb=10".into(),
        pay: "pay_ms=250".into(),
        ..Plant::default()
    };
    World::Around(plant, Around::Limited(Limit::Memory(megabytes)))
}

/// What is wrong around it. Limits need control groups that may be written.
fn around_the_shop() -> Vec<Scenario> {
    let watched =
        |name, what, plant, rate, right| watched(name, what, plant, &SHOPPERS, rate, right);
    vec![
        Scenario {
            lift: lift(
                Ask::Proposal(Kind::Resize, "cpu.front"),
                around("cpu_ms=6", Around::Limited(Limit::Quota(600))),
            ),
            ..watched(
                "quota",
                "front may use 0.3 of the machine's cores, product pages compute for 6 ms",
                around("cpu_ms=6", Around::Limited(Limit::Quota(300))),
                28.0,
                constraint(Class::Compute, &["cpu.front"], &["product"]),
            )
        },
        Scenario {
            mix: &[20, 30, 10, 5, 5, 30],
            lift: lift(Ask::Proposal(Kind::Resize, "mem.front"), holding(280)),
            ..watched(
                "memory",
                "a report holds 10 MB while it asks the payment provider for 250 ms, and front may have 140 MB",
                holding(140),
                30.0,
                constraint(Class::Memory, &["mem.front"], &["report"]),
            )
        },
        Scenario {
            mix: &[20, 40, 10, 5, 24, 1],
            lift: lift(
                Ask::Proposal(Kind::Resize, link::RESOURCE),
                narrow("", 40_000),
            ),
            ..watched(
                "link",
                "a checkout sends 100 KB to the payment provider, over a link of 20 Mbit/s",
                narrow("", 20_000),
                40.0,
                constraint(Class::Network, &[link::RESOURCE], &["charge", "checkout"]),
            )
        },
        watched(
            "neighbour",
            "a process beside the shop computes all the time, product pages for 12 ms",
            around("cpu_ms=12", Around::Neighbours(1)),
            40.0,
            constraint(Class::Compute, &["cpu.host"], &["product"]),
        ),
        watched(
            "slow-client",
            "ten clients take about 2 MB per second of a report of 16 MB",
            around("page_kb=16384", Around::SlowClients(10)),
            30.0,
            Right::HeldUp {
                routes: &["report"],
            },
        ),
    ]
}

fn shop() -> Vec<Scenario> {
    let watched =
        |name, what, plant, rate, right| watched(name, what, plant, &SHOPPERS, rate, right);
    vec![
        Scenario {
            lift: lift(
                Ask::Proposal(Kind::Resize, "cpu.front"),
                plant("one_core=true,cpu_ms=6", "", ""),
            ),
            ..watched(
                "cpu",
                "front on one core, product pages compute for 12 ms",
                plant("one_core=true,cpu_ms=12", "", ""),
                29.0,
                Right::Constraint {
                    class: Class::Compute,
                    resources: &["cpu.front"],
                    routes: &["product"],
                },
            )
        },
        Scenario {
            mix: &[30, 30, 10, 5, 10, 15],
            lift: lift(
                Ask::Proposal(Kind::Resize, "cpu.front"),
                plant("one_core=true,cpu_ms=0.25,report_ms=30", "", ""),
            ),
            ..watched(
                "report",
                "front on one core, reports compute for 60 ms",
                plant("one_core=true,report_ms=60", "", ""),
                28.0,
                Right::Constraint {
                    class: Class::Compute,
                    resources: &["cpu.front"],
                    routes: &["report"],
                },
            )
        },
        Scenario {
            lift: lift(
                Ask::Proposal(Kind::Lock, "half as long"),
                plant("lock_ms=4.5", "", ""),
            ),
            ..watched(
                "lock",
                "one lock around the stock, held for 9 ms",
                plant("lock_ms=9", "", ""),
                50.0,
                Right::Constraint {
                    class: Class::PoolOrLock,
                    resources: &["lock.front.stock"],
                    routes: &["product"],
                },
            )
        },
        Scenario {
            lift: lift(
                Ask::WhatIf("pool pool.catalogue.db 4"),
                plant("", "pool=4,db_ms=20", ""),
            ),
            ..watched(
                "pool",
                "a pool of two connections, each held for 20 ms",
                plant("", "pool=2,db_ms=20", ""),
                50.0,
                Right::Constraint {
                    class: Class::PoolOrLock,
                    resources: &["pool.catalogue.db"],
                    routes: &["item", "product"],
                },
            )
        },
        Scenario {
            mix: &[20, 30, 40, 2, 7, 1],
            lift: lift(
                Ask::WhatIf("index find"),
                plant("", "one_core=true,rows=200000", ""),
            ),
            ..watched(
                "index",
                "search scans 200 000 rows, the catalogue on one core",
                plant("", "one_core=true,rows=200000,no_index=true", ""),
                32.0,
                Right::Constraint {
                    class: Class::DataDesign,
                    resources: &["cpu.catalogue", "db.catalogue", "pool.catalogue.db"],
                    routes: &["find", "search"],
                },
            )
        },
        Scenario {
            mix: &[20, 30, 10, 30, 9, 1],
            lift: lift(
                Ask::WhatIf("batch category"),
                plant("", "pool=4,db_ms=4", ""),
            ),
            ..watched(
                "n-plus-one",
                "a category page asks for its 20 items one by one, over a pool of four",
                plant("n_plus_one=true", "pool=4,db_ms=4", ""),
                40.0,
                Right::Constraint {
                    class: Class::DataDesign,
                    resources: &["pool.catalogue.db", "db.catalogue"],
                    routes: &["item", "category"],
                },
            )
        },
        Scenario {
            mix: &[20, 40, 10, 5, 24, 1],
            lift: lift(
                Ask::WhatIf("pool slots.pay 2"),
                plant("", "", "pay_ms=60,pay_slots=2"),
            ),
            ..watched(
                "dependency",
                "the payment provider serves one charge at a time, in 60 ms",
                plant("", "", "pay_ms=60,pay_slots=1"),
                14.0,
                Right::Constraint {
                    class: Class::Dependency,
                    resources: &["slots.pay"],
                    routes: &["charge", "checkout"],
                },
            )
        },
        Scenario {
            mix: &[20, 40, 10, 5, 24, 1],
            ..watched(
                "retry-storm",
                "six of ten charges fail once they are done, and a checkout asks up to four times",
                plant("retries=3", "", "pay_ms=40,pay_slots=1,pay_fails=0.6"),
                18.0,
                Right::Constraint {
                    class: Class::RetryStorm,
                    resources: &["slots.pay"],
                    routes: &["charge", "checkout"],
                },
            )
        },
        watched(
            "hot-shard",
            "items are in four shards by their number, a connection each, and most ask for the first ones",
            plant("", "shards=4,pool=1,db_ms=40", ""),
            40.0,
            Right::Constraint {
                class: Class::DataDesign,
                resources: &["pool.catalogue.db1"],
                routes: &["item"],
            },
        ),
        Scenario {
            mix: &[60, 1, 20, 1, 2, 16],
            ..watched(
                "stampede",
                "the home page keeps its bestsellers for 8 s; then all visitors ask for them, 500 ms each",
                plant("cache_s=8", "pool=8,db_ms=500", ""),
                40.0,
                Right::Constraint {
                    class: Class::DataDesign,
                    resources: &["pool.catalogue.db", "db.catalogue"],
                    routes: &["items"],
                },
            )
        },
        watched(
            "pauses",
            "front stands still for 400 ms every 5 s, as with a garbage collector",
            plant("pause_ms=400,pause_every_s=5", "", ""),
            40.0,
            Right::Constraint {
                class: Class::Memory,
                resources: &["mem.front"],
                routes: &["product"],
            },
        ),
        Scenario {
            mix: &[20, 20, 10, 5, 44, 1],
            ..watched(
                "workers",
                "checkouts are jobs; two workers take 150 ms for each",
                World::Shop(Plant {
                    pay: "pay_ms=150".into(),
                    route: Some(("checkout", "async: { when: always, concurrency: 2 }")),
                    ..Plant::default()
                }),
                11.0,
                Right::Constraint {
                    class: Class::PoolOrLock,
                    resources: &["pool.front.jobs.checkout"],
                    routes: &["checkout"],
                },
            )
        },
        Scenario {
            blind: true,
            ..watched(
                "lock-unseen",
                "the lock, with nothing that could see it",
                plant("lock_ms=9,timing=false", "timing=false", "timing=false"),
                50.0,
                Right::Unseen {
                    routes: &["product", "checkout"],
                },
            )
        },
        Scenario {
            blind: true,
            ..watched(
                "pool-unseen",
                "the pool, with nothing that could see it",
                plant(
                    "timing=false",
                    "pool=2,db_ms=20,timing=false",
                    "timing=false",
                ),
                50.0,
                Right::Unseen {
                    routes: &["item", "product"],
                },
            )
        },
        watched(
            "nothing",
            "nothing planted, and hardly any traffic",
            plant("", "", ""),
            5.0,
            Right::Nothing,
        ),
        Scenario {
            seconds: 15,
            ..watched(
                "too-short",
                "the lock, watched for 15 s",
                plant("lock_ms=9", "", ""),
                50.0,
                Right::TooLittle,
            )
        },
    ]
}
