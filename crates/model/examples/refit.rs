//! What a refit and a load line cost: `cargo run --release -p model --example refit -- 15` (repetitions). Prints a
//! table in Markdown; the budget of the refit is 50 ms for 64 routes × 32 resources.

use model::demand::{Options, fit};
use model::loadline::{self, loadline, provisional};
use model::rank;
use sim::{Load, Plan, Planted, Seen, wide};
use std::time::Instant;

fn main() {
    let n = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let n: usize = n.unwrap_or(15);
    println!("| what, over 300 windows | ms (median, range of {n}) |\n|---|---|");
    for (what, services) in [
        ("64 routes × 32 resources in 8 services", 8),
        ("64 × 32, every route may use every resource", 1),
    ] {
        let history = wide(services).run(1, 300, &Load::steady(150.0), &Seen::default());
        let learn = || fit(&history, &Options::default()).expect("300 s are enough");
        row(&format!("fit, {what}"), n, learn);
        let f = learn();
        row(&format!("ranking by 200 draws, {what}"), n, || {
            rank::rank(&f, 1)
        });
    }
    let plan = Plan::random(40, 6, Planted::Lock, 0.05, 0.02);
    let load = Load::steady(0.4 * plan.limit);
    let history = plan.world.run(7, 300, &load, &Seen::default());
    let learn = || fit(&history, &Options::default()).expect("300 s are enough");
    row("fit, 6 routes × 6 resources", n, learn);
    let f = learn();
    let options = loadline::Options::default();
    row("provisional line, 6 × 6", n, || provisional(&f, &options));
    row("load line by the twin, 6 × 6", n, || {
        loadline(&f, &options)
    });
}

fn row<T>(what: &str, n: usize, work: impl Fn() -> T) {
    let mut ms: Vec<f64> = (0..n.max(1))
        .map(|_| {
            let began = Instant::now();
            std::hint::black_box(work());
            1e3 * began.elapsed().as_secs_f64()
        })
        .collect();
    ms.sort_by(f64::total_cmp);
    println!(
        "| {what} | {:.2} ({:.2}–{:.2}) |",
        ms[ms.len() / 2],
        ms[0],
        ms[ms.len() - 1]
    );
}
