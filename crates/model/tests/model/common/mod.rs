//! Hand-made fits for the tests of what reads a fit.
#![allow(dead_code)]

use base::{Grade, Objective, ResourceInfo, RouteInfo};
use model::fit::{Demand, Fit, ResourceFit, RouteFit};

pub fn resource(name: &str, capacity: f64) -> ResourceFit {
    ResourceFit {
        alongside: Vec::new(),
        visits: Vec::new(),
        here: false,
        info: ResourceInfo::from_name(name),
        capacity,
        capacity_sd: 0.0,
        capacity_known: true,
        background: 0.0,
        background_sd: 0.0,
        utilisation: 0.0,
        utilisation_max: 0.0,
        waiting: None,
        instances: 1,
        grade: Grade::Direct,
        notes: vec![],
        signs: vec![],
    }
}

pub fn route(name: &str, service: &str, rate: f64, latency_s: f64) -> RouteFit {
    RouteFit {
        info: RouteInfo {
            name: name.into(),
            service: service.into(),
            objective: None,
            safe: true,
            cached_ttl_s: None,
        },
        objective: Objective {
            latency_s,
            target: 0.99,
            assumed: false,
        },
        rate,
        entry_rate: rate,
        count: rate * 300.0,
        low_mean: 0.0,
        low_var: 0.0,
        p99: 0.0,
        p99_top: 0.0,
        errors: 0.0,
        amplification: 1.0,
        bytes_out: 1000.0,
        db_calls: 0.0,
        db_rows: 0.0,
        db_returned: 0.0,
        unexplained: 0.0,
        ghost: None,
    }
}

pub fn demand(mean: f64, scv: f64) -> Demand {
    Demand {
        mean,
        sd: mean * 0.03,
        scv: Some(scv),
        grade: Grade::Direct,
    }
}

/// A fit without calls; low-load times are the sum of the demands and `delay`, unless set later.
pub fn fit(routes: Vec<RouteFit>, resources: Vec<ResourceFit>, demand: Vec<Vec<Demand>>) -> Fit {
    let n = routes.len();
    Fit {
        routes,
        resources,
        demand,
        calls: vec![vec![0.0; n]; n],
        child_seconds: vec![0.0; n],
        span_s: 300.0,
        unexplained: 0.0,
        growth: vec![],
        burst_sigma: 0.0,
        burst_tau_s: 0.0,
        entry_rates: vec![],
        statements: vec![],
        traced: vec![],
        patterns: vec![],
    }
}

/// One route on one resource, at a rate so low that nothing queues while learning.
pub fn single(name: &str, capacity: f64, mean: f64, scv: f64, latency_s: f64) -> Fit {
    let mut r = route("all", "front", 1e-3, latency_s);
    r.low_mean = mean;
    r.low_var = scv * mean * mean;
    fit(
        vec![r],
        vec![resource(name, capacity)],
        vec![vec![demand(mean, scv)]],
    )
}
