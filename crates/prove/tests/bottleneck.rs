//! A generator that fills its core. In a file of its own: beside other tests the server would be the slower one.

mod common;

use common::{Manner, serve};
use prove::{Arrivals, Flow, Plan, Process, Thresholds, run, verdict};
use std::time::Duration;

/// A million per second is more than one thread can send: its tail would tell of itself, not of the server.
#[test]
fn a_generator_that_is_the_bottleneck_shows_no_tail() {
    let server = serve(Manner::Answer);
    let mut plan = Plan::to(server.address, "/", 1e6, Duration::from_millis(300));
    plan.arrivals = Arrivals::Open {
        rate: 1e6,
        ramp_to: None,
        process: Process::Constant,
    };
    (plan.connections, plan.backlog) = (8, 20_000);
    plan.timeout = Duration::from_secs(1);
    let report = run(&plan, &mut |_| Flow::Continue).unwrap();
    let why = report.trust.clone().unwrap_err();
    assert!(why.contains("generator"), "{why}");
    assert!(report.latency.p50.is_some() && report.latency.p99.is_none());
    assert!(report.service_time.p999.is_none() && report.kinds[0].latency.max.is_none());
    let v = verdict(&report, &Thresholds::parse(["p99<1ms"]).unwrap());
    assert_eq!((v.exit_status(), v.undecided), (3, Some(why)));
}
