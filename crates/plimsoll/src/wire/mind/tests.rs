//! What a trial is told of its two arms.

use super::*;
use base::{Arm, CellKey, Objective, ResourceInfo, RouteInfo, Window};

/// Requests per second of each arm; which of them report their lock time (milliseconds); answers within the
/// objective.
struct Side {
    requests: u32,
    reports_ms: Option<f64>,
    quick: bool,
}

fn proposal() -> Proposal {
    Proposal {
        id: "x".into(),
        kind: "cache".into(),
        title: "x".into(),
        evidence: String::new(),
        change: Change::Instruction { text: "x".into() },
        measures: "demand of buy on lock.app.stock".into(),
        predicted: Effect::new(0.5, 0.4, 0.6),
        line: None,
        line_safe: None,
        size: 1,
        cost_per_hour: 0.0,
        reverse: String::new(),
    }
}

/// `seconds` of traffic on two arms. Calls between services, all of them fast, are on the base only.
fn history(seconds: u64, base: &Side, new: &Side) -> History {
    let mut h = History {
        routes: vec![
            RouteInfo {
                name: "buy".into(),
                service: "app".into(),
                objective: Some(Objective {
                    latency_s: 0.1,
                    target: 0.99,
                    assumed: false,
                }),
                ..RouteInfo::default()
            },
            RouteInfo {
                name: "inner".into(),
                service: "db".into(),
                ..RouteInfo::default()
            },
        ],
        resources: vec![ResourceInfo::from_name("lock.app.stock")],
        ..History::default()
    };
    for index in 0..seconds {
        let mut w = Window {
            index,
            ..Window::default()
        };
        for (arm, side) in [(Arm::BASE, base), (Arm::CANARY, new)] {
            let key = CellKey {
                route: base::RouteIx(0),
                arm,
                instance: base::InstanceIx(0),
            };
            w.requests.push(cell(
                key,
                side.requests,
                if side.quick { 0.01 } else { 0.5 },
            ));
            w.attempts.push(cell(key, side.requests, 0.01));
            if let Some(ms) = side.reports_ms {
                let (n, s) = (f64::from(side.requests), ms / 1e3);
                w.uses.push(base::window::UseCell {
                    key,
                    resource: base::ResourceIx(0),
                    count: side.requests,
                    weight: 1.0,
                    of: 0.0,
                    busy_s: n * s,
                    busy_sq: n * s * s * 1.1,
                    wait_s: 0.0,
                    waits: 0,
                    calls: 0.0,
                    rows: 0.0,
                    returned: 0.0,
                });
            }
        }
        let inner = CellKey {
            route: base::RouteIx(1),
            arm: Arm::BASE,
            instance: base::InstanceIx(1),
        };
        w.requests.push(cell(inner, 200, 0.001));
        h.windows.push(Arc::new(w));
    }
    h
}

fn cell(key: CellKey, n: u32, seconds: f64) -> base::Cell {
    let mut c = base::Cell::new(key);
    (c.arrivals, c.ends, c.life) = (n, n, f64::from(n));
    c.seconds = f64::from(n) * seconds;
    c.in_flight_s = c.seconds;
    (0..n).for_each(|_| c.latency.record_secs(seconds));
    c
}

fn compare(during: &History) -> Reading {
    let mind = ModelMind {
        config: Arc::default(),
        seed: 1,
        canary_share: 0.5,
    };
    mind.compare(Comparison {
        proposal: &proposal(),
        before: &during.clone_shell(),
        during,
        by_arm: true,
    })
}

const WITHOUT: Side = Side {
    requests: 5,
    reports_ms: Some(9.0),
    quick: true,
};

#[test]
fn a_demand_that_falls_on_the_new_arm_is_an_effect() {
    let with = Side {
        reports_ms: Some(6.0),
        ..WITHOUT
    };
    let r = compare(&history(20, &WITHOUT, &with));
    let e = r.effect.unwrap();
    assert!((e.mean - 1.0 / 3.0).abs() < 1e-9 && e.low > 0.0 && e.low < e.mean && e.mean < e.high);
    assert_eq!(r.harm, None);
    assert_eq!(
        r.evidence,
        "demand of buy on lock.app.stock: 6.000 ms per request with the change (100 requests), 9.000 ms per request \
         without (100)"
    );
}

#[test]
fn what_one_arm_has_not_reported_often_enough_is_no_effect() {
    // Four requests a second for five seconds: too few reports on the new arm, enough on the other.
    let with = Side {
        requests: 4,
        ..WITHOUT
    };
    let without = Side {
        requests: 10,
        ..WITHOUT
    };
    let r = compare(&history(5, &without, &with));
    assert_eq!(r.effect, None, "{}", r.evidence);
    assert!(
        r.evidence
            .contains("not measured yet with the change (20 requests)"),
        "{}",
        r.evidence
    );
}

#[test]
fn slow_answers_of_both_arms_are_no_harm_however_many_quick_calls_one_arm_makes() {
    let slow = Side {
        quick: false,
        ..WITHOUT
    };
    assert_eq!(compare(&history(20, &slow, &slow)).harm, None);
    let harm = compare(&history(20, &WITHOUT, &slow)).harm.unwrap();
    assert_eq!(
        harm,
        "100.00 % slow requests with the change, 0.00 % without, at the same mix"
    );
}

#[test]
fn seconds_that_are_saved_matter_more_than_bytes() {
    let change = |of: &str, before, after| advice::Change {
        route: Some("product".into()),
        of: of.into(),
        before,
        after,
        ratio: model::advice::Range {
            value: after / before,
            low: after / before,
            high: after / before,
        },
    };
    let link = change("net.host.eth0", 9000.0, 6000.0);
    let lock = change("lock.front.stock", 0.04, 0.03);
    let cpu = change("cpu.front", 0.001, 0.002);
    let told = |all: &[advice::Change]| strongest(all).map(|c| c.of.clone()).unwrap();
    assert_eq!(told(&[link.clone(), lock, cpu.clone()]), "lock.front.stock");
    assert_eq!(told(&[cpu, link]), "net.host.eth0");
}
