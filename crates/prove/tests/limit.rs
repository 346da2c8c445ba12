//! The limit finder against a server whose capacity can be measured.

mod common;

use common::{Manner, serve};
use prove::{Arrivals, FindLimit, Flow, Goal, Limit, Mode, Plan, Stopped, find_limit, run};
use std::time::Duration;

fn plan(server: &common::Server) -> Plan {
    let mut plan = Plan::to(server.address, "/", 1.0, Duration::from_secs(1));
    plan.goals = vec![Goal {
        latency: Duration::from_millis(250),
        target: 0.95,
    }];
    plan.timeout = Duration::from_secs(2);
    plan
}

/// Answers per second when it never rests.
fn capacity(server: &common::Server) -> f64 {
    let mut plan = plan(server);
    plan.arrivals = Arrivals::Closed { connections: 4 };
    run(&plan, &mut |_| Flow::Continue).unwrap().rate_achieved
}

/// The line may only be missing when the generator says that it was itself too slow.
fn check(limit: &Limit, capacity: f64, within: std::ops::Range<f64>) {
    match (&limit.stopped, limit.line_rps) {
        (Stopped::Generator(why), None) => assert!(why.contains("generator"), "{why}"),
        (Stopped::Generator(_), Some(line)) => assert!(line < capacity * within.end),
        (_, line) => {
            let ratio = line.unwrap() / capacity;
            assert!(
                within.contains(&ratio),
                "{ratio}: {limit:?}, capacity {capacity}"
            );
        }
    }
}

#[test]
fn a_ramp_finds_the_line() {
    let server = serve(Manner::Serial(Duration::from_millis(10)));
    let capacity = capacity(&server);
    let find = FindLimit {
        plan: plan(&server),
        start: 10.0,
        max: 250.0,
        mode: Mode::Quick {
            ramp: Duration::from_secs(8),
        },
        at_most: Duration::from_secs(30),
    };
    let mut seen = 0;
    let limit = find_limit(&find, &mut |p| {
        seen += usize::from(p.rate >= 10.0);
        Flow::Continue
    })
    .unwrap();
    assert!(seen > 4 && limit.method.contains("±10 %"));
    check(&limit, capacity, 0.75..1.15);
}

/// 15 s to a rate a hundred times too high say little: the ramp is repeated to a lower one.
#[test]
fn a_ramp_that_was_too_steep_is_repeated() {
    let server = serve(Manner::Serial(Duration::from_millis(10)));
    let capacity = capacity(&server);
    let find = FindLimit {
        plan: plan(&server),
        start: 5.0,
        max: 10_000.0,
        mode: Mode::Quick {
            ramp: Duration::from_secs(8),
        },
        at_most: Duration::from_secs(90),
    };
    let limit = find_limit(&find, &mut |_| Flow::Continue).unwrap();
    check(&limit, capacity, 0.75..1.15);
}

#[test]
fn nobody_there_is_no_limit() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for mode in [Mode::QUICK, Mode::BISECT] {
        let server = serve(Manner::Answer);
        let mut find = FindLimit {
            plan: plan(&server),
            start: 40.0,
            max: 400.0,
            mode,
            at_most: Duration::from_secs(90),
        };
        find.plan.target = free;
        let limit = find_limit(&find, &mut |_| Flow::Continue).unwrap();
        assert_eq!(
            (limit.line_rps, limit.stopped),
            (None, Stopped::Unanswered("connect".into()))
        );
    }
}

#[test]
fn bisecting_finds_the_line_and_ends_in_time() {
    let server = serve(Manner::Serial(Duration::from_millis(10)));
    let capacity = capacity(&server);
    let find = FindLimit {
        plan: plan(&server),
        start: 60.0,
        max: 1000.0,
        mode: Mode::Bisect {
            hold: Duration::from_secs(1),
            tolerance: 0.5,
        },
        at_most: Duration::from_secs(12),
    };
    let limit = find_limit(&find, &mut |_| Flow::Continue).unwrap();
    check(&limit, capacity, 0.6..1.2);
    assert!(
        limit
            .steps
            .iter()
            // A good one may be below its target by what is chance.
            .all(|s| s.good || s.margin.is_some_and(|m| m < 0.0)),
        "{limit:?}"
    );
}

#[test]
fn without_an_slo_there_is_no_limit() {
    let server = serve(Manner::Answer);
    let mut find = FindLimit {
        plan: plan(&server),
        start: 40.0,
        max: 10.0,
        mode: Mode::QUICK,
        at_most: Duration::from_secs(12),
    };
    let refused = |f: &FindLimit| {
        find_limit(f, &mut |_| Flow::Continue)
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&find).contains("first rate"));
    find.plan.goals.clear();
    assert!(refused(&find).contains("SLO"));
}
