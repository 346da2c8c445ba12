//! Bottlenecks on real databases: `examples/orders`, a service in another runtime (Node), on a PostgreSQL and a Redis that
//! `cargo xtask bench diagnosis` starts.

use super::scenarios::{self, Ask, Right, Scenario, World, constraint, lift};
use crate::demo::stage::{Ports, Stage};
use crate::exit::Failure;
use base::Class;
use model::moves::Kind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the service is and works with.
#[derive(Clone, Debug)]
pub struct Servers {
    /// `orders.js`, where node finds its packages.
    pub app: PathBuf,
    /// URLs.
    pub database: String,
    pub store: String,
    /// The first process of the database, where limits are to be set around it.
    pub database_process: Option<u32>,
}

/// They, or what to do to have them.
pub fn needed(servers: Option<&Servers>) -> Result<&Servers, Failure> {
    servers.ok_or_else(|| {
        Failure::new("this scenario needs node, a PostgreSQL and a Redis").help(
            "`cargo xtask bench diagnosis` starts them; else give --app, --database and --store",
        )
    })
}

/// Starts the service, which makes its tables first.
pub fn start(
    servers: &Servers,
    settings: &str,
    ports: &Ports,
    data: &Path,
) -> Result<Stage, Failure> {
    let mut stage = Stage::default();
    let mut node = Command::new("node");
    node.arg(&servers.app)
        .env("PORT", ports.front.port().to_string())
        .env("DATABASE_URL", &servers.database)
        .env("STORE_URL", &servers.store)
        .env("SETTINGS", settings);
    stage.run("orders", &mut node, data)?;
    stage.await_listening(&[ports.front], data)?;
    Ok(stage)
}

