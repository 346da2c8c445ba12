//! What may be in flight: the resource that fills first, its seconds, and how sure that is.

mod common;

use common::{demand, fit, resource, route};
use model::fit::Fit;
use model::protect::learned;

/// A lock of 9 ms around `product`, 2 ms of processor in it; `home` uses the processor only.
fn shop() -> Fit {
    let mut product = route("product", "front", 40.0, 0.150);
    product.low_mean = 0.012;
    let mut home = route("home", "front", 20.0, 0.100);
    home.low_mean = 0.001;
    let none = demand(0.0, 0.0);
    fit(
        vec![product, home],
        vec![
            resource("lock.front.stock", 1.0),
            resource("cpu.front", 2.0),
        ],
        vec![
            vec![demand(0.009, 0.1), demand(0.002, 0.3)],
            vec![none, demand(0.001, 0.3)],
        ],
    )
}

#[test]
fn seconds_of_the_lock_and_nothing_for_who_does_not_take_it() {
    let found = learned(&shop(), 1);
    let p = &found.services[0];
    assert_eq!(
        (p.service.as_str(), p.resource.as_str()),
        ("front", "lock.front.stock")
    );
    assert_eq!(
        p.costs,
        [("product".to_owned(), 0.009), ("home".to_owned(), 0.0)]
    );
    assert!(
        (p.work_s - 0.030).abs() < 1e-9,
        "9 ms in the lock, four times the 3 ms elsewhere, and one more of 9 ms"
    );
    assert!((p.mean_s - 0.006).abs() < 1e-9);
    assert!((p.permits() - 5.0).abs() < 1e-6);
    assert!(
        (p.waiting_s - 0.075).abs() < 1e-9,
        "one lock for half of 150 ms, home's 100 ms do not count"
    );
    assert!(p.confidence > 0.9, "{}", p.confidence);
}

#[test]
fn a_slow_path_needs_room_to_fill_the_resource() {
    let mut f = shop();
    let work = |f: &Fit| learned(f, 1).services[0].work_s;
    f.routes[0].low_mean = 0.024;
    assert!((work(&f) - 0.069 - 0.009).abs() < 1e-9);
    f.routes[0].low_mean = 0.030;
    assert!(
        (work(&f) - 0.075 - 0.009).abs() < 1e-9,
        "what keeps the objective"
    );
    f.routes[0].low_mean = 0.100;
    assert!(
        (work(&f) - 0.2 - 0.009).abs() < 1e-9,
        "what fills it at all"
    );
    f.resources[0].background = 0.5;
    assert!((work(&f) - 0.1 - 0.009).abs() < 1e-9);
}

#[test]
fn an_attempt_costs_what_the_request_does_over_its_attempts() {
    let mut f = shop();
    f.routes[0].amplification = 0.5;
    let p = learned(&f, 1).services.remove(0);
    assert_eq!(p.costs[0].1, 0.018);
    assert!((p.mean_s - 40.0 * 0.009 / 40.0).abs() < 1e-9);
}

#[test]
fn what_is_not_sure_does_not_act() {
    let mut f = shop();
    f.routes[0].unexplained = 0.4;
    assert!(
        learned(&f, 1).services[0].confidence < 0.9,
        "something may be unseen"
    );
    let mut f = shop();
    f.resources[1].capacity = 0.2778;
    assert!(
        learned(&f, 1).services[0].confidence < 0.9,
        "lock and processor fill together"
    );
    let mut f = shop();
    for k in 0..2 {
        f.resources[k].capacity_known = false;
        f.resources[k].info.discipline = base::Discipline::Ps;
    }
    assert!(
        learned(&f, 1).services.is_empty(),
        "nothing whose size is known"
    );
}
