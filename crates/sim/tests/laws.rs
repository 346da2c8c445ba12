//! The made-up world obeys the laws of queues: else it could not judge anything.

use sim::{Load, Plan, Planted, Route, See, Seen, Station, StationKind, Step, World};

fn one(kind: StationKind, steps: Vec<Step>) -> World {
    World {
        services: vec![("s".into(), 1)],
        stations: vec![Station {
            name: "lock.s.x".into(),
            kind,
            service: Some(0),
            see: See::All,
            background: 0.0,
            within: None,
        }],
        routes: vec![Route {
            name: "r".into(),
            service: 0,
            weight: 1.0,
            steps,
            hit: 0.0,
            fails: 0.0,
        }],
        canary: None,
    }
}

/// Mean response, utilisation, waiters and rate at 60 requests per second.
fn run(world: &World, seconds: u64) -> [f64; 4] {
    let steady = Load {
        swing: 0.0,
        mix_sd: 0.0,
        ..Load::steady(60.0)
    };
    let h = world.run(5, seconds, &steady, &Seen::default());
    let (mut ends, mut sum, mut busy, mut waiting) = (0.0, 0.0, 0.0, 0.0);
    for w in &h.windows {
        w.requests.iter().for_each(|c| {
            ends += f64::from(c.ends);
            sum += c.seconds;
        });
        busy += w.resources[0].busy;
        waiting += w.resources[0].waiting.unwrap_or(0.0);
    }
    let t = seconds as f64;
    [sum / ends, busy / t, waiting / t, ends / t]
}

#[test]
fn queues_follow_their_formulas() {
    let work = |scv| {
        vec![Step::Use {
            station: 0,
            mean: 0.01,
            scv,
        }]
    };
    // M/M/1 at 60 %: response S/(1-rho) = 25 ms, waiters rho^2/(1-rho) = 0.9.
    let [r, u, l, x] = run(&one(StationKind::Line(1), work(1.0)), 3000);
    assert!((r / 0.025 - 1.0).abs() < 0.05, "{r}");
    assert!(
        (u / 0.6 - 1.0).abs() < 0.03 && (l / 0.9 - 1.0).abs() < 0.12,
        "{u} {l}"
    );
    assert!((x / 60.0 - 1.0).abs() < 0.01);
    // M/D/1 waits half as long.
    let [r, ..] = run(&one(StationKind::Line(1), work(0.0)), 3000);
    assert!((r / 0.0175 - 1.0).abs() < 0.04, "{r}");
    // Processor sharing does not care about the spread.
    for scv in [0.3, 3.0] {
        let [r, ..] = run(&one(StationKind::Cpu(1.0), work(scv)), 3000);
        assert!((r / 0.025 - 1.0).abs() < 0.06, "scv {scv}: {r}");
    }
    // Slots held 40 ms by 60 per second are 2.4 on average (Little), of 3: M/D/3 or so.
    let steps = vec![
        Step::Enter(0),
        Step::Delay {
            mean: 0.04,
            scv: 0.2,
        },
        Step::Leave(0),
    ];
    let [_, u, l, _] = run(&one(StationKind::Slots(3), steps), 1000);
    assert!((u / 2.4 - 1.0).abs() < 0.03, "{u}");
    assert!(l > 0.5, "{l}");
}

#[test]
fn life_and_arrivals_agree_and_seeds_repeat() {
    let plan = Plan::random(3, 6, Planted::Disk, 0.05, 0.01);
    let load = Load::steady(plan.limit * 0.4);
    let run = |seed| {
        plan.world.run(
            seed,
            60,
            &load,
            &Seen {
                direct: true,
                ..Seen::default()
            },
        )
    };
    let (a, b) = (run(1), run(1));
    assert_eq!(a, b);
    assert_ne!(a, run(2));
    let cells = || a.windows.iter().flat_map(|w| &w.attempts);
    let life: f64 = cells().map(|c| c.life).sum();
    let ends: f64 = cells().map(|c| f64::from(c.ends)).sum();
    assert!((life / ends - 1.0).abs() < 0.002, "{life} {ends}");
    // What answers tell is what the probes see, background apart.
    let told: f64 = a
        .windows
        .iter()
        .flat_map(|w| &w.uses)
        .filter(|u| u.resource.0 == 0)
        .map(|u| u.busy_s)
        .sum();
    let seen: f64 = a
        .windows
        .iter()
        .map(|w| w.resources[0].busy - w.resources[0].background.unwrap())
        .sum();
    assert!((told / seen - 1.0).abs() < 0.01, "{told} {seen}");
}

#[test]
fn calls_are_counted_under_their_parent() {
    let mut world = one(
        StationKind::Cpu(4.0),
        vec![Step::Call { route: 1, times: 3 }],
    );
    world.routes.push(Route {
        name: "child".into(),
        service: 0,
        weight: 0.0,
        steps: vec![Step::Use {
            station: 0,
            mean: 0.001,
            scv: 1.0,
        }],
        hit: 0.0,
        fails: 0.0,
    });
    let h = world.run(1, 30, &Load::steady(20.0), &Seen::default());
    let calls: u32 = h
        .windows
        .iter()
        .flat_map(|w| &w.calls)
        .map(|c| c.count)
        .sum();
    let parents: u32 = h
        .windows
        .iter()
        .flat_map(|w| &w.requests)
        .filter(|c| c.key.route.0 == 0)
        .map(|c| c.ends)
        .sum();
    assert!(calls.abs_diff(3 * parents) <= 3, "{calls} {parents}");
}
