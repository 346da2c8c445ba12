//! The fit on awkward histories: two arms, several instances, a change half-way, gaps, slow clocks, nonsense; and its speed.

use base::{Class, Discipline, Grade, History, Incident, ResourceIx, RouteIx};
use model::baseline;
use model::demand::{Options, fit, fit_arms};
use model::diagnose::{Options as Ask, Verdict, diagnose_history};
use proptest::prelude::*;
use sim::{Canary, Load, Route, See, Seen, Station, StationKind, Step, World};
use std::sync::Arc;

fn work(station: usize, mean: f64) -> Step {
    Step::Use {
        station,
        mean,
        scv: 1.0,
    }
}

fn station(name: &str, kind: StationKind, service: usize) -> Station {
    Station {
        name: name.to_owned(),
        kind,
        service: Some(service),
        see: See::All,
        background: 0.0,
        within: None,
    }
}

fn route(name: &str, weight: f64, steps: Vec<Step>) -> Route {
    Route {
        name: name.to_owned(),
        service: 0,
        weight,
        steps,
        hit: 0.0,
        fails: 0.0,
    }
}

/// A processor and a lock, two routes, `instances` of it.
fn world(instances: usize) -> World {
    World {
        services: vec![("front".into(), instances)],
        stations: vec![
            station("cpu.front", StationKind::Cpu(2.0), 0),
            station("lock.front.stock", StationKind::Line(1), 0),
        ],
        routes: vec![
            route("product", 3.0, vec![work(0, 0.004), work(1, 0.003)]),
            route("list", 2.0, vec![work(0, 0.008)]),
        ],
        canary: None,
    }
}

#[test]
fn an_arm_with_a_cache_costs_less_per_request() {
    let mut world = world(1);
    let steps = world.routes[0].steps.clone();
    world.canary = Some(Canary {
        share: 0.3,
        routes: vec![(0, steps, 0.6)],
    });
    for direct in [true, false] {
        let seen = Seen {
            direct,
            ..Seen::default()
        };
        let history = world.run(11, 300, &Load::steady(80.0), &seen);
        let arms = fit_arms(&history, &Options::default());
        let (base, canary) = (&arms[0].demand[0], &arms[1].demand[0]);
        println!(
            "reports {direct}: product on lock {:.2} ± {:.2} ms, with cache {:.2} ± {:.2} ms; cpu {:.2} ± {:.2}, {:.2} ± {:.2} ms",
            base[1].mean * 1e3,
            base[1].sd * 1e3,
            canary[1].mean * 1e3,
            canary[1].sd * 1e3,
            base[0].mean * 1e3,
            base[0].sd * 1e3,
            canary[0].mean * 1e3,
            canary[0].sd * 1e3,
        );
        assert!((arms[1].amplification[0] - 0.4).abs() < 0.05);
        let grade = if direct {
            Grade::Direct
        } else {
            Grade::Regression
        };
        assert_eq!((base[1].grade, canary[1].grade), (grade, grade));
        for (found, truth) in [
            (base[1], 0.003),
            (canary[1], 0.0012),
            (base[0], 0.004),
            (canary[0], 0.0016),
        ] {
            assert!(
                (found.mean - truth).abs() < 3.5 * found.sd,
                "{} against {truth}",
                found.mean
            );
            assert!(found.sd < 0.5 * truth, "{} for {truth}", found.sd);
        }
    }
}

#[test]
fn instances_add_up() {
    let seen = Seen::default();
    let history = world(3).run(3, 200, &Load::steady(150.0), &seen);
    let f = fit(&history, &Options::default()).unwrap();
    assert_eq!(
        (f.resources[0].capacity, f.resources[0].instances),
        (6.0, 3)
    );
    assert_eq!(f.resources[1].capacity, 3.0);
    assert!(
        (f.demand[1][0].mean / 0.008 - 1.0).abs() < 0.12,
        "{}",
        f.demand[1][0].mean
    );
    assert!(f.demand[1][1].mean < 0.0004);
}

