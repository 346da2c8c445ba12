//! What each level costs and shows: printed as `bench/replicas.md` has it, when asked for.

use crate::history::{all_wrong, play, reads};
use crate::stage::Stage;
use std::time::Duration;

/// How `cargo xtask bench replicas` asks for it.
const ASKED: &str = "PLIMSOLL_BENCH_REPLICAS";

#[test]
fn levels_side_by_side() {
    if std::env::var_os(ASKED).is_none() {
        return;
    }
    let Some(mut stage) = Stage::start() else {
        return;
    };
    println!(
        "| level | max_wait | reads | stale to their session | on a replica | waited | read p50 ms | p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (level, wait_ms) in [
        ("eventual", 0),
        ("session", 0),
        ("session", 100),
        ("bounded", 0),
        ("strong", 0),
    ] {
        stage.max_wait = Duration::from_millis(wait_ms);
        stage.restart();
        let before = stage.decided(level);
        let all = play(&stage, level, 8, Duration::from_secs(10));
        let decided = stage.decided(level);
        let of = |what| (decided[what] - before.get(what).copied().unwrap_or(0)) as f64;
        let mut took: Vec<f64> = all
            .iter()
            .flatten()
            .filter(|e| !e.write)
            .map(|e| (e.end - e.start).as_secs_f64() * 1e3)
            .collect();
        took.sort_by(f64::total_cmp);
        let at = |q: f64| {
            took.get((took.len() as f64 * q) as usize)
                .copied()
                .unwrap_or(0.0)
        };
        let (n, (own, back)) = (reads(&all).max(1) as f64, all_wrong(&all));
        let sum: f64 = ["replica", "primary", "behind", "away"]
            .map(of)
            .iter()
            .sum();
        println!(
            "| {level} | {wait_ms} ms | {n} | {:.1} % (back in time {back}) | {:.0} % | {:.0} % | {:.1} | {:.1} |",
            own as f64 / n * 100.0,
            of("replica") / sum.max(1.0) * 100.0,
            of("waited") / sum.max(1.0) * 100.0,
            at(0.5),
            at(0.99),
        );
    }
}
