//! The planted bottlenecks of the shop, and which answers count as right. Those on real databases are in `orders.rs` and `databases.rs`.

use super::{databases, orders};
use crate::demo::stage::{Plant, SHOPPERS};
use base::Class;
use model::moves::Kind;

/// Which application, and what is wrong with it.
#[derive(Clone, Debug)]
pub enum World {
    Shop(Plant),
    /// The order service, with these settings (JSON).
    Orders(&'static str),
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
    })
}

pub fn lift(ask: Ask, plant: World) -> Option<Lift> {
    Some(Lift { ask, plant })
}

/// All of them; `plimsoll example planted` runs one live, and the tests answer from recordings of these runs.
pub fn all() -> Vec<Scenario> {
    [shop(), orders::scenarios(), databases::scenarios()].concat()
}

fn shop() -> Vec<Scenario> {
    let watched = |name, what, plant, rate, right| Scenario {
        name,
        what,
        plant,
        lift: None,
        mix: &SHOPPERS,
        rate,
        seconds: 120,
        blind: false,
        right,
    };
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
