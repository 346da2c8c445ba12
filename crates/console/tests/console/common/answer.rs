//! An answer of the model with any number of routes.

use base::{Class, Grade};
use model::Answer;
use model::advice::Premature;
use model::constraint::{Carrier, Constraint};
use model::cost::{Costs, RouteCost};
use model::diagnose::{DemandRow, Diagnosis, Next, ResourceRow, Verdict};
use model::loadline::{Limit, LoadLine, RouteLine};

pub fn premature() -> Premature {
    Premature {
        title: "shard orders".into(),
        size: 5,
        why: "a cache carries the target".into(),
    }
}

fn resource(name: &str, utilisation: f64, saturation: f64) -> ResourceRow {
    ResourceRow {
        resource: name.into(),
        class: Class::from_name(name),
        unit: "servers".into(),
        capacity: Some(1.0),
        utilisation,
        utilisation_max: utilisation,
        background: 0.0,
        waiting: None,
        grade: Grade::Direct,
        saturation: Some(saturation),
        confidence: 0.9,
        notes: vec![],
    }
}

/// The lock is the constraint, at a line of 148/s; each route uses lock, CPU and database.
pub fn answer(routes: &[String]) -> Answer {
    let names = ["lock.front.stock", "cpu.front", "db.orders"];
    let limit = |name: &str, saturation| Limit {
        resource: name.into(),
        class: Class::from_name(name),
        saturation,
        confidence: 0.9,
    };
    let line = LoadLine {
        provisional: false,
        line: 148.0,
        safe: 139.0,
        high: 155.0,
        saturation: 160.0,
        current: 60.0,
        headroom: 148.0 / 60.0,
        limit: Some(limit(names[0], 160.0)),
        next: Some(limit(names[1], 300.0)),
        routes: routes
            .iter()
            .enumerate()
            .map(|(i, r)| route_line(r, i == 0))
            .collect(),
        p99_now: Some(0.03),
        trusted: true,
        reasons: vec!["arrivals are bursty".into()],
        assumed_objectives: false,
        bursty: false,
        events: 1,
    };
    let diagnosis = Diagnosis {
        verdict: Verdict::Constraint,
        summary: "The constraint is lock.front.stock [pool or lock]: 39 % busy at 60 rps, full at 160 rps; confidence 90 %.".into(),
        constraint: Some(Constraint {
            resource: names[0].into(),
            technical: Class::PoolOrLock,
            class: Class::PoolOrLock,
            cause: None,
            confidence: 0.9,
            utilisation: 0.39,
            saturation: 160.0,
            carriers: vec![Carrier {
                route: routes[0].clone(),
                share: 1.0,
            }],
            evidence: vec!["one holder at a time".into()],
        }),
        rival: None,
        test: None,
        unseen: None,
        class: Class::PoolOrLock,
        confidence: 0.9,
        next: Some(Next {
            resource: names[1].into(),
            class: Class::Compute,
            saturation: 300.0,
            ratio: 1.9,
        }),
        saturation: Some(160.0),
        traced: Vec::new(),
        current: 60.0,
        resources: vec![resource(names[1], 0.2, 300.0), resource(names[0], 0.39, 160.0), resource(names[2], 0.1, 500.0)],
        demand: (routes.iter()).flat_map(|r| names.map(|n| demand(r, n))).collect(),
        load_line: None,
        held_up: vec![],
        notes: vec![],
        span_s: 120.0,
    };
    Answer {
        diagnosis,
        line: Some(line),
        costs: Some(Costs {
            bill_micro_per_hour: 1000,
            routes: routes.iter().map(|r| cost(r)).collect(),
            resources: vec![],
            per_1000: Some(0.001),
            unpriced: vec![],
        }),
    }
}

fn route_line(name: &str, breaks_first: bool) -> RouteLine {
    RouteLine {
        route: name.into(),
        current: 6.0,
        line: 14.8,
        safe: 13.9,
        entry: true,
        p99_now: Some(0.03),
        p99_at_line: Some(0.15),
        latency_s: 0.15,
        target: 0.99,
        assumed: false,
        breaks_first,
    }
}

fn demand(route: &str, resource: &str) -> DemandRow {
    DemandRow {
        route: route.into(),
        resource: resource.into(),
        mean: 0.0061,
        low: 0.005,
        high: 0.007,
        grade: Grade::Direct,
    }
}

fn cost(route: &str) -> RouteCost {
    RouteCost {
        route: route.into(),
        micro_per_hour: 5,
        marginal_micro_per_hour: 4.0,
        per_1000: 0.0002,
        marginal_per_1000: 0.0001,
        with_children_per_1000: 0.0003,
    }
}
