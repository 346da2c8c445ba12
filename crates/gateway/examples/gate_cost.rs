//! What each gate costs a request that it lets pass: `cargo run --release -p gateway --example gate_cost`.
//!
//! Nanoseconds to enter and leave on one thread, without sockets, beyond an empty exchange: the median of eleven rounds and
//! their range. A gate that a route does not have is not in its ring, and costs nothing.

use base::{Arm, CacheState, InstanceIx, Nanos, RouteIx};
use config::sections::{Breaker, Bulkhead, Cache, Degrade, Fault, Identity, Shed};
use config::{Route, Service};
use gateway::gate::{Gate, Kept, Make, Making, Moment, Slot};
use gateway::{Exchange, Facts, Head, Instance, ListHead, attempt, request};
use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 11;
const TIMES: u64 = 200_000;

const GATES: &[(&str, Make)] = &[
    ("identity", request::identity::make),
    ("degrade", request::degrade::make),
    ("cache (miss)", request::cache::make),
    ("coalesce (leads)", request::coalesce::make),
    ("shed", request::shed::make),
    ("deadline", attempt::deadline::make),
    ("bulkhead (not full)", attempt::bulkhead::make),
    ("limit", attempt::limit::make),
    ("balance", attempt::balance::make),
    ("breaker", attempt::breaker::make),
    ("fault (not struck)", attempt::fault::make),
];

fn route() -> Route {
    Route {
        to: "s".into(),
        cache: Some(Cache {
            ttl: Some(Duration::from_secs(1)),
            stale_while_revalidate: None,
            size: 1 << 20,
            max_body: 1 << 16,
            ..Default::default()
        }),
        degrade: Some(Degrade {
            brownout: Some(Duration::from_secs(1)),
            ..Degrade::default()
        }),
        fault: Some(Fault {
            reset: true,
            share: 0.0,
            ..Fault::until(u64::MAX / 2_000_000_000)
        }),
        ..Route::named("r")
    }
}

fn service() -> gateway::Service {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    gateway::Service {
        name: "s".into(),
        instances: vec![Arc::new(Instance::new(
            InstanceIx(0),
            "s".into(),
            address.into(),
        ))],
        config: Service {
            limit: Some(100),
            breaker: Some(Breaker::default()),
            shed: Some(Shed::default()),
            bulkhead: Some(Bulkhead::default()),
            ..Service::named("s")
        },
        near: Vec::new(),
        reads_from: Vec::new(),
        link: None,
    }
}

/// Nanoseconds per exchange.
fn measure(gate: Option<&dyn Gate>, head: &ListHead) -> f64 {
    let mut facts = Facts::new(RouteIx(0), IpAddr::from([127, 0, 0, 1]), Nanos(0), 1);
    let began = Instant::now();
    for i in 0..TIMES {
        let now = Nanos(2_000_000_000 + i * 1000);
        facts.reset(RouteIx(0), IpAddr::from([127, 0, 0, 1]), now, i);
        let mut slot = Slot::default();
        facts.cache = CacheState::Miss;
        if let Some(gate) = gate {
            let mut x = Exchange {
                head: Head::List(head),
                facts: &mut facts,
            };
            black_box(gate.enter(&mut x, &mut slot, now));
            facts.status = 200;
            gate.leave(&mut facts, &mut slot, now);
        }
        black_box(&facts);
    }
    began.elapsed().as_nanos() as f64 / TIMES as f64
}

fn main() {
    let head = ListHead::new(
        "GET",
        "/products/1",
        &[
            ("host", "shop.example.com"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
            ("accept", "text/html,application/xhtml+xml"),
            ("accept-encoding", "gzip, br"),
            ("accept-language", "en"),
            ("cache-control", "max-age=0"),
            ("x-user-id", "ann"),
        ],
    );
    let (kept, service, route) = (Kept::default(), Arc::new(service()), route());
    let identity = Some(Identity {
        user: Some("x-user-id".into()),
        criticality: Some("x-criticality".into()),
        ..Identity::default()
    });
    let making = Making {
        route: &route,
        ix: RouteIx(0),
        arm: Arm::BASE,
        service: &service,
        mirror: None,
        kept: &kept,
        identity: &identity,
        sessions: &[],
        replications: &[],
        topics: &[],
        traced: 0.0,
        moment: Moment::default(),
    };
    println!("gate                  ns   (range)");
    for (name, make) in GATES {
        let gate = make(&making).expect("everything is on");
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| measure(Some(&*gate), &head) - measure(None, &head))
            .collect();
        rounds.sort_by(f64::total_cmp);
        let [low, middle, high] = [0, ROUNDS / 2, ROUNDS - 1].map(|i| rounds[i]);
        println!("{name:<19} {middle:>5.0}   ({low:.0} to {high:.0})");
    }
}