#[test]
fn after_a_change_the_old_demand_is_forgotten() {
    let seen = Seen::default();
    let mut world = world(1);
    let before = world.run(5, 150, &Load::steady(80.0), &seen);
    world.routes[0].steps = vec![work(0, 0.012), work(1, 0.003)];
    let mut history = world.run(6, 150, &Load::steady(80.0), &seen);
    for w in history.windows_mut() {
        w.index += 150;
    }
    history.windows.splice(0..0, before.windows);
    let f = fit(&history, &Options::default()).unwrap();
    println!(
        "found by itself: {:.2} ms, {:?}",
        f.demand[0][0].mean * 1e3,
        f.resources[0].notes
    );
    assert!(
        f.resources[0]
            .notes
            .iter()
            .any(|n| n.contains("learning since")),
        "{:?}",
        f.resources[0].notes
    );
    assert!((f.demand[0][0].mean / 0.012 - 1.0).abs() < 0.15);
    // Told about it, everything starts anew.
    history.incidents.push(Incident {
        window: 149,
        what: "deploy".into(),
    });
    let f = fit(&history, &Options::default()).unwrap();
    assert_eq!(f.span_s, 150.0);
    assert!((f.demand[0][0].mean / 0.012 - 1.0).abs() < 0.15);
    assert!(f.resources[0].notes.iter().any(|n| n.contains("deploy")));
}

/// Three minutes, four seconds in which the only instance is away, one minute in which requests cost double, then as before.
fn restarted() -> History {
    let seen = Seen::default();
    let load = Load::steady(80.0);
    let warm = world(1);
    let mut cold = world(1);
    for step in cold.routes.iter_mut().flat_map(|r| &mut r.steps) {
        if let Step::Use { mean, .. } = step {
            *mean *= 2.0;
        }
    }
    let mut away = warm.run(13, 4, &load, &seen);
    for w in away.windows_mut() {
        for c in &mut w.requests {
            (c.refused, c.errors) = (c.ends, c.ends);
        }
        (w.attempts, w.resources) = (Vec::new(), Vec::new());
    }
    let mut history = warm.run(12, 180, &load, &seen);
    let parts = [
        away,
        cold.run(14, 60, &load, &seen),
        warm.run(15, 56, &load, &seen),
    ];
    for w in parts.into_iter().flat_map(|h| h.windows) {
        let index = history.windows.len() as u64;
        history.windows.push(Arc::new(base::Window {
            index,
            ..base::Window::clone(&w)
        }));
    }
    history
}

#[test]
fn what_was_learned_survives_a_deploy_and_its_warm_up_is_left_out() {
    let f = fit(&restarted(), &Options::default()).unwrap();
    let error = |f: &model::Fit| (f.demand[1][0].mean / 0.008 - 1.0).abs();
    let mut together = restarted();
    // Nobody asked meanwhile: no restart is seen.
    together.windows.retain(|w| !(180..184).contains(&w.index));
    let mixed = fit(&together, &Options::default()).unwrap();
    println!(
        "list {:.2} ms, with the warm-up {:.2} ms (truth 8); {:?}",
        f.demand[1][0].mean * 1e3,
        mixed.demand[1][0].mean * 1e3,
        f.resources[0].notes
    );
    let notes = &f.resources[0].notes;
    assert!(
        notes
            .iter()
            .any(|n| n.contains("in which it warms up are left out")),
        "{notes:?}"
    );
    assert_eq!(f.span_s, 180.0 + 4.0);
    assert!(error(&f) < 0.15, "{}", f.demand[1][0].mean);
    assert!(
        error(&mixed) > error(&f),
        "else there was nothing to leave out"
    );
}

#[test]
fn gaps_and_foreign_clocks_are_survived() {
    let seen = Seen {
        lag_s: 2.4,
        ..Seen::default()
    };
    let mut history = world(1).run(8, 300, &Load::steady(80.0), &seen);
    history
        .windows
        .retain(|w| !(100..130).contains(&w.index) && w.index % 41 != 0);
    let f = fit(
        &history,
        &Options {
            foreign: true,
            ..Options::default()
        },
    )
    .unwrap();
    println!(
        "2.4 s late, with gaps: {:.2} ms and {:.2} ms",
        f.demand[0][0].mean * 1e3,
        f.demand[1][0].mean * 1e3
    );
    assert!(
        (f.demand[0][0].mean / 0.004 - 1.0).abs() < 0.25,
        "{}",
        f.demand[0][0].mean
    );
    assert!(
        (f.demand[1][0].mean / 0.008 - 1.0).abs() < 0.25,
        "{}",
        f.demand[1][0].mean
    );
}

