//! The load line and what-if against made-up worlds whose truth is found by trying.

use base::Discipline;
use model::Fit;
use model::advice::predict::{Question, predict};
use model::demand;
use model::fit::Ghost;
use model::loadline::{Options, Search, loadline};
use model::moves::{Edit, transform};
use sim::{Load, Plan, Planted, Route, See, Seen, Station, StationKind, Step, World};
use std::time::Instant;

/// The world's own line under the fit's objectives.
fn truth(world: &World, fit: &Fit, high: f64) -> f64 {
    let goals: Vec<_> = fit
        .routes
        .iter()
        .map(|r| (r.objective.latency_s, r.objective.target))
        .collect();
    sim::truth::line(world, &goals, high, &Load::steady(high))
}

fn median(v: &[f64]) -> f64 {
    let mut v = v.to_vec();
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}

/// The same world with twice the station.
fn doubled(world: &World, station: usize) -> World {
    let mut w = world.clone();
    w.stations[station].kind = match w.stations[station].kind {
        StationKind::Cpu(c) => StationKind::Cpu(2.0 * c),
        StationKind::Line(n) => StationKind::Line(2 * n),
        StationKind::Slots(n) => StationKind::Slots(2 * n),
        level => level,
    };
    w
}

fn learned(plan: &Plan, seed: u64) -> Fit {
    let seen = Seen {
        direct: true,
        ..Seen::default()
    };
    let history = plan
        .world
        .run(seed, 300, &Load::steady(0.45 * plan.limit), &seen);
    demand::fit(&history, &demand::Options::default()).expect("300 s are enough")
}

/// How much of the planted resource a route causes.
fn weight(fit: &Fit, route: usize, planted: Planted) -> f64 {
    fit.routes[route].rate * fit.demand[route][planted as usize].mean
}

#[test]
fn the_line_is_where_the_world_breaks_and_changes_bring_what_they_promise() {
    let (mut errors, mut gains) = (Vec::new(), Vec::new());
    let mut useless = 0;
    for (i, planted) in Planted::ALL.into_iter().enumerate() {
        let plan = Plan::random(40 + i as u64, 4, planted, 0.0, 0.004);
        let mut fit = learned(&plan, 7 + i as u64);
        // An objective as people declare them, so that both sides mean the same.
        for r in &mut fit.routes {
            r.objective.latency_s = 2.5 * r.p99;
        }
        let options = Options::default();
        let start = Instant::now();
        let line = loadline(&fit, &options);
        let took = start.elapsed();
        let true_line = truth(&plan.world, &fit, 1.1 * plan.limit);
        let error = line.line / true_line - 1.0;
        errors.push(error.abs());
        println!(
            "{planted:?}: line {:.0} [{:.0}, {:.0}], true {true_line:.0} ({:+.1} %), X* {:.0}, by {:?}, trusted {} {:?}, {took:?}",
            line.line,
            line.safe,
            line.high,
            error * 100.0,
            line.saturation,
            line.limit.as_ref().map(|l| &l.resource),
            line.trusted,
            line.reasons
        );
        let heaviest = (0..4)
            .max_by(|&a, &b| weight(&fit, a, planted).total_cmp(&weight(&fit, b, planted)))
            .unwrap_or(0);
        // A cache that would have answered 60 % at any lifetime.
        fit.routes[heaviest].ghost = Some(Ghost {
            lookups: 1e4,
            ratio: vec![0.6; 8],
            bytes: 1e6,
        });
        let base = Search::new(&fit, &options);
        let other = (planted as usize + 2) % 5;
        let double = |resource| Edit::Capacity {
            resource,
            factor: 2.0,
        };
        let mut cached = plan.world.clone();
        cached.routes[heaviest].hit = 0.6;
        let mut changes = vec![(
            double(planted as usize),
            doubled(&plan.world, planted as usize),
        )];
        changes.push(if i % 2 == 0 {
            (double(other), doubled(&plan.world, other))
        } else {
            let edit = Edit::Cache {
                route: heaviest,
                ttl_s: 10.0,
            };
            (edit, cached)
        });
        for (edit, world) in changes {
            let edits = [edit];
            let mut search = Search::of(transform(&base.system, &edits), &fit, &options);
            search.run(options.budget);
            let p = predict(&Question {
                fit: &fit,
                system: &base.system,
                before: &line,
                after: &search.line(),
                edits: &edits,
                uncertainty: 0.05,
                prior: 1.0,
                cost_per_hour: 0.0,
                canary_share: 0.5,
                seed: 1,
            });
            let is_true = truth(&world, &fit, 2.4 * plan.limit) / true_line;
            let promised = p.gain.value;
            println!("   {edit:?}: x{promised:.2}, true x{is_true:.2}");
            gains.push((promised / is_true - 1.0).abs());
            if is_true < 1.03 && promised > 1.10 {
                useless += 1;
            }
        }
        assert_eq!(fit.resources[5].info.discipline, Discipline::Slots);
    }
    println!(
        "line: median error {:.1} %; gain: median error {:.1} %",
        100.0 * median(&errors),
        100.0 * median(&gains)
    );
    assert!(median(&errors) <= 0.08, "{errors:?}");
    assert!(median(&gains) <= 0.10, "{gains:?}");
    assert_eq!(useless, 0, "useless changes promised more than 10 %");
}

