//! Accuracy of the fit on made-up services whose true demands are known, beside textbook estimators.
//! Run with `--nocapture` for the table.

use model::baseline;
use model::demand::{Options, fit};
use model::rank;
use sim::truth::demand_error;
use sim::{Load, Plan, Planted, Seen};

const PLANTED: [Planted; 4] = [
    Planted::Cpu,
    Planted::Database,
    Planted::Disk,
    Planted::Link,
];

fn median(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v.get(v.len() / 2).copied().unwrap_or(f64::NAN)
}

#[derive(Default)]
struct Row {
    demand: Vec<f64>,
    x_star: Vec<f64>,
    textbook: Vec<f64>,
    ten: Vec<f64>,
    apportioned: Vec<f64>,
    inside: (usize, usize),
    /// Columns that were started anew although nothing had changed.
    restarts: usize,
}

fn cell(n: u64, seconds: u64, share: f64, background: f64, seen: &Seen) -> Row {
    let mut row = Row::default();
    for i in 0..n {
        let plan = Plan::random(100 + i, 6, PLANTED[i as usize % 4], background, 0.02);
        let load = Load::steady(plan.limit * share);
        let history = plan.world.run(7000 + i, seconds, &load, seen);
        let f = fit(
            &history,
            &Options {
                span_s: seconds,
                ..Options::default()
            },
        )
        .unwrap();
        row.restarts += f
            .resources
            .iter()
            .flat_map(|r| &r.notes)
            .filter(|n| n.contains("learning since"))
            .count();
        let truth: Vec<Vec<f64>> = (0..6).map(|r| plan.world.demand(r)).collect();
        let rates: Vec<f64> = f.routes.iter().map(|r| r.rate).collect();
        let columns = [0, 2, 3, 4];
        row.demand.push(demand_error(
            &plan.world,
            &|r, k| f.demand[r][k].mean,
            &rates,
            &columns,
        ));
        for k in columns {
            let total: f64 = truth.iter().zip(&rates).map(|(d, l)| d[k] * l).sum();
            for r in (0..6).filter(|&r| truth[r][k] * rates[r] > 0.05 * total) {
                let d = f.demand[r][k];
                row.inside.0 += usize::from((d.mean - truth[r][k]).abs() < 1.645 * d.sd);
                row.inside.1 += 1;
            }
        }
        let k = plan.planted as usize;
        let mix: f64 = rates.iter().sum();
        let load: f64 = truth.iter().zip(&rates).map(|(d, l)| d[k] * l / mix).sum();
        let servers = f.resources[k].capacity;
        let background = if k == 0 || k == 3 {
            background * servers
        } else {
            0.0
        };
        let x_true = (servers - background) / load;
        let x = rank::rank(&f, 1)
            .iter()
            .find(|x| x.resource == k)
            .unwrap()
            .saturation;
        row.x_star.push((x / x_true - 1.0).abs());
        let (one, ten) = (
            baseline::textbook(&history, 1),
            baseline::textbook(&history, 10),
        );
        let apportioned = baseline::apportioned(&history);
        row.textbook.push(demand_error(
            &plan.world,
            &|r, k| one[r][k],
            &rates,
            &columns,
        ));
        row.ten.push(demand_error(
            &plan.world,
            &|r, k| ten[r][k],
            &rates,
            &columns,
        ));
        row.apportioned.push(demand_error(
            &plan.world,
            &|r, k| apportioned[r][k],
            &rates,
            &columns,
        ));
    }
    row
}

fn show(what: &str, row: &Row) -> (f64, f64, f64) {
    let coverage = row.inside.0 as f64 / row.inside.1.max(1) as f64;
    let (d, x) = (median(row.demand.clone()), median(row.x_star.clone()));
    println!(
        "{what:34} D {:5.1} %  X* {:4.1} %  inside 90 % interval {:3.0} %   textbook 1 s {:5.1} %  10 s {:5.1} %  apportioned {:5.1} %  false restarts {}",
        100.0 * d,
        100.0 * x,
        100.0 * coverage,
        100.0 * median(row.textbook.clone()),
        100.0 * median(row.ten.clone()),
        100.0 * median(row.apportioned.clone()),
        row.restarts,
    );
    (d, x, coverage)
}

/// The bounds are the targets; what is measured is in the table of `model::demand`.
#[test]
fn demands_are_found_within_fifteen_percent() {
    let lag = Seen {
        lag_s: 0.3,
        jitter_s: 0.02,
        ..Seen::default()
    };
    let (d, x, coverage) = show(
        "300 s, background measured",
        &cell(12, 300, 0.4, 0.05, &lag),
    );
    assert!(d <= 0.15, "demand error {d}");
    assert!(x <= 0.03, "X* error {x}");
    assert!((0.80..=0.97).contains(&coverage), "coverage {coverage}");
}

#[test]
fn our_own_probes_are_in_step() {
    let row = cell(12, 300, 0.4, 0.05, &Seen::default());
    let (d, x, coverage) = show("300 s, own clock", &row);
    assert!(d <= 0.15 && x <= 0.03, "D {d}, X* {x}");
    assert!((0.80..=0.97).contains(&coverage), "coverage {coverage}");
    assert!(row.restarts <= 1, "{} false restarts", row.restarts);
}

#[test]
fn an_unmeasured_background_costs_accuracy_not_sense() {
    let blind = Seen {
        background: false,
        lag_s: -0.3,
        jitter_s: 0.02,
        ..Seen::default()
    };
    let row = cell(8, 300, 0.4, 0.05, &blind);
    let (d, x, coverage) = show("300 s, background not measured", &row);
    assert!(d <= 0.2 && x <= 0.05, "D {d}, X* {x}");
    assert!(coverage >= 0.7, "coverage {coverage}");
    assert!(d < median(row.textbook));
}

#[test]
fn a_minute_at_low_load_is_enough_for_the_saturation() {
    let (_, x, _) = show(
        "60 s, 20 % load, measured",
        &cell(8, 60, 0.2, 0.05, &Seen::default()),
    );
    assert!(x <= 0.06, "X* error {x}");
}

#[test]
fn reports_beat_regression() {
    let direct = Seen {
        direct: true,
        ..Seen::default()
    };
    let (d, x, _) = show("120 s, reports", &cell(4, 120, 0.4, 0.05, &direct));
    assert!(d <= 0.05 && x <= 0.03, "D {d}, X* {x}");
}
