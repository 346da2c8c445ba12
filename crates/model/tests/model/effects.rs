//! What a change does to the simulated system: no more than it would do to the real one.

use crate::common::*;
use base::Scope;
use base::window::GHOST_TTLS;
use model::Fit;
use model::fit::Ghost;
use model::loadline::saturation::saturation;
use model::loadline::{Options, Search};
use model::moves::{Edit, transform};
use model::twin::System;

/// The simulated line after `edits`, requests per second.
fn line(f: &Fit, edits: &[Edit]) -> f64 {
    let options = Options::default();
    let system = Search::new(f, &options).system;
    let mut search = Search::of(transform(&system, edits), f, &options);
    search.run(options.budget);
    search.line().line
}

/// One route on one resource, at 10 requests per second.
fn at_work(name: &str, mean: f64, latency_s: f64) -> Fit {
    let mut f = single(name, 1.0, mean, 0.1, latency_s);
    (f.routes[0].rate, f.routes[0].entry_rate) = (10.0, 10.0);
    f
}

/// Requests per second at which resource `k` is full, after `edits`.
fn full(f: &Fit, edits: &[Edit], k: usize) -> f64 {
    saturation(&transform(&System::new(f), edits))[k]
}

/// Also where it is inside a process: keys do not come in turns.
#[test]
fn each_stripe_of_a_lock_has_a_queue_of_its_own() {
    for scope in [Scope::Shared, Scope::PerInstance] {
        let mut f = at_work("lock.orders.stock", 0.020, 0.25);
        f.resources[0].info.scope = scope;
        let edit = Edit::Stripes {
            resource: 0,
            factor: 4.0,
        };
        let gain = line(&f, &[edit]) / line(&f, &[]);
        assert!((3.8..=4.05).contains(&gain), "{scope:?}: {gain}");
    }
}

#[test]
fn what_others_hold_of_a_lock_is_divided_among_its_stripes() {
    let mut f = at_work("lock.orders.stock", 0.020, 0.25);
    f.resources[0].background = 0.4;
    let edit = Edit::Stripes {
        resource: 0,
        factor: 4.0,
    };
    let gain = full(&f, &[edit], 0) / full(&f, &[], 0);
    assert!((gain - 3.6 / 0.6).abs() < 1e-6, "{gain}");
}

/// Requests at one of them do not use what the other has left.
#[test]
fn two_instances_do_less_than_one_of_twice_the_size() {
    let f = at_work("cpu.front", 0.010, 0.040);
    let (resource, factor) = (0, 2.0);
    let two = line(&f, &[Edit::Copies { resource, factor }]);
    let large = line(&f, &[Edit::Capacity { resource, factor }]);
    assert!(two < 0.97 * large && two < 200.0, "{two} {large}");
}

#[test]
fn more_of_a_shared_resource_leaves_its_other_users_as_they_are() {
    let mut f = single("cpu.host", 2.0, 0.010, 1.0, 1.0);
    f.resources[0].background = 1.0;
    let edit = Edit::Capacity {
        resource: 0,
        factor: 2.0,
    };
    let gain = full(&f, &[edit], 0) / full(&f, &[], 0);
    assert!((gain - 3.0).abs() < 1e-6, "of one core to three: {gain}");
}

/// A route that a cache could answer nine times of ten, on the processor of its service, that of the gateway, and the link.
fn cacheable() -> (Fit, Edit) {
    let mut r = route("report", "front", 20.0, 1.0);
    r.ghost = Some(Ghost {
        lookups: 1e4,
        ratio: vec![0.9; GHOST_TTLS.len()],
        bytes: 1e6,
    });
    let parts = [
        resource("cpu.front", 1.0),
        resource("cpu.plimsoll", 1.0),
        resource("net.host.eth0", 1e6),
    ];
    let uses = vec![demand(0.010, 1.0), demand(0.001, 1.0), demand(2e4, 1.0)];
    let edit = Edit::Cache {
        route: 0,
        ttl_s: 10.0,
    };
    (fit(vec![r], parts.to_vec(), vec![uses]), edit)
}

#[test]
fn a_cached_answer_is_still_sent() {
    let (f, edit) = cacheable();
    let gain = |k| full(&f, &[edit], k) / full(&f, &[], k);
    assert!((gain(0) - 10.0).abs() < 0.1, "{}", gain(0));
    for k in [1, 2] {
        assert!((gain(k) - 1.0).abs() < 1e-6, "{}", gain(k));
    }
}

#[test]
fn bytes_on_a_link_of_unknown_speed_take_no_time() {
    let mut f = at_work("cpu.front", 0.010, 0.1);
    let alone = line(&f, &[]);
    f.resources.push(resource("net.host.eth0", 0.0));
    f.demand[0].push(demand(1e5, 1.0));
    f.routes[0].low_mean = 0.050;
    let system = System::new(&f);
    assert!(
        (system.delay[0] - 0.040).abs() < 2e-3,
        "{}",
        system.delay[0]
    );
    let beside = line(&f, &[]);
    assert!(beside < alone && beside > 0.0, "its 40 ms are simulated");
}
