//! What may be in flight: the resource that fills first, what each route holds of it, and how sure that is.

use crate::common::{demand, fit, resource, route};
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
fn shares_of_the_lock_and_nothing_for_who_does_not_take_it() {
    let found = learned(&shop(), 1);
    let p = &found.services[0];
    assert_eq!(
        (p.service.as_str(), p.resource.as_str()),
        ("front", "lock.front.stock")
    );
    let (product, home) = (&p.routes[0], &p.routes[1]);
    assert_eq!((&*product.0, product.1.seconds), ("product", 0.009));
    assert_eq!((&*home.0, home.1.seconds, home.1.share), ("home", 0.0, 0.0));
    assert_eq!(
        (home.1.life, home.1.error),
        (0.001, 0.0),
        "its time in flight"
    );
    assert!(
        (product.1.share - 9.0 / 21.0).abs() < 1e-9,
        "9 ms in the lock, four times the 3 ms elsewhere"
    );
    assert!((p.mean.seconds - 0.006).abs() < 1e-9);
    assert!((p.mean.share - 6.0 / 21.0).abs() < 1e-9);
    assert!(
        (p.servers - 1.0 - p.mean.share).abs() < 1e-9,
        "and one more"
    );
    assert!((p.permits() - 4.5).abs() < 1e-6);
    assert!(
        (p.waiting - 12.5).abs() < 1e-6,
        "one lock for half of 150 ms, home's 100 ms do not count"
    );
    assert!(p.confidence > 0.9, "{}", p.confidence);
}

#[test]
fn a_burst_of_a_fiftieth_of_a_second_may_wait_however_strict_the_objective() {
    let mut f = shop();
    for r in &mut f.routes {
        r.objective.latency_s = 0.001;
    }
    let waiting = learned(&f, 1).services[0].waiting;
    assert!((waiting - 0.02 / 0.006).abs() < 1e-6, "{waiting}");
}

#[test]
fn a_slow_path_needs_room_to_fill_the_resource() {
    let mut f = shop();
    let whole = |f: &Fit| 0.009 / learned(f, 1).services[0].routes[0].1.share;
    f.routes[0].low_mean = 0.024;
    assert!((whole(&f) - 0.069).abs() < 1e-9);
    f.routes[0].low_mean = 0.030;
    assert!((whole(&f) - 0.075).abs() < 1e-9, "what keeps the objective");
    f.routes[0].low_mean = 0.100;
    assert!((whole(&f) - 0.2).abs() < 1e-9, "what fills it at all");
    f.routes[0].low_mean = 0.004;
    assert!((whole(&f) - 0.009).abs() < 1e-9, "never more than a server");
    f.resources[0].background = 0.5;
    let p = learned(&f, 1).services.remove(0);
    assert!((p.servers - 0.5 - p.mean.share).abs() < 1e-9);
}

/// Ten times as much work in each request does not make two slots three.
#[test]
fn the_mix_does_not_change_what_fills_a_resource() {
    let fill = |rate: f64| {
        let mut f = shop();
        f.resources[0].capacity = 2.0;
        f.routes[0].low_mean = 0.009;
        f.routes[1].low_mean = 0.090;
        f.routes[1].rate = rate;
        f.demand[1][0] = demand(0.090, 0.1);
        let p = learned(&f, 1).services.remove(0);
        (p.permits(), p.routes[0].1.share, p.routes[1].1.share)
    };
    assert_eq!((fill(1.0), fill(10.0)), ((2.5, 1.0, 1.0), (2.5, 1.0, 1.0)));
}

#[test]
fn an_attempt_costs_what_the_request_does_over_its_attempts() {
    let mut f = shop();
    f.routes[0].amplification = 0.5;
    let p = learned(&f, 1).services.remove(0);
    assert_eq!(p.routes[0].1.seconds, 0.018);
    assert!((p.mean.seconds - 40.0 * 0.009 / 40.0).abs() < 1e-9);
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
