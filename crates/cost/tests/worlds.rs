//! A made-up world whose true demands are known, with prices: what routes are said to cost is what they cost.

use base::History;
use cost::{By, Kind, Price, report, seen, share};
use model::demand;
use sim::{Load, Plan, Planted, Seen};

const SECONDS: u64 = 300;
/// Dollars per hour of each resource.
const PRICE: f64 = 7.2;

/// Prices of the resources whose true demands are known.
fn prices(history: &History) -> Vec<Price> {
    let price = |k: usize| Price {
        resource: history.resources[k].name.clone(),
        kind: Kind::Resource,
        service: None,
        per_hour: PRICE,
    };
    [0, 2, 3, 4].map(price).into()
}

/// Relative error of each route's cost, weighted by its cost, and that of what is idle.
fn errors(seed: u64, planted: Planted, direct: bool) -> (f64, f64) {
    let plan = Plan::random(60 + seed, 5, planted, 0.1, 0.004);
    let load = Load::steady(0.5 * plan.limit);
    let known = Seen {
        direct,
        ..Seen::default()
    };
    let history = plan.world.run(80 + seed, SECONDS, &load, &known);
    let fit = demand::fit(&history, &demand::Options::default()).expect("300 s are enough");
    let stretch = seen(
        &history.routes,
        &history.resources,
        &history.windows,
        Some(&fit),
    );
    let prices = prices(&history);
    let slot = share(0, &prices, &stretch);

    let bill =
        (prices.len() as f64 * PRICE * stretch.seconds / 3600.0 * cost::MICRO).round() as u64;
    let said = report(&slot, By::Route, SECONDS, |_| None);
    let rows: u64 = said.rows.iter().map(|r| r.micro).sum();
    assert_eq!(
        rows + said.idle_micro + said.background_micro,
        said.bill_micro
    );
    assert!(
        said.bill_micro.abs_diff(bill) <= prices.len() as u64,
        "half a micro-dollar for each price"
    );

    // Dollars that each request's true demand takes of each price, by what the resource offers.
    let truth = |route: usize| -> f64 {
        let demand = plan.world.demand(route);
        let each = prices.iter().map(|p| {
            let k = history
                .resources
                .iter()
                .position(|r| r.name == p.resource)
                .unwrap();
            let capacity = fit.resources[k].capacity * stretch.seconds;
            let dollars = PRICE * stretch.seconds / 3600.0;
            dollars * stretch.routes[route].life * demand[k] / capacity
        });
        each.sum()
    };
    let all: f64 = (0..5).map(truth).sum();
    let wrong: f64 = (0..5)
        .map(|r| (slot.used_by(&history.routes[r].name) - truth(r)).abs())
        .sum();
    let free = slot.dollars() - slot.used();
    (
        wrong / all,
        ((slot.dollars() - all) - free).abs() / slot.dollars(),
    )
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

#[test]
fn routes_cost_what_they_truly_use_and_the_rest_is_free() {
    let planted = [
        Planted::Cpu,
        Planted::Database,
        Planted::Disk,
        Planted::Link,
    ];
    for (direct, most) in [(true, 0.05), (false, 0.15)] {
        let (mut routes, mut free) = (Vec::new(), Vec::new());
        for (i, planted) in planted.into_iter().enumerate() {
            let (r, f) = errors(i as u64, planted, direct);
            routes.push(r);
            free.push(f);
        }
        println!("direct {direct}: routes {routes:.3?}, free {free:.3?}");
        assert!(
            median(routes) < most && median(free) < 0.05,
            "direct {direct}"
        );
    }
}
