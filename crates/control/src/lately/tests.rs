use super::*;
use base::window::CallCell;
use base::{Arm, Cell, CellKey, InstanceIx, RouteInfo, RouteIx};

fn cell(route: u16, ends: u32, errors: u32, latency_s: f64) -> Cell {
    let key = CellKey {
        route: RouteIx(route),
        arm: Arm::BASE,
        instance: InstanceIx::NONE,
    };
    let mut c = Cell::new(key);
    (c.ends, c.errors) = (ends, errors);
    c.latency.record_us((latency_s * 1e6) as u64, ends);
    c
}

/// `shop` asks `stock` once for each of its requests.
fn window(index: u64, latency_s: f64) -> Arc<Window> {
    let call = CallCell {
        parent: RouteIx(0),
        child: RouteIx(1),
        count: 40,
        seconds: 0.4,
    };
    Arc::new(Window {
        index,
        requests: vec![cell(0, 40, 1, latency_s), cell(1, 42, 0, 0.01)],
        calls: vec![call],
        ..Window::default()
    })
}

fn objectives() -> Objectives {
    let within = |latency_s| {
        Some(Objective {
            latency_s,
            target: 0.99,
            assumed: false,
        })
    };
    vec![within(0.1), None]
}

#[test]
fn traffic_from_outside_leaves_out_what_other_requests_caused() {
    let mut seconds = Seconds::default();
    let windows: Vec<_> = (0..4).map(|i| window(i, 0.05)).collect();
    seconds.take(&windows[..3], &objectives());
    seconds.take(&windows, &objectives());
    let steps = seconds.steps(300, 1000);
    assert_eq!(steps.len(), 4, "no second counts twice");
    assert_eq!((steps[0].at_s, steps[0].rate), (1001, 40.0));
    assert_eq!(steps[0].good, Some(39.0 / 40.0));
    assert!(
        (steps[0].p99_s.unwrap() - 0.05).abs() < 0.002,
        "{:?}",
        steps[0]
    );
}

#[test]
fn what_comes_too_late_is_not_good() {
    let mut seconds = Seconds::default();
    seconds.take(&[window(0, 0.3)], &objectives());
    assert_eq!(seconds.steps(60, 0)[0].good, Some(0.0));
}

#[test]
fn an_hour_has_as_many_steps_as_five_minutes_and_keeps_its_rates() {
    let mut seconds = Seconds::default();
    let windows: Vec<_> = (0..4000).map(|i| window(i, 0.05)).collect();
    seconds.take(&windows, &objectives());
    let steps = seconds.steps(KEEP_S, 0);
    assert!(
        (STEPS..=STEPS + 1).contains(&steps.len()),
        "{}",
        steps.len()
    );
    assert!(steps.iter().all(|s| s.rate == 40.0));
}

#[test]
fn each_route_has_its_own_numbers() {
    let info = |name: &str| RouteInfo {
        name: name.into(),
        ..RouteInfo::default()
    };
    let windows: Vec<_> = (0..10).map(|i| window(i, 0.05)).collect();
    let rows = routes(&windows, &[info("shop"), info("stock")], &objectives());
    assert_eq!((rows[0].rate, rows[1].rate), (40.0, 42.0));
    assert_eq!((rows[0].errors, rows[1].good), (10, Some(1.0)));
    let one = of_route(&windows, 1, &objectives(), 300, 0);
    assert_eq!((one.len(), one[0].rate), (10, 42.0));
}
