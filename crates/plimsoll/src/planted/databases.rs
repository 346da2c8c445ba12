//! More bottlenecks on a real PostgreSQL, behind the order service: what an application does to a database that is fine itself.

use super::orders::watched;
use super::scenarios::{Ask, Scenario, World, constraint, lift};
use base::Class;
use model::moves::Kind;

pub fn scenarios() -> Vec<Scenario> {
    vec![advisory(), held_idle(), unbounded()]
}

fn advisory() -> Scenario {
    Scenario {
        mix: &[20, 10, 10, 50, 0, 10, 0],
        lift: lift(
            Ask::Proposal(Kind::Lock, "half as long"),
            World::Orders(r#"{"advisory":true,"held_ms":6}"#),
        ),
        ..watched(
            "pg-advisory",
            "every reservation takes one advisory lock for the whole stock, and keeps it for 14 ms",
            r#"{"advisory":true,"held_ms":14}"#,
            35.0,
            constraint(Class::PoolOrLock, &["lock.orders.advisory"], &["reserve"]),
        )
    }
}

fn held_idle() -> Scenario {
    Scenario {
        mix: &[30, 10, 5, 5, 45, 5, 0],
        lift: lift(
            Ask::WhatIf("pool pool.app.orders 6"),
            World::Orders(r#"{"pool":6,"call_ms":40}"#),
        ),
        ..watched(
            "pg-pool-call",
            "a report keeps one of three connections to PostgreSQL while it asks a partner for 40 ms",
            r#"{"pool":3,"call_ms":40}"#,
            40.0,
            constraint(Class::PoolOrLock, &["pool.app.orders"], &["report"]),
        )
    }
}

fn unbounded() -> Scenario {
    Scenario {
        mix: &[30, 40, 10, 5, 5, 10, 0],
        lift: lift(
            Ask::Proposal(Kind::Page, "orders"),
            World::Orders(r#"{"customers":300}"#),
        ),
        ..watched(
            "pg-unbounded",
            "a customer's 2000 orders are all returned, instead of the largest ten",
            r#"{"customers":300,"limit":false}"#,
            50.0,
            // It held 349/s with 63 % of the database's core used and half of Node's: the machine, which they share, is full first.
            constraint(
                Class::DataDesign,
                &["cpu.orders", "db.orders", "cpu.host"],
                &["orders"],
            ),
        )
    }
}
