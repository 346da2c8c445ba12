//! The diagnosis and its numbers on many made-up services, drawn from `sim::population`, whose truth is known from the
//! simulation's own code: `cargo run --release -p model --example simulated -- 1024` prints the tables of
//! `bench/simulated.md`; `-- --service 17` shows one service.

mod judge;
mod report;
mod shares;

use judge::Judged;
use std::sync::atomic::{AtomicU64, Ordering};

/// Services when nobody says how many.
const SERVICES: u64 = 1024;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| arguments.get(i).and_then(|n| n.parse::<u64>().ok());
    if arguments.first().is_some_and(|a| a == "--service") {
        let n = number(1).unwrap_or(0);
        print!("{}", report::one(n, &judge::judge(n, true)));
        return;
    }
    let n = number(0).unwrap_or(SERVICES);
    let all = judged(
        n,
        |i| of_each(i, 4),
        |done| {
            if done % 64 == 0 {
                eprintln!("{done} of {n} services");
            }
        },
    );
    print!("{}", report::tables(&all));
}

/// Whether it is the first of `n` services of its kind in a row.
fn of_each(service: u64, n: u64) -> bool {
    (service / sim::population::Kind::ALL.len() as u64).is_multiple_of(n)
}

/// The first `n` services, judged on all cores; the same at any number of them. Demands and lines take most of the time:
/// `numbers` says for whom.
fn judged(
    n: u64,
    numbers: impl Fn(u64) -> bool + Sync,
    progress: impl Fn(u64) + Sync,
) -> Vec<Judged> {
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<Judged> = std::thread::scope(|scope| {
        let work = || {
            let mut mine = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= n {
                    return mine;
                }
                mine.push(judge::judge(i, numbers(i)));
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        let running: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let joined = running.into_iter().map(|t| t.join());
        joined
            .flat_map(|r| r.expect("a service does not panic"))
            .collect()
    });
    all.sort_by_key(|j| j.number);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use report::Counts;

    /// The first of the services that the benchmark draws, all kinds among them.
    #[test]
    fn a_sample_of_the_population_is_answered_right() {
        let c = Counts::of(&judged(48, |i| of_each(i, 2), |_| {}));
        let median = |v: &[f64]| shares::quantile(v, 0.5);
        let off: Vec<f64> = c.lines.iter().map(|e| e.abs()).collect();
        println!(
            "sure {}, wrong {}; demand {:.3}; inside {:?}; line {:.3}, too high {} of {}",
            c.sure,
            c.sure_wrong,
            median(&c.demand),
            c.inside,
            median(&off),
            c.too_high,
            off.len()
        );
        assert!(
            c.sure >= 20 && c.sure_wrong <= 2,
            "{} of {}",
            c.sure_wrong,
            c.sure
        );
        assert!(median(&c.demand) <= 0.12);
        assert!(c.inside.0 as f64 >= 0.85 * c.inside.1 as f64);
        assert!(median(&off) <= 0.08, "{:.3}", median(&off));
    }
}