/// A shop of two services: a lock in the front, a pool in the catalogue, items asked for one by one.
fn shop() -> World {
    let station = |name: &str, kind, service| Station {
        name: name.into(),
        kind,
        service: Some(service),
        see: See::All,
        background: 0.0,
        within: None,
    };
    let work = |station, mean, scv| Step::Use { station, mean, scv };
    let wait = |mean| Step::Delay { mean, scv: 0.05 };
    let call = |times| Step::Call { route: 3, times };
    let route = |name: &str, service, weight, steps| Route {
        name: name.into(),
        service,
        weight,
        steps,
        hit: 0.0,
        fails: 0.0,
    };
    World {
        services: vec![("front".into(), 1), ("catalogue".into(), 1)],
        stations: vec![
            station("cpu.front", StationKind::Cpu(2.0), 0),
            station("lock.front.stock", StationKind::Line(1), 0),
            station("cpu.catalogue", StationKind::Cpu(2.0), 1),
            station("pool.catalogue.db", StationKind::Slots(8), 1),
        ],
        routes: vec![
            route(
                "product",
                0,
                0.6,
                vec![work(0, 0.0005, 0.05), call(1), work(1, 0.006, 0.02)],
            ),
            route(
                "checkout",
                0,
                0.3,
                vec![work(0, 0.0003, 0.05), work(1, 0.006, 0.02), wait(0.01)],
            ),
            route("list", 0, 0.1, vec![work(0, 0.0003, 0.05), call(20)]),
            route(
                "item",
                1,
                0.0,
                vec![
                    work(2, 0.0003, 0.3),
                    Step::Enter(3),
                    wait(0.001),
                    Step::Leave(3),
                ],
            ),
        ],
        canary: None,
    }
}

#[test]
fn a_service_that_calls_another_has_one_line() {
    let world = shop();
    let seen = Seen {
        direct: true,
        ..Seen::default()
    };
    let history = world.run(3, 120, &Load::steady(80.0), &seen);
    let mut fit = demand::fit(&history, &demand::Options::default()).expect("120 s are enough");
    for r in &mut fit.routes {
        r.objective.latency_s = 2.5 * r.p99;
    }
    let line = loadline(&fit, &Options::default());
    let true_line = truth(&world, &fit, 190.0);
    println!(
        "shop: line {:.0} [{:.0}, {:.0}], true {true_line:.0}, X* {:.0}, by {:?}, {:?}",
        line.line, line.safe, line.high, line.saturation, line.limit, line.reasons
    );
    for r in &line.routes {
        println!(
            "   {} entry {} p99 {:?} latency {:.4} breaks {}",
            r.route, r.entry, r.p99_now, r.latency_s, r.breaks_first
        );
    }
    assert!((line.line / true_line - 1.0).abs() < 0.08);
    assert_eq!(
        line.limit.map(|l| l.resource).as_deref(),
        Some("lock.front.stock")
    );
    assert!(line.trusted, "{:?}", line.reasons);
}
