//! The generator against small real servers.

mod common;

use common::{Manner, serve};
use prove::{Arrivals, Flow, Goal, Plan, Process, Report, Thresholds, run, verdict};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn go(plan: &Plan) -> Report {
    run(plan, &mut |_| Flow::Continue).unwrap()
}

fn constant(plan: &mut Plan, rate: f64) {
    plan.arrivals = Arrivals::Open {
        rate,
        ramp_to: None,
        process: Process::Constant,
    };
}

#[test]
fn a_stalled_server_shows_in_the_latency_from_the_intended_time() {
    let server = serve(Manner::StallAt(200, Duration::from_secs(1)));
    let mut plan = Plan::to(server.address, "/", 200.0, Duration::from_secs(3));
    constant(&mut plan, 200.0);
    plan.connections = 4;
    let report = go(&plan);
    assert_eq!((report.offered, report.completed), (600, 600));
    // 200 requests were due within the stall; only the four that had a connection were sent.
    let (felt, took) = (report.latency, report.service_time);
    assert!(felt.p95.unwrap() > 0.6, "{felt:?}");
    assert!(took.p95.unwrap() < 0.3, "{took:?}");
    if let (Some(felt), Some(took)) = (felt.p99, took.p99) {
        assert!(felt > 0.8 && took < 0.5, "{felt} {took}");
    }
    assert!(report.generator.backlog_max > 100);
}

#[test]
fn a_mix_over_two_threads_counts_every_request_once() {
    let server = serve(Manner::Answer);
    let mut plan = Plan::to(server.address, "/{1..9}", 500.0, Duration::from_secs(1));
    plan.threads = 2;
    plan.warmup = Duration::from_millis(200);
    plan.mix.push(prove::plan::get("/missing"));
    plan.mix[0].weight = 3.0;
    plan.goals = vec![Goal {
        latency: Duration::from_secs(5),
        target: 0.9,
    }];
    let report = go(&plan);
    assert_eq!(report.completed, report.offered);
    assert_eq!(report.statuses.values().sum::<u64>(), report.offered);
    assert!(
        server.served.load(Ordering::Relaxed) > report.offered,
        "the warm-up is sent, not counted"
    );
    assert_eq!(report.kinds[1].statuses.keys().collect::<Vec<_>>(), [&404]);
    assert_eq!(report.kinds[0].statuses.keys().collect::<Vec<_>>(), [&200]);
    let share = report.kinds[0].offered as f64 / report.offered as f64;
    assert!((0.65..0.85).contains(&share), "{share}");
    assert!((400..600).contains(&report.offered), "{}", report.offered);
    assert_eq!((report.error_share, report.good_share), (0.0, Some(1.0)));
    let json = serde_json::to_value(&report).unwrap();
    assert!(json["latency"]["p50"].is_number() && json["kinds"][1]["statuses"]["404"].is_number());
}

#[test]
fn a_closed_loop_keeps_its_connections_busy() {
    let server = serve(Manner::Answer);
    let mut plan = Plan::to(server.address, "/", 1.0, Duration::from_millis(500));
    plan.arrivals = Arrivals::Closed { connections: 8 };
    let report = go(&plan);
    assert!(
        report.completed > 500 && report.generator.connects == 8,
        "{report:?}"
    );
    assert_eq!(report.completed, report.offered);
}

#[test]
fn a_kept_connection_that_the_server_closed_is_opened_anew() {
    let server = serve(Manner::CloseAfter);
    let mut plan = Plan::to(server.address, "/", 100.0, Duration::from_millis(500));
    constant(&mut plan, 100.0);
    plan.connections = 2;
    let report = go(&plan);
    assert_eq!(
        (report.completed, report.errors.len()),
        (50, 0),
        "{:?}",
        report.errors
    );
    assert!(report.generator.connects >= 50);
}

#[test]
fn each_failure_has_its_name() {
    for (manner, label) in [
        (Manner::Reset, "closed"),
        (Manner::Garbage, "malformed"),
        (Manner::Silent, "timeout"),
    ] {
        let server = serve(manner);
        let mut plan = Plan::to(server.address, "/", 40.0, Duration::from_millis(500));
        constant(&mut plan, 40.0);
        plan.timeout = Duration::from_millis(200);
        let report = go(&plan);
        assert_eq!(report.errors.get(label), Some(&20), "{:?}", report.errors);
        assert_eq!((report.error_share, report.completed), (1.0, 0));
    }
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut plan = Plan::to(free, "/", 40.0, Duration::from_millis(500));
    constant(&mut plan, 40.0);
    assert_eq!(go(&plan).errors.get("connect"), Some(&20));
}