/// Without what the probe of the processor says in these seconds.
fn blind(history: &History, missing: impl Fn(u64) -> bool) -> History {
    let mut h = history.clone();
    for w in h.windows_mut().filter(|w| missing(w.index)) {
        w.resources.retain(|c| c.resource != ResourceIx(0));
    }
    h
}

/// What a probe that stalls, a database that is away or a counter that is reset leave: seconds without a number.
#[test]
fn a_probe_that_is_blind_for_a_while_makes_the_answer_less_certain_and_not_another() {
    let whole = world(1).run(9, 300, &Load::steady(120.0), &Seen::default());
    let ask = |h: &History| diagnose_history(h, &Options::default(), &Ask::default());
    let (seen, fitted) = ask(&whole);
    let (name, fitted) = (seen.constraint.unwrap().resource, fitted.unwrap());
    assert_eq!(name, "cpu.front");
    for (what, missing) in [
        (
            "stalled for a hundred seconds",
            (|t| (100..200).contains(&t)) as fn(u64) -> bool,
        ),
        ("away for all but a minute", |t| t < 240),
        ("reset again and again", |t| t % 9 == 0),
    ] {
        let (d, f) = ask(&blind(&whole, missing));
        let f = f.unwrap();
        assert_eq!(
            d.constraint.unwrap().resource,
            name,
            "{what}: {}",
            d.summary
        );
        for r in 0..2 {
            let (all, part) = (fitted.demand[r][0], f.demand[r][0]);
            let truth = [0.004, 0.008][r];
            assert!(part.sd > 0.9 * all.sd, "{what}: {part:?} beside {all:?}");
            assert!(
                (part.mean - truth).abs() < 3.0 * part.sd.max(0.1 * truth),
                "{what}: {part:?}"
            );
        }
        println!(
            "{what}: {:.2} sure (all seen: {:.2}), {:.2} ± {:.2} ms ({:.2} ± {:.2})",
            d.confidence,
            seen.confidence,
            1e3 * f.demand[0][0].mean,
            1e3 * f.demand[0][0].sd,
            1e3 * fitted.demand[0][0].mean,
            1e3 * fitted.demand[0][0].sd
        );
    }
    // For good: whatever is named then is not sure.
    let (d, _) = ask(&blind(&whole, |_| true));
    let other = d.constraint.as_ref().is_some_and(|c| c.resource != name);
    assert!(
        !other || d.verdict != Verdict::Constraint || d.confidence < 0.9,
        "{}",
        d.summary
    );
}

/// Each address became a route by mistake: beside the two that matter there are thousands, seen a few times each.
#[test]
fn thousands_of_routes_by_mistake_are_answered_in_time_and_the_busy_ones_are_right() {
    const MORE: u16 = 4000;
    let mut history = world(1).run(9, 300, &Load::steady(120.0), &Seen::default());
    let (info, cell) = (history.routes[1].clone(), |w: &base::Window, r: u16| {
        let all = w.attempts.iter();
        all.clone().find(|c| c.key.route == RouteIx(r)).cloned()
    });
    for i in 0..MORE {
        history.routes.push(base::RouteInfo {
            name: format!("by-mistake-{i}"),
            ..info.clone()
        });
    }
    for w in history.windows_mut() {
        let Some(like) = cell(w, 1) else { continue };
        for n in 0..12 {
            let mut c = like.clone();
            c.key.route = RouteIx(2 + ((w.index * 37 + n * 331) % u64::from(MORE)) as u16);
            (c.life, c.ends, c.in_flight_s) = (0.01, 1, 0.001);
            (c.seconds, c.seconds_sq) = (0.001, 1e-6);
            w.attempts.push(c.clone());
            c.key.instance = base::InstanceIx::NONE;
            w.requests.push(c);
        }
    }
    let began = std::time::Instant::now();
    let (d, f) = diagnose_history(&history, &Options::default(), &Ask::default());
    println!("{MORE} more routes: {:?}", began.elapsed());
    let f = f.unwrap();
    assert_eq!(d.constraint.unwrap().resource, "cpu.front", "{}", d.summary);
    for (r, truth) in [(0, 0.004), (1, 0.008)] {
        let found = f.demand[r][0];
        assert!((found.mean / truth - 1.0).abs() < 0.25, "{found:?}");
    }
    let rare: Vec<_> = f.demand[2..].iter().map(|row| row[0]).collect();
    let prior = |d: &&model::fit::Demand| d.grade == Grade::Prior;
    assert!(
        rare.iter().filter(prior).count() > usize::from(MORE) / 2,
        "less certain"
    );
    assert!(rare.iter().all(|d| d.mean.is_finite() && d.sd >= 0.0));
    let said = |n: &String| n.contains("fitted as one");
    assert!(
        f.resources[0].notes.iter().any(said),
        "{:?}",
        f.resources[0].notes
    );
    assert!(began.elapsed().as_secs() < 60);
}