/// The config in front of it. PostgreSQL runs on one core, which it is told.
pub fn config_text(
    servers: &Servers,
    ports: &Ports,
    folder: &Path,
    mix: [u32; 7],
) -> Result<String, Failure> {
    let secret = |name: &str, text: &str| -> Result<String, Failure> {
        let path = folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let (database, store) = (
        secret("database", &servers.database)?,
        secret("store", &servers.store)?,
    );
    let (listen, console, app) = (ports.listen, ports.console, ports.front);
    let data = folder.join("data");
    let data = data.display();
    let [home, orders, basket, reserve, report, feed, invoice] = mix;
    Ok(format!(
        r#"listen: {listen}
console: {console}
data_dir: "{data}"
services:
  orders: {{ instances: ["{app}"], price: $0.05/h, health: {{ path: /health }} }}
routes:
  home: {{ match: GET /, to: orders, slo: {{ latency: 150ms, target: 99% }} }}
  orders: {{ match: "GET /customers/{{id}}/orders", to: orders, slo: {{ latency: 250ms, target: 99% }} }}
  basket: {{ match: "GET /baskets/{{id}}", to: orders, slo: {{ latency: 250ms, target: 99% }} }}
  reserve: {{ match: "POST /stock/{{id}}", to: orders, slo: {{ latency: 250ms, target: 99% }}, retry: {{ attempts: 1 }} }}
  report: {{ match: GET /report, to: orders, slo: {{ latency: 250ms, target: 99% }} }}
  feed: {{ match: GET /feed, to: orders, slo: {{ latency: 250ms, target: 99% }} }}
  invoice: {{ match: "GET /invoices/{{id}}", to: orders, slo: {{ latency: 250ms, target: 99% }} }}
resources:
  db.orders: {{ postgres: {{ file: "{database}" }}, capacity: 1 }}
  db.feed: {{ redis: {{ file: "{store}" }} }}
loads:
  orders:
    - {{ request: GET /, weight: {home} }}
    - {{ request: "GET /customers/{{1..5000}}/orders", weight: {orders} }}
    - {{ request: "GET /baskets/{{1..5000}}", weight: {basket} }}
    - {{ request: "POST /stock/{{1..5000}}", weight: {reserve} }}
    - {{ request: GET /report, weight: {report} }}
    - {{ request: GET /feed, weight: {feed} }}
    - {{ request: "GET /invoices/{{1..5000}}", weight: {invoice} }}
"#
    ))
}

/// Weights of home, orders, basket, reserve, report, feed and invoice.
const VISITORS: [u32; 7] = [30, 20, 20, 10, 5, 10, 5];

/// The order service with these settings (JSON) and its usual mix.
pub fn watched(
    name: &'static str,
    what: &'static str,
    settings: &'static str,
    rate: f64,
    right: Right,
) -> Scenario {
    let plant = World::Orders(settings);
    scenarios::watched(name, what, plant, &VISITORS, rate, right)
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario {
            mix: &[25, 30, 20, 10, 5, 10, 0],
            lift: lift(Ask::WhatIf("index orders"), World::Orders("{}")),
            ..watched(
                "pg-index",
                "PostgreSQL on one core scans 600 000 orders for a customer's largest ten",
                r#"{"index":false}"#,
                22.0,
                constraint(Class::DataDesign, &["db.orders"], &["orders"]),
            )
        },
        Scenario {
            mix: &[20, 10, 10, 50, 0, 10, 0],
            lift: lift(
                Ask::Proposal(Kind::Lock, "half as long"),
                World::Orders(r#"{"items":1,"held_ms":8}"#),
            ),
            ..watched(
                "pg-row-lock",
                "every reservation takes the same row of PostgreSQL, and keeps it for 18 ms",
                r#"{"items":1,"held_ms":18}"#,
                35.0,
                constraint(Class::PoolOrLock, &["lock.orders.stock"], &["reserve"]),
            )
        },
        Scenario {
            mix: &[20, 10, 5, 5, 55, 5, 0],
            lift: lift(
                Ask::WhatIf("pool pool.app.orders 4"),
                World::Orders(r#"{"pool":4,"report_ms":20}"#),
            ),
            ..watched(
                "pg-pool",
                "two connections to PostgreSQL, each kept for 20 ms by a report",
                r#"{"pool":2,"report_ms":20}"#,
                50.0,
                constraint(Class::PoolOrLock, &["pool.app.orders"], &["report"]),
            )
        },
        Scenario {
            mix: &[15, 10, 60, 5, 0, 10, 0],
            // Without the wait the machine is full before PostgreSQL and Node, at nearly the same traffic: nothing would be planted.
            lift: lift(
                Ask::WhatIf("batch basket"),
                World::Orders(r#"{"read_ms":2,"pool":4}"#),
            ),
            ..watched(
                "pg-n-plus-one",
                "a basket asks PostgreSQL for its 20 orders one by one, for 2 ms each, over a pool of four",
                r#"{"batch":false,"read_ms":2,"pool":4}"#,
                45.0,
                constraint(Class::DataDesign, &["pool.app.orders"], &["basket"]),
            )
        },
        Scenario {
            mix: &[25, 10, 10, 5, 0, 50, 0],
            ..watched(
                "redis-keys",
                "a feed looks at all 300 000 keys of Redis, on its only thread",
                r#"{"keys":true,"others":300000}"#,
                12.0,
                constraint(Class::DataDesign, &["db.feed"], &["feed"]),
            )
        },
        Scenario {
            mix: &[25, 10, 10, 5, 0, 10, 40],
            ..watched(
                "node-cpu",
                "an invoice keeps node's only thread for about 15 ms",
                r#"{"hashes":2500}"#,
                40.0,
                constraint(Class::Compute, &["cpu.orders"], &["invoice"]),
            )
        },
        watched(
            "pg-nothing",
            "nothing planted in the order service, and hardly any traffic",
            "{}",
            5.0,
            Right::Nothing,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_in_front_of_the_order_service_has_no_finding() {
        let folder = tempfile::tempdir().unwrap();
        let servers = Servers {
            app: "orders.js".into(),
            database: "postgres://a:b@127.0.0.1:1/c".into(),
            store: "redis://127.0.0.1:1".into(),
            database_process: None,
        };
        let ports = Ports::free().unwrap();
        let text = config_text(&servers, &ports, folder.path(), VISITORS).unwrap();
        let checked = config::check_text("orders.yaml", &text);
        assert_eq!(checked.findings, []);
        let mixes = scenarios();
        assert!(mixes.iter().all(|s| s.mix.len() == VISITORS.len()));
    }
}