#[test]
fn the_backlog_is_bounded_and_what_it_refuses_is_counted() {
    let server = serve(Manner::Silent);
    let mut plan = Plan::to(server.address, "/", 100.0, Duration::from_millis(600));
    constant(&mut plan, 100.0);
    (plan.connections, plan.backlog) = (2, 5);
    plan.timeout = Duration::from_millis(500);
    let report = go(&plan);
    let given_up = report.errors["backlog"];
    assert!(
        given_up > 30 && report.generator.backlog_max == 5,
        "{report:?}"
    );
    assert_eq!(given_up + report.errors["timeout"], 60);
    // Whoever was given up has waited for the timeout: nothing flatters the percentiles.
    assert!(report.latency.p50.unwrap() >= 0.499);
}

#[test]
fn a_run_can_be_stopped_and_says_so() {
    let server = serve(Manner::Silent);
    let mut plan = Plan::to(server.address, "/", 100.0, Duration::from_secs(60));
    plan.goals = vec![Goal {
        latency: Duration::from_millis(100),
        target: 0.9,
    }];
    let began = Instant::now();
    let report = run(&plan, &mut |p| {
        if p.offered > 20 {
            Flow::Stop
        } else {
            Flow::Continue
        }
    })
    .unwrap();
    assert!(report.stopped && began.elapsed() < Duration::from_secs(20));
    assert_eq!(report.errors["unfinished"], report.offered);
    assert!(report.measured_s < 20.0);
}

#[test]
fn a_recording_is_sent_at_its_times() {
    let server = serve(Manner::Answer);
    let mut plan = Plan::to(server.address, "/a", 1.0, Duration::from_millis(400));
    plan.mix.push(prove::plan::get("/missing"));
    plan.arrivals = Arrivals::Recorded([(0.0, 0), (0.1, 1), (0.1, 0), (0.3, 1)].into());
    let report = go(&plan);
    assert_eq!((report.kinds[0].offered, report.kinds[1].offered), (2, 2));
    assert_eq!(report.statuses[&404], 2);
}

#[test]
fn the_rate_achieved_is_what_the_service_carried_in_time() {
    let server = serve(Manner::Serial(Duration::from_millis(20)));
    let mut plan = Plan::to(server.address, "/", 200.0, Duration::from_millis(500));
    constant(&mut plan, 200.0);
    let report = go(&plan);
    assert_eq!(report.completed, 100, "the rest came after the span");
    assert!(
        (20.0..=52.0).contains(&report.rate_achieved),
        "{}",
        report.rate_achieved
    );
}

#[test]
fn thresholds_decide_the_exit_status() {
    let server = serve(Manner::Serial(Duration::from_millis(20)));
    let mut plan = Plan::to(server.address, "/", 10.0, Duration::from_millis(500));
    constant(&mut plan, 10.0);
    let report = go(&plan);
    let check =
        |texts: &[&str]| verdict(&report, &Thresholds::parse(texts.iter().copied()).unwrap());
    assert_eq!(
        check(&["p50<10s", "errors<1%", "rate>=9/s"]).exit_status(),
        0
    );
    assert_eq!(check(&["p50<19ms"]).exit_status(), 3);
    assert_eq!(check(&["rate>=50/s"]).exit_status(), 3);
    let mut doubted = report.clone();
    doubted.trust = Err("late".into());
    doubted.latency.p99 = None;
    // A little late says nothing against a limit of seconds; without a CPU to itself nothing can be said.
    (doubted.own.cpu, doubted.own.lag_p99) = (0.5, Duration::from_millis(2));
    let v = verdict(&doubted, &Thresholds::parse(["p99<10s"]).unwrap());
    assert_eq!((v.exit_status(), v.undecided), (0, None));
    doubted.own.cpu = 0.95;
    let v = verdict(&doubted, &Thresholds::parse(["p99<10s"]).unwrap());
    assert_eq!((v.exit_status(), v.undecided.as_deref()), (3, Some("late")));
}

#[test]
fn a_plan_that_makes_no_sense_is_refused_in_words() {
    let plan = Plan::to(
        ([127, 0, 0, 1], 9).into(),
        "/",
        10.0,
        Duration::from_secs(1),
    );
    let refused = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        run(&plan, &mut |_| Flow::Continue).unwrap_err().to_string()
    };
    assert!(refused(&|p| p.mix.clear()).contains("at least one request"));
    assert!(refused(&|p| p.duration = Duration::ZERO).contains("the duration"));
    assert!(refused(&|p| constant(p, f64::NAN)).contains("the rate"));
    assert!(refused(&|p| p.mix[0].path = "x".into()).contains("request 0 (x)"));
    assert!(
        refused(&|p| p.headers = vec![("Content-Length".into(), "1".into())]).contains("leave out")
    );
    assert!(
        refused(&|p| p.arrivals = Arrivals::Recorded([(0.0, 3)].into())).contains("the recording")
    );
    assert!(refused(&|p| p.cpus = vec![1 << 20]).contains("CPU"));
}