#[test]
fn bursts_of_the_traffic_are_measured() {
    let load = Load {
        burst_sigma: 0.4,
        burst_tau_s: 4.0,
        swing: 0.0,
        mix_sd: 0.0,
        ..Load::steady(60.0)
    };
    let history = world(1).run(2, 600, &load, &Seen::default());
    let f = fit(
        &history,
        &Options {
            span_s: 600,
            ..Options::default()
        },
    )
    .unwrap();
    println!(
        "bursts: sigma {:.2}, tau {:.1} s",
        f.burst_sigma, f.burst_tau_s
    );
    assert!((0.28..0.52).contains(&f.burst_sigma) && (2.0..9.0).contains(&f.burst_tau_s));
    let steady = Load {
        swing: 0.0,
        mix_sd: 0.0,
        ..Load::steady(60.0)
    };
    let history = world(1).run(2, 300, &steady, &Seen::default());
    assert!(fit(&history, &Options::default()).unwrap().burst_sigma < 0.08);
}

#[test]
fn memory_near_its_limit_is_named() {
    let mut history = world(1).run(4, 120, &Load::steady(80.0), &Seen::default());
    history
        .resources
        .push(base::ResourceInfo::from_name("mem.front"));
    for w in history.windows_mut() {
        let mut c = w.resources[0];
        c.resource = ResourceIx(2);
        (c.busy, c.capacity, c.level) = (0.0, Some(1e9), Some(0.95e9));
        w.resources.push(c);
    }
    let (d, _) = diagnose_history(&history, &Options::default(), &Ask::default());
    assert_eq!(
        (d.class, d.constraint.unwrap().resource.as_str()),
        (Class::Memory, "mem.front")
    );
    assert_eq!(history.resources[2].discipline, Discipline::Level);
}

#[test]
fn a_machine_is_shared_and_counted_once() {
    let mut history = world(1).run(4, 200, &Load::steady(120.0), &Seen::default());
    history
        .resources
        .push(base::ResourceInfo::from_name("cpu.host"));
    for w in history.windows_mut() {
        let mut c = w.resources[0];
        (c.resource, c.instance, c.background) = (ResourceIx(2), base::InstanceIx::NONE, Some(0.3));
        c.busy += 0.3;
        w.resources.push(c);
    }
    let (d, f) = diagnose_history(&history, &Options::default(), &Ask::default());
    let (c, f) = (d.constraint.unwrap(), f.unwrap());
    println!("{}\n    {}", d.summary, c.evidence.join("\n    "));
    assert_eq!(
        (c.resource.as_str(), d.verdict),
        ("cpu.host", model::diagnose::Verdict::Constraint)
    );
    assert!(
        (c.saturation / (1.7 / 0.0056) - 1.0).abs() < 0.05,
        "{}",
        c.saturation
    );
    assert!(c.evidence.iter().any(|l| l.contains("cpu.front 100 %")));
    assert!((f.demand[1][2].mean - f.demand[1][0].mean).abs() < 1e-12);
    // On a narrower share of the cores the service has a limit of its own.
    for w in history.windows_mut() {
        w.resources
            .iter_mut()
            .filter(|c| c.resource == ResourceIx(2))
            .for_each(|c| c.capacity = Some(8.0));
    }
    let (d, _) = diagnose_history(&history, &Options::default(), &Ask::default());
    assert_eq!(d.constraint.unwrap().resource, "cpu.front");
}

