//! The demo's numbers out of telemetry's windows: rate and quantiles of customers' requests, by arm.

use super::picture::{ArmNow, Numbers};
use base::histogram::Histogram;
use base::{History, Window};
use std::ops::Range;
use std::sync::Arc;

/// Seconds that "now" is the mean of.
const NOW_S: u64 = 5;

/// Requests that customers made in these windows; `arm`: only those of one side of a canary.
pub fn customers(windows: &[Arc<Window>], customer: &[bool], arm: Option<u8>) -> Histogram {
    let mut all = Histogram::new();
    for c in windows.iter().flat_map(|w| &w.requests) {
        let ours = c
            .key
            .route
            .get()
            .is_some_and(|r| customer.get(r) == Some(&true));
        if ours && arm.is_none_or(|a| c.key.arm.0 == a) {
            all.merge(&c.latency);
        }
    }
    all
}

/// Which routes of a history customers ask for; the others are calls inside the shop.
pub fn customer_routes(history: &History, config: &config::Config) -> Vec<bool> {
    let inner = |name: &str| config.route(name).is_none_or(|r| r.matcher.host.is_some());
    history.routes.iter().map(|r| !inner(&r.name)).collect()
}

/// What the newest windows tell; arms are counted over the windows of the trial.
pub fn numbers(history: &History, customer: &[bool], trial: Range<u64>) -> Numbers {
    let windows = &history.windows;
    let newest = &windows[windows.len().saturating_sub(NOW_S as usize)..];
    let now = customers(newest, customer, None);
    let at = |second| windows.partition_point(|w| w.index < second);
    let trial = &windows[at(trial.start)..at(trial.end.max(trial.start))];
    let arm = |a| {
        let h = customers(trial, customer, Some(a));
        ArmNow {
            requests: h.total(),
            p50: h.quantile(0.5),
            p99: h.quantile(0.99),
        }
    };
    Numbers {
        rate: now.total() as f64 / newest.len().max(1) as f64,
        p50: now.quantile(0.5),
        p99: now.quantile(0.99),
        arms: [arm(0), arm(1)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::window::Cell;
    use base::{Arm, CellKey, InstanceIx, RouteIx};

    #[test]
    fn customers_are_counted_by_arm_and_inner_calls_are_not() {
        let cell = |route, arm, n| {
            let mut c = Cell::new(CellKey {
                route: RouteIx(route),
                arm: Arm(arm),
                instance: InstanceIx::NONE,
            });
            c.latency.record_us(10_000, n);
            c
        };
        let window = |index| Window {
            index,
            requests: vec![cell(0, 0, 40), cell(0, 1, 20), cell(1, 0, 500)],
            ..Window::default()
        };
        let history = History {
            windows: (0..20).map(window).map(Arc::new).collect(),
            ..History::default()
        };
        let n = numbers(&history, &[true, false], 17..19);
        assert_eq!(n.rate, 60.0);
        assert_eq!((n.arms[0].requests, n.arms[1].requests), (80, 40));
        assert!((n.p99.unwrap() - 0.01).abs() < 0.0005);
        assert_eq!(
            numbers(&history, &[true], u64::MAX..u64::MAX).arms[0].requests,
            0
        );
        assert_eq!(numbers(&History::default(), &[], 0..u64::MAX).rate, 0.0);
    }
}