#[test]
fn the_same_history_and_seed_give_the_same_answer() {
    let history = world(1).run(4, 120, &Load::steady(80.0), &Seen::default());
    let ask = || diagnose_history(&history, &Options::default(), &Ask::default()).0;
    assert_eq!(ask(), ask());
}

#[test]
fn baselines_answer_too() {
    let history = world(1).run(4, 300, &Load::steady(80.0), &Seen::default());
    let x = baseline::seventy_percent(&history).unwrap();
    // The processor is full at 2 / 5.6 ms = 357 rps.
    assert!((x / (0.7 * 357.0) - 1.0).abs() < 0.1, "{x}");
    assert_eq!(baseline::most_utilised(&history), Some(0));
    let u = baseline::usl(&history).unwrap();
    assert!(
        u.peak > 0.0 && u.gamma > 0.0 && u.sigma >= 0.0 && u.kappa >= 0.0,
        "{u:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever numbers a broken recording brings, the answer is an answer.
    #[test]
    fn nonsense_is_answered_without_panic(seed in 0u64..1000, what in 0usize..9, value in prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-1e300), Just(0.0), Just(1e300)], keep in 1usize..90) {
        let seen = Seen { direct: seed % 2 == 0, ..Seen::default() };
        let mut h = world(1).run(seed, 60, &Load::steady(30.0), &seen);
        for (i, w) in h.windows_mut().enumerate().filter(|(i, _)| i % 7 == (seed % 7) as usize) {
            match what {
                0 => w.resources.iter_mut().for_each(|c| c.busy = value),
                1 => w.attempts.iter_mut().for_each(|c| c.life = value),
                2 => w.uses.iter_mut().for_each(|c| c.busy_s = value),
                3 => w.resources.iter_mut().for_each(|c| c.capacity = Some(value)),
                4 => w.attempts.iter_mut().for_each(|c| c.key.route = RouteIx(999)),
                5 => w.requests.iter_mut().for_each(|c| (c.seconds, c.seconds_sq) = (value, value)),
                6 => w.index += (i as u64) << 40,
                7 => w.resources.iter_mut().for_each(|c| (c.waiting, c.background) = (Some(value), Some(value))),
                _ => w.attempts.iter_mut().for_each(|c| c.in_flight_s = value),
            }
        }
        h.windows.truncate(keep);
        let (d, f) = diagnose_history(&h, &Options::default(), &Ask::default());
        prop_assert!(!d.summary.is_empty());
        if let Some(f) = f {
            for d in f.demand.iter().flatten() {
                prop_assert!(d.mean.is_finite() && d.mean >= 0.0 && d.sd.is_finite(), "{d:?}");
            }
            prop_assert!(f.unexplained.is_finite());
        }
        prop_assert!(fit_arms(&h, &Options::default()).len() == 2);
        let _ = (baseline::usl(&h), baseline::textbook(&h, 10), baseline::apportioned(&h));
    }
}

/// 64 routes on 32 resources over 300 s, by regression alone. The bound is generous: it must hold while a
/// neighbour compiles.
#[test]
fn a_refit_is_quick() {
    for (what, services) in [("8 services", 8), ("all on all", 1)] {
        let history = sim::wide(services).run(1, 300, &Load::steady(150.0), &Seen::default());
        let best = (0..3)
            .map(|_| {
                let start = std::time::Instant::now();
                let f = fit(&history, &Options::default()).unwrap();
                let took = start.elapsed();
                let fitted = f
                    .demand
                    .iter()
                    .flatten()
                    .filter(|d| d.grade == Grade::Regression);
                assert!(fitted.count() >= 64 * 32 / services);
                took
            })
            .min()
            .unwrap();
        println!("refit of 64 routes x 32 resources, {what}: {best:?}");
        assert!(best.as_millis() < 1000, "{best:?}");
    }
}
